"""Patches images as files: their place, and what is computed from old and new ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.files.staging import Staging
from otbtf_qgis.core.patches.patchesimage import PatchesImage
from otbtf_qgis.core.rasters.inmemory import NO_PLACE, PIXELS_UPWARDS, crs_wkt
from otbtf_qgis.core.rasters.outputtrial import VALUES
from otbtf_qgis.core.rasters.rasterreference import Reference

PATCHES = np.arange(2 * 3 * 4, dtype="uint8").reshape(2, 3, 4, 1)


def patches_image(path: Path) -> str:
    """Write two patches of 3 x 4 pixels."""
    with Staging(str(path), Progress()) as staging:
        image = PatchesImage(staging, 2, (3, 4, 1), PATCHES.dtype, VALUES)
        image.write(PATCHES)
        image.close(Progress())
        staging.commit()
    return str(path)


def test_qgis_places_a_patches_image_without_an_error_and_we_place_it_nowhere(tmp_path: Path) -> None:
    dataset = gdal.Open(patches_image(tmp_path / "patches.tif"))
    # What QGIS shows of a raster without a geotransform has its upper left corner at 0, 0 and y = -row.
    assert dataset.GetGeoTransform(can_return_null=True) == PIXELS_UPWARDS and not dataset.GetProjection()
    assert np.array_equal(dataset.ReadAsArray(), PATCHES.reshape(6, 4))
    assert not Reference.of(dataset).georeferenced


def test_a_format_that_needs_a_further_file_for_a_place_gets_none(tmp_path: Path) -> None:
    dataset = gdal.Open(patches_image(tmp_path / "patches.png"))
    assert dataset.GetGeoTransform(can_return_null=True) is None
    assert np.array_equal(dataset.ReadAsArray(), PATCHES.reshape(6, 4))


def test_patches_images_of_earlier_versions_go_together_with_new_ones(tmp_path: Path) -> None:
    new, old = patches_image(tmp_path / "new.tif"), str(tmp_path / "old.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(old, 4, 6, 1)
    dataset.GetRasterBand(1).WriteArray(PATCHES.reshape(6, 4) + np.uint8(100))
    dataset = None
    assert gdal.Open(old).GetGeoTransform() == NO_PLACE
    values = {"il": [old, new], "exp": "im1b1 - im2b1 + im2b1 * 2", "out": str(tmp_path / "sum.tif")}
    registry.run("BandMathX", values)
    assert np.array_equal(gdal.Open(values["out"]).ReadAsArray(), PATCHES.reshape(6, 4) * 2.0 + 100)


@pytest.mark.parametrize("system", ["", "EPSG:32631"])
def test_with_a_coordinate_system_the_same_numbers_are_a_place(system: str) -> None:
    dataset = gdal.GetDriverByName("MEM").Create("", 4, 6, 1)
    dataset.SetGeoTransform(PIXELS_UPWARDS)
    dataset.SetProjection(crs_wkt(system))
    assert Reference.of(dataset).georeferenced == bool(system)
