"""What an operation provides so that rasters can be computed in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..base.jsonvalues import Json
from ..base.progress import Progress
from ..geometry.grid import Box, Grid
from ..rasters.outputfields import OutputFields
from ..rasters.outputtrial import Content
from ..rasters.rasterreference import Reference
from .partedwork import PartedWork
from .partplan import PartPlan


class Writer(Protocol):
    """Takes tiles of one raster, as `core.rasters.rasteroutput.OutputRaster` does."""

    def write(self, box: Box, array: np.ndarray) -> None:
        """Write an array of shape (box.height, box.width, bands)."""


@dataclass(frozen=True)
class RasterForm:
    """What a raster of the output will be.

    Attributes:
        name: field of its parameter.
        bands, dtype: of it.
        background: what no-data becomes.
        nodata: what is declared as such; None for nothing.
        content: what it holds.
        fields: the parameters that say how it is written.
    """

    name: str
    bands: int
    dtype: np.dtype
    background: float
    nodata: float | None
    content: Content
    fields: OutputFields


@dataclass(frozen=True)
class Planned:
    """How an operation computes, found out once for all runs.

    Attributes:
        way: the way, in values of JSON.
        alone: whether each output depends on the whole image, so that a second part would take as long as the first.
        forms: what the rasters of the output will be.
    """

    way: dict[str, Any]
    alone: bool
    forms: Sequence[RasterForm]


@dataclass(frozen=True)
class Counted:
    """What a part was besides its pixels.

    Attributes:
        replaced, clipped: values that the pixel type does not hold; see `core.rasters.conversion.Converter`.
        without_data: pixels that are no-data, where the operation counts them.
        told: warnings.
    """

    replaced: int = 0
    clipped: int = 0
    without_data: int = 0
    told: Sequence[str] = ()


class RasterComputer(Protocol):
    """Computes any box of the output, as the plan says."""

    @property
    def grid(self) -> Grid:
        """The grid of all outputs."""

    @property
    def forms(self) -> Sequence[RasterForm]:
        """What the rasters of the output are."""

    def reference(self, box: Box) -> Reference:
        """Return what ties the outputs in a box to the ground.

        Raises:
            RasterError: nothing does, though the image has a place.
        """

    @property
    def part_reference(self) -> Reference:
        """What ties a part to the ground, as far as a grid and a coordinate system do."""

    def compute(self, box: Box, rasters: Sequence[Writer], progress: Progress) -> Counted:
        """Compute the outputs in a box into rasters, one for each of `forms`.

        Raises:
            OtbtfError: something cannot be read, computed or written.
            Cancelled: `progress` asked to stop.
        """

    def results(self) -> dict[str, Any]:
        """Return the results of the operation beside paths and sizes."""

    def counts(self, without_data: int) -> dict[str, Any]:
        """Return the results of the operation that are sums over all parts; see `Counted`."""


class RasterWork(PartedWork, Protocol):
    """An operation that makes rasters, with its inputs open."""

    @property
    def grid(self) -> Grid:
        """The grid of all outputs."""

    @property
    def placed(self) -> Reference:
        """What ties that grid to the ground, for boxes on a map."""

    def reference(self, box: Box) -> Reference:
        """Return what ties the outputs in a box to the ground.

        Raises:
            RasterError: nothing does, though the image has a place.
        """

    def planned(self, box: Box, middle: Box, progress: Progress) -> Planned:
        """Find out how the operation computes.

        Args:
            box: all that is computed.
            middle: the part on which it is found out.
            progress: told what was chosen.
        """

    def follow(self, plan: PartPlan, way: Json, progress: Progress) -> RasterComputer:
        """Return what computes as a plan says.

        Args:
            plan: that all follow.
            way: that of the plan.
            progress: told what is opened again.

        Raises:
            OddJson: it says nothing that this operation understands.
        """
