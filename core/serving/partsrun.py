"""Serving a model in parts: a run that computes some of them, or those that are missing, and who comes last the whole."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..base.progress import Part, Progress
from ..errors import ParameterError, field
from ..files.staging import Staging, check_writable
from ..geometry.grid import Box, Grid
from ..machine.memory import MB, gdal_cache
from ..machine.memorylimit import memory_limit
from ..operations.tensorflowmodelserve import TensorflowModelServe
from ..parameters.partshare import PartShare, part_share
from ..phrases import Phrase
from ..rasters.outputarea import wanted_box
from ..rasters.outputfields import OUT_FIELDS
from ..rasters.pixeltypes import written_type
from ..rasters.rasteroutput import OutputRaster, creation_options, driver_for
from .defaultsapplied import serving_defaults_of, with_serving_defaults
from .memorybudget import MemoryBudget
from .openmodel import OpenModel, open_model
from .parameterresolution import serve_settings
from .servedoutput import declared_nodata, output_content, told_classes
from .servesettings import ServeSettings

if TYPE_CHECKING:  # these import TensorFlow
    from .partnotes import PartNote
    from .partplan import PartPlan
    from .partsfolder import PartsFolder
    from .runplan import RunPlan

_OF_PARTS = ("GTiff", "COG")
"""Formats of parts: tiled, so that a virtual raster of them is read without reading whole parts."""

_COMPUTING = 0.95
"""The share of the progress until the parts are copied into one raster."""


def serve_parts(parameters: TensorflowModelServe, progress: Progress) -> dict[str, Any]:
    """Compute the parts that a run is asked for, and the whole output where these were the last.

    Raises:
        ParameterError, RasterError, ModelError: bad input, as far as possible before work starts; or the parts that are
            there belong to another run.
        Cancelled: `progress` asked to stop; parts that are done are kept.
    """
    share = part_share(parameters.part, os.environ)
    virtual = _is_virtual(parameters)
    driver = _driver_of_parts(parameters) if virtual else driver_for(parameters.out, parameters.out_format, OUT_FIELDS)
    options = creation_options(parameters.out_co, OUT_FIELDS.options)
    check_writable(parameters.out, field("out"))
    form = (driver.ShortName, tuple(options)) if virtual else ("GTiff", ())
    run = _agreed_run(parameters, form, share, progress)
    plan = run.plan
    with gdal_cache(plan.memory.cache):
        notes = run.compute(share, parameters.resume, Part(progress, 0.0, 1.0 if virtual else _COMPUTING))
        missing = len(plan.parts) - len(notes)
        if missing:
            progress.info(
                Phrase(
                    "{missing} of {parts_count} parts are missing; the run that completes the last part writes {out}.",
                    missing=missing,
                    parts_count=len(plan.parts),
                    out=parameters.out,
                )
            )
        elif virtual:
            run.write_virtual(parameters.out, notes, progress)
        else:
            run.write_copy(parameters.out, driver, options, notes, Part(progress, _COMPUTING, 1.0))
    results: dict[str, Any] = {
        "out": None if missing else parameters.out,
        "width": plan.box.width,
        "height": plan.box.height,
        "bands": plan.bands,
        "parts.done": len(notes),
        "parts.missing": missing,
    }
    return {**results, **told_classes(run.opened, plan.bands, plan.output.dtype)}


def _agreed_run(
    parameters: TensorflowModelServe, form: tuple[str, tuple[str, ...]], share: PartShare, progress: Progress
) -> _PartsRun:
    """Return the run that follows the plan which all runs have in common; it is made where there is none.

    Args:
        parameters: as the user gives them.
        form: driver and creation options of parts.
        share: what this run computes.
        progress: told what is opened and planned.

    Raises:
        ParameterError: the plan is that of other inputs, or takes more memory than there is.
    """
    defaults = serving_defaults_of(parameters.model_dir)
    parameters = with_serving_defaults(parameters, defaults, progress)
    settings = serve_settings(parameters, defaults)
    opened = open_model(settings, progress)
    from .partsfolder import PartsFolder  # these import TensorFlow, so not sooner
    from .runidentity import OF_THE_FORMAT, run_identity

    virtual = _is_virtual(parameters)
    identity = run_identity(parameters, opened, virtual)
    folder = PartsFolder(parameters.out)
    folder.make()
    plan = folder.plan()
    if plan is None:
        plan = folder.agree(_new_plan(parameters, settings, opened, identity, form, share.count, progress), progress)
    folder.check_is_of(plan, identity, () if virtual else OF_THE_FORMAT)
    _check_memory(plan, settings.memory)
    if plan.outputs != tuple(opened.outputs):  # the machine that made it has found another of the same map to be best
        asked = replace(settings.model, outputs=" ".join(plan.outputs))
        opened = open_model(replace(settings, model=asked), progress)
    return _PartsRun(folder, plan, *plan.followed_by(opened))


def _is_virtual(parameters: TensorflowModelServe) -> bool:
    """Return whether the output refers to the parts."""
    return parameters.out.lower().endswith(".vrt")


def _driver_of_parts(parameters: TensorflowModelServe) -> Any:
    """Return the driver that writes parts.

    Raises:
        ParameterError: OUT_FORMAT is another format.
    """
    name = parameters.out_format or "GTiff"
    if name.lower() not in map(str.lower, _OF_PARTS):
        raise ParameterError(
            "{out_format} is {name}, but the parts of a virtual raster are GeoTIFFs: leave it out, or set COG.",
            out_format=field("out_format"),
            name=name,
        )
    return driver_for("part.tif", name, OUT_FIELDS)


def _new_plan(
    parameters: TensorflowModelServe,
    settings: ServeSettings,
    opened: OpenModel,
    identity: dict[str, str],
    form: tuple[str, tuple[str, ...]],
    runs: int,
    progress: Progress,
) -> PartPlan:
    """Return the plan that this run would follow, made on the part in the middle.

    Args:
        parameters, settings: of the run.
        opened: its model and sources.
        identity: what must be the same for all runs.
        form: driver and creation options of parts.
        runs: how many share the parts.
        progress: told what was chosen.
    """
    from .partassembly import virtual_header
    from .partplan import PartPlan, part_size, whole_only
    from .runplan import plan_run
    from .tilecomputer import TileOutput

    grid = opened.geometry.grid
    box = wanted_box(parameters.out_box, parameters.extent, grid, opened.sources[0].stack.reference)
    reference = opened.reference(box)
    dtype, background = written_type(opened.compute.dtype_name, parameters.out_pixeltype), parameters.output_bv or 0.0
    nodata = declared_nodata(parameters.out_nodata, opened, dtype, background)
    memory = MemoryBudget.of(settings.memory, opened.sources)
    width, height = part_size(box.width, box.height, runs)
    middle = Box(box.x + (box.width - width) // 2, box.y + (box.height - height) // 2, width, height)
    with gdal_cache(memory.cache):
        run = plan_run(opened, middle, TileOutput(dtype, background), settings.tiling, memory, progress)
    part, tile = (width, height), run.tile
    if whole_only(run.geometry.fields):
        progress.info(
            "Each output depends on the whole image, so the output is computed as one part; further parts would each take as "
            "long as the whole."
        )
        part = tile = (box.width, box.height)
    content = output_content(opened, run.bands, dtype, [])
    return PartPlan(
        identity,
        tuple(opened.outputs),
        run.geometry.fields,
        opened.compute.alone,
        run.way,
        run.bands,
        tile,
        box,
        part,
        dtype.name,
        background,
        nodata,
        memory,
        *form,
        virtual_header(grid.part(box), run.bands, dtype, reference, nodata, content.describe),
    )


def _check_memory(plan: PartPlan, given: int | None) -> None:
    """Raise ParameterError where this machine, or what the user allows, has less memory than the plan takes."""
    needed, limit = plan.memory.memory, memory_limit()
    if given is not None and given * MB < needed:
        raise ParameterError(
            "{memory} is {given}, but the plan of these parts takes {needed} MB: allow as much, or begin anew in "
            "another folder with {memory}={given}.",
            memory=field("memory"),
            given=given,
            needed=needed // MB,
        )
    if limit < needed:
        raise ParameterError(
            "The plan of these parts takes {needed} MB, but this machine, or its job, has {limit} MB: use one that "
            "has more, or begin anew in another folder with a smaller {memory}.",
            needed=needed // MB,
            limit=limit // MB,
            memory=field("memory"),
        )


@dataclass(frozen=True)
class _PartsRun:
    """A run that follows the common plan."""

    folder: PartsFolder
    plan: PartPlan
    opened: OpenModel
    whole: RunPlan

    @property
    def _grid(self) -> Grid:
        return self.whole.grid

    def compute(self, share: PartShare, thoroughly: bool, progress: Progress) -> dict[int, PartNote]:
        """Compute the parts of a share that are not done; return the notes of all that are done in the end, by number."""
        from .partnotes import valid_note

        count = len(self.plan.parts)
        mine = share.of(count)
        todo = [number for number in mine if not valid_note(self.folder, self.plan, number, thoroughly)]
        progress.info(
            Phrase(
                "{folder}: {count} parts of {part} x {plan_part} outputs; this run computes {mine_count} of them; "
                "{mine_count2} are already done.",
                folder=self.folder.path,
                count=count,
                part=self.plan.part[0],
                plan_part=self.plan.part[1],
                mine_count=len(mine),
                mine_count2=len(mine) - len(todo),
            )
        )
        total = sum(self.plan.parts[number].area for number in todo)
        done = 0
        for number in todo:
            area = self.plan.parts[number].area
            if not valid_note(self.folder, self.plan, number, thoroughly):  # another run may have been sooner
                self._compute_part(number, Part(progress, done / total, (done + area) / total))
            done += area
            progress.fraction(done / total)
        notes = {number: valid_note(self.folder, self.plan, number) for number in range(count)}
        return {number: note for number, note in notes.items() if note}

    def _compute_part(self, number: int, progress: Progress) -> None:
        from .partnotes import PartNote
        from .tiledrun import TiledRun

        progress.check()
        plan, started = self.plan, time.monotonic()
        part = plan.parts[number]
        box = Box(plan.box.x + part.x, plan.box.y + part.y, part.width, part.height)
        run_plan = replace(self.whole, box=box)
        run = TiledRun(self.opened, run_plan, plan.output)
        others = [plan.background] if self.opened.masked else []
        content = replace(output_content(self.opened, plan.bands, plan.output.dtype, others), describe=_nothing)
        reference = self.opened.sources[0].stack.reference.without_placement()
        with (
            Staging(str(self.folder.part(number)), progress) as staging,
            OutputRaster(
                staging,
                run_plan.grid,
                plan.bands,
                plan.output.dtype,
                reference,
                driver_for("part.tif", plan.driver, OUT_FIELDS),
                plan.options,
                nodata=plan.nodata,
                content=content,
                fields=OUT_FIELDS,
            ) as raster,
        ):
            run.write(raster, progress)
            raster.close(progress)
            counts = run.converter.replaced, run.converter.clipped
            note = PartNote.of(plan, staging.path, *counts, time.monotonic() - started)
            self.folder.check_still(plan)
            staging.commit()
        note.write(self.folder.note(number), progress)
        background = f"{plan.background:g} ({field('output_bv')})"
        for told in [*run.told(), *run.converter.told(field("out_pixeltype"), background)]:
            progress.warning(Phrase("Part {number}: {told}", number=number, told=told))

    def write_virtual(self, out: str, notes: dict[int, PartNote], progress: Progress) -> None:
        """Write the virtual raster of all parts."""
        from .partassembly import virtual_text, write_virtual

        blocks = {number: note.block for number, note in notes.items()}
        write_virtual(out, virtual_text(self.plan, self._grid, self.folder, blocks, beside=True), progress)

    def write_copy(
        self, out: str, driver: Any, options: Sequence[str], notes: dict[int, PartNote], progress: Progress
    ) -> None:
        """Copy all parts into one raster."""
        from .partassembly import copied_side, copy_parts, virtual_text

        plan, grid = self.plan, self._grid
        others = [plan.background] if self.opened.masked else []
        blocks = {number: note.block for number, note in notes.items()}
        with (
            Staging(out, progress, field("out")) as staging,
            OutputRaster(
                staging,
                grid,
                plan.bands,
                plan.output.dtype,
                self.opened.reference(plan.box),
                driver,
                options,
                nodata=plan.nodata,
                content=output_content(self.opened, plan.bands, plan.output.dtype, others),
                fields=OUT_FIELDS,
            ) as raster,
        ):
            text = virtual_text(plan, grid, self.folder, blocks, beside=False)
            side = copied_side(plan.memory.memory, plan.bands * plan.output.dtype.itemsize)
            copy_parts(text, grid, side, raster.write, progress)
            raster.commit(progress)
        progress.info(
            Phrase("{folder} still holds the parts: delete it when you no longer need them.", folder=self.folder.path)
        )


def _nothing(dataset: Any) -> None:
    """Write no names of classes into a part: the whole has them."""
