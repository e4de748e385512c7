"""Patches at every pixel, computed in one go; see `phases`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..errors import ModelError
from ..geometry.grid import Box
from ..probing.appliedgeometry import Plan
from ..probing.compute import Compute
from ..probing.shiftgraph import NoPhases
from ..rasters.buffers import aligned_empty
from .patchwise import Patches

ENOUGH_OUTPUTS = 512 * 512
"""Outputs of an image from which building the model anew pays: about a tenth of a second."""


class Phases:
    """The outputs of a plan of patches, one for each pixel of each source, computed in one go.

    Attributes:
        batch: how many outputs are computed at a time: all of a tile.
    """

    batch = math.inf

    def __init__(self, plan: Plan, compute: Compute, stride: int) -> None:
        """Build the model anew.

        Args:
            plan: the geometry, of patches.
            compute: calls the model.
            stride: pixels by which a region must grow for the model to return a further output.

        Raises:
            NoPhases: the model cannot be computed so, or not for this plan.
        """
        sources = range(len(plan.x.axes))
        apart = {axis.patch_start(k, 1) - axis.patch_start(k, 0) for axis in (plan.x, plan.y) for k in sources}
        if apart != {1}:
            raise NoPhases("patches are not one pixel apart")
        self._plan, self._stride = plan, stride
        self._call = compute.by_phases(stride)
        self._starts = Patches(plan, compute).starts

    def __call__(self, box: Box, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the values of the outputs in `box`; see `Patches`."""
        regions = [self._region(number, image, box) for number, image in enumerate(images)]
        bands = [array[0, : box.height, : box.width] for array in self._call([region[None] for region in regions])]
        if any(array.shape[:2] != (box.height, box.width) for array in bands):
            raise ModelError(f"The model gives too few outputs by phases for {box.width} x {box.height} pixels.")
        return bands[0] if len(bands) == 1 else np.concatenate(bands, axis=-1)

    def _region(self, number: int, image: np.ndarray, box: Box) -> np.ndarray:
        """Return the pixels of a source, and more where the last phases need them to be as large as the first."""
        width, height = self._plan.fields.rfield(number)
        xs, ys = self._starts(number, [box.x, box.right - 1], [box.y, box.bottom - 1], box)
        pixels = image[ys[0] : ys[1] + height, xs[0] : xs[1] + width]
        more = [-size % self._stride for size in (box.height, box.width)]
        if not any(more):
            return pixels
        region = aligned_empty((pixels.shape[0] + more[0], pixels.shape[1] + more[1], pixels.shape[2]), pixels.dtype)
        region[: pixels.shape[0], : pixels.shape[1]] = pixels
        region[pixels.shape[0] :] = 0
        region[:, pixels.shape[1] :] = 0
        return region
