"""Spatial blocks: squares of an image whose samples all go to training or all to validation."""

from __future__ import annotations

import numpy as np

_MOST, _LEAST = 8, 4  # side of a block in patches, on large images and on small ones
_BLOCKS = 8  # along the longer side of an image, before blocks become smaller than the most


def block_side(patch: int, width: int, height: int) -> int:
    """Return the side in pixels of the blocks into which an image is divided.

    Where one block is for validation and the next for training, a border as wide as a patch is seen by both. Large
    blocks make it a small part of them; small images need smaller ones to have several.

    Args:
        patch: side of a patch in pixels.
        width, height: of the image in pixels.
    """
    return max(_LEAST * patch, min(_MOST * patch, max(width, height) // _BLOCKS))


def block_numbers(columns: np.ndarray, rows: np.ndarray, side: int) -> np.ndarray:
    """Return the number of the block that holds each sample, from 0 without gaps; int64, shape (n,).

    Args:
        columns, rows: of the samples in pixels, shape (n,).
        side: of a block in pixels.
    """
    blocks = np.stack([np.floor(rows / side), np.floor(columns / side)], axis=1)
    return np.asarray(np.unique(blocks, axis=0, return_inverse=True)[1], "int64").reshape(-1)
