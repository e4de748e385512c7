"""Rasters that are made of parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.jsonvalues import Json
from ..base.progress import Progress
from ..files.staging import Staging
from ..geometry.grid import Box
from ..phrases import Phrase
from ..rasters.outputarea import wanted_box
from .askedrasters import AskedRasters
from .followedrasters import FollowedRasters
from .partassembly import virtual_header
from .partedoutput import Whole
from .partedwork import MadePart
from .partnotes import PartNote
from .partplan import PartPlan
from .partsfolder import PartsFolder
from .partsizes import part_size
from .rasterplan import PlannedRaster, RasterPlan, read_raster_plan
from .rasterwork import RasterForm, RasterWork
from .wholeoutput import whole_output

_COMPUTING = 0.95
"""The share of the progress until the raster that parts are copied into is closed and checked."""


class RasterParts:
    """The rasters that a run is asked for; see `core.parts.partedoutput.PartedOutput`."""

    unit = Phrase("outputs")

    def __init__(self, parameters: Any) -> None:
        """Check that they can be made.

        Raises:
            ParameterError: one of them cannot, or they are of different kinds.
        """
        self._asked = AskedRasters.of(parameters)
        self.out, self.virtual = self._asked.paths["out"], self._asked.virtual
        self.computing = 1.0 if self.virtual else _COMPUTING

    def planned(
        self,
        parameters: Any,
        work: RasterWork,
        identity: dict[str, str],
        runs: int,
        side: int | None,
        progress: Progress,
    ) -> PartPlan:
        """Return a plan, made on the part in the middle."""
        box = wanted_box(parameters.out_box, parameters.extent, work.grid, work.placed)
        width, height = part_size(box.width, box.height, runs, side)
        middle = Box(box.x + (box.width - width) // 2, box.y + (box.height - height) // 2, width, height)
        planned = work.planned(box, middle, progress)
        if planned.alone:
            progress.info(
                "Each output depends on the whole image, so the output is computed as one part; further parts would each "
                "take as long as the whole."
            )
            width, height = box.width, box.height
        rasters = tuple(_planned_raster(work, form, box) for form in planned.forms)
        output = RasterPlan(rasters, *self._asked.form_of_parts, overviews=self.virtual)
        files = tuple(raster.file for raster in rasters)
        return PartPlan(identity, files, output.values(), planned.way, box, (width, height), *work.memory)

    def part_size(self, plan: PartPlan, side: int) -> tuple[int, int]:
        """Return width and height of parts of this side."""
        return part_size(plan.box.width, plan.box.height, 1, side)

    def followed(self, work: RasterWork, folder: PartsFolder, plan: PartPlan, progress: Progress) -> _Maker:
        """Return what makes parts as a plan says."""
        output = read_raster_plan(Json(dict(plan.output), "output"))
        computer = work.follow(plan, Json(dict(plan.way)), progress)
        return _Maker(FollowedRasters(folder, plan, output, computer), self._asked)

    def shares(self, plan: PartPlan) -> bool:
        """Return whether a virtual raster refers to the parts, or may do so when other runs are done."""
        output = read_raster_plan(Json(dict(plan.output), "output"))
        return output.overviews or Path(self.out).with_suffix(".vrt").exists()


@dataclass(frozen=True)
class _Maker:
    """See `core.parts.partedoutput.PartMaker`."""

    rasters: FollowedRasters
    asked: AskedRasters

    def place(self, number: int) -> Box:
        return self.rasters.plan.parts[number]

    def make(self, number: int, places: Sequence[Staging], progress: Progress) -> MadePart:
        return self.rasters.make(number, places, progress)

    def whole(self, progress: Progress) -> Whole:
        return whole_output(self.rasters, self.asked, progress)

    def results(self, notes: Sequence[PartNote]) -> dict[str, Any]:
        plan, computer = self.rasters.plan, self.rasters.computer
        missing = len(plan.parts) - len(notes)
        counts = {} if missing else computer.counts(sum(note.counts["without_data"] for note in notes))
        paths = {key: None if missing else path for key, path in self.asked.results.items()}
        return {**paths, "width": plan.box.width, "height": plan.box.height, **computer.results(), **counts}


def _planned_raster(work: RasterWork, form: RasterForm, box: Box) -> PlannedRaster:
    return PlannedRaster(
        form.name,
        form.bands,
        form.dtype.name,
        form.background,
        form.nodata,
        virtual_header(
            work.grid.part(box), form.bands, form.dtype, work.reference(box), form.nodata, form.content.describe
        ),
    )
