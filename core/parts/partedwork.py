"""What an operation provides so that its output can be computed in parts."""

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
        replaced, clipped: values that the pixel type does not hold.
        without_data: pixels that are no-data, where the operation counts them.
        told: warnings.
    """

    replaced: int = 0
    clipped: int = 0
    without_data: int = 0
    told: Sequence[str] = ()


class PartComputer(Protocol):
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


class PartedWork(Protocol):
    """An operation with its inputs open.

    Opening takes the parameters and a progress: `OpenWork`.
    """

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

    @property
    def memory(self) -> tuple[int, int]:
        """The memory that a run takes, and GDAL's share of it, in bytes."""

    def identity(self, parts_are_kept: bool) -> dict[str, str]:
        """Return what must be the same for all runs; see `core.parts.partidentity`."""

    def planned(self, box: Box, middle: Box, progress: Progress) -> Planned:
        """Find out how the operation computes.

        Args:
            box: all that is computed.
            middle: the part on which it is found out.
            progress: told what was chosen.
        """

    def follow(self, plan: PartPlan, way: Json, progress: Progress) -> PartComputer:
        """Return what computes as a plan says.

        Args:
            plan: that all follow.
            way: that of the plan.
            progress: told what is opened again.

        Raises:
            OddJson: it says nothing that this operation understands.
        """


class OpenWork(Protocol):
    """Opens the inputs of an operation. Another process finds it by the name of its module, so it is defined in one."""

    def __call__(self, parameters: Any, progress: Progress) -> PartedWork:
        """Open the inputs.

        Raises:
            OtbtfError: an input cannot be used.
        """
