"""Laws of tiles: they cover the output, within the budget."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otbtf_qgis.core.geometry import tiling


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 70), st.integers(1, 70))
def test_every_pixel_once_and_rows_in_order(width: int, height: int, across: int, down: int) -> None:
    covered = np.zeros((height, width), int)
    previous = (-1, -1)
    for box in tiling.tiles(width, height, across, down):
        covered[box.y : box.bottom, box.x : box.right] += 1
        assert (box.y, box.x) > previous
        previous = box.y, box.x
    assert (covered == 1).all()


@given(st.integers(1, 9000), st.integers(1, 9000), st.floats(1, 1e9), st.integers(0, 40), st.booleans())
def test_a_plan_is_within_the_budget(width: int, height: int, budget: float, margin: int, strips: bool) -> None:
    def cost(across: int, down: int) -> float:
        return float((across + margin) * (down + margin))

    across, down = tiling.plan(width, height, cost, budget, strips)
    assert 1 <= across <= width and 1 <= down <= height
    assert cost(across, down) <= budget or (across, down) == (1, 1)
    for side, limit in ((across, width), (down, height)):
        assert side == limit or side % tiling.BLOCK == 0 or tiling.BLOCK % side == 0


def pixels(width: int, height: int) -> float:
    return float(width * height)


@pytest.mark.parametrize(
    ("size", "budget", "expected"),
    [
        ((8000, 8000), 8000 * 600, (8000, 512)),
        ((8000, 8000), 8000 * 256, (8000, 256)),
        ((8000, 700), 8000 * 600, (8000, 512)),  # two even ones: 512 and 188
        ((8000, 700), 8000 * 699, (8000, 512)),
        ((8000, 700), 8000 * 700, (8000, 700)),
        ((8000, 100), 8000 * 100, (8000, 100)),  # all of it, though less than a block
        ((8000, 8000), 8000 * 255, (1280, 1280)),  # less than a block high: squares
        ((8000, 100), 8000 * 99, (4096, 100)),
        ((8000, 1), 100, (64, 1)),  # not even one row
    ],
)
def test_strips_are_as_wide_as_the_output(size: tuple[int, int], budget: int, expected: tuple[int, int]) -> None:
    assert tiling.plan(*size, pixels, budget, strips=True) == expected


@pytest.mark.parametrize(
    ("size", "side", "unit", "expected"),
    [
        ((8000, 8000), 2190, 256, (2048, 2048)),
        ((8000, 8000), 2048, 256, (2048, 2048)),
        ((8000, 8000), 2047, 256, (1792, 1792)),
        ((8000, 8000), 2047, 1024, (1024, 1024)),
        ((8000, 8000), 1000, 1024, (768, 768)),  # below a unit, of blocks
        ((8000, 8000), 200, 256, (128, 128)),  # below a block, a part of one
        ((8000, 8000), 128, 256, (128, 128)),
        ((8000, 8000), 1, 256, (1, 1)),
        ((1000, 1000), 900, 256, (512, 512)),  # two even ones rather than 768 and 232
        ((1000, 1000), 1000, 256, (1000, 1000)),
        ((1000, 1000), 900, 512, (512, 512)),
        ((500, 500), 400, 512, (256, 256)),
        ((512, 512), 300, 512, (256, 256)),
        ((3000, 3000), 2500, 512, (1536, 1536)),
        ((3000, 3000), 1500, 256, (1280, 1280)),
        ((100, 100), 90, 256, (64, 64)),
    ],
)
def test_squares_are_of_whole_units_where_these_fit(
    size: tuple[int, int], side: int, unit: int, expected: tuple[int, int]
) -> None:
    assert tiling.plan(*size, pixels, side**2, strips=False, unit=unit) == expected


def test_a_short_side_leaves_more_for_the_long_one() -> None:
    assert tiling.plan(8000, 300, pixels, 300 * 2100, strips=False) == (2048, 300)
    assert tiling.plan(300, 8000, pixels, 300 * 2100, strips=False) == (300, 2048)


@pytest.mark.parametrize(
    ("strips", "unit", "least", "expected"),
    [
        (False, 256, 1000**2, (1024, 1024)),
        (False, 256, 1024**2, (1024, 1024)),
        (False, 256, 1025**2, (1280, 1280)),
        (False, 512, 1025**2, (1536, 1536)),
        (False, 256, 1, (256, 256)),
        (True, 256, 8000 * 200, (8000, 256)),
        (True, 256, 8000 * 257, (8000, 512)),
        (True, 512, 8000 * 200, (8000, 512)),
        (True, 256, 8000 * 3000, (8000, 3072)),
        (False, 256, 1e9, (8000, 8000)),  # nothing is enough
        (True, 256, 1e9, (8000, 8000)),
    ],
)
def test_tiles_are_no_larger_than_is_enough(strips: bool, unit: int, least: float, expected: tuple[int, int]) -> None:
    def enough(width: int, height: int) -> bool:
        assert width <= 8000 and height <= 8000
        return width * height >= least

    assert tiling.plan(8000, 8000, pixels, 1e12, strips, enough, unit) == expected


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_what_fits_is_one_tile(width: int, height: int) -> None:
    for strips in (False, True):
        assert tiling.plan(width, height, pixels, width * height, strips) == (width, height)
