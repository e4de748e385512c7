"""Applications as OTB's Python module has them: what a run found holds until a parameter changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from otbtf_qgis.core import otbApplication
from otbtf_qgis.core.errors import ParameterError

Change = Callable[[otbApplication.Application], None]


@pytest.fixture
def written(tmp_path: Path) -> otbApplication.Application:
    """An application that has written half of an image, `out.tif`."""
    image = str(tmp_path / "image.tif")
    data = gdal.GetDriverByName("GTiff").Create(image, 8, 6, 1)
    data.WriteArray(np.arange(48, dtype="uint8").reshape(6, 8))
    data = None
    application = otbApplication.Registry.CreateApplication("ExtractROI")
    application.SetParameterString("in", image)
    application.SetParameterInt("sizex", 4)
    application.SetParameterString("out", str(tmp_path / "out.tif"))
    application.ExecuteAndWriteOutput()
    return application


def out(tmp_path: Path) -> tuple[int, str]:
    """Return width and pixel type of what was written."""
    data = gdal.Open(str(tmp_path / "out.tif"))
    return data.RasterXSize, gdal.GetDataTypeName(data.GetRasterBand(1).DataType)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda application: application.DisableParameter("sizex"), (8, "Byte")),
        (lambda application: application.ClearValue("sizex"), (8, "Byte")),
        (lambda application: application.SetParameterInt("sizex", 5), (5, "Byte")),
        (lambda application: application.SetParameterOutputImagePixelType("out", "int16"), (4, "Int16")),
    ],
)
def test_a_change_is_written(
    written: otbApplication.Application, tmp_path: Path, change: Change, expected: tuple[int, str]
) -> None:
    assert out(tmp_path) == (4, "Byte")
    change(written)
    written.WriteOutput()
    assert out(tmp_path) == expected


def test_an_image_in_memory_follows_a_parameter_that_is_left_out(written: otbApplication.Application) -> None:
    image = written.GetParameterOutputImage("out")
    assert gdal.Open(image.path()).RasterXSize == 4
    written.DisableParameter("sizex")
    assert gdal.Open(image.path()).RasterXSize == 8


def test_a_result_of_other_parameters_is_not_told(tmp_path: Path, written: otbApplication.Application) -> None:
    read = otbApplication.Registry.CreateApplication("ReadImageInfo")
    read.SetParameterString("in", str(tmp_path / "out.tif"))
    read.Execute()
    assert read.GetParameterInt("sizex") == 4
    read.ClearValue("in")
    assert not read.HasValue("sizex")
    with pytest.raises(ParameterError, match="no value of sizex"):
        read.GetParameterInt("sizex")
