"""Copying parts into one raster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import serving
from osgeo import gdal

pytest.importorskip("tensorflow")

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.geometry import tiling
from otbtf_qgis.core.geometry.grid import Box, Grid
from otbtf_qgis.core.parts.partassembly import PartsCopier, copied_side


@pytest.mark.parametrize(
    ("memory", "bytes_per_pixel", "side"),
    [(8 << 30, 4, 2048), (256 << 20, 4, 2048), (256 << 20, 1024, 256), (256 << 20, 80, 768), (1 << 20, 1000, 256)],
)
def test_what_is_copied_at_a_time_fits_the_memory(memory: int, bytes_per_pixel: int, side: int) -> None:
    assert copied_side(memory, bytes_per_pixel) == side


@pytest.mark.parametrize("south_up", [False, True])
@pytest.mark.parametrize("bands", [1, 3])
def test_several_blocks(tmp_path: Path, bands: int, south_up: bool) -> None:
    pixels = serving.noise(300, 600, bands, "int16")
    dataset = gdal.Open(serving.write_at(tmp_path / "image.tif", pixels, south_up=south_up))
    grid = Grid.from_geotransform(dataset.GetGeoTransform(), 600, 300)
    found, boxes = np.zeros_like(pixels), []

    def write(box: Box, values: np.ndarray) -> None:
        boxes.append((box.x, box.y, box.width, box.height))
        found[box.y : box.bottom, box.x : box.right] = values

    text = gdal.Translate("", dataset, format="VRT").GetMetadata("xml:VRT")[0]
    parts = list(tiling.tiles(600, 300, 200, 160))
    copier = PartsCopier(text, grid, parts, 256, write)
    copied = []
    for number in (3, 0, 5, 1, 4, 2):
        copier.arrived(number, Progress())
        copied.append(len(boxes))
    assert copied == [0, 0, 1, 1, 4, 6], "each as soon as all parts in it are there"
    assert sorted(boxes) == sorted(
        (x, y, min(256, 600 - x), min(256, 300 - y)) for y in (0, 256) for x in (0, 256, 512)
    )
    np.testing.assert_array_equal(found, pixels)
