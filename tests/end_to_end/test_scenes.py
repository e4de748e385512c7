"""Several scenes in one run of qgis_process: relative paths in the table, and a map for each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, osr


def write(path: Path, pixels: np.ndarray, west: float) -> str:
    bands, height, width = pixels.shape
    raster = gdal.GetDriverByName("GTiff").Create(str(path), width, height, bands, gdal.GDT_Int16)
    system = osr.SpatialReference()
    system.ImportFromEPSG(32631)
    raster.SetProjection(system.ExportToWkt())
    raster.SetGeoTransform((west, 10, 0, 4_800_000, 0, -10))
    for number, band in enumerate(pixels, 1):
        raster.GetRasterBand(number).WriteArray(band)
        raster.GetRasterBand(number).SetNoDataValue(-1)
    return str(path)


def test_each_scene_gets_its_map_and_one_is_held_back(qgis: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number, name in enumerate(("first", "east")):
        classes = np.kron(random.integers(0, 2, (4, 6)), np.ones((8, 8), int))
        write(tmp_path / f"{name}.tif", np.stack([50 + 100 * classes, 150 - 100 * classes]), 500_000 + 1000 * number)
        write(tmp_path / f"{name}_labels.tif", classes[None], 500_000 + 1000 * number)
    (tmp_path / "scenes.csv").write_text("IN,LABELS_RASTER,HELD_BACK\neast.tif,east_labels.tif,yes\n")
    results = qgis.run(
        "otbtf:landcovermap",
        {
            "IN": str(tmp_path / "first.tif"),
            "LABELS_RASTER": str(tmp_path / "first_labels.tif"),
            "SCENES": str(tmp_path / "scenes.csv"),
            "TEMPLATE": "cnn16_deep",
            "MODE": "patches",
            "PATCHSIZE": 1,
            "SAMPLES": 200,
            "EPOCHS": 10,
            "OUT": str(tmp_path / "map.tif"),
        },
    )
    maps = json.loads(results["MAPS"])
    assert [(row["scene"], row["held_back"]) for row in maps] == [("first", False), ("east", True)]
    assert results["SAMPLES_VALIDATION"] == 400
    made, truth = (gdal.Open(path).ReadAsArray() for path in (maps[1]["out"], str(tmp_path / "east_labels.tif")))
    assert (made == truth).mean() > 0.95 and results["OVERALL_ACCURACY"] > 0.95
