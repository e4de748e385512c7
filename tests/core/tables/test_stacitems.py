"""RunTable over STAC items: assets as sources, physical values, masks, pages at an address, and results as items."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal
from range_server import RangeServer

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.tables.stacitems import read_items

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


def _catalogue() -> Any:
    spec = importlib.util.spec_from_file_location("make_sentinel2_items", EXAMPLES / "make_sentinel2_items.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CATALOGUE = _catalogue()


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found: Path = CATALOGUE.make(tmp_path_factory.mktemp("catalogue"))
    return found


def run(**values: Any) -> dict[str, Any]:
    return registry.run("RunTable", {name.replace("__", "."): value for name, value in values.items()}, Progress())


def changed(items: Path, folder: Path, change: Any) -> str:
    """Write a copy of the collection beside the original's assets, after a change of its features."""
    content = json.loads(items.read_text())
    for feature in content["features"]:
        for asset in feature["assets"].values():
            asset["href"] = str(items.parent / asset["href"])
        change(feature)
    (folder / "items.json").write_text(json.dumps(content))
    return str(folder / "items.json")


def pixels(path: Path) -> Any:
    return gdal.Open(str(path)).ReadAsArray()


NDVI = "IL={{B04}};{{B08}} EXP='(im2b1 - im1b1) / (im2b1 + im1b1)' OUT={folder}/{{id}}.tif OUT.PIXELTYPE=float"


def test_physical_values_are_the_stored_ones_scaled(items: Path, tmp_path: Path) -> None:
    given = {"operation": "BandMath", "table": str(items), "parameters": NDVI.format(folder=tmp_path)}
    run(**given, pixelvalues="scaled", out=str(tmp_path / "r.csv"))
    red, near = (CATALOGUE.reflectances(2, band) for band in ("B04", "B08"))
    found = pixels(tmp_path / "S2A_31TCJ_20240602.tif")
    np.testing.assert_allclose(found[:-4], ((near - red) / (near + red))[:-4], atol=1e-4)

    run(**given, pixelvalues="stored", out=str(tmp_path / "r.csv"))
    red, near = ((band - CATALOGUE.OFFSET) / CATALOGUE.SCALE for band in (red, near))
    found = pixels(tmp_path / "S2A_31TCJ_20240602.tif")
    np.testing.assert_allclose(found[:-4], ((near - red) / (near + red))[:-4], atol=1e-4)


def test_a_scale_is_neither_applied_nor_ignored_unasked(items: Path, tmp_path: Path) -> None:
    given = {"operation": "BandMath", "table": str(items), "parameters": NDVI.format(folder=tmp_path)}
    with pytest.raises(ParameterError, match=r"asset B04 has the scale 0\.0001 and the offset -0\.1: set PIXELVALUES"):
        run(**given, out=str(tmp_path / "r.csv"))
    assert list(tmp_path.iterdir()) == []


def test_an_offset_that_the_item_says_is_applied_is_refused(items: Path, tmp_path: Path) -> None:
    def applied(feature: dict[str, Any]) -> None:
        feature["properties"]["earthsearch:boa_offset_applied"] = True

    path = changed(items, tmp_path, applied)
    with pytest.raises(ParameterError, match="earthsearch:boa_offset_applied that its values have it already"):
        run(
            operation="BandMath",
            table=path,
            parameters=NDVI.format(folder=tmp_path),
            pixelvalues="scaled",
            out=str(tmp_path / "r.csv"),
        )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model of two sources, of 10 m and 20 m: 1 where B08 - B04 + B11 is above 0.5, else 0."""
    keras = pytest.importorskip("keras")
    fine, coarse = keras.Input((None, None, 2), name="fine"), keras.Input((None, None, 1), name="coarse")
    every = keras.layers.Concatenate()([fine, keras.layers.UpSampling2D(2)(coarse)])
    total = keras.layers.Conv2D(1, 1, use_bias=False, name="total")
    hidden = total(every)
    total.set_weights([np.array([-1.0, 1.0, 1.0], "float32").reshape(1, 1, 3, 1)])
    above = keras.ops.cast(hidden > 0.5, "uint8")
    network = keras.Model([fine, coarse], keras.layers.Identity(name="label")(above))
    path = str(tmp_path_factory.mktemp("model") / "two.keras")
    network.save(path)
    registry.run("DescribeModel", {"model.dir": path, "sidecar": True}, Progress())
    return path


SERVED = "SOURCE1_IL={{B04}};{{B08}} SOURCE2_IL={{B11}} MODEL_DIR={model} OUT={folder}/{{id}}.tif OUTPUT_BV=255"


def test_a_model_of_two_pixel_sizes_and_a_cloud_mask(items: Path, model: str, tmp_path: Path) -> None:
    found = run(
        operation="TensorflowModelServe",
        table=str(items),
        parameters=SERVED.format(model=model, folder=tmp_path),
        pixelvalues="scaled",
        mask="SCL=0,1,3,8-10",
        out=str(tmp_path / "r.csv"),
        out__items=str(tmp_path / "maps.json"),
    )
    assert (found["done"], found["failed"]) == (3, 0)
    for number in (1, 2, 3):
        red, near, short = (CATALOGUE.reflectances(number, band) for band in ("B04", "B08", "B11"))
        expected = (near - red + short.repeat(2, 0).repeat(2, 1) > 0.5).astype(np.uint8)
        clouds = (CATALOGUE.classes_of(number) == CATALOGUE.CLOUD).repeat(2, 0).repeat(2, 1)
        expected[clouds] = 255
        expected[-4:, -4:] = 255
        made = pixels(tmp_path / f"S2A_31TCJ_2024060{number}.tif")
        assert 0 < (made == 1).sum() < made.size
        whole = np.s_[:-8]  # where B11 has no-data, B04 may have data
        np.testing.assert_array_equal(made[whole], expected[whole])

    collection = json.loads((tmp_path / "maps.json").read_text())
    assert collection["type"] == "FeatureCollection"
    first = collection["features"][0]
    assert first["id"] == "S2A_31TCJ_20240601"
    assert first["properties"]["datetime"] == "2024-06-01T10:56:21Z"
    assert first["properties"]["mlm:framework"] == "Keras"
    assert any("mlm" in extension for extension in first["stac_extensions"])
    assert first["assets"]["out"]["href"] == "./S2A_31TCJ_20240601.tif"
    west, south, east, north = first["bbox"]
    assert 0 < east - west < 0.01
    assert 44 < south < north < 45
    assert read_items(str(tmp_path / "maps.json")).rows[0].assets["out"].href == str(
        tmp_path / "S2A_31TCJ_20240601.tif"
    )


def test_pages_of_a_search_are_read_from_their_addresses(items: Path, tmp_path: Path) -> None:
    features = json.loads(items.read_text())["features"]
    with RangeServer() as server:
        for file in items.parent.glob("*.tif"):
            server.add(f"/data/{file.name}", file.read_bytes())
        for number, feature in enumerate(features):
            links = [{"rel": "next", "href": f"/search{number + 1}?token=x"}] if number < 2 else []
            for asset in feature["assets"].values():
                asset["href"] = asset["href"].replace("./", "data/")
            page = {"type": "FeatureCollection", "features": [feature], "links": links}
            server.add(f"/search{number}", json.dumps(page).encode())
        run(
            operation="BandMath",
            table=server.address("/search0?limit=1"),
            parameters=NDVI.format(folder=tmp_path),
            pixelvalues="stored",
            out=str(tmp_path / "r.csv"),
        )
    assert len(list(tmp_path.glob("S2A*.tif"))) == 3


def _collection(feature: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    item = {"type": "Feature", "id": "x", "properties": {}, "assets": {"B1": {"href": "b1.tif"}}}
    return {"type": "FeatureCollection", "features": [{**item, **(feature or {})}], **more}


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"type": "Collection", "id": "s2"}, "its type is Collection"),
        ([], "must be a dictionary"),
        (_collection({"id": 3}), r"id is 3, but must be a text"),
        (_collection({"assets": {"B1": {}}}), "has no href"),
        (
            _collection({"assets": {"B1": {"href": "x.tif", "raster:scale": "2"}}}),
            "raster:scale is '2', but must be a num",
        ),
        (_collection({"type": "Catalog"}), "must be Feature"),
    ],
)
def test_what_is_no_collection_of_items_is_refused(tmp_path: Path, content: Any, word: str) -> None:
    path = tmp_path / "items.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ParameterError, match=f"TABLE is .*items.json, which holds no STAC items: .*{word}"):
        read_items(str(path))


def test_a_next_page_that_needs_post_is_refused() -> None:
    link = {"rel": "next", "href": "/search", "method": "POST", "body": {}}
    with RangeServer() as server:
        address = server.add("/search", json.dumps(_collection(links=[link])).encode())
        with pytest.raises(ParameterError, match="must be asked for by POST"):
            read_items(address)


@pytest.mark.parametrize(
    "described",
    [
        {"raster:bands": [{"scale": 0.5, "offset": 2.0, "nodata": 7}]},
        {"bands": [{"name": "a"}], "raster:scale": 0.5, "raster:offset": 2.0, "nodata": 7},
        {"bands": [{"raster:scale": 0.5, "raster:offset": 2.0, "nodata": 7}]},
    ],
)
def test_scale_and_offset_stand_where_any_version_of_stac_has_them(tmp_path: Path, described: dict[str, Any]) -> None:
    path = tmp_path / "items.json"
    path.write_text(json.dumps(_collection({"assets": {"B1": {"href": "b1.tif", **described}}})))
    asset = read_items(str(path)).rows[0].assets["B1"]
    assert [(each.scale, each.offset) for each in asset.scalings] == [(0.5, 2.0)]
    assert (asset.nodata, asset.href) == (7.0, str(tmp_path / "b1.tif"))


def test_an_unknown_asset_or_mask_is_refused(items: Path, tmp_path: Path) -> None:
    given = {"operation": "BandMath", "table": str(items), "pixelvalues": "stored", "out": str(tmp_path / "r.csv")}
    with pytest.raises(ParameterError, match=r"\{B8\} is no asset or property of the item.*Did you mean B08\?"):
        run(**given, parameters=f"IL={{B8}} EXP=im1b1 OUT={tmp_path}/{{id}}.tif")
    with pytest.raises(ParameterError, match="MASK names the asset CLD, which the item does not have: it has B04"):
        run(**given, parameters=f"IL={{B08}} EXP=im1b1 OUT={tmp_path}/{{id}}.tif", mask="CLD=1")
