"""AssessDetections: from two layers to scores and a layer of errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from osgeo import ogr, osr
from serving import Log, write

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import Cancelled, OtbtfError, ParameterError

UTM = 32631


@pytest.fixture(params=[False, True], ids=["codes", "exceptions"])
def gdal_exceptions(request: pytest.FixtureRequest) -> Iterator[None]:
    """GDAL as it tells of errors by codes, and by exceptions."""
    before = ogr.GetUseExceptions()
    (ogr.UseExceptions if request.param else ogr.DontUseExceptions)()
    yield
    (ogr.UseExceptions if before else ogr.DontUseExceptions)()


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
    for number, box in enumerate(boxes):
        if isinstance(box, str):
            shape, x1, y1, x2, y2 = ogr.CreateGeometryFromWkt(box), 0, 0, 0, 0
        else:
            shape, (x1, y1, x2, y2) = None, box
        x1, x2, y1, y2 = 500_000 + x1, 500_000 + x2, 4_800_000 + y1, 4_800_000 + y2
        text = f"POLYGON (({x1} {y1}, {x2} {y1}, {x2} {y2}, {x1} {y2}, {x1} {y1}))"
        shape = shape or ogr.CreateGeometryFromWkt(f"POINT ({(x1 + x2) / 2} {(y1 + y2) / 2})" if points else text)
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


def test_points_that_are_detected_are_hits_in_polygons(layers: SimpleNamespace, tmp_path: Path) -> None:
    points = layer(tmp_path / "points.gpkg", FOUND, points=True, **{"class": OF, "score": SCORES})
    more = {"out.errors": str(tmp_path / "errors.gpkg"), "out.report": str(tmp_path / "report.html")}
    run = assess(tmp_path, points, layers.reference, **more)
    assert (run.results["hits"], run.results["misses"], run.results["falsealarms"]) == (3, 1, 3)
    assert run.results["ap"] == pytest.approx(run.results["ap50"])
    errors = ogr.Open(str(tmp_path / "errors.gpkg"))
    alarms = [row.GetGeometryRef().GetEnvelope() for row in errors.GetLayer(0) if row["kind"] == "false alarm"]
    beside = (500_080, 500_090, 4_800_000, 4_800_010)  # as large as most of the reference
    assert beside in [tuple(round(edge) for edge in alarm) for alarm in alarms]
    assert "a point in a polygon" in " ".join(run.log.infos)
    assert "A hit is a point in a polygon" in (tmp_path / "report.html").read_text(encoding="utf-8")
    with pytest.raises(ParameterError, match="IN and REF both hold points"):
        assess(tmp_path, points, points)


def test_a_field_that_is_empty_in_all_features_is_named(layers: SimpleNamespace, tmp_path: Path) -> None:
    empty = layer(tmp_path / "empty.gpkg", FOUND, score=SCORES, number=[None] * 6)
    with pytest.raises(
        OtbtfError, match="None of the 6 features of .* has a value in the field number: choose another in IN_FIELD"
    ):
        assess(tmp_path, empty, layers.reference, **{"in.field": "number"})


def test_without_a_class_field_classes_are_not_compared(layers: SimpleNamespace, tmp_path: Path) -> None:
    run = assess(tmp_path, layers.found, layers.reference, **{"ref.field": None})
    assert (run.results["hits"], run.results["misses"], run.results["falsealarms"]) == (4, 0, 2)
    assert {name for name, _ in run.rows} == {"all"}


def test_reference_outside_the_image_is_left_out_and_told(layers: SimpleNamespace, tmp_path: Path) -> None:
    place = (500_000.0, 1.0, 0.0, 4_800_040.0, 0.0, -1.0)
    image = write(tmp_path / "image.tif", np.zeros((40, 60, 1), "uint8"), place, UTM)
    run = assess(tmp_path, layers.found, layers.reference, image=image)
    assert any("1 of 4 objects" in warning for warning in run.log.warnings)
    assert any(warning.startswith("2 of 6 detections have their centre outside") for warning in run.log.warnings)
    elsewhere = write(tmp_path / "other.tif", np.zeros((4, 4, 1), "uint8"), (0.0, 1.0, 0.0, 9.0, 0.0, -1.0), UTM)
    with pytest.raises(OtbtfError, match="outside the image"):
        assess(tmp_path, layers.found, layers.reference, image=elsewhere)


def test_classes_that_are_numbered_differently_are_told(layers: SimpleNamespace, tmp_path: Path) -> None:
    other = layer(tmp_path / "other.gpkg", REFERENCE, **{"class": [0, 0, 0, 1]})
    (warning,) = assess(tmp_path, layers.found, other).log.warnings
    assert "Only the detections have the classes 2, and only the reference has 0." in warning
    fewer = layer(tmp_path / "fewer.gpkg", REFERENCE, **{"class": [1, 1, 1, 1]})
    assert assess(tmp_path, layers.found, fewer).log.warnings == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.4, 0.5])
def test_cancelling_leaves_nothing(share: float, tmp_path: Path) -> None:
    """While layers are read, while triangles are compared, and at the average precision."""

    class Impatient(Log):
        def cancelled(self) -> bool:
            return max(self.fractions, default=0.0) >= share

    places = np.random.default_rng(0).integers(0, 300, (1500, 2)).tolist()
    triangles = [triangle(x, y) for x, y in places]
    found = layer(tmp_path / "found.gpkg", triangles, **{"class": [1] * 1500, "score": [0.9] * 1500})
    before, log = set(tmp_path.iterdir()), Impatient()
    with pytest.raises(Cancelled):
        registry.run("AssessDetections", {"in": found, "ref": found, "out": str(tmp_path / "scores.csv")}, log)
    assert set(tmp_path.iterdir()) == before
    assert log.fractions == sorted(log.fractions) and max(log.fractions, default=0.0) < 0.8


def triangle(x: float, y: float) -> str:
    x, y = 500_000 + x, 4_800_000 + y
    return f"POLYGON (({x} {y}, {x + 3} {y}, {x} {y + 3}, {x} {y}))"


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


def wkt(*corners: tuple[float, float]) -> str:
    """The ring of corners in m from a corner."""
    return "((" + ", ".join(f"{500_000 + x} {4_800_000 + y}" for x, y in (*corners, corners[0])) + "))"


def square(x: float, y: float, side: float) -> str:
    return wkt((x, y), (x + side, y), (x + side, y + side), (x, y + side))


HOURGLASS = "POLYGON " + wkt((0, 0), (10, 10), (10, 0), (0, 10))
"""Of half the area of its box, and with borders that cross."""


@pytest.mark.usefixtures("gdal_exceptions")
@pytest.mark.parametrize("crosses", ["in", "ref"])
def test_polygons_whose_borders_cross_are_compared_repaired(crosses: str, tmp_path: Path) -> None:
    shapes = {"in": [(0, 0, 10, 10), (20, 0, 30, 10)], "ref": [(0, 0, 10, 10), (20, 0, 30, 10)]}
    shapes[crosses] = [HOURGLASS, shapes[crosses][1]]
    found = layer(tmp_path / "found.gpkg", shapes["in"], **{"class": [1, 1], "score": [0.9, 0.8]})
    run = assess(tmp_path, found, layer(tmp_path / "reference.gpkg", shapes["ref"], **{"class": [1, 1]}), iou=0.45)
    assert (run.results["hits"], run.results["falsealarms"]) == (2, 0)
    (warning,) = run.log.warnings
    assert warning.startswith("The borders of 1 polygon of")
    assert (
        assess(tmp_path, found, str(tmp_path / "reference.gpkg"), iou=0.55).results["hits"] == 1
    )  # it is half of its box


def test_each_point_of_a_multipoint_is_an_object(tmp_path: Path) -> None:
    found = layer(tmp_path / "found.gpkg", REFERENCE[:3], **{"class": [1, 1, 1], "score": [0.9, 0.8, 0.7]})
    points = "MULTIPOINT (500005 4800005, 500025 4800005, 500090 4800005)"
    run = assess(tmp_path, found, layer(tmp_path / "points.gpkg", [points], points=True, **{"class": [1]}))
    assert (run.results["hits"], run.results["misses"], run.results["falsealarms"]) == (2, 1, 1)


def test_missed_objects_of_several_polygons_stay_whole(layers: SimpleNamespace, tmp_path: Path) -> None:
    curve = (
        "CURVEPOLYGON (CIRCULARSTRING (500300 4800005, 500305 4800010, 500310 4800005, 500305 4800000, 500300 4800005))"
    )
    parts = [f"POLYGON {square(100, 0, 10)}", f"POLYGON {square(120, 0, 10)}"]
    shapes = [f"GEOMETRYCOLLECTION ({', '.join(parts)})", f"MULTISURFACE ({square(200, 0, 10)}, {curve})", REFERENCE[0]]
    reference = layer(tmp_path / "reference.gpkg", shapes, **{"class": [1, 1, 1]})
    errors = str(tmp_path / "errors.gpkg")
    assert assess(tmp_path, layers.found, reference, **{"out.errors": errors}).results["misses"] == 2
    dataset = ogr.Open(errors)
    missed = [row.GetGeometryRef().GetArea() for row in dataset.GetLayer(0) if row["kind"] == "miss"]
    assert missed == pytest.approx([200, 100 + np.pi * 25], abs=0.5)


@pytest.mark.parametrize("scores", [[95.0, 60.0, 40.0], [-1.0, 0.5, 3.0]])
def test_scores_of_another_range_are_told(scores: list[float], tmp_path: Path) -> None:
    found = layer(tmp_path / "found.gpkg", REFERENCE[:3], **{"class": [1, 1, 1], "score": scores})
    run = assess(tmp_path, found, layer(tmp_path / "reference.gpkg", REFERENCE[:3], **{"class": [1, 1, 1]}))
    (warning,) = run.log.warnings
    assert f"between {min(scores):g} and {max(scores):g}, but SCORE" in warning
    assert run.results["ap"] == 1


def test_infinite_scores_are_none(tmp_path: Path) -> None:
    found = layer(tmp_path / "found.gpkg", REFERENCE[:2], **{"class": [1, 1], "score": [np.inf, 0.5]})
    run = assess(tmp_path, found, layer(tmp_path / "reference.gpkg", REFERENCE[:2], **{"class": [1, 1]}))
    assert (run.results["hits"], run.results["best.score"]) == (1, 0.5)
    assert run.log.warnings[0].startswith("1 feature of")


@pytest.mark.parametrize(
    ("code", "east", "message"),
    [
        (UTM, 1000, "IN and REF lie in different places"),
        (0, 0, "REF is in the coordinate system none, IN in EPSG:32631: both are assumed to be in the same one."),
    ],
)
def test_a_reference_elsewhere_or_nowhere_is_told(
    code: int, east: float, message: str, layers: SimpleNamespace, tmp_path: Path
) -> None:
    shapes = [f"POLYGON {square(x1 + east, y1, x2 - x1)}" for x1, y1, x2, _ in REFERENCE]
    if code:
        reference = layer(tmp_path / "reference.gpkg", shapes, code, **{"class": CLASSES})
    else:
        reference = str(tmp_path / "reference.shp")
        made = ogr.GetDriverByName("ESRI Shapefile").CreateDataSource(reference)
        out = made.CreateLayer("reference", None, ogr.wkbPolygon)
        out.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
        for shape, value in zip(shapes, CLASSES):
            feature = ogr.Feature(out.GetLayerDefn())
            feature.SetGeometry(ogr.CreateGeometryFromWkt(shape))
            feature.SetField("class", value)
            out.CreateFeature(feature)
        made = out = None
    (warning,) = assess(tmp_path, layers.found, reference).log.warnings
    assert warning.startswith(message)


def test_the_same_layer_twice_is_told(layers: SimpleNamespace, tmp_path: Path) -> None:
    (warning,) = assess(tmp_path, layers.found, layers.found).log.warnings
    assert warning.startswith("IN and REF are the same layer")


@pytest.mark.parametrize("key", ["in", "ref"])
def test_a_table_is_refused(key: str, layers: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("class,score\n1,0.5\n", encoding="utf-8")
    with pytest.raises(OtbtfError, match=f"{key.upper()} is .*, a table without geometry"):
        assess(tmp_path, layers.found, layers.reference, **{key: str(tmp_path / "table.csv")})
