"""GDAL's errors reach us whatever they quote, in both of its modes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from osgeo import gdal

from otbtf_qgis.core.files.gdalcalls import collected_errors


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
