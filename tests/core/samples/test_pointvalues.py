"""SampleExtraction: whose values, under which names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from osgeo import ogr
from polygon_scene import Log, X, box, layer, point, raster, run

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import OtbtfError


@pytest.fixture
def image(tmp_path: Path) -> str:
    """30 x 20 pixels of two bands: the column and the row."""
    rows, columns = np.mgrid[:20, :30]
    return raster(tmp_path / "image.tif", [columns, rows])


@pytest.fixture
def fields(tmp_path: Path) -> str:
    """Two overlapping fields of 5 x 4 pixels, and one of another class."""
    return layer(tmp_path / "fields.gpkg", [(1, box(0, 0, 5, 4)), (2, box(3, 0, 8, 4)), (1, box(10, 10, 12, 12))])


def test_values_are_those_of_the_pixels(tmp_path: Path, image: str) -> None:
    places = [(0.0, 0.0), (29.9, 19.9), (3.5, 4.5), (30.0, 5.0), (-0.1, 5.0)]
    vec = layer(tmp_path / "v.gpkg", [(1, point(*place)) for place in places])
    log, out = Log(), tmp_path / "out.gpkg"
    results = run("SampleExtraction", {"in": image, "vec": vec, "out": str(out)}, log)
    assert (results["samples"], results["outside"]) == (3, 2)
    assert "2 outside the image" in log.warnings[0]
    dataset = ogr.Open(str(out))
    assert [(f["value_0"], f["value_1"]) for f in dataset.GetLayer(0)] == [(0, 0), (29, 19), (3, 4)]


def test_points_are_reprojected_and_fields_named(tmp_path: Path, image: str) -> None:
    vec = layer(tmp_path / "v.gpkg", [(1, point(3.5, 4.5))], epsg=4326)
    naming = {"outfield": "list", "outfield.list.names": "red class"}
    out = tmp_path / "out.gpkg"
    with pytest.raises(OtbtfError, match="'class' that does not hold real numbers"):
        registry.run("SampleExtraction", {"in": image, "vec": vec, "out": str(out), **naming})
    naming["outfield.list.names"] = "red nir"
    registry.run("SampleExtraction", {"in": image, "vec": vec, "out": str(out), **naming})
    dataset = ogr.Open(str(out))
    feature = dataset.GetLayer(0).GetNextFeature()
    assert (feature["red"], feature["nir"], feature["class"]) == (3, 4, 1)
    assert feature.GetGeometryRef().GetX() == pytest.approx(X + 35, abs=1e-3)


def test_values_replace_older_ones(tmp_path: Path, image: str) -> None:
    vec = layer(tmp_path / "v.gpkg", [(1, point(3.5, 4.5))])
    once, twice = tmp_path / "once.gpkg", tmp_path / "twice.gpkg"
    run("SampleExtraction", {"in": image, "vec": vec, "out": str(once)})
    run(
        "SampleExtraction",
        {"in": raster(tmp_path / "b.tif", np.full((20, 30), 77)), "vec": str(once), "out": str(twice)},
    )
    dataset = ogr.Open(str(twice))
    assert dataset.GetLayer(0).GetNextFeature().items() == {"class": 1, "value_0": 77, "value_1": 4}
