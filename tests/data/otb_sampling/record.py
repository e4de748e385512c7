"""Record what OTB makes of the scene of tests/core/support/otb_scene.py. Needs OTB (Debian's otb-bin) and GDAL.

/usr/bin/python3 tests/data/otb_sampling/record.py
"""

from __future__ import annotations

import csv
import json
import os
import re
import statistics as numbers_of
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from osgeo import ogr

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "core" / "support"))
from otb_scene import (  # noqa: E402
    AUGMENTATIONS,
    AUGMENTED_FEATURES,
    AUGMENTED_LABEL,
    LAYERS,
    SELECTIONS,
    make,
    make_samples,
)

AUGMENTED_ROWS = 150
"""Of samples drawn at random as many are kept, beside the statistics of all."""

WITHOUT_POSITIONS = ("all", "total_too_many", "random", "jitter")
"""Of these cases only the numbers are kept: they are large, or drawn at random."""


def otb(application: str, folder: Path, **parameters: str) -> None:
    """Run an application in `folder`."""
    words = [word for key, value in parameters.items() for word in (f"-{key}", *value.split(" "))]
    command = [f"otbcli_{application}", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode or "(FATAL)" in done.stdout + done.stderr:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def statistics(path: Path) -> dict[str, dict[str, int]]:
    """Return what a file of statistics says."""
    found: dict[str, dict[str, int]] = {}
    for name, body in re.findall(r'<Statistic name="(\w+)">(.*?)</Statistic>', path.read_text(), re.DOTALL):
        entries = re.findall(r'key="(.*?)" value="(\d+)"', body)
        found[name] = {key: int(value) for key, value in sorted(entries, key=lambda e: (len(e[0]), e[0]))}
    return found


def augmentations(folder: Path) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    """Return the new samples of each case, and the statistics of their features: mean, standard deviation, extremes."""
    make_samples(folder)
    rows, found = [], {}
    fields = ("name", "class", "originfid", *AUGMENTED_FEATURES)
    for case, given in AUGMENTATIONS.items():
        out = folder / f"augmented_{case}.gpkg"
        layer = {"in": "samples.gpkg", "field": "class", "label": str(AUGMENTED_LABEL), "out": out.name}
        otb("SampleAugmentation", folder, **layer, **given, exclude="class originfid")
        made = features(out, fields)
        rows += [(case, *row) for row in (made[:AUGMENTED_ROWS] if "seed" in given else made)]
        columns = list(zip(*made))[-len(AUGMENTED_FEATURES) :]
        found[case] = {
            name: [numbers_of.mean(column), numbers_of.pstdev(column), min(column), max(column)]
            for name, column in zip(AUGMENTED_FEATURES, columns)
        }
    return rows, found


def features(path: Path, fields: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Return the points of a layer: x, y and the values of `fields`."""
    dataset = ogr.Open(str(path))
    rows = []
    for feature in dataset.GetLayer(0):
        geometry = feature.GetGeometryRef()
        rows.append((f"{geometry.GetX():.9g}", f"{geometry.GetY():.9g}", *(feature[field] for field in fields)))
    return rows


def main() -> None:
    """Write the record beside this file."""
    os.environ["OTB_LOGGER_LEVEL"] = "WARNING"
    counts: dict[str, Any] = {}
    rates: dict[str, str] = {}
    numbers: dict[str, Counter[str]] = {}
    samples: list[tuple[Any, ...]] = []
    values: list[tuple[Any, ...]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make(folder)
        for layer in LAYERS:
            vector = {"in": "image.tif", "vec": f"{layer}.gpkg", "field": "class"}
            for mask in ("", "mask.tif"):
                case, masked = f"{layer} {mask}".strip(), {"mask": mask} if mask else {}
                stem = f"{layer}_{mask[:4]}"
                otb("PolygonClassStatistics", folder, **vector, **masked, out=f"{stem}.xml")
                counts[case] = statistics(folder / f"{stem}.xml")
                given = {**vector, **masked, "instats": f"{stem}.xml", "out": f"{stem}.gpkg"}
                names = SELECTIONS if layer == "polygons" and not mask else ("percent",)
                for name in names:
                    (folder / f"{stem}.gpkg").unlink(missing_ok=True)
                    otb("SampleSelection", folder, **given, **SELECTIONS[name], outrates="rates.csv")
                    rates[f"{case} {name}"] = (folder / "rates.csv").read_text()
                    rows = features(folder / f"{stem}.gpkg", ("class", "originfid"))
                    numbers[f"{case} {name}"] = Counter(str(row[2]) for row in rows)
                    if name not in WITHOUT_POSITIONS:
                        samples += [(f"{case} {name}", *row) for row in rows]
                otb("SampleExtraction", folder, **{**vector, "vec": f"{stem}.gpkg"}, out=f"values_{stem}.gpkg")
                rows = features(folder / f"values_{stem}.gpkg", ("originfid", "value_0", "value_1"))
                values += [(case, *row) for row in rows]
        augmented, spread = augmentations(folder)
    (HERE / "statistics.json").write_text(json.dumps(counts, indent=0) + "\n")
    (HERE / "rates.json").write_text(json.dumps(rates, indent=0) + "\n")
    (HERE / "numbers.json").write_text(json.dumps(numbers, indent=0) + "\n")
    (HERE / "augmented.json").write_text(json.dumps(spread, indent=0) + "\n")
    _write(HERE / "augmented.csv", ("case", "x", "y", "name", "class", "originfid", *AUGMENTED_FEATURES), augmented)
    _write(HERE / "samples.csv", ("case", "x", "y", "class", "originfid"), samples)
    _write(HERE / "values.csv", ("layer", "x", "y", "originfid", "value_0", "value_1"), values)


def _write(path: Path, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
