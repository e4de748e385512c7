"""Objects of many images by RunTable, on workers, and how good they are by another table."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import detectors
import pytest
from osgeo import ogr
from serving import Log

from otbtf_qgis.core import registry

pytest.importorskip("tensorflow")


def features(path: Path) -> list[str]:
    dataset = ogr.Open(str(path))
    return [each.ExportToJson() for each in dataset.GetLayer(0)]


def test_rows_of_images(tmp_path: Path) -> None:
    """The layer of each row is that of a run alone; the second table reads what the first one has made."""
    model, count = detectors.segments_detector(tmp_path), {}
    for number in (1, 2, 3):
        image, edges = detectors.drawn_discs(150, 5 * number, (4, 15), seed=number)
        detectors.scene(tmp_path / f"{number}.tif", image)
        count[str(number)] = len(edges)
    (tmp_path / "t.csv").write_text("id,IL,OUT\n" + "".join(f"{n},{n}.tif,{n}.gpkg\n" for n in (1, 2, 3)))
    values = {"operation": "DetectObjects", "table": str(tmp_path / "t.csv"), "out": str(tmp_path / "r.csv")}
    values["parameters"] = f"MODEL_DIR={model} TILESIZE=96"
    with ThreadPoolExecutor(2) as executor:
        found = registry.run("RunTable", {**values, "cluster": executor}, Log())
    assert (found["done"], found["failed"]) == (3, 0)
    with open(tmp_path / "r.csv", encoding="utf-8", newline="") as file:
        assert {row["name"]: int(row["OBJECTS"]) for row in csv.DictReader(file)} == count
    for name in count:
        alone = {"il": [str(tmp_path / f"{name}.tif")], "model.dir": model, "tilesize": 96}
        registry.run("DetectObjects", {**alone, "out": str(tmp_path / "alone.gpkg")}, Log())
        assert features(tmp_path / f"{name}.gpkg") == features(tmp_path / "alone.gpkg")
    assert registry.run("RunTable", {**values, "resume": True}, Log())["kept"] == 3
    (tmp_path / "a.csv").write_text("id,IN,REF,OUT\n" + "".join(f"{n},{n}.gpkg,{n}.gpkg,{n}.csv\n" for n in count))
    assessed = {"operation": "AssessDetections", "table": str(tmp_path / "a.csv"), "out": str(tmp_path / "s.csv")}
    assert registry.run("RunTable", assessed, Log())["done"] == 3
    with open(tmp_path / "s.csv", encoding="utf-8", newline="") as file:
        assert {row["name"]: (int(row["HITS"]), float(row["F1"])) for row in csv.DictReader(file)} == {
            name: (number, 1.0) for name, number in count.items()
        }
