"""ObjectLabels: extent, boundary and distance of polygons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal, ogr, osr
from serving import ORIGIN, UTM, Log, write

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import OtbtfError

SHAPE = (20, 30)
FIELDS = ((0, 0, 9, 8), (9, 0, 20, 8), (3, 10, 8, 17), (5, 12, 6, 13))
"""Columns and rows, from and to: two that touch at the image's edge, one alone, and one in that."""


def layer(path: Path, boxes: Any = FIELDS, kind: int = ogr.wkbPolygon) -> str:
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    system = osr.SpatialReference()
    system.ImportFromEPSG(UTM)
    made = source.CreateLayer("fields", system, kind)
    for left, top, right, bottom in boxes:
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        places = ", ".join(f"{ORIGIN[0] + x * ORIGIN[1]} {ORIGIN[3] + y * ORIGIN[5]}" for x, y in corners)
        feature = ogr.Feature(made.GetLayerDefn())
        text = f"POLYGON (({places}))" if kind == ogr.wkbPolygon else f"LINESTRING ({places})"
        feature.SetGeometry(ogr.CreateGeometryFromWkt(text))
        made.CreateFeature(feature)
    return str(path)


def run(folder: Path, vec: str, log: Log | None = None, **values: Any) -> tuple[np.ndarray, dict[str, Any]]:
    image = write(folder / "image.tif", np.zeros((*SHAPE, 1), "uint8"), ORIGIN, UTM, None)
    given = {"in": image, "vec": vec, "out": str(folder / "out.tif"), **values}
    results = registry.run("ObjectLabels", given, log or Log())
    return gdal.Open(results["out"]).ReadAsArray(), results


def expected(thickness: float) -> np.ndarray:
    """By brute force: the distance to every pixel that is not in the object."""
    numbers = np.zeros(SHAPE, int)
    for number, (left, top, right, bottom) in enumerate(FIELDS, 1):
        numbers[top:bottom, left:right] = number
    pixels = np.stack(np.indices(SHAPE), -1)
    labels = np.zeros((3, *SHAPE))
    for number in range(1, len(FIELDS) + 1):
        own = numbers == number
        away = np.sqrt(((pixels[own][:, None] - pixels[~own]) ** 2).sum(-1)).min(axis=1)
        labels[:, own] = np.ones(len(away)), away <= thickness, away / away.max()
    return labels


@pytest.mark.parametrize("thickness", [1, 2])
def test_labels(tmp_path: Path, thickness: int) -> None:
    found, results = run(tmp_path, layer(tmp_path / "fields.gpkg"), thickness=thickness)
    assert found == pytest.approx(expected(thickness), abs=1e-6)
    assert results["objects"] == 4
    dataset = gdal.Open(results["out"])
    assert [dataset.GetRasterBand(band).GetDescription() for band in (1, 2, 3)] == ["extent", "boundary", "distance"]


def test_the_whole_image_as_one_field_has_no_boundary(tmp_path: Path) -> None:
    found, _ = run(tmp_path, layer(tmp_path / "fields.gpkg", [(0, 0, 30, 20)]))
    assert (found[0] == 1).all() and (found[1] == 0).all() and (found[2] == 1).all()


def test_polygons_without_a_pixel_are_told(tmp_path: Path) -> None:
    """Not those outside the image, nor those that others cover."""
    boxes = [(1.1, 1.1, 1.4, 1.4), *FIELDS, (7.6, 2.6, 8.4, 3.4), (100, 100, 110, 110)]
    log = Log()
    _, results = run(tmp_path, layer(tmp_path / "fields.gpkg", boxes), log)
    assert results["objects"] == 4
    (told,) = log.warnings
    assert told.startswith("2 polygons hold the centre of no pixel of")


def test_polygons_that_later_ones_cover_are_told(tmp_path: Path) -> None:
    log = Log()
    run(tmp_path, layer(tmp_path / "fields.gpkg", [FIELDS[0], *FIELDS]), log)
    (told,) = log.warnings
    assert told.startswith("1 polygon of ") and "is covered by later ones" in told


def test_maptopolygons_finds_the_polygons_again(tmp_path: Path) -> None:
    """Two fields that touch, and one alone."""
    _, results = run(tmp_path, layer(tmp_path / "fields.gpkg", FIELDS[:3]))
    out = str(tmp_path / "fields_again.gpkg")
    registry.run("MapToPolygons", {"in": results["out"], "instances": True, "out": out}, Log())
    dataset = ogr.Open(out)
    boxes = sorted(feature.GetGeometryRef().GetEnvelope() for feature in dataset.GetLayer(0))
    drawn = sorted(
        (ORIGIN[0] + 10 * left, ORIGIN[0] + 10 * right, ORIGIN[3] - 10 * bottom, ORIGIN[3] - 10 * top)
        for left, top, right, bottom in FIELDS[:3]
    )
    assert np.array(boxes) == pytest.approx(np.array(drawn), abs=10)  # the pixel at a corner may go to the neighbour


@pytest.mark.parametrize(
    ("boxes", "kind", "message"),
    [
        ([(0, 0, 3, 3)], ogr.wkbLineString, "which holds lines, but polygons are needed"),
        ([(1.1, 1.1, 1.4, 1.4)], ogr.wkbPolygon, "no polygon holds the centre of a pixel .*smaller than its pixels"),
        ([(100, 100, 110, 110)], ogr.wkbPolygon, "no polygon holds the centre of a pixel .*1 outside the image"),
    ],
)
def test_layers_that_are_refused(tmp_path: Path, boxes: Any, kind: int, message: str) -> None:
    with pytest.raises(OtbtfError, match=message):
        run(tmp_path, layer(tmp_path / "fields.gpkg", boxes, kind))
    assert not (tmp_path / "out.tif").exists()
