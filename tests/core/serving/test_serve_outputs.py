"""What is written: formats, pixel types, values that a type cannot hold, and parts of the output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving
from osgeo import gdal, osr

from otbtf_qgis.core.errors import OtbtfError, RasterError

WIDTH, HEIGHT = 70, 50


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return serving.noise(HEIGHT, WIDTH, 3)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray) -> dict[str, Any]:
    """Values of a run that copies an image of three bands."""
    folder = tmp_path_factory.mktemp("given")
    net = serving.pixelwise(folder / "net", lambda x: x, 3, "uint8")
    return {"source1_il": serving.write(folder / "image.tif", pixels), "model_dir": net}


@pytest.fixture
def values_through(tmp_path: Path) -> Callable[..., tuple[np.ndarray, Any, serving.Log]]:
    """Serves an image of these values (a row of float64) through a model; returns the row, GDAL's dataset and the log."""

    def run(row: Any, body: Callable[[Any], Any], **values: Any) -> tuple[np.ndarray, Any, serving.Log]:
        image = serving.write(tmp_path / "image.tif", np.asarray(row, "float64").reshape(1, -1, 1))
        net = serving.pixelwise(tmp_path / "net", body, 1, "float64")
        log, out = serving.Log(), tmp_path / "out.tif"
        common = {"source1_il": image, "model_dir": net, "out": str(out), "model_fullyconv": "on"}
        serving.serve(log, **common, source1_rfieldx=1, source1_rfieldy=1, **values)
        return serving.read(out).ravel(), gdal.Open(str(out)), log

    return run


@pytest.mark.parametrize(
    ("name", "form", "driver", "beside"),
    [
        ("out.tif", "", "GTiff", []),
        ("out.tif", "COG", "COG", []),
        ("out.png", "", "PNG", ["out.png.aux.xml"]),
        ("out.img", "", "HFA", []),
        ("out.img", "ENVI", "ENVI", ["out.hdr"]),
        ("out.jp2", "", "JP2OpenJPEG", []),
        ("out.jpg", "", "JPEG", ["out.jpg.aux.xml"]),
    ],
)
def test_formats(
    given: dict[str, Any], pixels: np.ndarray, tmp_path: Path, name: str, form: str, driver: str, beside: list[str]
) -> None:
    if gdal.GetDriverByName(driver) is None:
        pytest.skip(f"GDAL without {driver}")
    co = "QUALITY=100|REVERSIBLE=YES" if driver == "JP2OpenJPEG" else ""
    serving.serve(**given, out=str(tmp_path / name), out_format=form, out_co=co)
    dataset = gdal.Open(str(tmp_path / name))
    if driver == "COG":
        assert dataset.GetMetadataItem("LAYOUT", "IMAGE_STRUCTURE") == "COG"
    else:
        assert dataset.GetDriver().ShortName == driver
    assert {path.name for path in tmp_path.iterdir()} == {name, *beside}
    if driver == "JPEG":
        assert np.abs(serving.read(tmp_path / name).astype(int) - pixels).mean() < 64  # noise, and a lossy format
    else:
        np.testing.assert_array_equal(serving.read(tmp_path / name), pixels)
    assert dataset.GetGeoTransform() == serving.ORIGIN
    assert dataset.GetSpatialRef().GetAuthorityCode(None) == str(serving.UTM)


@pytest.mark.parametrize("name", ["out.png", "out.jpg"])
def test_a_format_that_cannot_hold_the_type_is_refused(given: dict[str, Any], tmp_path: Path, name: str) -> None:
    """GDAL itself would cut the values down to bytes and go on."""
    with pytest.raises(RasterError, match="cannot hold float32: choose the pixel type uint8 or "):
        serving.serve(**given, out=str(tmp_path / name), out_pixeltype="float")
    assert list(tmp_path.iterdir()) == []


def test_an_older_output_is_replaced_with_all_that_belonged_to_it(
    given: dict[str, Any], pixels: np.ndarray, tmp_path: Path
) -> None:
    out = tmp_path / "out.tif"
    serving.write(out, pixels[:10, :10])
    for companion in ("out.tif.aux.xml", "out.tif.ovr"):
        (tmp_path / companion).write_text("of the older one")
    serving.serve(**given, out=str(out))
    np.testing.assert_array_equal(serving.read(out), pixels)
    assert [path.name for path in tmp_path.iterdir()] == ["out.tif"]


def test_geotiff_is_tiled_and_compressed_where_that_pays(given: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "out.tif"
    serving.serve(**given, out=str(out))
    dataset = gdal.Open(str(out))
    assert dataset.GetRasterBand(1).GetBlockSize() == [256, 256]
    assert dataset.GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") == "DEFLATE"
    serving.serve(**given, out=str(out), out_pixeltype="float")
    assert gdal.Open(str(out)).GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") is None


def test_creation_options_win_over_the_defaults(given: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "out.tif"
    serving.serve(**given, out=str(out), out_co="COMPRESS=LZW|TILED=NO")
    dataset = gdal.Open(str(out))
    assert dataset.GetRasterBand(1).GetBlockSize()[0] == WIDTH
    assert dataset.GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE") == "LZW"


def test_clamping_and_cutting_off_towards_zero(values_through: Any) -> None:
    row = [-300.0, -1.9, -0.5, 0.0, 0.9, 1.5, 254.99, 255.0, 256.0, 1e30, -1e30]
    assert values_through(row, lambda x: x, out_pixeltype="uint8")[0].tolist() == [
        0,
        0,
        0,
        0,
        0,
        1,
        254,
        255,
        255,
        255,
        0,
    ]
    assert values_through(row, lambda x: x, out_pixeltype="int16")[0].tolist() == [
        *(-300, -1, 0, 0, 0, 1, 254, 255, 256, 32767, -32768)
    ]


def test_the_ends_of_int32_are_met_exactly(values_through: Any) -> None:
    import tensorflow as tf

    row = [2147483647.0, 2147483648.0, -2147483648.0, -2147483649.0, 2147483520.0]
    for body in (lambda x: x, lambda x: tf.cast(x, tf.int64)):
        found, dataset, _ = values_through(row, body, out_pixeltype="int32")
        assert found.tolist() == [2147483647, 2147483647, -2147483648, -2147483648, 2147483520]
        assert gdal.GetDataTypeName(dataset.GetRasterBand(1).DataType) == "Int32"


def test_what_an_integer_cannot_hold_becomes_the_background_and_is_counted(values_through: Any) -> None:
    row = [1.0, np.nan, np.inf, -np.inf, 2.0]
    found, _, log = values_through(row, lambda x: x, out_pixeltype="uint8", output_bv=9)
    assert found.tolist() == [1, 9, 9, 9, 2]
    assert any(warning.startswith("3 values") and "9 (OUTPUT_BV)" in warning for warning in log.warnings)
    found, _, log = values_through(row, lambda x: x)
    np.testing.assert_array_equal(found, row)
    assert log.warnings == []


@pytest.mark.parametrize(
    ("dtype", "written"),
    [
        *(("bool", "Byte"), ("uint8", "Byte"), ("int8", "Int16"), ("uint16", "UInt16"), ("int16", "Int16")),
        *(("int32", "Int32"), ("uint32", "UInt32"), ("int64", "Int32"), ("uint64", "UInt32")),
        *(("float16", "Float32"), ("bfloat16", "Float32"), ("float32", "Float32"), ("float64", "Float64")),
    ],
)
def test_every_type_of_a_model(values_through: Any, dtype: str, written: str) -> None:
    import tensorflow as tf

    found, dataset, _ = values_through([0, 1, 3], lambda x: tf.cast(x, dtype))
    assert found.tolist() == ([0, 1, 1] if dtype == "bool" else [0, 1, 3])
    assert gdal.GetDataTypeName(dataset.GetRasterBand(1).DataType) == written


class TestParts:
    """A part of the output has the pixels, and the place, that it has in the whole."""

    @pytest.fixture(scope="class")
    def whole(self, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], np.ndarray, tuple[float, ...]]:
        """Values of a run with a network that crops, with all of its output and the geotransform of that."""
        folder = tmp_path_factory.mktemp("whole")
        image = serving.write(folder / "image.tif", serving.noise(HEIGHT, WIDTH, 1, "uint16"))
        values = {"source1_il": image, "model_dir": serving.convolutions(folder / "net", 1)}
        serving.serve(**values, out=str(folder / "out.tif"))
        return values, serving.read(folder / "out.tif"), gdal.Open(str(folder / "out.tif")).GetGeoTransform()

    def check(self, whole: Any, tmp_path: Path, box: tuple[int, int, int, int], **values: Any) -> None:
        given, everything, transform = whole
        out = tmp_path / "part.tif"
        serving.serve(**given, out=str(out), **values)
        x, y, width, height = box
        found = gdal.Open(str(out))
        assert (found.RasterXSize, found.RasterYSize) == (width, height)
        np.testing.assert_allclose(serving.read(out), everything[y : y + height, x : x + width], rtol=1e-4, atol=1e-5)
        assert found.GetGeoTransform()[0] == transform[0] + 10 * x
        assert found.GetGeoTransform()[3] == transform[3] - 10 * y

    def test_box(self, whole: Any, tmp_path: Path) -> None:
        self.check(whole, tmp_path, (7, 5, 20, 11), out_box="7:5:20:11")

    def test_extent_is_snapped_outwards(self, whole: Any, tmp_path: Path) -> None:
        left, top = whole[2][0], whole[2][3]
        extent = f"{left + 71},{left + 205},{top - 99},{top - 30.0000001}"
        self.check(whole, tmp_path, (7, 3, 14, 7), extent=extent)

    def test_extent_is_clipped_to_the_output(self, whole: Any, tmp_path: Path) -> None:
        left, top = whole[2][0], whole[2][3]
        self.check(whole, tmp_path, (0, 0, 3, 2), extent=f"{left - 500},{left + 30},{top - 20},{top + 500}")

    def test_extent_in_another_coordinate_system(self, whole: Any, tmp_path: Path) -> None:
        """All pixels that the rectangle of longitudes and latitudes touches are in it."""
        system = [osr.SpatialReference(), osr.SpatialReference()]
        for reference, code in zip(system, (serving.UTM, 4326)):
            reference.ImportFromEPSG(code)
            reference.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        left, top = whole[2][0] + 95.0, whole[2][3] - 45.0
        corners = [(left + dx, top - dy) for dx in (0, 100) for dy in (0, 80)]
        there = [osr.CoordinateTransformation(*system).TransformPoint(*corner)[:2] for corner in corners]
        west, east = min(p[0] for p in there), max(p[0] for p in there)
        south, north = min(p[1] for p in there), max(p[1] for p in there)
        back = osr.CoordinateTransformation(*reversed(system)).TransformBounds(west, south, east, north, 21)
        x, y = int((back[0] - whole[2][0]) // 10), int((whole[2][3] - back[3]) // 10)
        right, bottom = -int(-(back[2] - whole[2][0]) // 10), -int(-(whole[2][3] - back[1]) // 10)
        assert (x, y) <= (9, 4) and right >= 20 and bottom >= 13
        box = (x, y, right - x, bottom - y)
        self.check(whole, tmp_path, box, extent=f"{west!r},{east!r},{south!r},{north!r} [EPSG:4326]")


def test_a_south_up_image(given: dict[str, Any], pixels: np.ndarray, tmp_path: Path) -> None:
    transform = (300000.0, 10.0, 0.0, 3999500.0, 0.0, 10.0)
    image = serving.write(tmp_path / "image.tif", pixels, transform)
    serving.serve(**{**given, "source1_il": image}, out=str(tmp_path / "out.tif"), out_box="5:10:20:15")
    out = gdal.Open(str(tmp_path / "out.tif"))
    np.testing.assert_array_equal(serving.read(tmp_path / "out.tif"), pixels[10:25, 5:25])
    assert out.GetGeoTransform() == (300050.0, 10.0, 0.0, 3999600.0, 0.0, 10.0)


def test_complex_numbers_are_written_or_refused(tmp_path: Path, values_through: Any) -> None:
    import tensorflow as tf

    def body(x: Any) -> Any:
        return tf.cast(tf.complex(x, -x), tf.complex64)

    assert values_through([1.0, 2.0], body)[0].tolist() == [1 - 1j, 2 - 2j]
    with pytest.raises(OtbtfError, match="complex"):
        values_through([1.0, 2.0], body, out_pixeltype="float")
