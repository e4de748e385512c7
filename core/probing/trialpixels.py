"""Pixels on which a model is tried, made of others so that its outputs vary."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

BLOCK = 5
"""Side in pixels of the blocks of `blocks`: smaller than most receptive fields, larger than most kernels."""

STEEPEST = 1e3
"""How many times smaller than the largest number of a float type the pixels are kept."""


def mirrored(start: int, size: int, limit: int) -> np.ndarray:
    """Return the indices, below `limit`, of `size` pixels from `start`, mirrored at either end."""
    if limit == 1:
        return np.zeros(size, int)
    period = 2 * (limit - 1)
    indices = np.abs(np.arange(start, start + size)) % period
    return np.minimum(indices, period - indices)


def part(sample: np.ndarray, start: int, width: int, height: int) -> np.ndarray:
    """Return `width` x `height` pixels of a square sample from (`start`, `start`), mirrored beyond its edges."""
    return sample[np.ix_(mirrored(start, height, len(sample)), mirrored(start, width, len(sample)))]


def roughened(sample: np.ndarray) -> np.ndarray:
    """Return a sample with a tenth of its pixels multiplied, or replaced by others of its values if they are whole numbers."""
    generator = np.random.default_rng(1)
    where = generator.random(sample.shape[:2]) < 0.1
    rough = sample.copy()
    shape = rough[where].shape
    if sample.dtype.kind == "b":
        rough[where] = generator.random(shape) < 0.5
    elif sample.dtype.kind in "iu":
        rough[where] = generator.choice(sample.reshape(-1), shape)
    else:
        factors = generator.choice([-1.0, 1.0], shape) * 10.0 ** generator.integers(0, 4, shape)
        rough[where] = _cast(rough[where].astype("float64") * factors, sample.dtype)
    return rough


def blocks(sample: np.ndarray) -> np.ndarray:
    """Return a sample whose bands are stretched and moved otherwise in each block of pixels.

    What a network sees differs much from block to block, so that even the number of a class varies.
    """
    generator = np.random.default_rng(2)
    height, width, bands = sample.shape
    shape = -(-height // BLOCK), -(-width // BLOCK), bands
    spread = float(np.std(sample, dtype="float64")) or 1.0
    factors = generator.choice([-1.0, 1.0], shape) * 10.0 ** generator.uniform(-1.5, 1.0, shape)
    moves = generator.normal(0.0, 5.0 * spread, shape)
    made = np.empty_like(sample)
    for band in range(bands):  # each by itself: copies of all bands take much memory where they are many
        stretch, move = (
            np.repeat(np.repeat(values[..., band], BLOCK, axis=0), BLOCK, axis=1)[:height, :width]
            for values in (factors, moves)
        )
        made[..., band] = _cast(sample[..., band].astype("float64") * stretch + move, sample.dtype)
    return made


def _cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "b":
        return values > 0.5
    if dtype.kind in "iu":
        return np.clip(values, np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)
    limit = float(np.finfo(dtype).max) / STEEPEST
    return np.clip(values, -limit, limit).astype(dtype)


KINDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "drawn": lambda sample: sample,
    "rough": roughened,
    "blocks": blocks,
}
"""The sample as it is, with outliers that make a saturated model vary, and in blocks."""
