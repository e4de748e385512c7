"""Cut patches of an image and of label rasters for training and validation.

    python cut_patches.py DATA PATCHES [--size 64]

DATA is the folder that CreateExampleData made; it is made here if there is none. PATCHES gets a patches image each
of the image and the labels: those in the black squares of a chessboard, labelled by the reference data A, for training,
those in the white ones, labelled by B, for validation.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from otbtf_qgis import core


def cut(data: Path, patches: Path, size: int = 64) -> None:
    """Cut the scene into patches of `size` pixels, side by side."""
    if not data.exists():
        core.run("CreateExampleData", {"outdir": str(data)})
    patches.mkdir(parents=True, exist_ok=True)
    image = str(data / "xs_10m.tif")
    places = {"training": patches / "training.gpkg", "validation": patches / "validation.gpkg"}
    core.run(
        "PatchesSelection",
        {
            "in": image,
            "grid.step": size,
            "grid.psize": size,
            "strategy": "chessboard",
            "outtrain": str(places["training"]),
            "outvalid": str(places["validation"]),
        },
    )
    for name, truth in (("training", "terrain_truth_A.tif"), ("validation", "terrain_truth_B.tif")):
        found = core.run(
            "PatchesExtraction",
            {
                "source1.il": [image],
                "source1.patchsizex": size,
                "source1.patchsizey": size,
                "source1.out": str(patches / f"{name}_image.tif"),
                "source2.il": [str(data / truth)],
                "source2.patchsizex": size,
                "source2.patchsizey": size,
                "source2.out": str(patches / f"{name}_labels.tif"),
                "nodata_from_layer": False,  # keep patches that are only partly labelled
                "vec": str(places[name]),
                "field": "id",
            },
        )
        print(f"{name}: {found['patches']} patches")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("patches", type=Path)
    parser.add_argument("--size", type=int, default=64)
    arguments = parser.parse_args()
    cut(arguments.data, arguments.patches, arguments.size)
