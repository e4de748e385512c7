"""Outputs of a model that are blended from windows, computed in NumPy in the plainest way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def blended(
    call: Any, images: Sequence[np.ndarray], side: int, scale: int = 1, ratios: Sequence[int] = (1,), crop: int = 0
) -> np.ndarray:
    """Return the outputs of a model, blended from windows, in the plainest way.

    Args:
        call: from batches of one window for each source to outputs of shape (1, rows, columns, bands).
        images: of each source, of shape (rows, columns, bands).
        side: of windows, in pixels of the first source.
        scale: pixels of the first source per output.
        ratios: pixels of the first source per pixel of each.
        crop: pixels of the first source that give no output.
    """
    half = (side - crop) // scale // 2
    rows, columns = ((size - crop) // scale for size in images[0].shape[:2])
    down, across = (max(1, -(-size // half) - 1) for size in (rows, columns))
    longest = [(half * (count + 1)) * scale + crop for count in (down, across)]
    padded = [
        np.pad(
            image,
            [(0, max(0, most // ratio - size)) for most, size in zip(longest, image.shape[:2])] + [(0, 0)],
            "reflect",
        )
        for image, ratio in zip(images, ratios)
    ]
    weights = np.sin(np.pi * (np.arange(2 * half) + 0.5) / (2 * half)) ** 2
    total, summed = 0.0, np.zeros((half * (down + 1), half * (across + 1), 1))
    for row in range(down):
        for column in range(across):
            parts = []
            for image, ratio in zip(padded, ratios):
                top, left, size = row * half * scale // ratio, column * half * scale // ratio, side // ratio
                parts.append(image[None, top : top + size, left : left + size])
            found = np.asarray(call(parts if len(parts) > 1 else parts[0]))[0]
            place = np.s_[row * half : (row + 2) * half, column * half : (column + 2) * half]
            if isinstance(total, float):
                total = np.zeros((*summed.shape[:2], found.shape[-1]))
            weight = (weights[:, None] * weights[None])[..., None]
            total[place] += weight * found
            summed[place] += weight
    result: np.ndarray = (total / summed)[:rows, :columns]
    return result
