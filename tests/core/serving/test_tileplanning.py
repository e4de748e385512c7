"""The numbers of the planner: what fits the budget, how much is computed twice, and what tiles are aligned to."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tensorflow")

from osgeo import gdal

from otbtf_qgis.core.geometry import tiling
from otbtf_qgis.core.geometry.fields import AxisFields
from otbtf_qgis.core.geometry.grid import Box
from otbtf_qgis.core.machine.memory import MB
from otbtf_qgis.core.probing.appliedgeometry import Fields, serving_geometry
from otbtf_qgis.core.probing.sources import OpenSource
from otbtf_qgis.core.probing.usersettings import SourceSettings
from otbtf_qgis.core.rasters.rasterstack import Stack
from otbtf_qgis.core.serving.memorybudget import MemoryBudget
from otbtf_qgis.core.serving.tilecosts import Rate, TileCosts
from otbtf_qgis.core.serving.tileplanning import MOST_OVERLAP, overlap, planned_size

DEFAULT = MemoryBudget(4096 * MB, 256 * MB).planned
FAST = Rate(6e-8, 100.0, float("inf"))
"""Seconds and bytes for an output of a small U-Net."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


def costs(folder: Path, width: int, height: int, fields: AxisFields, blocks: tuple[int, int] = (256, 256)) -> TileCosts:
    """The costs of tiles of an image of 4 bands that holds no pixels, of a model that returns 2 float bands."""
    path = folder / f"{width}x{height}x{blocks[0]}.tif"
    if not path.exists():
        options = ["SPARSE_OK=TRUE", f"BLOCKYSIZE={blocks[1]}"]
        options += ["TILED=YES", f"BLOCKXSIZE={blocks[0]}"] if blocks[0] < width else []
        gdal.GetDriverByName("GTiff").Create(str(path), width, height, 4, gdal.GDT_UInt16, options).FlushCache()
    sources = [OpenSource(1, Stack([str(path)]), None, SourceSettings((str(path),)))]
    geometry = serving_geometry(sources, Fields(fields, fields))
    box = Box(0, 0, geometry.x.size, geometry.y.size)
    return TileCosts(sources, geometry, box, 2, "float32", np.dtype("float32"))


def unet(margin: int, stride: int = 16) -> AxisFields:
    return AxisFields((stride,), stride, Fraction(1), stride=stride, lattice=stride, margin=(margin, margin))


PIXELWISE = AxisFields((1,))


def takes(work: TileCosts, tile: tuple[int, int], rate: Rate) -> float:
    outputs = work.geometry.computable(Box((work.box.width - tile[0]) // 2, (work.box.height - tile[1]) // 2, *tile))
    return work.bytes_held(outputs) + rate.memory(outputs.area)


@pytest.mark.parametrize("seconds", [6e-8, 5e-6])
@pytest.mark.parametrize("margin", [4, 16, 32, 48])
@pytest.mark.parametrize("side", [5000, 10000, 40000])
def test_overlap_with_the_default_budget(folder: Path, side: int, margin: int, seconds: float) -> None:
    work, rate = costs(folder, side, side, unet(margin)), Rate(seconds, 100.0, float("inf"))
    tile = planned_size(work, DEFAULT, rate)
    assert overlap(work, *tile) < MOST_OVERLAP
    assert takes(work, tile, rate) <= DEFAULT
    assert all(size % tiling.BLOCK == 0 or size == side for size in tile)
    assert tile[0] * tile[1] >= 1024**2


@pytest.mark.parametrize("bytes_of_one", [100.0, 2000.0])
def test_no_budget_is_too_small(folder: Path, bytes_of_one: float) -> None:
    work, rate = costs(folder, 10000, 10000, unet(16)), Rate(6e-8, bytes_of_one, float("inf"))
    shares = []
    for megabytes in (64, 256, 1024, 4096):
        tile = planned_size(work, megabytes * MB, rate)
        assert takes(work, tile, rate) <= megabytes * MB
        shares.append(overlap(work, *tile))
    assert shares == sorted(shares, reverse=True) or max(shares) < MOST_OVERLAP


def test_pixelwise_models_get_strips_that_are_not_large(folder: Path) -> None:
    """Larger ones would only keep the threads waiting for the first tile and the last."""
    width, height = planned_size(costs(folder, 10000, 10000, PIXELWISE), DEFAULT, Rate(1e-9, 24.0, float("inf")))
    assert (width, height % tiling.BLOCK) == (10000, 0)
    assert 32 * MB <= width * height * 16 <= 128 * MB


def test_images_stored_line_by_line_are_read_in_whole_lines(folder: Path) -> None:
    squares = planned_size(costs(folder, 20000, 20000, unet(16)), DEFAULT, FAST)
    assert squares[0] < 20000
    lines = planned_size(costs(folder, 20000, 20000, unet(16), (20000, 1)), DEFAULT, FAST)
    assert lines[0] == 20000
    wide = costs(folder, 40000, 40000, unet(92), (40000, 1))
    assert planned_size(wide, 512 * MB, FAST)[0] < 40000, "strips of that budget would overlap too much"


@pytest.mark.parametrize(("stride", "blocks"), [(32, 512), (48, 256), (7, 256)])
def test_tiles_are_aligned_to_strides_and_blocks(folder: Path, stride: int, blocks: int) -> None:
    for size in planned_size(costs(folder, 10000, 10000, unet(20, stride), (blocks, blocks)), DEFAULT, FAST):
        assert size == 10000 or (size % tiling.BLOCK, size % blocks) == (0, 0)
        assert size == 10000 or size % stride == 0 or stride == 7, "1792 would be too large a step"


def test_tiles_are_as_large_in_a_small_image_but_two_are_even(folder: Path) -> None:
    found = {side: planned_size(costs(folder, side, side, unet(16)), DEFAULT, FAST) for side in (5000, 10000, 40000)}
    assert len(set(found.values())) == 1
    assert planned_size(costs(folder, 3000, 40000, unet(16)), DEFAULT, FAST)[0] in (1536, 3000)


@settings(max_examples=60)
@given(
    st.sampled_from([300, 1111, 5000, 12345]),
    st.sampled_from([300, 1111, 5000, 12345]),
    st.integers(0, 100),
    st.sampled_from([1, 2, 8, 32]),
    st.integers(20, 4000),
    st.floats(20.0, 5000.0),
)
def test_any_plan(
    folder: Path, width: int, height: int, margin: int, stride: int, megabytes: int, bytes_of_one: float
) -> None:
    work, rate = costs(folder, width, height, unet(margin, stride)), Rate(1e-7, bytes_of_one, float("inf"))
    tile = planned_size(work, megabytes * MB, rate)
    assert 1 <= tile[0] <= width and 1 <= tile[1] <= height
    assert takes(work, tile, rate) <= megabytes * MB or max(tile) <= 1
    # The side by which overlap is 5 %, and as much again for the alignment to strides and blocks.
    ample = min(2 * (4 * (margin + stride) * 20) + 1024, max(width, height))
    if takes(work, (min(ample, width), min(ample, height)), rate) <= megabytes * MB:
        assert overlap(work, *tile) <= MOST_OVERLAP


@settings(max_examples=60)
@given(st.integers(40, 300), st.integers(40, 1111), st.integers(0, 40), st.sampled_from([1, 2, 16]))
def test_overlap_is_what_the_tiles_add_up_to(folder: Path, across: int, down: int, margin: int, stride: int) -> None:
    work = costs(folder, 300, 1111, unet(margin, stride))
    across, down = -(-across // stride) * stride, -(-down // stride) * stride
    total = sum(work.pixels(part).area for part in tiling.tiles(300, 1111, across, down))
    assert overlap(work, across, down) == pytest.approx(total / work.pixels(work.box).area - 1, rel=0.02, abs=0.02)
