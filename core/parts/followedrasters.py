"""Rasters as a plan says: the files of each part."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osgeo import gdal

from ..base.progress import Progress
from ..files.gdalcalls import collected_errors
from ..files.staging import Staging
from ..geometry.grid import Box, Grid
from ..rasters.outputfields import OUT_FIELDS
from ..rasters.rasteroutput import OutputRaster, driver_for
from .partedwork import MadePart
from .partplan import PartPlan
from .partsfolder import PartsFolder
from .rasterplan import RasterPlan
from .rasterwork import RasterComputer, RasterForm


@dataclass(frozen=True)
class FollowedRasters:
    """Rasters as a plan says.

    Attributes:
        folder: of the parts.
        plan: that all follow.
        output: what it says of the rasters.
        computer: what computes them.
    """

    folder: PartsFolder
    plan: PartPlan
    output: RasterPlan
    computer: RasterComputer

    @property
    def grid(self) -> Grid:
        """The pixels of the whole output."""
        return self.computer.grid.part(self.plan.box)

    def make(self, number: int, places: Sequence[Staging], progress: Progress) -> MadePart:
        """Make the rasters of a part; see `core.parts.partedoutput.PartMaker`."""
        box = self.plan.part_box(number)
        with ExitStack() as stack:
            rasters = [
                stack.enter_context(self._raster(place, box, form)) for place, form in zip(places, self.computer.forms)
            ]
            counted = self.computer.compute(box, rasters, progress)
            for raster in rasters:
                raster.close(progress)
        counts = {
            "replaced": counted.replaced,
            "clipped": counted.clipped,
            "without_data": counted.without_data,
        }
        return MadePart(counts, counted.told, [_block(place.path) for place in places])

    def _raster(self, place: Staging, box: Box, form: RasterForm) -> OutputRaster:
        return OutputRaster(
            place,
            self.computer.grid.part(box),
            form.bands,
            form.dtype,
            self.computer.part_reference,
            driver_for("part.tif", self.output.driver, OUT_FIELDS),
            self.output.options,
            nodata=form.nodata,
            content=dataclasses.replace(form.content, describe=_nothing),
            fields=form.fields,
            overviews=self.output.overviews,
        )


def _block(file: Path) -> tuple[int, int]:
    """Return width and height of the blocks of a raster."""
    with collected_errors():
        dataset = gdal.Open(str(file))  # a band does not outlive it
        width, height = dataset.GetRasterBand(1).GetBlockSize()
    return width, height


def _nothing(dataset: Any) -> None:
    """Write no names of classes into a part: the whole has them."""
