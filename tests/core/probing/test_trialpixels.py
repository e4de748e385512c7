"""Pixels on which a model is tried."""

from __future__ import annotations

import tracemalloc

import numpy as np

from otbtf_qgis.core.probing.trialpixels import blocks


def test_blocks_of_many_bands_take_little_memory() -> None:
    """They are made before the first tile is planned, whatever the memory budget."""
    sample = np.random.default_rng(0).normal(size=(320, 320, 68)).astype("float32")
    tracemalloc.start()
    made = blocks(sample)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * sample.nbytes
    slope = (made[1:5, 0, 7] - made[0, 0, 7]) / (sample[1:5, 0, 7] - sample[0, 0, 7])
    np.testing.assert_allclose(slope, slope[0], rtol=1e-3)  # a block is stretched and moved as a whole
    assert not np.isclose((made[6, 0, 7] - made[5, 0, 7]) / (sample[6, 0, 7] - sample[5, 0, 7]), slope[0])
