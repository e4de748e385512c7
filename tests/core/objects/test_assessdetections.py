"""AssessDetections: from two layers to scores and a layer of errors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from osgeo import ogr, osr
from serving import Log, write

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import OtbtfError

UTM = 32631


def layer(path: Path, boxes: Sequence[Any], code: int = UTM, points: bool = False, **columns: Sequence[Any]) -> str:
    """Write boxes (x1, y1, x2, y2 in m from a corner), or their middles, with fields."""
    system = osr.SpatialReference()
    system.ImportFromEPSG(code)
    system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    here = osr.SpatialReference()
    here.ImportFromEPSG(UTM)
    here.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    made = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    out = made.CreateLayer("objects", system, ogr.wkbPoint if points else ogr.wkbPolygon)
    for name, values in columns.items():
        kind = ogr.OFTString if isinstance(values[0], str) else ogr.OFTReal if name == "score" else ogr.OFTInteger
        out.CreateField(ogr.FieldDefn(name, kind))
    for number, (x1, y1, x2, y2) in enumerate(boxes):
        x1, x2, y1, y2 = 500_000 + x1, 500_000 + x2, 4_800_000 + y1, 4_800_000 + y2
        text = f"POLYGON (({x1} {y1}, {x2} {y1}, {x2} {y2}, {x1} {y2}, {x1} {y1}))"
        shape = ogr.CreateGeometryFromWkt(f"POINT ({(x1 + x2) / 2} {(y1 + y2) / 2})" if points else text)
        shape.Transform(osr.CoordinateTransformation(here, system))
        feature = ogr.Feature(out.GetLayerDefn())
        feature.SetGeometry(shape)
        for name, values in columns.items():
            if values[number] is not None:
                feature.SetField(name, values[number])
        out.CreateFeature(feature)
    made = out = None
    return str(path)


REFERENCE = [(0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10), (0, 50, 20, 70)]
CLASSES = [1, 1, 1, 2]
FOUND = [(0, 0, 10, 9), (0, 1, 10, 10), (21, 0, 31, 10), (80, 0, 90, 10), (0, 50, 20, 66), (40, 0, 50, 10)]
"""A hit, the same again, a hit, a false alarm, a hit of the other class, and one of the wrong class."""
SCORES, OF = [0.95, 0.9, 0.6, 0.55, 0.8, 0.7], [1, 1, 1, 1, 2, 2]


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("layers")
    names = ["tree" if value == 1 else "car" for value in OF]
    return SimpleNamespace(
        found=layer(folder / "found.gpkg", FOUND, **{"class": OF, "name": names, "score": SCORES}),
        reference=layer(folder / "reference.gpkg", REFERENCE, **{"class": CLASSES}),
    )


def assess(folder: Path, found: str, reference: str, **values: Any) -> SimpleNamespace:
    log = Log()
    given = {"in": found, "ref": reference, "ref.field": "class", "out": str(folder / "scores.csv"), **values}
    given = {key: value for key, value in given.items() if value is not None}
    results = registry.run("AssessDetections", given, log)
    table = ogr.Open(results["out"])
    rows = {(row["class"], round(float(row["score"]), 2)): row.items() for row in table.GetLayer(0)}
    return SimpleNamespace(results=results, rows=rows, log=log)


def test_hits_misses_and_false_alarms_of_each_class(layers: SimpleNamespace, tmp_path: Path) -> None:
    more = {"out.errors": str(tmp_path / "errors.gpkg"), "out.report": str(tmp_path / "report.html")}
    run = assess(tmp_path, layers.found, layers.reference, **more)
    assert (run.results["hits"], run.results["misses"], run.results["falsealarms"]) == (3, 1, 3)
    assert run.results["f1"] == pytest.approx(6 / 10)
    row = run.rows["1", 0.5]
    assert [int(row[name]) for name in ("hits", "misses", "falsealarm")] == [2, 1, 2]
    assert [float(row[name]) for name in ("precision", "recall", "f1")] == pytest.approx([2 / 4, 2 / 3, 4 / 7])
    assert [int(run.rows["all", 0.75][name]) for name in ("hits", "misses", "falsealarm")] == [2, 2, 1]
    assert [int(run.rows["2", 0.75][name]) for name in ("hits", "misses", "falsealarm")] == [1, 0, 0]
    # class 1 at 0.5: hit, false alarm, hit, false alarm of three objects; class 2: hit, false alarm of one
    assert run.results["ap50"] == pytest.approx(((34 + 33 * 2 / 3) / 101 + 1) / 2)
    # overlaps of the hits: 0.9 and 9/11 of class 1 (seven and nine thresholds), 0.8 of class 2 (seven)
    one, two = (34 + 33 * 2 / 3) / 101, 34 / 101
    assert run.results["ap"] == pytest.approx(((7 * one + 2 * two) / 10 + 7 / 10) / 2)
    assert (run.results["best.score"], run.results["best.f1"]) == (pytest.approx(0.6), pytest.approx(6 / 9))
    errors = ogr.Open(str(tmp_path / "errors.gpkg"))
    kinds = [(row["kind"], row["class"]) for row in errors.GetLayer(0)]
    assert sorted(kinds) == sorted(
        [("hit", "1")] * 2 + [("hit", "2"), ("miss", "1")] + [("false alarm", "1")] * 2 + [("false alarm", "2")]
    )
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "AP50" in page and "data:image/png" in page
    assert {item["name"]: item["hits"] for item in json.loads(run.results["classes"])} == {"1": 2, "2": 1}


def test_points_in_another_coordinate_system_are_hit_by_what_contains_them(
    layers: SimpleNamespace, tmp_path: Path
) -> None:
    points = layer(tmp_path / "points.gpkg", REFERENCE, 4326, True, kind=["tree", "tree", "tree", "car"])
    more = {"ref.field": "kind", "in.field": "name", "out.errors": str(tmp_path / "errors.gpkg")}
    run = assess(tmp_path, layers.found, points, **more)
    assert (run.results["hits"], run.results["misses"], run.results["falsealarms"]) == (3, 1, 3)
    assert run.results["ap"] == pytest.approx(run.results["ap50"])
    errors = ogr.Open(str(tmp_path / "errors.gpkg"))
    (missed,) = [row.GetGeometryRef().GetEnvelope() for row in errors.GetLayer(0) if row["kind"] == "miss"]
    assert missed == pytest.approx((500_040, 500_050, 4_800_000, 4_800_010), abs=0.5)


def test_without_a_class_field_classes_are_not_compared(layers: SimpleNamespace, tmp_path: Path) -> None:
    run = assess(tmp_path, layers.found, layers.reference, **{"ref.field": None})
    assert (run.results["hits"], run.results["misses"], run.results["falsealarms"]) == (4, 0, 2)
    assert {name for name, _ in run.rows} == {"all"}


def test_reference_outside_the_image_is_left_out_and_told(layers: SimpleNamespace, tmp_path: Path) -> None:
    place = (500_000.0, 1.0, 0.0, 4_800_040.0, 0.0, -1.0)
    image = write(tmp_path / "image.tif", np.zeros((40, 60, 1), "uint8"), place, UTM)
    run = assess(tmp_path, layers.found, layers.reference, image=image)
    assert any("1 of 4 objects" in warning for warning in run.log.warnings)
    elsewhere = write(tmp_path / "other.tif", np.zeros((4, 4, 1), "uint8"), (0.0, 1.0, 0.0, 9.0, 0.0, -1.0), UTM)
    with pytest.raises(OtbtfError, match="outside the image"):
        assess(tmp_path, layers.found, layers.reference, image=elsewhere)


def test_classes_that_are_numbered_differently_are_told(layers: SimpleNamespace, tmp_path: Path) -> None:
    other = layer(tmp_path / "other.gpkg", REFERENCE, **{"class": [0, 0, 0, 1]})
    (warning,) = assess(tmp_path, layers.found, other).log.warnings
    assert "Only the detections have the classes 2, and only the reference has 0." in warning
    fewer = layer(tmp_path / "fewer.gpkg", REFERENCE, **{"class": [1, 1, 1, 1]})
    assert assess(tmp_path, layers.found, fewer).log.warnings == []


def test_no_detection(layers: SimpleNamespace, tmp_path: Path) -> None:
    empty = layer(tmp_path / "empty.gpkg", [], **{"class": [1], "score": [0.5]})
    run = assess(tmp_path, empty, layers.reference, **{"out.errors": str(tmp_path / "errors.gpkg")})
    assert (run.results["hits"], run.results["misses"], run.results["falsealarms"]) == (0, 4, 0)
    assert run.results["ap"] == 0
    assert "precision" not in run.results


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"in.field": "name"}, "none in common"),
        ({"in.score": "name"}, "IN_SCORE"),
        ({"in.field": "colour"}, "no field"),
        ({"iou": 0}, "IOU"),
        ({"in": "reference"}, "no field"),
    ],
)
def test_bad_input(values: dict[str, Any], message: str, layers: SimpleNamespace, tmp_path: Path) -> None:
    values = {key: layers.reference if value == "reference" else value for key, value in values.items()}
    with pytest.raises(OtbtfError, match=message):
        assess(tmp_path, layers.found, layers.reference, **values)
    assert list(tmp_path.iterdir()) == []
