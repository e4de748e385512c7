"""GDAL's errors reach us whatever they quote, in both of its modes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving
from osgeo import gdal

from otbtf_qgis.core.files.gdalcalls import collected_errors
from otbtf_qgis.core.files.staging import Staging
from otbtf_qgis.core.geometry.grid import Axis, Box, Grid
from otbtf_qgis.core.rasters.rasteroutput import OutputRaster
from otbtf_qgis.core.rasters.rasterreference import Reference


@pytest.fixture(params=[False, True], ids=["exceptions off", "exceptions on"])
def mode(request: pytest.FixtureRequest) -> Iterator[None]:
    before = gdal.GetUseExceptions()
    gdal.UseExceptions() if request.param else gdal.DontUseExceptions()
    yield
    gdal.UseExceptions() if before else gdal.DontUseExceptions()


@pytest.mark.parametrize("letter", [b"\xff", b"\xc3\xa9"])  # of the second, GDAL quotes the first byte alone
def test_a_message_that_is_no_utf8_is_collected(mode: None, tmp_path: Path, letter: bytes) -> None:
    path = tmp_path / "damaged.vrt"
    path.write_bytes(b"<VRTDataset rasterXSize='1' rasterYSize='1'><a" + letter + b"></a></VRTDataset>")
    with collected_errors() as errors:
        gdal.OpenEx(str(path))
    assert errors.failed
    str(errors).encode("utf-8")  # it can be printed, and sent to QGIS
    if not gdal.GetUseExceptions():  # with them, the bindings lose it
        assert "expected '='" in str(errors)


def test_a_call_that_returns_nothing_has_its_message_collected_too(mode: None) -> None:
    """The bindings leave the exception of such a call to whatever is called next, which changes as Python optimizes."""
    for _ in range(20):
        with collected_errors() as errors:
            gdal.ParseXMLString("<a b='1'\xe9></a>")
        assert errors.failed
        str(errors).encode("utf-8")


@pytest.mark.parametrize("form", ["GTiff", "COG"])
def test_a_raster_is_whole_though_somebody_keeps_its_data_set(mode: None, tmp_path: Path, form: str) -> None:
    """As a profiler does, which looks at the frames of functions: Dask's workers have one."""
    pixels = np.random.default_rng(0).random((64, 64, 1)).astype("float32")
    grid, driver = Grid(Axis(0, 1, 64), Axis(0, 1, 64)), gdal.GetDriverByName(form)
    log, kept = serving.Log(), list[Any]()
    with Staging(str(tmp_path / "map.tif"), log) as staging:
        with OutputRaster(staging, grid, 1, pixels.dtype, Reference("", False), driver) as raster:
            kept.append(raster.dataset)
            raster.write(Box(0, 0, 64, 64), pixels)
            raster.commit(log)
        np.testing.assert_array_equal(serving.read(tmp_path / "map.tif"), pixels)
    assert not log.warnings and kept
