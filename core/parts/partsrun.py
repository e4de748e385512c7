"""A run that follows the common plan: it computes parts, and notes which are done."""

from __future__ import annotations

import dataclasses
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ..base.jsonvalues import Json, OddJson
from ..base.progress import Progress
from ..errors import ParameterError, field
from ..files.staging import Staging
from ..geometry.grid import Box, Grid
from ..machine.memory import MB
from ..machine.memorylimit import memory_limit
from ..phrases import Phrase
from ..rasters.outputarea import wanted_box
from ..rasters.outputfields import OUT_FIELDS
from ..rasters.rasteroutput import OutputRaster, driver_for
from .askedoutputs import AskedOutputs
from .partassembly import virtual_header
from .partedwork import PartComputer, PartedWork, RasterForm
from .partidentity import OF_THE_FORMAT
from .partnotes import FileNote, PartNote, valid_note
from .partplan import PartPlan, PlannedRaster, part_size
from .partsfolder import PLAN, PartsFolder


@dataclass(frozen=True)
class PartsRun:
    """A run that follows the common plan.

    Attributes:
        folder: of the parts.
        plan: that all follow.
        computer: what computes them.
    """

    folder: PartsFolder
    plan: PartPlan
    computer: PartComputer

    @property
    def grid(self) -> Grid:
        """The pixels of the whole output."""
        return self.computer.grid.part(self.plan.box)

    def note(self, number: int, thoroughly: bool = False) -> PartNote | None:
        """Return the note of a part that is done; see `core.parts.partnotes.valid_note`."""
        return valid_note(self.folder, self.plan, number, thoroughly)

    def compute_part(self, number: int, progress: Progress) -> PartNote:
        """Compute a part, and note it.

        Raises:
            OtbtfError: it cannot be computed, or the folder is another by now.
            Cancelled: `progress` asked to stop; nothing of the part is left.
        """
        progress.check()
        plan, started = self.plan, time.monotonic()
        box = plan.part_box(number)
        with ExitStack() as stack:
            stagings = [
                stack.enter_context(Staging(str(self.folder.part(number, raster.name)), progress))
                for raster in plan.rasters
            ]
            rasters = [
                stack.enter_context(self._raster(staging, box, form))
                for staging, form in zip(stagings, self.computer.forms)
            ]
            counted = self.computer.compute(box, rasters, progress)
            for raster in rasters:
                raster.close(progress)
            files = [FileNote.of(staging.path) for staging in stagings]
            seconds = time.monotonic() - started
            note = PartNote.of(plan, files, counted, seconds)
            self.folder.check_still(plan)
            for staging in stagings:
                staging.commit()
        note.write(self.folder.note(number), progress)
        for told in counted.told:
            progress.warning(Phrase("Part {number}: {told}", number=number, told=told))
        return note

    def _raster(self, staging: Staging, box: Box, form: RasterForm) -> OutputRaster:
        return OutputRaster(
            staging,
            self.computer.grid.part(box),
            form.bands,
            form.dtype,
            self.computer.part_reference,
            driver_for("part.tif", self.plan.driver, OUT_FIELDS),
            self.plan.options,
            nodata=form.nodata,
            content=dataclasses.replace(form.content, describe=_nothing),
            fields=form.fields,
            overviews=self.plan.overviews,
        )


def agreed_run(
    parameters: Any, work: PartedWork, asked: AskedOutputs, runs: int, side: int | None, progress: Progress
) -> PartsRun:
    """Return the run that follows the plan which all runs have in common; it is made where there is none.

    Args:
        parameters: as the user gives them.
        work: the operation, with its inputs open.
        asked: its outputs.
        runs: how many share the parts.
        side: width and height of parts that the user sets; None where it is chosen.
        progress: told what is planned.

    Raises:
        ParameterError: the plan is that of other inputs, or takes more memory than there is.
    """
    identity = work.identity(asked.virtual)
    folder = PartsFolder(asked.paths["out"])
    folder.make()
    plan = folder.plan()
    if plan is None:
        plan = folder.agree(_new_plan(parameters, work, asked, identity, runs, side, progress), progress)
    if side is not None and plan.part != (made := part_size(plan.box.width, plan.box.height, runs, side)):
        raise ParameterError(
            "{cluster_partsize} is {side}, but the parts in {path} have {part} x {part2} outputs, not "
            "{made} x {made2}: leave it out, or choose another {out}.",
            cluster_partsize=field("cluster_partsize"),
            side=side,
            path=folder.path,
            part=plan.part[0],
            part2=plan.part[1],
            made=made[0],
            made2=made[1],
            out=field("out"),
        )
    return follow_plan(parameters, work, asked, folder, plan, identity, progress)


def follow_plan(
    parameters: Any,
    work: PartedWork,
    asked: AskedOutputs,
    folder: PartsFolder,
    plan: PartPlan,
    identity: dict[str, str],
    progress: Progress,
) -> PartsRun:
    """Return the run that follows a plan which was made before.

    Raises:
        ParameterError: it is that of other inputs, or takes more memory than there is.
    """
    folder.check_is_of(plan, identity, () if asked.virtual else OF_THE_FORMAT)
    _check_memory(plan, parameters.memory or parameters.ram)
    try:
        return PartsRun(folder, plan, work.follow(plan, Json(dict(plan.way)), progress))
    except OddJson as error:
        raise ParameterError(
            "The plan {path} is damaged: {error}. Choose another {out}, or delete {path2} if you no longer "
            "need its parts.",
            path=folder.path / PLAN,
            error=error,
            out=field("out"),
            path2=folder.path,
        ) from error


def _new_plan(
    parameters: Any,
    work: PartedWork,
    asked: AskedOutputs,
    identity: dict[str, str],
    runs: int,
    side: int | None,
    progress: Progress,
) -> PartPlan:
    """Return the plan that this run would follow, made on the part in the middle."""
    box = wanted_box(parameters.out_box, parameters.extent, work.grid, work.placed)
    width, height = part_size(box.width, box.height, runs, side)
    middle = Box(box.x + (box.width - width) // 2, box.y + (box.height - height) // 2, width, height)
    planned = work.planned(box, middle, progress)
    if planned.alone:
        progress.info(
            "Each output depends on the whole image, so the output is computed as one part; further parts would each take as "
            "long as the whole."
        )
        width, height = box.width, box.height
    reference = work.reference(box)
    rasters = tuple(
        PlannedRaster(
            form.name,
            form.bands,
            form.dtype.name,
            form.background,
            form.nodata,
            virtual_header(work.grid.part(box), form.bands, form.dtype, reference, form.nodata, form.content.describe),
        )
        for form in planned.forms
    )
    driver, options = asked.form_of_parts
    return PartPlan(
        identity, rasters, planned.way, box, (width, height), *work.memory, driver, options, overviews=asked.virtual
    )


def _check_memory(plan: PartPlan, given: int | None) -> None:
    """Raise ParameterError where this machine, or what the user allows, has less memory than the plan takes."""
    needed, limit = plan.memory, memory_limit()
    if given is not None and given * MB < needed:
        raise ParameterError(
            "{memory} is {given}, but the plan of these parts takes {needed} MB: allow as much, or begin "
            "anew in another folder with {memory}={given}.",
            memory=field("memory"),
            given=given,
            needed=needed // MB,
        )
    if limit < needed:
        raise ParameterError(
            "The plan of these parts takes {needed} MB, but this machine, or its job, has {limit} MB: use "
            "one that has more, or begin anew in another folder with a smaller {memory}.",
            needed=needed // MB,
            limit=limit // MB,
            memory=field("memory"),
        )


def _nothing(dataset: Any) -> None:
    """Write no names of classes into a part: the whole has them."""
