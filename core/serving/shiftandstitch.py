"""Patches without recomputation: a model that takes larger images is applied to whole regions.

For a region of r + (n-1)*s pixels, a model of patches of r pixels and of total stride s returns n outputs: those of
the patches that start s pixels apart. So the outputs at every pixel are those of s x s regions, each one pixel further,
interleaved. What neighbouring patches share is computed once for each region, not once for each patch.

That holds for networks of convolutions and pooling without padding; `patchways` tries whether it does.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..geometry.fields import LARGEST_DENOMINATOR, ServingAxis
from ..geometry.grid import Box
from ..probing.appliedgeometry import ServingGeometry
from ..probing.compute import Compute
from .patchwise import Patchwise

UNDER_WAY = 2
"""Number of regions that are cut, computed and interleaved at a time."""


@dataclass(frozen=True)
class Period:
    """By how much a region must grow for the model to return the output of a further patch.

    Attributes:
        pixels: of the first source.
        outputs: that the model returns more; those between are of no patch where the second of these is above 1.
    """

    pixels: int
    outputs: int = 1


class ShiftAndStitch:
    """The outputs of patches, computed as whole regions at shifted origins.

    Attributes:
        period: by how much a region must grow for a further output.
        shifts: origins along each axis.
    """

    def __init__(self, geometry: ServingGeometry, compute: Compute, period: Period) -> None:
        self._geometry, self._compute, self.period = geometry, compute, period
        self._starts = Patchwise(geometry, compute).starts
        apart = period.pixels / geometry.fields.x.scale
        self.shifts = apart.numerator
        self._take = period.outputs * apart.denominator

    @property
    def pixels(self) -> Fraction:
        """Pixels of the first source between two outputs of one region."""
        return self.shifts * self._geometry.fields.x.scale

    def __call__(self, box: Box, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the values of the outputs in `box`; see `Patchwise`.

        Two regions are under way at a time: one is cut out, and what it gives interleaved, while the other is computed.
        """
        values: np.ndarray | None = None
        making = threading.Lock()

        def shifted(top: int, left: int) -> None:
            nonlocal values
            columns = range(box.x + left, box.right, self.shifts)
            rows = range(box.y + top, box.bottom, self.shifts)
            found = self.at(columns, rows, box, images)
            with making:
                if values is None:
                    values = np.empty((box.height, box.width, found.shape[-1]), found.dtype)
            values[top :: self.shifts, left :: self.shifts] = found

        tops, lefts = range(min(self.shifts, box.height)), range(min(self.shifts, box.width))
        with ThreadPoolExecutor(UNDER_WAY) as pool:
            try:
                for one in [pool.submit(shifted, top, left) for top in tops for left in lefts]:
                    one.result()
            finally:
                pool.shutdown(cancel_futures=True)
        assert values is not None  # nosec B101 (tells mypy)
        return values

    def at(self, columns: range, rows: range, box: Box, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the values of the outputs where columns and rows of `box` cross, each of them `shifts` apart."""
        regions = []
        for number, image in enumerate(images):
            width, height = self._geometry.fields.rfield(number)
            xs, ys = self._starts(number, [columns[0], columns[-1]], [rows[0], rows[-1]], box)
            regions.append(image[ys[0] : ys[1] + height, xs[0] : xs[1] + width])
        outputs = ((len(line) - 1) * self._take + 1 for line in (columns, rows))
        return self._compute.region(regions, *outputs)[:: self._take, :: self._take]

    def even(self) -> bool:
        """Return whether the patches of each source are evenly spaced, as in a region."""
        for axis in (self._geometry.x, self._geometry.y):
            for source in range(len(axis.axes)):
                starts = np.array([axis.patch_start(source, index) for index in range(axis.size)])
                apart = self.pixels * source_ratio(axis, source)
                if apart.denominator > 1 or (starts[self.shifts :] - starts[: -self.shifts] != int(apart)).any():
                    return False
        return True


def source_ratio(axis: ServingAxis, source: int) -> Fraction:
    """Return the pixels of a source per pixel of the first."""
    return Fraction(axis.axes[0].spacing / axis.axes[source].spacing).limit_denominator(LARGEST_DENOMINATOR)
