"""The pixels of an image that may become samples."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ..errors import RasterError
from ..geometry.grid import Box, Grid
from ..parameters.nodatarules import WITHOUT_BANDS, NodataRule
from ..rasters.placement import check_same
from ..rasters.rasterreference import Reference
from ..rasters.rasterstack import Stack


class Image(Protocol):
    """What samples are placed on."""

    @property
    def grid(self) -> Grid:
        """Its pixels."""

    @property
    def reference(self) -> Reference:
        """Its coordinate system."""

    @property
    def names(self) -> tuple[str, ...]:
        """What it was made from, for people."""


class ValidPixels(Protocol):
    """Determines which pixels of an image may become samples; see `Validity` for the names."""

    @property
    def image(self) -> Image:
        """The image."""

    @property
    def everywhere(self) -> bool:
        """Whether every pixel is valid and none needs to be read."""

    def read(self, box: Box) -> np.ndarray:
        """Return where the pixels of `box` are valid, as a boolean array of shape (height, width)."""

    def pixels_within(self, megabytes: int) -> int:
        """Return how many pixels may be looked at together within a budget of memory."""


class Validity:
    """Determines where an image has data and its mask, if there is one, is not zero.

    Attributes:
        image: the image.
        everywhere: True where every pixel is valid and none needs to be read.
        mask: the open mask, if there is one.
    """

    def __init__(
        self,
        image: Stack,
        nodata: float | None,
        nodata_from_layer: bool,
        mask: Any = None,
        rule: NodataRule = WITHOUT_BANDS,
    ) -> None:
        """Prepare.

        Args:
            image: the image.
            nodata: the value that means no-data, in every band; None for the layer's own.
            nodata_from_layer: whether the layer's own, its masks and what the user has set in it count.
            mask: a raster of one band on the image's grid, or None.
            rule: says which pixels are no-data.

        Raises:
            RasterError: the mask cannot be opened or does not fit the image.
        """
        self.image = image
        self._missing = image.missing(nodata, nodata_from_layer, rule=rule)
        self.mask = None if mask is None else _open_mask(mask, image)
        self.everywhere = not self._missing.possible and self.mask is None

    def read(self, box: Box) -> np.ndarray:
        """Return where the pixels of `box` are valid, as a boolean array of shape (height, width)."""
        valid = np.ones((box.height, box.width), bool)
        if self._missing.possible:
            valid &= ~self._missing.read(box)
        if self.mask is not None:
            valid &= self.mask.read(box)[..., 0] != 0
        return valid

    def pixels_within(self, megabytes: int) -> int:
        """Return how many pixels may be looked at together within a budget of memory."""
        each = 100 + self._missing.pixel_bytes
        return max(1 << 12, megabytes * 1_000_000 // each)


def _open_mask(source: Any, image: Stack) -> Stack:
    mask = Stack([source], placed=False)
    name, first = mask.names[0], image.names[0]
    if mask.bands != 1:
        raise RasterError(
            "The mask {name} has {bands} bands, but must have one: choose a raster of one band.",
            name=name,
            bands=mask.bands,
        )
    if not mask.grid.same_as(image.grid):
        raise RasterError(
            "The mask {name} lies on another grid ({width} x {height} pixels, {grid}) than {first} ({grid_width} x "
            "{grid_height} pixels, {grid2}): warp it to the image's grid (Raster > Projections > Warp).",
            name=name,
            width=mask.grid.width,
            height=mask.grid.height,
            grid=mask.grid.describe(),
            first=first,
            grid_width=image.grid.width,
            grid_height=image.grid.height,
            grid2=image.grid.describe(),
        )
    check_same((first, name), (image.reference, mask.reference))
    if mask.reference.wkt and image.reference.wkt and not mask.reference.same_as(image.reference):
        raise RasterError(
            "The mask {name} is in {reference}, but {first} in {reference2}: warp it to the image's coordinate system.",
            name=name,
            reference=mask.reference.describe(),
            first=first,
            reference2=image.reference.describe(),
        )
    return mask
