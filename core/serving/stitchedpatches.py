"""Patches at every pixel, computed in one step; see `shiftgraph`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import ModelError
from ..geometry.grid import Box
from ..phrases import Phrase
from ..probing.appliedgeometry import ServingGeometry
from ..probing.compute import Compute
from ..probing.shiftgraph import NoShiftGraph
from ..rasters.buffers import aligned_empty
from .patchwise import Patchwise

ENOUGH_OUTPUTS = 512 * 512
"""Outputs of an image from which building the model anew pays: about a tenth of a second."""


class StitchedPatches:
    """The outputs of patches, one for each pixel of each source, computed in one go."""

    def __init__(self, geometry: ServingGeometry, compute: Compute, stride: int) -> None:
        """Build the model anew.

        Args:
            geometry: the geometry, of patches.
            compute: calls the model.
            stride: pixels by which a region must grow for the model to return a further output.

        Raises:
            NoShiftGraph: the model cannot be computed so, or not for this geometry.
        """
        sources = range(len(geometry.x.axes))
        apart = {axis.patch_start(k, 1) - axis.patch_start(k, 0) for axis in (geometry.x, geometry.y) for k in sources}
        if apart != {1}:
            raise NoShiftGraph(Phrase("patches are not one pixel apart"))
        self._geometry, self._stride = geometry, stride
        self._call = compute.shift_graph(stride)
        self._starts = Patchwise(geometry, compute).starts

    def __call__(self, box: Box, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the values of the outputs in `box`; see `Patchwise`."""
        regions = [self._region(number, image, box) for number, image in enumerate(images)]
        bands = [array[0, : box.height, : box.width] for array in self._call([region[None] for region in regions])]
        if any(array.shape[:2] != (box.height, box.width) for array in bands):
            raise ModelError(
                "The shift graph of the model returns too few outputs for {width} x {height} pixels.",
                width=box.width,
                height=box.height,
            )
        return bands[0] if len(bands) == 1 else np.concatenate(bands, axis=-1)

    def _region(self, number: int, image: np.ndarray, box: Box) -> np.ndarray:
        """Return the pixels of a source, and more where the last shifts need them to be as large as the first."""
        width, height = self._geometry.fields.rfield(number)
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
