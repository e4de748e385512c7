"""Lines of ExtractROI, ConcatenateImages, Superimpose and ManageNoData against what OTB 8.1.1 wrote; see tests/data/otb_tools."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from marked_rasters import made
from osgeo import gdal, ogr, osr
from serving import Log
from tool_rasters import write

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import OtbtfError
from otbtf_qgis.core.workflows.commandline import parse_commands

RECORDED = np.load(Path(__file__).parents[2] / "data" / "otb_tools" / "tools.npz")
TOLD = json.loads(str(RECORDED["told"]))
CASES = list(enumerate(TOLD["cases"]))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scene")
    for name, transform in TOLD["geotransforms"].items():
        path = write(folder / f"{name}.tif", RECORDED[name], TOLD["nodata"].get(name))
        dataset = gdal.Open(path, gdal.GA_Update)
        dataset.SetGeoTransform(transform)
        dataset = None
    return folder


def run_line(folder: Path, line: str, out: Path) -> gdal.Dataset:
    named = re.sub(r"(\w+\.(?:tif|gpkg))", lambda match: str(folder / match[1]), line)
    (call,) = parse_commands(f"otbcli_{named} -out {out} double")
    return gdal.Open(registry.run(call.application, call.values)["out"])


@pytest.mark.parametrize(("number", "case"), CASES, ids=[case["line"] for _, case in CASES])
def test_as_otb(scene: Path, tmp_path: Path, number: int, case: dict[str, Any]) -> None:
    dataset = run_line(scene, case["line"], tmp_path / "o.tif")
    pixels = dataset.ReadAsArray()
    np.testing.assert_allclose(
        pixels if pixels.ndim == 3 else pixels[None], RECORDED[f"values{number}"], rtol=1e-5, atol=1e-4
    )
    np.testing.assert_allclose(dataset.GetGeoTransform(), case["geotransform"])
    if case["nodata"] is not None:
        assert dataset.GetRasterBand(1).GetNoDataValue() == case["nodata"]


def test_the_extent_of_a_layer_in_another_system(scene: Path, tmp_path: Path) -> None:
    dataset = ogr.GetDriverByName("GPKG").CreateDataSource(str(scene / "area.gpkg"))
    system = osr.SpatialReference()
    system.ImportFromEPSG(32632)
    layer = dataset.CreateLayer("area", system, ogr.wkbPolygon)
    feature = ogr.Feature(layer.GetLayerDefn())
    inside = ogr.CreateGeometryFromWkt(
        "POLYGON((500025 4799930,500045 4799930,500045 4799970,500025 4799970,500025 4799930))"
    )
    source, target = osr.SpatialReference(), osr.SpatialReference()
    source.ImportFromEPSG(32631)
    target.ImportFromEPSG(32632)
    inside.Transform(osr.CoordinateTransformation(source, target))
    feature.SetGeometry(inside)
    layer.CreateFeature(feature)
    del feature, layer, dataset
    found = run_line(scene, "ExtractROI -in three.tif -mode fit -mode.fit.vect area.gpkg", tmp_path / "o.tif")
    # the box in the other system is turned by some degrees, so that its extent is larger than the rectangle
    left, _, _, top, _, _ = found.GetGeoTransform()
    assert (left, top) == (500020, 4799980)
    assert (found.RasterXSize, found.RasterYSize) == (3, 3)


def test_a_mask_is_applied_with_the_value_that_is_given(scene: Path, tmp_path: Path) -> None:
    line = "ManageNoData -in three.tif -mode apply -mode.apply.mask mask.tif -mode.apply.ndval -5"
    dataset = run_line(scene, line, tmp_path / "o.tif")
    expected = np.where(RECORDED["mask"] == 0, -5, RECORDED["three"])
    np.testing.assert_array_equal(dataset.ReadAsArray(), expected.astype("f4"))
    assert dataset.GetRasterBand(1).GetNoDataValue() == -5


@pytest.mark.parametrize("line", ["ConcatenateImages -il {a}", "ExtractROI -in {a} -startx 1 -sizex 1"])
def test_a_copy_declares_nan_as_the_image_does(line: str, tmp_path: Path) -> None:
    pixels = np.array([[[1, 2], [np.nan, np.nan], [3, np.nan]]], "float32")
    image = made(tmp_path / "a.tif", pixels, np.nan)
    dataset = run_line(tmp_path, line.format(a=Path(image).name), tmp_path / "out.tif")
    assert [np.isnan(dataset.GetRasterBand(band).GetNoDataValue()) for band in (1, 2)] == [True, True]


def test_nearest_neighbours_keep_classes(tmp_path: Path) -> None:
    moved = write(tmp_path / "m.tif", [[[1, 200], [3, 4]]], nodata=3, kind=gdal.GDT_Byte)
    reference = write(tmp_path / "r.tif", np.zeros((1, 2, 3)), x=500_010)
    values = {"inr": reference, "inm": moved, "interpolator": "nn", "fv": 9, "out": str(tmp_path / "o.tif")}
    registry.run("Superimpose", values)
    dataset = gdal.Open(values["out"])
    assert dataset.GetRasterBand(1).DataType == gdal.GDT_Byte
    assert dataset.ReadAsArray().tolist() == [[200, 9, 9], [4, 9, 9]]


NOT_KEPT = "m.tif: a mask, or no-data values set in the layer's properties"


@pytest.mark.parametrize(
    ("told", "expected", "warned"),
    [
        ({}, [[9, 2, 3, 4], [9, 1, 1, 1]], False),
        ({"use_source_nodata": False}, [[0, 2, 3, 4], [0, 1, 1, 1]], False),
        ({"use_source_nodata": False, "nodata": [[[3, 3]], []]}, [[0, 2, 9, 4], [0, 1, 1, 1]], False),
        ({"use_source_nodata": False, "nodata": [[[3, 3]], [[1, 1]]]}, [[0, 2, 9, 4], [0, 9, 9, 9]], False),
        ({"nodata": [[[0, 0]], []]}, [[9, 2, 3, 4], [9, 1, 1, 1]], True),  # two values of a band
        ({"use_source_nodata": False, "nodata": [[[3, 4]], []]}, [[0, 2, 3, 4], [0, 1, 1, 1]], True),
    ],
)
def test_a_band_is_brought_to_a_grid_as_the_user_sees_it(
    told: dict[str, Any], expected: list[list[int]], warned: bool, tmp_path: Path
) -> None:
    """Bands are missing each by itself, by the values that count in the layer's properties."""
    moved = write(tmp_path / "m.tif", [[[0, 2, 3, 4]], [[0, 1, 1, 1]]], nodata=0)
    values = {
        "inr": moved,
        "inm": {"path": moved, **told},
        "interpolator": "nn",
        "fv": 9,
        "out": str(tmp_path / "o.tif"),
    }
    log = Log()
    registry.run("Superimpose", values, log)
    assert gdal.Open(values["out"]).ReadAsArray()[:, 0].tolist() == expected
    assert [NOT_KEPT in text for text in log.warnings] == [True] * warned


@pytest.mark.parametrize(("tag", "warned"), [(None, False), (-1, True)])
def test_a_mask_is_honoured_or_its_loss_told(tag: float | None, warned: bool, tmp_path: Path) -> None:
    """GDAL's warper follows a mask; where there is a no-data value too, it depends on the pixels whether it does."""
    pixels, mask = np.arange(1, 7, dtype="float32").reshape(2, 3, 1), np.array([[255, 0, 255], [255, 255, 0]], "uint8")
    moved = made(tmp_path / "m.tif", pixels, tag, mask)
    values = {"inr": moved, "inm": moved, "interpolator": "nn", "fv": 9, "out": str(tmp_path / "o.tif")}
    log = Log()
    registry.run("Superimpose", values, log)
    if not warned:
        assert gdal.Open(values["out"]).ReadAsArray().tolist() == np.where(mask == 0, 9, pixels[..., 0]).tolist()
    assert [NOT_KEPT in text for text in log.warnings] == [True] * warned


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ExtractROI -in three.tif -startx 9", "STARTX and STARTY are 9 and 0, but the image has 7 x 6"),
        ("ExtractROI -in three.tif -mode extent -mode.extent.ulx 20 -mode.extent.lrx 30", "lies outside the image"),
        (
            "ExtractROI -in three.tif -mode extent -mode.extent.ulx 4 -mode.extent.lrx 3",
            "the right coordinate is smaller",
        ),
        ("ExtractROI -in three.tif -cl Channel4", "CL is 'Channel4', but .* Channel1 to Channel3"),
        ("ExtractROI -in three.tif -mode fit", "MODE is fit, which needs exactly one of MODE_FIT_IM and MODE_FIT_VECT"),
        ("ConcatenateImages -il three.tif coarse.tif", "4 x 4 pixels"),
        ("ManageNoData -in three.tif -mode apply", "MODE is apply, but MODE_APPLY_MASK is missing"),
        ("ManageNoData -in three.tif -mode apply -mode.apply.mask coarse.tif", "The mask .* lies on another grid"),
        (
            "Superimpose -inr three.tif -inm one.tif -mode phr",
            "-mode phr is not supported: images are georeferenced by their grid",
        ),
    ],
)
def test_refused_before_anything_is_written(scene: Path, tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(OtbtfError, match=message):
        run_line(scene, line, tmp_path / "o.tif")
    assert not list(tmp_path.iterdir())
