"""Receptive fields computed by hand from layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """A layer along one axis: kernel, stride, dilation; `up` for a transposed one."""

    kernel: int
    stride: int = 1
    dilation: int = 1
    same: bool = True
    up: bool = False

    def size(self, pixels: int) -> int:
        extent = (self.kernel - 1) * self.dilation + 1
        if self.up:
            return pixels * self.stride if self.same else pixels * self.stride + max(extent - self.stride, 0)
        return -(-pixels // self.stride) if self.same else (pixels - extent) // self.stride + 1

    def sees(self, first: int, last: int, pixels: int) -> tuple[int, int]:
        """Return the first and last input that outputs `first` to `last` see; may lie outside 0..pixels-1."""
        extent = (self.kernel - 1) * self.dilation + 1
        if self.up:
            before = max(extent - self.stride, 0) // 2 if self.same else 0
            return -((extent - 1 - first - before) // self.stride), (last + before) // self.stride
        before = 0
        if self.same:
            before = max((self.size(pixels) - 1) * self.stride + extent - pixels, 0) // 2
        return first * self.stride - before, last * self.stride - before + extent - 1


def margins(layers: Sequence[Layer], pixels: int, skips: Sequence[tuple[int, int]] = ()) -> tuple[int, int]:
    """Return how many outputs at the start and end of a region of `pixels` see beyond it, by interval arithmetic.

    Args:
        layers: in order.
        pixels: size of the region.
        skips: (a, b): the values before layer a are joined to those behind layer b.
    """
    sizes = [pixels]
    for layer in layers:
        sizes.append(layer.size(sizes[-1]))

    def outside(depth: int, first: int, last: int) -> bool:
        if depth == 0:
            return first < 0 or last >= pixels
        for start, end in skips:
            if end + 1 == depth and outside(start, first, last):
                return True
        return outside(depth - 1, *layers[depth - 1].sees(first, last, sizes[depth - 1]))

    seen = [outside(len(layers), index, index) for index in range(sizes[-1])]
    inner = [index for index, value in enumerate(seen) if not value]
    assert inner, "the region is too small for this stack"
    return inner[0], sizes[-1] - 1 - inner[-1]


def jump(layers: Sequence[Layer]) -> int:
    """Return the stride of the deepest layer in input pixels: shifts by less give other values."""
    scale, largest = 1.0, 1.0
    for layer in layers:
        scale = scale / layer.stride if layer.up else scale * layer.stride
        largest = max(largest, scale)
    return math.ceil(largest)
