"""Laws of tiles: they cover the output, within the budget."""

from __future__ import annotations

import numpy as np
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


def test_strips_are_as_wide_as_the_output() -> None:
    assert tiling.plan(8000, 8000, lambda x, y: x * y, 8000 * 600, strips=True) == (8000, 512)
    assert tiling.plan(8000, 8000, lambda x, y: x * y, 8000 * 600, strips=False) == (2048, 2048)
