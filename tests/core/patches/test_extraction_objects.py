"""PatchesExtraction with objects: the target beside the patches, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from points import write_points
from serving import ORIGIN, Log, noise, read, write

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import OtbtfError
from otbtf_qgis.core.patches.detectiontarget import TargetMaps, TargetObjects
from otbtf_qgis.core.patches.patchesimage import read_description

SIDE, PATCH = 64, 16
BOXES = [(2.0, 3.0, 9.0, 8.0), (41.0, 20.5, 52.0, 30.0), (33.0, 36.0, 38.0, 45.0)]
"""x1, y1, x2, y2 in pixels."""
NAMES = ["tree", "house", "tree"]


def ground(x: float, y: float) -> tuple[float, float]:
    return ORIGIN[0] + 10 * x, ORIGIN[3] - 10 * y


def polygon(x1: float, y1: float, x2: float, y2: float) -> str:
    """A diamond, whose bounding box is the object's."""
    corners = [((x1 + x2) / 2, y1), (x2, (y1 + y2) / 2), ((x1 + x2) / 2, y2), (x1, (y1 + y2) / 2)]
    text = ", ".join(f"{x} {y}" for x, y in (ground(*each) for each in [*corners, corners[0]]))
    return f"POLYGON (({text}))"


def extract(folder: Path, log: Any = None, **values: Any) -> dict[str, Any]:
    places = [ground(8 + 16 * (number % 4), 8 + 16 * (number // 4)) for number in range(16)]
    given = {
        "source1.il": [write(folder / "image.tif", noise(SIDE, SIDE, 2))],
        "source1.patchsizex": PATCH,
        "source1.patchsizey": PATCH,
        "source1.out": str(folder / "patches.tif"),
        "vec": write_points(folder / "places.gpkg", places, id=list(range(16))),
        "field": "id",
        "outlabels": str(folder / "labels.tif"),
        "objects.stride": 2,
        "objects.empty": 1.0,
        "out.objects": str(folder / "maps.tif"),
        **{key.replace("__", "."): value for key, value in values.items()},
    }
    return registry.run("PatchesExtraction", {key: value for key, value in given.items() if value is not None}, log)


def expected(boxes: list[tuple[float, ...]], classes: list[int], count: int, labels: np.ndarray) -> np.ndarray:
    edges = np.array([(y1, x1, y2, x2) for x1, y1, x2, y2 in boxes])
    drawn = TargetMaps(TargetObjects.of(edges, np.array(classes)), count, 2)
    return np.concatenate([drawn.draw(16 * (n // 4), 16 * (n % 4), PATCH, PATCH) for n in labels.ravel().tolist()])


def test_the_maps_of_boxes_lie_beside_their_patches(tmp_path: Path) -> None:
    layer = write_points(tmp_path / "objects.gpkg", [polygon(*box) for box in BOXES], kind=NAMES)
    found = extract(tmp_path, objects=layer, objects__field="kind")
    maps = read(found["out.objects"])
    assert maps.shape == (16 * 8, 8, 2 + 5)
    np.testing.assert_allclose(maps, expected(BOXES, [1, 0, 1], 2, np.arange(16)), atol=1e-5)
    told = read_description(found["out.objects"])
    assert (told["content"], told["stride"], told["patches"]) == ("detection maps", 2, 16)
    assert [(row["value"], row["name"]) for row in told["classes"]] == [(0, "house"), (1, "tree")]
    assert told["band_names"] == ["house", "tree", "height", "width", "down", "right", "mask"]
    assert told["groups"] == read_description(found["source1.out"])["groups"]


@pytest.mark.parametrize("field", [True, False])
def test_points_have_the_size_of_their_field_or_of_all(field: bool, tmp_path: Path) -> None:
    sizes = [60.0, 100.0, None] if field else [50.0, 50.0, 50.0]
    middles = [((x1 + x2) / 2, (y1 + y2) / 2) for x1, y1, x2, y2 in BOXES]
    layer = write_points(tmp_path / "objects.gpkg", [ground(*each) for each in middles], size=[60.0, 100.0, None])
    log = Log()
    given = {"objects__sizefield": "size"} if field else {"objects__size": 50}
    found = extract(tmp_path, log, objects=layer, **given)
    boxes = [
        (x - size / 20, y - size / 20, x + size / 20, y + size / 20)
        for (x, y), size in zip(middles, sizes)
        if size is not None
    ]
    np.testing.assert_allclose(read(found["out.objects"]), expected(boxes, [0] * 3, 1, np.arange(16)), atol=1e-5)
    assert [row["value"] for row in read_description(found["out.objects"])["classes"]] == [1]
    assert any("1 feature" in line and "left out" in line for line in log.warnings) == field


def test_each_point_of_a_multipoint_is_an_object(tmp_path: Path) -> None:
    places = [ground((x1 + x2) / 2, (y1 + y2) / 2) for x1, y1, x2, y2 in BOXES]
    together = "MULTIPOINT (" + ", ".join(f"{x} {y}" for x, y in places) + ")"
    one = extract(tmp_path, objects=write_points(tmp_path / "one.gpkg", [together]), objects__size=50)
    found = read(one["out.objects"])
    each = extract(tmp_path, objects=write_points(tmp_path / "each.gpkg", places), objects__size=50)
    np.testing.assert_array_equal(found, read(each["out.objects"]))


def test_infinite_sizes_are_none(tmp_path: Path) -> None:
    places = [ground((x1 + x2) / 2, (y1 + y2) / 2) for x1, y1, x2, y2 in BOXES]
    log = Log()
    layer = write_points(tmp_path / "objects.gpkg", places, size=[float("inf"), 60.0, 60.0])
    maps = read(extract(tmp_path, log, objects=layer, objects__sizefield="size")["out.objects"])
    assert maps[..., -1].sum() == 2
    assert log.warnings[0].startswith("1 feature of")


@pytest.mark.parametrize(("size", "count"), [(170.0, 3), (9.0, 3), (160.0, 0)])
def test_sizes_that_no_patch_shows_are_told(size: float, count: int, tmp_path: Path) -> None:
    middles = [((x1 + x2) / 2, (y1 + y2) / 2) for x1, y1, x2, y2 in BOXES]
    layer = write_points(tmp_path / "objects.gpkg", [ground(*each) for each in middles])
    log = Log()
    extract(tmp_path, log, objects=layer, objects__size=size)
    expected = f"{count} of 3 objects (OBJECTS) are larger than a patch of 16 x 16 pixels, or smaller than a pixel."
    assert [warning.startswith(expected) for warning in log.warnings] == [True] * (count > 0)


@pytest.mark.parametrize(("share", "kept"), [(0.0, 3), (0.25, 6), (1.0, 16)])
def test_a_share_of_the_patches_without_objects_is_kept(share: float, kept: int, tmp_path: Path) -> None:
    layer = write_points(tmp_path / "objects.gpkg", [polygon(*box) for box in BOXES])
    found = extract(tmp_path, objects=layer, objects__empty=share)
    labels, maps = read(found["outlabels"]), read(found["out.objects"])
    assert found["patches"] == kept == len(labels)
    assert {0, 6, 10} <= set(labels.ravel().tolist())
    np.testing.assert_allclose(maps, expected(BOXES, [0] * 3, 1, labels), atol=1e-5)


def test_another_coordinate_system(tmp_path: Path) -> None:
    from osgeo import ogr, osr

    systems = [osr.SpatialReference(), osr.SpatialReference()]
    for system, code in zip(systems, (32654, 4326)):
        system.ImportFromEPSG(code)
        system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    shapes = []
    for box in BOXES:
        shape = ogr.CreateGeometryFromWkt(polygon(*box))
        shape.Transform(osr.CoordinateTransformation(*systems))
        shapes.append(shape.ExportToWkt())
    layer = write_points(tmp_path / "objects.gpkg", shapes, epsg=4326)
    found = extract(tmp_path, objects=layer)
    np.testing.assert_allclose(read(found["out.objects"]), expected(BOXES, [0] * 3, 1, np.arange(16)), atol=1e-2)


def test_objects_without_a_coordinate_system_are_told(tmp_path: Path) -> None:
    log = Log()
    layer = write_points(tmp_path / "objects.gpkg", [polygon(*box) for box in BOXES], epsg=None)
    extract(tmp_path, log, objects=layer)
    assert [warning for warning in log.warnings if "both are assumed to be in the same one" in warning]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"out__objects": None}, "OBJECTS and OUT_OBJECTS belong together|objects and out.objects belong together"),
        ({"objects__stride": 3}, "must be one of: 1, 2, 4, 8"),
        ({"source1__patchsizex": 15}, "must be a multiple of"),
        ({"objects__size": -1.0}, "must be above 0"),
        ({"out__tfrecords": "records"}, "TFRecords are written without"),
        ({"objects__field": "share"}, "holds 0.5, but classes are whole numbers"),
        ({"shapes": "POINT (300100 3999900)"}, "a layer of points, which have no size"),
        ({"shapes": "LINESTRING (300100 3999900, 300200 3999900)"}, "holds lines"),
        ({"shapes": "POLYGON EMPTY"}, "holds no object with a geometry, a class and, of points, a size"),
        ({"shapes": polygon(-30, 3, -20, 9)}, "None of the 1 object of .* has its centre in"),
        ({"shapes": polygon(2, 3, 9, 8), "places": [(50.0, 50.0)]}, "No patch has the centre"),
    ],
)
def test_bad_input(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    values = dict(values)
    shape = values.pop("shapes", polygon(*BOXES[0]))
    if "places" in values:
        places = [ground(*each) for each in values.pop("places")]
        values["vec"] = write_points(tmp_path / "others.gpkg", places, id=[0])
    if "out__tfrecords" in values:
        values["out__tfrecords"] = str(tmp_path / "records")
    layer = write_points(tmp_path / "objects.gpkg", [shape], share=[0.5])
    with pytest.raises(OtbtfError, match=message):
        extract(tmp_path, objects=layer, **values)
    assert not (tmp_path / "maps.tif").exists()
