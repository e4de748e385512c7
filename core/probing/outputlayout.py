"""The layout of an output of a model: a map, or an array that cannot be turned into one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..errors import ModelError, field


class LayoutError(ModelError):
    """An output is not a map, for any size of the image; the message gives its layout and the cure."""


def check_layout(name: str, shape: Sequence[int], size: Sequence[int]) -> None:
    """Raise LayoutError if the output for one image is a list of pixels without rows and columns.

    Args:
        name: of the output.
        shape: of the output.
        size: rows and columns of the image.
    """
    rows, columns = size
    if len(shape) >= 3 and (shape[0] > 1 or (len(shape) == 3 and shape[1] == rows * columns > columns > shape[2])):
        raise flattened(name, shape, size)


def check_growth(name: str, small: Sequence[int], large: Sequence[int], sizes: tuple[int, int]) -> None:
    """Raise LayoutError where an output's shapes for square images of two sizes have rows and columns elsewhere than a map.

    Args:
        name: of the output.
        small, large: its shapes.
        sizes: sides of the images.
    """
    if len(small) == len(large) == 4 and small[1] == large[1] and large[2] > small[2]:
        raise LayoutError(
            "The output {name} has the shapes {small} and {large} for images of {size} and {size2} pixels: it has "
            "the bands first. End the model with tf.transpose(y, [0, 2, 3, 1]).",
            name=name,
            small=tuple(small),
            large=tuple(large),
            size=sizes[0],
            size2=sizes[1],
        )
    if len(small) == len(large) == 3 and large[1] * sizes[0] ** 2 == small[1] * sizes[1] ** 2:
        raise flattened(name, small, (sizes[0], sizes[0]))


def flattened(name: str, shape: Sequence[int], size: Sequence[int]) -> LayoutError:
    """Return the error for an output that is a list of pixels."""
    bands = next((n for n in reversed(shape) if n > 1), 1)
    return LayoutError(
        "The output {name} has the shape {shape} for one image of {size} x {size2} pixels, which is a flat list of "
        "pixels: restore rows and columns. End the model with tf.reshape(y, [tf.shape(x)[0], tf.shape(x)[1], "
        "tf.shape(x)[2], {bands}]), where x is the image (divided by the spacing scale if the output is coarser).",
        name=name,
        shape=tuple(shape),
        size=size[1],
        size2=size[0],
        bands=bands,
    )


def as_map(array: np.ndarray, name: str) -> np.ndarray:
    """Return an output for one image as (height, width, bands); a flat list of pixels of a square is one too.

    Raises:
        LayoutError: it is no map; `name` is the output's.
    """
    if array.ndim == 4:
        return array[0]
    if array.ndim == 3:
        return array[0][..., None]
    if array.ndim in (1, 2):
        side = math.isqrt(array.shape[0])
        if side * side == array.shape[0]:
            return array.reshape(side, side, -1)
    raise LayoutError(
        "The output {name} has the shape {shape} for one image, which is neither a map (batch x height x width x "
        "bands) nor a value for each patch (batch x bands): choose another in {output_names}, or export the model "
        "with such an output.",
        name=name,
        shape=array.shape,
        output_names=field("output_names"),
    )
