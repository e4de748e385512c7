"""LandCoverMap over several scenes: what is learned from which, and how good the maps are said to be."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from landcover_scene import COLUMNS, LABELS, ROWS, SIDE, parcels, sparse
from osgeo import gdal, ogr, osr
from polygon_scene import Log, X, Y, box, layer, raster

from otbtf_qgis.core import registry
from otbtf_qgis.core.accuracy.scores import class_scores
from otbtf_qgis.core.errors import Cancelled, OtbtfError, as_key, worded

EAST = X + 10 * COLUMNS
"""Where the second scene begins."""


class Told(Log):
    """Keeps lines of information, too."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(str(worded(message, as_key)))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def image(path: Path, seed: int, epsg: int = 32631, x: float = X, bands: int = 3) -> tuple[str, np.ndarray]:
    """An image by one rule, the band of a pixel's class is bright; and the number of the class of each pixel."""
    numbers = (parcels() + seed) % 3
    pixels = np.random.default_rng(seed).integers(20, 120, (3, ROWS, COLUMNS))
    np.put_along_axis(pixels, numbers[None], 160, axis=0)
    written = raster(path, pixels[:bands], x=x)
    if epsg != 32631:
        system = osr.SpatialReference()
        system.ImportFromEPSG(epsg)
        gdal.Open(written, gdal.GA_Update).SetProjection(system.ExportToWkt())
    return written, numbers


def table(path: Path, *rows: dict[str, Any]) -> str:
    with open(path, "w", newline="", encoding="utf-8") as file:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Three images by one rule, labels of the first and the second as rasters, of the third as points in its zone."""
    folder = tmp_path_factory.mktemp("scenes")
    first, numbers = image(folder / "first.tif", 0)
    second, others = image(folder / "second.tif", 1, x=EAST)
    third, _ = image(folder / "third.tif", 2, epsg=32632)
    few = sparse(others)
    few[few == 9] = -1  # a class that this scene lacks
    return {
        "folder": str(folder),
        "first": first,
        "second": second,
        "third": third,
        "labels": raster(folder / "labels.tif", sparse(numbers), nodata=-1),
        "others": raster(folder / "others.tif", few, nodata=-1, x=EAST),
        "all": raster(folder / "all.tif", sparse(others), nodata=-1, x=EAST),
    }


def run(scene: dict[str, str], folder: Path, scenes: str, progress: Any = None, **values: Any) -> dict[str, Any]:
    given = {
        "in": [scene["first"]],
        "labels.raster": scene["labels"],
        "scenes": scenes,
        "epochs": 2,
        "samples": 60,
        "out": str(folder / "map.tif"),
    }
    given.update({key.replace("__", "."): value for key, value in values.items()})
    return registry.run("LandCoverMap", given, progress or Told())


def test_accuracy_is_that_of_the_scene_held_back(scene: dict[str, str], tmp_path: Path) -> None:
    """The report's numbers are those that follow from the map of the scene, looked up at its samples."""
    rows = table(
        tmp_path / "scenes.csv",
        {"name": "east", "in": scene["second"], "labels_raster": scene["all"], "held_back": "yes"},
    )
    log, steps = Told(), tmp_path / "steps"
    report = tmp_path / "report.html"
    results = run(
        scene, tmp_path, rows, log, template="cnn16_deep", patchsize=1, keep=str(steps), out__report=str(report)
    )
    assert [made["scene"] for made in results["maps"]] == ["first", "east"]
    assert results["maps"][1]["out"] == str(tmp_path / "map_east.tif")
    dataset = gdal.Open(results["maps"][1]["out"])
    assert dataset.GetGeoTransform() == gdal.Open(scene["second"]).GetGeoTransform()
    made = dataset.ReadAsArray()
    points = ogr.Open(str(steps / "east" / "samples_validation.gpkg"))
    known, found = [], []
    for feature in points.GetLayer(0):
        geometry = feature.GetGeometryRef()
        known.append(feature["class"])
        found.append(made[int((Y - geometry.GetY()) // 10), int((geometry.GetX() - EAST) // 10)])
    assert len(known) == results["samples_validation"] == 3 * 60
    assert results["samples_training"] == 3 * 60, "nothing else is held back"
    assert not (steps / "first" / "samples_validation.gpkg").exists()
    scores = class_scores(known, found, LABELS)
    assert results["overall_accuracy"] == pytest.approx(scores.overall_accuracy)
    assert results["kappa"] == pytest.approx(scores.kappa)
    assert scores.overall_accuracy > 0
    page = report.read_text(encoding="utf-8")
    assert "Validation is on the scenes held back (east)" in page
    assert "Scenes held back for validation: east." in log.text


class StopsAt(Told):
    """Asks to stop once a line is told."""

    def __init__(self, line: str) -> None:
        super().__init__()
        self.line = line

    def cancelled(self) -> bool:
        return self.line in self.lines


def test_what_is_left_when_the_run_ends_between_maps(scene: dict[str, str], tmp_path: Path) -> None:
    """The report says of which scene the accuracy is, though this one has no map."""
    rows = table(tmp_path / "scenes.csv", {"in": scene["second"], "labels_raster": scene["all"], "held_back": "yes"})
    report, model = tmp_path / "report.html", tmp_path / "net.keras"
    values = {"template": "cnn16_deep", "patchsize": 1, "epochs": 1, "out__keras": str(model)}
    with pytest.raises(Cancelled):
        run(scene, tmp_path, rows, StopsAt("second: Mapping the image."), out__report=str(report), **values)
    assert "Validation is on the scenes held back (second)" in report.read_text(encoding="utf-8")
    assert gdal.Open(str(tmp_path / "map.tif")).RasterXSize == COLUMNS and model.is_file()
    assert not [path.name for path in tmp_path.iterdir() if "second" in path.name or path.name.startswith(".")]


def test_samples_are_shared_evenly_and_classes_joined(scene: dict[str, str], tmp_path: Path) -> None:
    """The second scene lacks a class, the third is in another zone, and its labels are points."""
    zone = [
        (LABELS[(row // SIDE + 2 * (column // SIDE) + 2) % 3], column, row)
        for row in range(4, ROWS, 7)
        for column in range(4, COLUMNS, 7)
    ]
    points = layer(tmp_path / "points.gpkg", [], ogr.OFTInteger, epsg=32632)
    write_points(points, zone)
    rows = table(
        tmp_path / "scenes.csv",
        {"in": scene["second"], "labels_raster": scene["others"], "labels_vector": "", "labels_field": ""},
        {"in": scene["third"], "labels_raster": "", "labels_vector": points, "labels_field": "class"},
    )
    log, steps = Told(), tmp_path / "steps"
    results = run(
        scene, tmp_path, rows, log, template="cnn16_deep", patchsize=1, keep=str(steps), validation__share=0.0
    )
    used = {name: classes(steps / name / "samples_training.gpkg") for name in ("first", "second", "third")}
    assert used == {"first": {3: 20, 5: 20, 9: 30}, "second": {3: 20, 5: 20}, "third": {3: 20, 5: 20, 9: 30}}
    assert "Class 9 has no samples in second." in log.text
    assert [entry["value"] for entry in results["classes"]] == list(LABELS)
    for name in ("second", "third"):
        made = gdal.Open(str(tmp_path / f"map_{name}.tif"))
        assert made.GetProjection() == gdal.Open(scene[name]).GetProjection()


def write_points(path: str, places: list[tuple[int, int, int]]) -> None:
    """Add points, in the middle of pixels, to a layer whose coordinates are those of its own zone."""
    dataset = ogr.Open(path, 1)
    target = dataset.GetLayer(0)
    for label, column, row in places:
        feature = ogr.Feature(target.GetLayerDefn())
        feature["class"] = label
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT({X + 10 * column + 5} {Y - 10 * row - 5})"))
        target.CreateFeature(feature)


def classes(path: Path) -> dict[int, int]:
    dataset = ogr.Open(str(path))
    found = [feature["class"] for feature in dataset.GetLayer(0)]
    return {label: found.count(label) for label in sorted(set(found))}


def test_tiles_of_several_scenes(scene: dict[str, str], tmp_path: Path) -> None:
    rows = table(
        tmp_path / "scenes.csv",
        {"name": "east", "in": scene["second"], "labels_raster": scene["all"], "held_back": "1"},
    )
    values = {"template": "fcnn", "patchsize": 32, "samples": 8, "epochs": 1, "baseline": True}
    results = run(scene, tmp_path, rows, **values, out__report=str(tmp_path / "report.html"))
    assert (results["mode"], results["samples_training"], results["samples_validation"]) == ("dense", 8, 8)
    assert (tmp_path / "map_east.tif").is_file() and "baseline_kappa" in results


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({}, "IN is missing: every scene has an image"),
        ({"in": "few.tif"}, "scene few has 2 bands, but first has 3"),
        ({"in": "first.tif"}, "two scenes are called first"),
        ({"in": "first.tif", "name": "again"}, "first and again are the same image"),
        ({"in": "link.tif"}, "first and link are the same image"),
        ({"in": "second.tif", "labels_raster": "elsewhere.tif"}, "elsewhere.tif.*do not overlap"),
        ({"in": "second.tif", "held_back": "perhaps"}, "held_back is 'perhaps', but must be yes or no"),
        ({"in": "second.tif", "epochs": "3"}, "column epochs is nothing that a scene can have of its own"),
        ({"in": "second.tif", "label_raster": "all.tif"}, "column label_raster is nothing"),
        ({"in": "second.tif", "name": "a/b"}, "called 'a/b'"),
        ({"in": "second.tif", "name": "a\nb"}, "called 'a.nb'.*leave out line ends"),
        ({"in": "second.tif", "name": "x" * 101}, "too long for the names of its files"),
        ({"in": "second.tif", "name": "history.csv"}, "called history.csv, as a file of the steps is"),
        ({"in": "second.tif", "out": "second.tif"}, "OUT of the scene second is .*, which is also an input"),
        ({"in": "second.tif", "out": "water.tif"}, "OUT of the scene second is .*, which is also an input"),
        ({"in": "second.tif", "labels_raster": "all.tif", "labels_vector": "x.gpkg"}, "both given: keep one"),
        ({"in": "second.tif", "labels_vector": "polygons.gpkg"}, "LABELS_FIELD is missing"),
        ({"in": "missing.tif"}, "missing.tif"),
        (
            {"in": "second.tif", "labels_raster": "named.tif"},
            "Class 3 is wood in the scene second, but class 3 is water",
        ),
        (
            {"in": "second.tif", "labels_vector": "names.gpkg", "labels_field": "class"},
            "numbers in the scene first, but names in second",
        ),
        ({"in": "second.tif", "labels_raster": "only.tif", "held_back": "yes"}, "Class 7 has labels in second only"),
    ],
)
def test_bad_input_is_refused_before_anything_is_learned(
    scene: dict[str, str], row: dict[str, str], told: str, bad: Path, tmp_path: Path
) -> None:
    rows = table(
        bad / "scenes.csv", {"name": "", "labels_raster": "all.tif", **row} if "labels_vector" not in row else row
    )
    out = tmp_path / "map.tif"
    with pytest.raises(OtbtfError, match=re.compile(told, re.DOTALL)):
        run(scene, tmp_path, rows, labels__raster=str(bad / "water.tif"), out=str(out))
    assert not list(tmp_path.iterdir())


def test_maps_of_several_scenes_are_files(scene: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(OtbtfError, match="OUT is /vsimem/map.tif, which is in memory"):
        run(scene, tmp_path, "scenes.csv", out="/vsimem/map.tif")


@pytest.fixture(scope="module")
def bad(scene: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What scenes cannot be, beside what they can."""
    folder = Path(scene["folder"])
    (folder / "link.tif").symlink_to(scene["first"])
    few, numbers = image(folder / "few.tif", 1, x=EAST, bands=2)
    raster(folder / "elsewhere.tif", sparse(numbers), nodata=-1, x=X + 1e6)
    only = sparse(numbers)
    only[only == 9] = 7
    raster(folder / "only.tif", only, nodata=-1, x=EAST)
    for name, labels, x, called in (("water", parcels(), X, "water"), ("named", numbers, EAST, "wood")):
        path = raster(folder / f"{name}.tif", sparse(labels), nodata=-1, x=x)
        dataset = gdal.Open(path, gdal.GA_Update)
        dataset.GetRasterBand(1).SetCategoryNames(["", "", "", called])
        dataset = None
    squares = [
        ("wood" if column % 2 else "crops", box(column * SIDE + 128, 2, column * SIDE + 140, 14)) for column in range(8)
    ]
    layer(folder / "names.gpkg", squares, ogr.OFTString)
    layer(folder / "polygons.gpkg", squares, ogr.OFTString)
    return folder
