"""SampleSelection: attributes, draws, classes, and that its results do not depend on memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import ogr
from polygon_scene import Log, box, layer, point, raster, run, samples, utm

from otbtf_qgis.core.samples import counting, positions, shapes, validity


@pytest.fixture
def image(tmp_path: Path) -> str:
    """30 x 20 pixels of two bands: the column and the row."""
    rows, columns = np.mgrid[:20, :30]
    return raster(tmp_path / "image.tif", [columns, rows])


@pytest.fixture
def fields(tmp_path: Path) -> str:
    """Two overlapping fields of 5 x 4 pixels, and one of another class."""
    return layer(tmp_path / "fields.gpkg", [(1, box(0, 0, 5, 4)), (2, box(3, 0, 8, 4)), (1, box(10, 10, 12, 12))])


@pytest.fixture
def crowd(tmp_path: Path) -> str:
    """Many features of all types that overlap."""
    random = np.random.default_rng(3)
    features = []
    for number in range(60):
        c, r = random.uniform(-2, (30, 20))
        w, h = random.uniform(0, 9, 2)
        wkt = [box(c, r, c + w, r + h), point(c, r), f"LINESTRING({point(c, r)[6:-1]},{point(c + w, r - h)[6:-1]})"][
            number % 3
        ]
        features.append((int(random.integers(1, 4)), wkt))
    return layer(tmp_path / "crowd.gpkg", features)


@pytest.mark.parametrize("nodata", [{}, {"nodata": 1_000}, {"mask": True}])
@pytest.mark.parametrize("more", [{}, {"strategy": "percent", "strategy.percent.p": 0.3}, {"strategy": "all"}])
def test_small_parts_give_what_large_ones_give(
    tmp_path: Path, crowd: str, more: dict[str, Any], nodata: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches, windows and strips are a matter of memory alone."""
    rows, columns = np.mgrid[:20, :30]
    image = raster(tmp_path / "image.tif", [np.where((rows * columns) % 7 == 3, 1000, rows), np.full_like(rows, 1000)])
    if "mask" in nodata:
        nodata = {"mask": raster(tmp_path / "mask.tif", [(rows + columns) % 3])}
    values = {"in": image, "vec": crowd, **nodata}
    whole, parts = tmp_path / "whole.gpkg", tmp_path / "parts.gpkg"
    run("SampleSelection", {**values, **more, "out": str(whole)})
    monkeypatch.setattr(shapes, "_FEATURES", 7)
    monkeypatch.setattr(positions, "_FEATURES", 3)
    monkeypatch.setattr(validity.Validity, "pixels_within", lambda *_: 40)
    run("SampleSelection", {**values, **more, "out": str(parts)})
    assert samples(whole)
    assert samples(parts) == samples(whole)


def test_small_windows_give_what_large_ones_give(tmp_path: Path, image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(4)
    places = random.uniform(-2, (30, 20, 9, 9), (40, 4))
    vec = layer(tmp_path / "v.gpkg", [(1 + n % 3, box(c, r, c + w, r + h)) for n, (c, r, w, h) in enumerate(places)])
    values = {"in": image, "vec": vec, "nodata": 12}
    run("DensePolygonClassStatistics", {**values, "out": str(tmp_path / "whole.xml")})
    monkeypatch.setattr(counting, "_WINDOW", 4)
    monkeypatch.setattr(counting, "_FEATURES", 3)
    run("DensePolygonClassStatistics", {**values, "out": str(tmp_path / "parts.xml")})
    assert (tmp_path / "parts.xml").read_text() == (tmp_path / "whole.xml").read_text()


def test_a_format_without_random_access_serves_too(tmp_path: Path, image: str) -> None:
    features = [(1, box(0, 0, 5, 4)), (2, box(3, 0, 8, 4)), (2, box(10, 10, 12, 12))]
    for driver, ending in (("GPKG", "gpkg"), ("GML", "gml")):
        layer(tmp_path / f"v.{ending}", features, driver=driver)
        run(
            "SampleSelection",
            {"in": image, "vec": str(tmp_path / f"v.{ending}"), "out": str(tmp_path / f"out{ending}.gpkg")},
        )
    found = [[row[:3] for row in samples(tmp_path / f"out{ending}.gpkg")] for ending in ("gpkg", "gml")]
    assert found[0] == found[1]


def test_samples_have_the_attributes_of_their_feature(tmp_path: Path, image: str) -> None:
    dataset = ogr.GetDriverByName("GPKG").CreateDataSource(str(tmp_path / "v.gpkg"))
    made = dataset.CreateLayer("v", utm(), ogr.wkbPolygon)
    for name, kind in (
        ("class", ogr.OFTInteger),
        ("area", ogr.OFTReal),
        ("owner", ogr.OFTString),
        ("seen", ogr.OFTDate),
    ):
        made.CreateField(ogr.FieldDefn(name, kind))
    for wkt, values in ((box(0, 0, 2, 2), (1, 0.5, "Zoë", "2020/01/02")), (box(4, 4, 6, 6), (2, None, None, None))):
        feature = ogr.Feature(made.GetLayerDefn())
        for index, value in enumerate(values):
            if value is not None:
                feature.SetField(index, value)
        feature.SetGeometry(ogr.CreateGeometryFromWkt(wkt))
        made.CreateFeature(feature)
    feature = made = dataset = None
    out = tmp_path / "out.gpkg"
    run("SampleSelection", {"in": image, "vec": str(tmp_path / "v.gpkg"), "out": str(out), "strategy": "all"})
    again = ogr.Open(str(out))
    rows = [tuple(f[name] for name in ("class", "area", "owner", "seen", "originfid")) for f in again.GetLayer(0)]
    assert rows == [(1, 0.5, "Zoë", "2020/01/02", 1)] * 4 + [(2, None, None, None, 2)] * 4


def test_samples_of_samples_have_the_new_origin(tmp_path: Path, image: str, fields: str) -> None:
    first, second = tmp_path / "first.gpkg", tmp_path / "second.gpkg"
    run("SampleSelection", {"in": image, "vec": fields, "out": str(first)})
    run("SampleSelection", {"in": image, "vec": str(first), "out": str(second), "strategy": "all"})
    assert [row[:3] for row in samples(second)] == [row[:3] for row in samples(first)]
    assert [row[3] for row in samples(second)] == list(range(1, len(samples(first)) + 1))


def test_a_seed_repeats_the_draw(tmp_path: Path, image: str, fields: str) -> None:
    found = []
    for seed in (1, 1, 2):
        values = {"in": image, "vec": fields, "out": str(tmp_path / "out.gpkg"), "sampler": "random", "rand": seed}
        run("SampleSelection", {**values, "strategy": "constant", "strategy.constant.nb": 8})
        found.append(samples(tmp_path / "out.gpkg"))
    assert found[0] == found[1] != found[2]
    assert [sum(row[2] == label for row in found[0]) for label in (1, 2)] == [8, 8]


def test_names_and_colours_travel_with_the_classes(tmp_path: Path, image: str, fields: str) -> None:
    legend = [{"value": 1, "name": "wheat", "color": "#ffcc00"}, {"value": 7, "name": "none"}]
    Path(f"{fields}.json").write_text(json.dumps({"classes": legend}))
    results = run("SampleSelection", {"in": image, "vec": fields, "out": str(tmp_path / "out.gpkg")})
    assert json.loads(results["legend"]) == [{**legend[0], "count": 20}, {"value": 2, "count": 20}]
    assert json.loads((tmp_path / "out.gpkg.json").read_text())["classes"] == [legend[0], {"value": 2}]
    results = run(
        "SampleExtraction", {"in": image, "vec": str(tmp_path / "out.gpkg"), "out": str(tmp_path / "values.gpkg")}
    )
    assert json.loads(results["legend"]) == [legend[0], {"value": 2}]


def test_statistics_that_do_not_fit_are_told(tmp_path: Path, image: str, fields: str) -> None:
    given = tmp_path / "given.xml"
    run("PolygonClassStatistics", {"in": image, "vec": fields, "out": str(given)})
    smaller = layer(tmp_path / "smaller.gpkg", [(1, box(0, 0, 4, 4)), (2, box(3, 0, 8, 4))])
    log = Log()
    run("SampleSelection", {"in": image, "vec": smaller, "instats": str(given), "out": str(tmp_path / "o.gpkg")}, log)
    assert len(log.warnings) == 1
    assert "Class 1 has 16 pixels here, but 24" in log.warnings[0]


def test_what_is_drawn_at_random_does_not_depend_on_ram(tmp_path: Path) -> None:
    image = raster(tmp_path / "large.tif", np.zeros((1500, 1500)))  # several of OTB's tiles with 16 MB
    vec = layer(tmp_path / "v.gpkg", [(1, box(100, 100, 1400, 1400)), (2, box(300, 1000, 1490, 1300))])
    given = {
        "in": image,
        "vec": vec,
        "sampler": "random",
        "strategy": "constant",
        "strategy.constant.nb": 50,
        "rand": 3,
    }
    found = []
    for ram in (16, 256):
        out = tmp_path / f"{ram}.gpkg"
        run("SampleSelection", {**given, "ram": ram, "out": str(out)})
        found.append(samples(out))
    assert found[0] == found[1]
