"""BandMathX and BandMath against what Debian's otbcli_BandMathX and otbcli_BandMath (8.1.1) wrote; see tests/data/otb_tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from osgeo import gdal
from tool_rasters import write

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import OtbtfError

RECORDED = np.load(Path(__file__).parents[2] / "data" / "otb_tools" / "band_math.npz")
CASES = list(enumerate(zip(RECORDED["applications"].tolist(), RECORDED["expressions"].tolist())))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("images")
    one, two = RECORDED["im1"], RECORDED["im2"]
    numbers = np.arange(1, one[0].size + 1, dtype="f4").reshape(1, *one[0].shape)
    return [write(folder / f"{name}.tif", bands) for name, bands in (("1", one), ("2", two), ("3", numbers))]


def compute(folder: Path, application: str, expression: str, images: list[str], **values: Any) -> np.ndarray:
    given = {key.replace("_", ".", 1) if key.startswith("out") else key: value for key, value in values.items()}
    found = registry.run(application, {"il": images, "exp": expression, "out": str(folder / "o.tif"), **given})
    pixels = gdal.Open(found["out"]).ReadAsArray()
    return pixels if pixels.ndim == 3 else pixels[None]


@pytest.mark.parametrize(("number", "case"), CASES, ids=[f"{name}-{text}" for _, (name, text) in CASES])
def test_as_otb(tmp_path: Path, images: list[str], number: int, case: tuple[str, str]) -> None:
    found = compute(tmp_path, *case, images, out_pixeltype="double")
    np.testing.assert_allclose(found, RECORDED[f"values{number}"], rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("pixels", [1, 2, 256])
def test_tiles_do_not_show(tmp_path: Path, images: list[str], monkeypatch: pytest.MonkeyPatch, pixels: int) -> None:
    from otbtf_qgis.core.imagetools import tooloutput

    expression = "vect2scal(mean(im1b1N3x5)) + idxX * 3 - idxY; im2"
    whole = compute(tmp_path, "BandMathX", expression, images)
    monkeypatch.setattr(tooloutput, "ENOUGH_PIXELS", 1)
    monkeypatch.setattr(tooloutput, "BLOCK", pixels)
    assert np.array_equal(compute(tmp_path, "BandMathX", expression, images), whole)
    box = compute(tmp_path, "BandMathX", expression, images, out_box="2:1:3:4")
    assert np.array_equal(box, whole[:, 1:5, 2:5])


def test_whole_numbers_are_cut_off_and_clipped_as_otb_does(tmp_path: Path) -> None:
    image = write(tmp_path / "i.tif", [[[1.4, 1.5, 2.5, -3.7, 300.2, np.nan, -0.4, np.inf]]])
    found = compute(tmp_path, "BandMathX", "im1b1", [image], out_pixeltype="uint8")
    assert found.tolist() == [[[1, 1, 2, 0, 255, 0, 0, 255]]]


def test_no_data_stays_no_data(tmp_path: Path) -> None:
    one = write(tmp_path / "1.tif", [[[0, 1, 2, 3]]], nodata=0)
    two = write(tmp_path / "2.tif", [[[5, 5, 9, 5]]], nodata=9)
    found = compute(tmp_path, "BandMathX", "im1b1 + im2b1", [one, two])
    np.testing.assert_array_equal(found, [[[np.nan, 6, np.nan, 8]]])
    assert np.isnan(gdal.Open(str(tmp_path / "o.tif")).GetRasterBand(1).GetNoDataValue())
    found = compute(tmp_path, "BandMath", "im1b1 > 1", [one, two], out_pixeltype="uint8", out_nodata=7)
    assert found.tolist() == [[[7, 0, 7, 1]]]
    found = compute(tmp_path, "BandMathX", "im1b1 + im2b1", [one, two], nodata_from_layer=False)
    assert found.tolist() == [[[5, 6, 11, 8]]]


@pytest.mark.parametrize(("given", "told"), [({}, True), ({"out_nodata": 0.0}, False), ({"out_nodata": 7.0}, False)])
def test_results_that_equal_the_no_data_value_are_told(tmp_path: Path, given: dict[str, float], told: bool) -> None:
    """In a mask of bytes, 0 means "no": with 0 as no-data, which nobody chose, these pixels would vanish silently."""

    lines: list[str] = []

    class Told(Progress):
        def warning(self, message: str) -> None:
            lines.append(message)

    image = write(tmp_path / "i.tif", [[[-1, 5, 1, np.nan, 2]]], nodata=-1)
    values = {"il": [image], "exp": "im1b1 > 3", "out": str(tmp_path / "o.tif"), "out.pixeltype": "uint8"}
    values.update({key.replace("_", "."): value for key, value in given.items()})
    registry.run("BandMath", values, Told())
    background = int(given.get("out_nodata", 0))
    dataset = gdal.Open(str(tmp_path / "o.tif"))
    assert dataset.ReadAsArray().tolist() == [[background, 1, 0, 0, 0]]
    assert dataset.GetRasterBand(1).GetNoDataValue() == background
    assert [line for line in lines if "OUT_NODATA" in line] == (
        [
            "3 results equal the no-data value 0 of the output and became no-data: set OUT_NODATA to a value that the "
            "expression does not return, such as 255 for uint8."
        ]
        if told
        else []
    )


def test_a_south_up_image_is_numbered_as_it_is_stored(tmp_path: Path) -> None:
    path = write(tmp_path / "s.tif", np.arange(6.0).reshape(1, 3, 2))
    dataset = gdal.Open(path, gdal.GA_Update)
    dataset.SetGeoTransform((500_000, 10, 0, 4_800_000, 0, 20))
    dataset = None
    found = compute(tmp_path, "BandMathX", "idxY; im1b1; im1PhyY", [path])
    assert found[:, :, 0].tolist() == [[0, 1, 2], [0, 2, 4], [20, 20, 20]]


@pytest.mark.parametrize(
    ("application", "expression", "message"),
    [
        ("BandMathX", "im1b1N3x3", "the result does not take a neighbourhood of 3 x 3 pixels: use its mean"),
        ("BandMathX", "mean(im1b1N2x3)", "im1b1N2x3: a neighbourhood must have odd numbers"),
        (
            "BandMathX",
            "im1b1N3x3 + im1",
            "'\\+' takes vectors with the same number of bands, but these are a neighbourhood of 3 x 3 pixels and",
        ),
        (
            "BandMathX",
            "mean(im1b1N3x5 - im1b1N5x3)",
            "these are a neighbourhood of 3 x 5 pixels and a neighbourhood of 5 x 3",
        ),
        ("BandMathX", "cat(im1b1N3x3, im1)", "'cat' does not take a neighbourhood"),
        ("BandMathX", "im1b1 > 2", "the result is a comparison"),
        ("BandMathX", "im4b1", "im4b1 refers to image 4, but the number of images is 3"),
        ("BandMathX", "im4PhyX", "im4PhyX refers to image 4, but the number of images is 3"),
        ("BandMathX", "im1[0]", "elements by index are not supported: write im1b1"),
        ("BandMathX", "size(im1)", "BandMathX has no function 'size' here"),
        ("BandMath", "im1", "im1: BandMath takes single bands only"),
        ("BandMath", "im1b1Mean", "im1b1Mean: BandMath takes single bands only"),
        ("BandMath", "im1b1; im1b2", "BandMath gives one band"),
        ("BandMath", "{im1b1, 1}", "BandMath has no vectors"),
        ("BandMath", "vcos(im1b1)", "BandMath has no function 'vcos' here. Did you mean"),
        ("BandMath", "im1b1 +", "a number, a variable"),
    ],
)
def test_refused_by_name(tmp_path: Path, images: list[str], application: str, expression: str, message: str) -> None:
    with pytest.raises(OtbtfError, match=message):
        compute(tmp_path, application, expression, images)
    assert not list(tmp_path.iterdir())


def test_images_must_lie_on_one_grid(tmp_path: Path, images: list[str]) -> None:
    one = write(tmp_path / "1.tif", np.ones((1, 3, 4)))
    with pytest.raises(OtbtfError, match="has 4 x 3 pixels, but .* 7 x 6"):
        compute(tmp_path, "BandMathX", "im1b1", [images[0], one])
    moved = write(tmp_path / "2.tif", np.ones((1, 6, 7)), x=500_010)
    with pytest.raises(OtbtfError, match="is elsewhere"):
        compute(tmp_path, "BandMathX", "im1b1", [images[0], moved])
    with pytest.raises(OtbtfError, match="also an input"):
        registry.run("BandMathX", {"il": [one], "exp": "im1b1", "out": one})
