"""Which pixels of a raster are missing: no-data values, ranges, masks, and what GDAL says of the same pixels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from marked_rasters import made
from osgeo import gdal

from otbtf_qgis.core.errors import RasterError
from otbtf_qgis.core.geometry.grid import Box
from otbtf_qgis.core.parameters.nodatarules import WITH_GAPS, NodataRule
from otbtf_qgis.core.parameters.rastersource import RasterSource
from otbtf_qgis.core.rasters.inmemory import ArrayRaster
from otbtf_qgis.core.rasters.missingpixels import Held, Missing, common_tag, marks_of_first
from otbtf_qgis.core.rasters.rasterstack import Stack

F32 = np.float32
LOWEST = F32(np.finfo("float32").min)


def everywhere(source: Any, nodata: float | None = None, from_layer: bool = True) -> list[list[bool]]:
    stack = Stack(source if isinstance(source, list) else [source])
    found = stack.missing(nodata, from_layer).read(stack.grid.box)
    whole = stack.missing(nodata, from_layer).marked(stack.read(stack.grid.box), stack.grid.box)
    assert found.tolist() == whole.tolist()
    return found.tolist()


@pytest.mark.parametrize(
    ("dtype", "tag", "values"),
    [
        ("float32", float(LOWEST), [LOWEST, np.nextafter(LOWEST, F32(0)), F32(-1e30), F32(-np.inf)]),
        ("float32", -3.40282346639e38, [LOWEST, F32(-1e30), F32(0), F32(-np.inf)]),
        ("float32", -3.402823e38, [LOWEST, F32(-3.402823e38), F32(3.402823e38)]),
        ("float32", -3.4e38, [LOWEST, F32(-3.4e38), F32(3.4e38)]),
        ("float32", 3.4e38, [-LOWEST, F32(3.4e38), F32(np.inf)]),
        ("float32", -1.7976931348623157e308, [LOWEST, F32(0), F32(-np.inf)]),
        ("float32", 1e39, [F32(np.finfo("float32").max), F32(np.inf)]),
        ("float32", math.inf, [F32(np.inf), F32(-np.inf), F32(1)]),
        ("float32", math.nan, [F32(np.nan), F32(0)]),
        ("float32", 0.1, [F32(0.1), F32(0.10001), F32(0)]),
        ("float64", -3.40282346639e38, [-3.4028234663852886e38, -3.40282346639e38, -3.39e38]),
        ("float64", -1.7976931348623157e308, [-1.7976931348623157e308, -np.inf, 0.0]),
        ("uint8", -9999, [0, 1, 241, 255]),
        ("uint8", 256, [0, 255]),
        ("uint8", math.nan, [0, 255]),
        ("uint8", math.inf, [0, 255]),
        ("uint8", -math.inf, [0, 255]),
        ("int16", -32768, [-32768, 32767, 0]),
        ("int16", 32768, [-32768, 32767, 0]),
        ("int32", 2147483648, [2147483647, -2147483648]),
        ("uint32", 4294967295, [4294967295, 0]),
        ("int64", 9007199254740993, [9007199254740993, 9007199254740992, 9007199254740994]),
        ("int64", -(2**63), [-(2**63), 2**63 - 1, 0]),
        ("uint64", 2**64 - 1, [2**64 - 1, 2**64 - 2, 0]),
    ],
)
@pytest.mark.parametrize("driver", ["GTiff", "VRT"])
def test_a_tag_is_compared_as_gdals_mask_compares_it(
    dtype: str, tag: Any, values: list[Any], driver: str, tmp_path: Path
) -> None:
    path = made(tmp_path / "a.tif", np.array([values], dtype)[..., None], None if driver == "VRT" else tag)
    if driver == "VRT":  # keeps the tag's text, where GeoTIFF rounds it
        gdal.Translate(str(tmp_path / "a.vrt"), path, format="VRT", noData=repr(tag))
        path = str(tmp_path / "a.vrt")
    dataset = gdal.Open(path)
    said = (dataset.GetRasterBand(1).GetMaskBand().ReadAsArray() == 0).tolist()
    assert everywhere(path) == said


@pytest.mark.parametrize("given", [math.nan, math.inf, -math.inf, 0.5, 300.0, -1.0, 1e300])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64"])
def test_a_given_value_that_whole_numbers_cannot_have_marks_nothing(given: float, dtype: str, tmp_path: Path) -> None:
    path = made(tmp_path / "a.tif", np.array([[[0], [1], [255]]], dtype))
    expected = [[False, False, False]]
    assert everywhere(path, given) == expected
    pixels = np.array([[[0], [1], [255]]], dtype)
    assert Stack([path]).missing(given, rule=WITH_GAPS).marked(pixels, Box(0, 0, 3, 1)).tolist() == expected


def test_nan_counts_too_where_that_is_asked(tmp_path: Path) -> None:
    nan = math.nan
    pixels = np.array([[[nan, 1], [0, nan], [0, 1], [nan, nan], [2, 2]]], "float32")
    stack, box = Stack([made(tmp_path / "a.tif", pixels, 0)]), Box(0, 0, 5, 1)
    asked = stack.missing(nan=True)
    assert asked.marked(pixels, box).tolist() == [[False, True, False, True, False]]
    assert stack.missing(nan=True, rule=WITH_GAPS).marked(pixels, box).tolist() == [[True, True, True, True, False]]
    assert np.array_equal(asked.by_band(pixels, box), np.isnan(pixels) | (pixels == 0))
    alone = stack.missing(from_layer=False, nan=True)
    assert alone.possible and np.array_equal(alone.by_band(pixels, box), np.isnan(pixels))
    assert stack.missing(rule=WITH_GAPS).marked(pixels, box).tolist() == [[False, True, True, False, False]]
    whole = Stack([made(tmp_path / "whole.tif", np.array([[[0], [1]]], "uint8"))])
    assert not whole.missing(nan=True).partly


@pytest.mark.parametrize(
    ("tags", "common"),
    [(("nan", "nan"), "nan"), ((0, 0.0), 0), ((0, 1), None), (("nan", 0), None), ((0, "nan"), None), ((None, 0), None)],
)
def test_the_no_data_value_that_all_bands_have(tags: tuple[Any, ...], common: Any) -> None:
    """Each file has a NaN of its own, which equals none."""
    numbers = [None if tag is None else float(tag) for tag in tags]
    found = common_tag([Held(np.dtype("float32"), number) for number in numbers])
    assert found is None if common is None else np.array_equal(found, float(common), equal_nan=True)


def test_the_tag_of_a_band_counts_in_its_own_type_in_a_stack(tmp_path: Path) -> None:
    one = made(tmp_path / "one.tif", np.array([[[0.1], [0.1], [2.0]]], "float32"), 0.1)
    two = made(tmp_path / "two.tif", np.array([[[7.0], [0.1], [7.0]]], "float64"), 7.0)
    three = made(tmp_path / "three.tif", np.array([[[1], [1], [1]]], "uint8"), 1)
    assert everywhere([one, two, three]) == [[True, False, False]]


def test_a_pixel_is_no_data_where_all_bands_are(tmp_path: Path) -> None:
    pixels = np.array([[[0, 1], [0, 5], [3, 1], [3, 3]]], "int16")
    path = made(tmp_path / "a.vrt.tif", pixels)
    source = RasterSource(path, nodata=[[[0, 0]], [[1, 1]]])
    assert everywhere(source) == [[True, False, False, False]]
    anywhere = Stack([source]).missing(rule=WITH_GAPS).marked(pixels, Box(0, 0, 4, 1))
    assert anywhere.tolist() == [[True, True, True, False]]
    assert everywhere(source, from_layer=False) == [[False] * 4]
    assert everywhere(RasterSource(path, nodata=[[[0, 0]], []])) == [[False] * 4]


@pytest.mark.parametrize(
    ("dtype", "ranges", "expected"),
    [
        ("uint8", [[2, 4]], [0, 0, 1, 1, 1, 0]),
        ("uint8", [[1.5, 3.5]], [0, 0, 1, 1, 0, 0]),
        ("uint8", [[-math.inf, 1], [5, 1e9]], [1, 1, 0, 0, 0, 1]),
        ("uint8", [[3.2, 3.8]], [0, 0, 0, 0, 0, 0]),
        ("uint8", [[math.nan, math.nan]], [0, 0, 0, 0, 0, 0]),
        ("float32", [[2, 4]], [0, 0, 1, 1, 1, 0]),
        ("float32", [[-math.inf, 0], [4.5, math.inf]], [1, 0, 0, 0, 0, 1]),
        # What QGIS has as "above 0" and "below 4" begins and ends beside them, nearer than float32 can tell.
        ("float32", [[math.ulp(0), 2], [3, math.nextafter(4, 0)]], [0, 1, 1, 1, 0, 0]),
        ("float32", [[math.nextafter(2, 3), math.nextafter(3, 2)]], [0, 0, 0, 0, 0, 0]),
        ("float64", [[math.ulp(0), math.nextafter(2, 0)]], [0, 1, 0, 0, 0, 0]),
    ],
)
def test_both_ends_of_a_range_belong_to_it(dtype: str, ranges: Any, expected: list[int], tmp_path: Path) -> None:
    path = made(tmp_path / "a.tif", np.arange(6, dtype=dtype)[None, :, None])
    assert everywhere(RasterSource(path, nodata=[ranges])) == [[bool(v) for v in expected]]


def test_ranges_count_beside_the_tag_and_a_given_value_replaces_the_tag_alone(tmp_path: Path) -> None:
    path = made(tmp_path / "a.tif", np.arange(6, dtype="uint8")[None, :, None], 0)
    source = RasterSource(path, nodata=[[[5, 5]]])
    assert everywhere(source) == [[True, False, False, False, False, True]]
    assert everywhere(source, 3.0) == [[False, False, False, True, False, True]]
    assert everywhere(source, 3.0, from_layer=False) == [[False, False, False, True, False, False]]
    off = RasterSource(path, nodata=[[[5, 5]]], use_source_nodata=False)
    assert everywhere(off) == everywhere(RasterSource(path, nodata=[[[5, 5]]], use_source_nodata=[False]))
    assert everywhere(off) == [[False, False, False, False, False, True]]


def test_nan_in_a_range_is_nan(tmp_path: Path) -> None:
    path = made(tmp_path / "a.tif", np.array([[[1.0], [np.nan]]], "float32"))
    assert everywhere(RasterSource(path, nodata=[[[math.nan, math.nan]]])) == [[False, True]]


@pytest.mark.parametrize("external", [False, True], ids=["internal", "external"])
@pytest.mark.parametrize("south_up", [False, True], ids=["north up", "south up"])
def test_a_mask_of_a_data_set_counts(external: bool, south_up: bool, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pixels, mask = (
        random.integers(1, 9, (20, 30, 2)).astype("uint8"),
        random.choice([0, 1, 255], (20, 30)).astype("uint8"),
    )
    path = made(tmp_path / "a.tif", pixels, 3, mask, external, south_up)
    assert (tmp_path / "a.tif.msk").exists() == external
    assert everywhere(path) == ((mask == 0) | (pixels == 3).all(axis=2)).tolist()
    assert everywhere(path, 5.0) == ((mask == 0) | (pixels == 5).all(axis=2)).tolist()
    assert everywhere(path, 5.0, from_layer=False) == (pixels == 5).all(axis=2).tolist()
    box = Box(7, 3, 11, 8)
    stack = Stack([path])
    part = stack.missing().read(box)
    assert part.tolist() == ((mask == 0) | (pixels == 3).all(axis=2))[3:11, 7:18].tolist()


@pytest.mark.parametrize("padding", ["reflect", "edge", "constant"])
def test_masks_are_padded_as_pixels_are(padding: str, tmp_path: Path) -> None:
    mask = np.random.default_rng(0).choice([0, 255], (6, 7)).astype("uint8")
    stack = Stack([made(tmp_path / "a.tif", np.ones((6, 7, 1), "uint8"), None, mask)])
    box = Box(-3, -2, 13, 11)
    pixels = stack.read_padded(box, padding)
    mode: Any = padding
    more = {"constant_values": 1} if padding == "constant" else {}
    expected = np.pad(mask, ((2, 3), (3, 3)), mode, **more) == 0
    assert stack.missing().marked(pixels, box, padding).tolist() == expected.tolist()


def test_a_stack_is_masked_where_all_files_are(tmp_path: Path) -> None:
    one = made(tmp_path / "a.tif", np.ones((1, 4, 1), "uint8"), None, np.array([[0, 0, 255, 255]], "uint8"))
    two = made(tmp_path / "b.tif", np.ones((1, 4, 1), "uint8"), None, np.array([[0, 255, 0, 255]], "uint8"), True)
    three = made(tmp_path / "c.tif", np.ones((1, 4, 1), "uint8"))
    stack = Stack([one, two])
    assert everywhere([one, two]) == [[True, False, False, False]]
    assert stack.missing(rule=WITH_GAPS).marked(stack.read(stack.grid.box), stack.grid.box).tolist() == [
        [True, True, True, False]
    ]
    assert not Stack([one, three]).missing().possible


def test_each_band_may_have_a_mask_of_its_own(tmp_path: Path) -> None:
    dataset = gdal.GetDriverByName("MEM").Create("", 4, 1, 2, gdal.GDT_Byte)
    for band, row in ((1, [0, 0, 255, 255]), (2, [0, 255, 0, 255])):
        dataset.GetRasterBand(band).CreateMaskBand(0)
        dataset.GetRasterBand(band).GetMaskBand().WriteArray(np.array([row], "uint8"))
    assert everywhere(dataset) == [[True, False, False, False]]
    whole = Box(0, 0, 4, 1)
    assert Stack([dataset]).missing().by_band(np.ones((1, 4, 2), "uint8"), whole)[0].T.tolist() == [
        [True, True, False, False],
        [True, False, True, False],
    ]


def test_nodata_values_tell_of_all_bands_together(tmp_path: Path) -> None:
    pixels = np.array([[[1, 2], [1, 3], [2, 2]]], "uint8")
    path = made(tmp_path / "a.tif", pixels)
    dataset = gdal.Open(path, gdal.GA_Update)
    dataset.SetMetadataItem("NODATA_VALUES", "1 2")
    del dataset
    assert everywhere(path) == [[True, False, False]]
    stack = Stack([path])
    assert stack.missing(rule=WITH_GAPS).marked(pixels, stack.grid.box).tolist() == [[True, False, False]]
    assert everywhere(path, from_layer=False) == [[False, False, False]]


def test_a_raster_of_which_one_band_alone_is_marked_is_never_asked() -> None:
    dataset = gdal.GetDriverByName("MEM").Create("", 4, 1, 2, gdal.GDT_Byte)
    dataset.GetRasterBand(1).SetNoDataValue(1)
    stack = Stack([dataset])
    assert not stack.missing().possible
    assert stack.missing().partly
    assert stack.missing().pixel_bytes == 0
    assert stack._masks == []


def test_what_holds_nothing_is_no_data_only_where_its_mask_says_so(tmp_path: Path) -> None:
    mask = np.zeros((256, 512), "uint8")
    mask[:, 256:] = 255
    sparse = made(
        tmp_path / "a.tif", np.zeros((256, 512, 1), "uint8"), None, mask, options=("TILED=YES", "SPARSE_OK=TRUE")
    )
    stack = Stack([sparse])
    missing = stack.missing()
    for x, width, expected in ((0, 256, True), (256, 256, False), (128, 256, False)):
        box = Box(x, 0, width, 256)
        values = stack.without_data(box)
        assert values is None or missing.throughout(values, box) == expected
        assert missing.throughout(np.zeros(1, "uint8"), box) == expected
    tagged = Stack([ArrayRaster(np.zeros((4, 4), "uint8"), nodata=0).open()])
    assert tagged.missing().throughout(np.zeros(1, "uint8"), tagged.grid.box)
    assert not tagged.missing().throughout(np.ones(1, "uint8"), tagged.grid.box)


@pytest.mark.parametrize("content", [b"", b"garbage", b"II*\x00\x08\x00\x00\x00"])
def test_a_mask_beside_the_file_that_is_none_is_not_passed_over(content: bytes, tmp_path: Path) -> None:
    path = made(tmp_path / "a.tif", np.ones((3, 3, 1), "uint8"))
    (tmp_path / "a.tif.msk").write_bytes(content)
    with pytest.raises(RasterError, match=r"a.tif.msk is the mask .* cannot read it"):
        Stack([path])


@pytest.fixture(params=[False, True], ids=["errors returned", "errors raised"])
def exceptions(request: pytest.FixtureRequest) -> Iterator[None]:
    """GDAL's bindings as QGIS may have set them, either way."""
    before = gdal.GetUseExceptions()
    (gdal.UseExceptions if request.param else gdal.DontUseExceptions)()
    yield
    (gdal.UseExceptions if before else gdal.DontUseExceptions)()


def test_a_damaged_mask_is_an_error_that_says_so(exceptions: None, tmp_path: Path) -> None:
    mask = np.random.default_rng(0).integers(0, 2, (300, 300)).astype("uint8") * 255
    path = made(tmp_path / "a.tif", np.ones((300, 300, 1), "uint8"), None, mask, external=True)
    broken = tmp_path / "a.tif.msk"
    content = bytearray(broken.read_bytes())
    size = len(content)
    content[size // 4 : size * 3 // 4] = bytes(size * 3 // 4 - size // 4)
    broken.write_bytes(content)
    with pytest.raises(RasterError, match=r"Cannot read the mask, columns 0 to 299, rows 0 to 299 of .*a.tif"):
        everywhere(path)


class Unreadable:
    """Rasters whose pixels cannot be read."""

    dtype = np.dtype("uint8")

    def __init__(self, *held: Held) -> None:
        self.held = held

    def read(self, box: Box) -> np.ndarray:
        raise AssertionError("pixels were read")

    def read_mask(self, number: int, box: Box, padding: str = "edge") -> np.ndarray:
        return np.eye(box.height, box.width, dtype=bool)


@pytest.mark.parametrize(
    ("bands", "expected"),
    [
        ([Held(Unreadable.dtype, tag=0), Held(Unreadable.dtype)], np.zeros((3, 3), bool)),
        ([Held(Unreadable.dtype, masks=(0,))], np.eye(3, dtype=bool)),
        ([Held(Unreadable.dtype, masks=(0,)), Held(Unreadable.dtype)], np.zeros((3, 3), bool)),
    ],
    ids=["one band never missing", "a mask alone", "a mask of one band"],
)
def test_pixels_are_read_only_where_their_values_tell(bands: list[Held], expected: np.ndarray) -> None:
    missing = Missing(Unreadable(*bands))
    assert missing.read(Box(0, 0, 3, 3)).tolist() == expected.tolist()
    assert missing.pixel_bytes == 0
    with pytest.raises(AssertionError, match="pixels were read"):
        Missing(Unreadable(Held(Unreadable.dtype, tag=0, masks=(0,)))).read(Box(0, 0, 3, 3))


class TestMarksOfTheFirstBand:
    """What a file that is warped by GDAL says: values, and the mask in GDAL's words."""

    PIXELS = np.arange(12, dtype="uint8").reshape(2, 3, 2)

    @staticmethod
    def marks(path: str, nodata: float | None = None, from_layer: bool = True) -> tuple[Any, str]:
        return marks_of_first(gdal.Open(path), RasterSource(path), np.dtype("float64"), nodata, from_layer)

    def test_of_nothing(self, tmp_path: Path) -> None:
        path = made(tmp_path / "a.tif", self.PIXELS)
        assert self.marks(path) == ((), "none")
        assert self.marks(path, 3.0) == (((3.0, 3.0),), "none")

    def test_of_values(self, tmp_path: Path) -> None:
        path = made(tmp_path / "a.tif", self.PIXELS, 7)
        assert self.marks(path) == (((7.0, 7.0),), "none")
        assert self.marks(path, 3.0) == (((3.0, 3.0),), "none")
        assert self.marks(path, from_layer=False) == ((), "none")
        source = RasterSource(path, nodata=[[[1, 2]], [[5, 6]]])
        found = marks_of_first(gdal.Open(path), source, np.dtype("float64"), None, True)
        assert found == (((7.0, 7.0), (1.0, 2.0)), "none")

    def test_of_values_that_count_together(self, tmp_path: Path) -> None:
        path = made(tmp_path / "a.tif", self.PIXELS)
        dataset = gdal.Open(path, gdal.GA_Update)
        dataset.SetMetadataItem("NODATA_VALUES", "4 5")
        del dataset
        assert self.marks(path) == (((4.0, 4.0),), "none")
        assert self.marks(path, from_layer=False) == ((), "none")

    def test_of_a_mask_and_of_alpha(self, tmp_path: Path) -> None:
        mask = np.array([[0, 255, 0], [255, 255, 255]], "uint8")
        masked = made(tmp_path / "masked.tif", self.PIXELS, None, mask)
        assert self.marks(masked) == ((), "mask")
        assert self.marks(masked, from_layer=False) == ((), "none")
        alpha = made(tmp_path / "alpha.tif", self.PIXELS, alpha=True)
        assert self.marks(alpha) == ((), "2")
        both = made(tmp_path / "both.tif", self.PIXELS, None, mask, external=True, alpha=True)
        assert self.marks(both) == ((), "mask")


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.74, 1.0])
def test_a_pixel_is_no_data_where_more_bands_are_missing_than_the_rule_accepts(share: float, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 3, (20, 30, 4)).astype("int16")
    mask = np.where(random.random((20, 30)) < 0.2, 0, 255).astype("uint8")
    stack = Stack([made(tmp_path / "a.tif", pixels, 0), made(tmp_path / "b.tif", pixels[..., :2] + 1, None, mask)])
    read, box = stack.read(stack.grid.box), stack.grid.box
    gaps = np.dstack([pixels == 0, mask == 0, mask == 0])
    missing = stack.missing(rule=NodataRule(share))
    expected = (gaps.mean(axis=2) > share) | gaps.all(axis=2)
    assert np.array_equal(missing.marked(read, box), expected) and expected.any() and not expected.all()
    assert np.array_equal(missing.read(box), expected)
    part = Box(3, 4, 1, 1)
    assert missing.throughout(read[4, 3], part) == expected[4, 3]


def test_nan_counts_where_the_rule_says_so(tmp_path: Path) -> None:
    pixels = np.array([[[math.nan, 1.0], [math.nan, math.nan], [1.0, 2.0]]], "float32")
    stack = Stack([made(tmp_path / "a.tif", pixels)])
    assert not stack.missing().possible
    assert stack.missing(rule=NodataRule(nan=True)).read(stack.grid.box).tolist() == [[False, True, False]]


def test_missing_bands_are_handed_on_with_one_value(tmp_path: Path) -> None:
    pixels = np.array([[[0, 5], [7, 9], [3, 9]]], "int16")
    mask = np.array([[255, 255, 0]], "uint8")
    box = Box(0, 0, 3, 1)
    plain = Stack([made(tmp_path / "a.tif", pixels, 0)]).missing()
    assert plain.gap_value == 0.0 and plain.with_gaps(pixels, box, 0.0) is pixels
    assert plain.with_gaps(pixels, box, -1.0).tolist() == [[[-1, 5], [7, 9], [3, 9]]]
    tags = Stack([made(tmp_path / "b.tif", pixels[..., :1], 0), made(tmp_path / "c.tif", pixels[..., 1:], 9)]).missing()
    assert tags.gap_value is None and tags.apart
    assert tags.with_gaps(pixels, box, -7.0).tolist() == [[[-7, 5], [7, -7], [3, -7]]]
    as_nan = tags.with_gaps(pixels, box, math.nan)
    assert as_nan.dtype == "float32" and np.isnan(as_nan).tolist() == [[[True, False], [False, True], [False, True]]]
    masked = Stack([made(tmp_path / "d.tif", pixels, None, mask)]).missing()
    assert not masked.apart and masked.with_gaps(pixels, box, -1.0)[0, 2].tolist() == [-1, -1]
    assert Stack([made(tmp_path / "e.tif", pixels.astype("float32"))]).missing().gap_value != 0  # NaN
