"""What qgis_process prints beside results: nothing that sounds like a fault where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from osgeo import gdal


def test_patches_and_clouds_are_no_errors(qgis: Any, tmp_path: Path) -> None:
    """Neither the lack of georeferencing nor that of valid pixels."""
    patches, clouds = str(tmp_path / "patches.tif"), str(tmp_path / "clouds.tif")
    gdal.GetDriverByName("GTiff").Create(patches, 4, 8, 1, gdal.GDT_Byte)
    data = gdal.GetDriverByName("GTiff").Create(clouds, 8, 8, 1, gdal.GDT_Byte)
    data.SetGeoTransform((1000, 10, 0, 2000, 0, -10))
    data.GetRasterBand(1).SetNoDataValue(0)
    data = None
    runs = {
        "otbtf:patchesmosaic": {"IN": patches, "OUT": tmp_path / "mosaic.tif"},
        "otbtf:managenodata": {"IN": clouds, "OUT": tmp_path / "mask.tif"},
    }
    for algorithm, parameters in runs.items():
        done = qgis.attempt(algorithm, parameters)
        told = (done.stdout + done.stderr).lower()
        assert done.returncode == 0, told
        assert "error" not in told and "deprecated and may" not in told, told
        assert f"in {parameters['OUT']}" in done.stdout
    assert not list(tmp_path.glob("*.aux.xml"))
