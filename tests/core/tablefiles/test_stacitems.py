"""RunTable over STAC items: assets as sources, physical values, masks, pages at an address, and results as items."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal
from polygon_scene import Log, X, raster
from range_server import RangeServer

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import EngineError, ParameterError
from otbtf_qgis.core.tablefiles.stacitems import read_items
from otbtf_qgis.core.tables.rowrun import RowTask

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
    with pytest.raises(ParameterError, match="earthsearch:boa_offset_applied of its item says that"):
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
        expected[-8:, -8:] = 255  # B11 has no data there
        made = pixels(tmp_path / f"S2A_31TCJ_2024060{number}.tif")
        assert 0 < (made == 1).sum() < made.size
        np.testing.assert_array_equal(made, expected)

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


def test_an_address_that_sends_nothing_is_refused() -> None:
    with RangeServer() as server, pytest.raises(ParameterError, match=r"the server does not send it \(.*404"):
        read_items(server.address("/none"))


@pytest.mark.parametrize(
    "described",
    [
        {"raster:bands": [{"scale": 0.5, "offset": 2.0, "nodata": 7}]},
        {"bands": [{"name": "a"}], "raster:scale": 0.5, "raster:offset": 2.0, "nodata": 7},
        {"bands": [{"raster:scale": 0.5, "raster:offset": 2.0, "nodata": 7}]},
        {"bands": [{"name": "a", "nodata": 7}], "raster:bands": [{"scale": 0.5}], "raster:offset": 2.0},
        {"bands": [{"raster:scale": 0.5, "raster:offset": 2.0}] * 3, "nodata": 7},
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


def _one_item(folder: Path, asset: dict[str, Any], bands: Any = ((10, 20), (30, 0)), nodata: float | None = 0) -> Path:
    """Write an item with one asset `A`, of 2 x 2 pixels of 10 m, and a mask `M` of 2 x 2 pixels of 10 m, of 1 to 4."""
    raster(folder / "a.tif", bands, nodata)
    raster(folder / "m.tif", ((1, 2), (3, 4)))
    assets = {"A": {"href": "a.tif", **asset}, "M": {"href": (folder / "m.tif").as_uri()}}
    path = folder / "items.json"
    path.write_text(json.dumps(_collection({"assets": assets})))
    return path


def _read(table: Path, **more: Any) -> Any:
    out = table.parent / "o.tif"
    given = {"parameters": f"IL={{A}} EXP=im1b1 OUT={out} OUT_PIXELTYPE=float OUT_NODATA=-1", **more}
    run(operation="BandMath", table=str(table), out=str(table.parent / "r.csv"), **given)
    return pixels(out).tolist()


def test_addresses_of_files_and_masks_of_the_same_pixels(tmp_path: Path) -> None:
    asset = {"raster:scale": 0.5, "raster:offset": 2.0}
    found = _read(_one_item(tmp_path, asset), pixelvalues="scaled", mask="M=2,200-255")
    assert found == [[7, -1], [17, -1]]


def test_the_items_no_data_value_counts_where_the_file_has_none(tmp_path: Path) -> None:
    assert _read(_one_item(tmp_path, {"nodata": 20}, nodata=None)) == [[10, -1], [30, 0]]
    assert _read(_one_item(tmp_path, {"nodata": 20}, nodata=30)) == [[10, 20], [-1, 0]]


def test_an_offset_without_a_scale_is_warned_about(tmp_path: Path) -> None:
    log = Log()
    path = _one_item(tmp_path, {"raster:offset": -0.5})
    values = {
        "parameters": f"IL={{A}} EXP=im1b1 OUT={tmp_path}/o.tif",
        "pixelvalues": "scaled",
        "operation": "BandMath",
    }
    registry.run("RunTable", {**values, "table": str(path), "out": str(tmp_path / "r.csv")}, log)
    assert any("the item gives the offset -0.5 of" in text and "but no scale" in text for text in log.warnings)


@pytest.mark.parametrize(
    ("asset", "more", "words"),
    [
        ({"raster:scale": 0}, {"pixelvalues": "scaled"}, "the asset A has the scale 0"),
        ({"nodata": 3}, {"parameters": "IL={A}?&bands=1 EXP=im1b1 OUT=o.tif"}, "is more than the asset A"),
        ({}, {"parameters": "IL=a.tif EXP=im1b1 OUT=o.tif", "mask": "M=1"}, "MASK is given, but no image is an asset"),
    ],
)
def test_what_an_item_says_and_cannot_count_is_refused(
    tmp_path: Path, asset: dict[str, Any], more: dict[str, Any], words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        _read(_one_item(tmp_path, asset), **more)
    assert not (tmp_path / "r.csv").exists()


def test_other_bands_than_described_and_masks_beside_masks_fail_their_row(tmp_path: Path) -> None:
    described = {"raster:bands": [{"scale": 0.5}, {"scale": 0.1}, {"scale": 0.2}]}
    two = np.ones((2, 2, 2))
    with pytest.raises(EngineError, match="has 2 bands, but its item describes 3 with different scales"):
        _read(_one_item(tmp_path, described, two), pixelvalues="scaled")
    path = _one_item(tmp_path, {}, nodata=None)
    dataset = gdal.Open(str(tmp_path / "a.tif"), gdal.GA_Update)
    dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
    dataset.GetRasterBand(1).GetMaskBand().WriteArray(np.array([[255, 0], [255, 255]], np.uint8))
    dataset = None
    with pytest.raises(EngineError, match="has a mask or an alpha band of its own"):
        _read(path, mask="M=1")
    # Its own mask counts for physical values, too.
    path.write_text(path.read_text().replace('"a.tif"', '"a.tif", "raster:scale": 2'))
    assert _read(path, pixelvalues="scaled") == [[20, -1], [60, 0]]


def test_a_mask_of_other_ground_fails_its_row(tmp_path: Path) -> None:
    path = _one_item(tmp_path, {})
    raster(tmp_path / "m.tif", ((1, 2), (3, 4)), x=X + 10)
    with pytest.raises(EngineError, match=r"mask .*m\.tif does not fit .*a\.tif: it must cover the same ground"):
        _read(path, mask="M=1")


def test_a_file_that_is_one_page_of_many_is_told(tmp_path: Path) -> None:
    log = Log()
    path = _one_item(tmp_path, {})
    content = json.loads(path.read_text())
    content["links"] = [{"rel": "next", "href": "https://example.org/search?page=2&token=secret", "method": "POST"}]
    path.write_text(json.dumps(content))
    values = {"operation": "BandMath", "parameters": f"IL={{A}} EXP=im1b1 OUT={tmp_path}/o.tif", "table": str(path)}
    registry.run("RunTable", {**values, "out": str(tmp_path / "r.csv")}, log)
    assert any("more items at https://example.org/search?page=2&token=***" in text for text in log.warnings)


def test_a_result_names_the_item_that_it_was_made_of(tmp_path: Path) -> None:
    path = _one_item(tmp_path, {})
    content = json.loads(path.read_text())
    links = ["odd", {"rel": "root", "href": "https://example.org"}, {"rel": "self", "href": "https://example.org/x"}]
    content["features"][0]["links"] = links
    path.write_text(json.dumps(content))
    _read(path, out__items=str(tmp_path / "made.json"))
    made = json.loads((tmp_path / "made.json").read_text())["features"][0]["links"]
    assert [(link["rel"], link["href"]) for link in made] == [("derived_from", "https://example.org/x")]


def test_a_new_signature_of_an_address_is_no_other_input() -> None:
    identities = {
        RowTask(1, "Row 1", "BandMath", json.dumps({"il": [f"https://x.org/a.tif?{asked}"]})).identity("run")
        for asked in ("se=1&sig=abc", "se=1&sig=def")
    }
    assert len(identities) == 1


def test_result_items_have_names_of_their_own_and_times_as_stac_has_them(tmp_path: Path) -> None:
    raster(tmp_path / "a.tif", ((1, 2), (3, 4)))
    lines = [
        "name,IL,OUT,datetime",
        "a,a.tif,1.tif,2024-06-01",
        "a,a.tif,2.tif,2024/06/01 12:00:00",
        "b,a.tif,3.tif,June",
        "a-1,a.tif,4.tif,",
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    items = str(tmp_path / "items.json")
    given = {"operation": "BandMath", "parameters": "EXP=im1b1", "table": str(tmp_path / "t.csv")}
    run(**given, out=str(tmp_path / "r.csv"), out__items=items)
    features = json.loads(Path(items).read_text())["features"]
    assert [feature["id"] for feature in features] == ["a-1-1", "a-2", "b", "a-1"]
    times = [feature["properties"]["datetime"] for feature in features]
    assert times[:2] == ["2024-06-01T00:00:00Z", "2024-06-01T12:00:00Z"]
    assert times[2] == features[2]["properties"]["created"]
