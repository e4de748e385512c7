"""The whole output, made of parts while they arrive."""

from __future__ import annotations

import os
from contextlib import ExitStack

from ..base.progress import Progress
from ..errors import field
from ..files.staging import Staging
from ..rasters.outputfields import OUT_FIELDS
from ..rasters.rasteroutput import OutputRaster, driver_for
from .askedrasters import AskedRasters
from .followedrasters import FollowedRasters
from .partassembly import PartsCopier, copied_side, virtual_text, write_virtual
from .partedoutput import Whole
from .partnotes import PartNote

_ANY_BLOCK = (256, 256)
"""Blocks of parts that are not there yet, where it does not matter."""


def whole_output(run: FollowedRasters, asked: AskedRasters, progress: Progress) -> Whole:
    """Return what makes the whole of a run's parts."""
    return _Virtual(run, asked) if asked.virtual else _Copied(run, asked, progress)


class _Virtual:
    """Virtual rasters that refer to the parts."""

    def __init__(self, run: FollowedRasters, asked: AskedRasters) -> None:
        self._run, self._asked = run, asked
        self._notes: dict[int, PartNote] = {}

    def __enter__(self) -> _Virtual:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def arrived(self, number: int, note: PartNote, progress: Progress) -> None:
        self._notes[number] = note

    def finish(self, progress: Progress) -> None:
        plan, folder = self._run.plan, self._run.folder
        for index, raster in enumerate(self._run.output.rasters):
            out = self._asked.paths[raster.name]
            blocks = [self._notes[number].files[index].block or _ANY_BLOCK for number in range(len(plan.parts))]
            beside = os.path.dirname(os.path.abspath(out)) == str(folder.path.parent)
            write_virtual(out, virtual_text(plan, raster, self._run.grid, folder, blocks, beside), progress)


class _Copied:
    """Rasters into which the parts are copied, by this process alone."""

    def __init__(self, run: FollowedRasters, asked: AskedRasters, progress: Progress) -> None:
        self._run, self._asked, self._progress = run, asked, progress
        self._stack = ExitStack()
        self._made: list[tuple[Staging, OutputRaster]] = []
        self._copiers: list[PartsCopier] = []

    def __enter__(self) -> _Copied:
        with ExitStack() as stack:  # where the second cannot be made, the first goes
            for index in range(len(self._run.output.rasters)):
                self._begin(index, stack)
            self._stack = stack.pop_all()
        return self

    def _begin(self, index: int, stack: ExitStack) -> None:
        plan, run, form = self._run.plan, self._run, self._run.computer.forms[index]
        path = self._asked.paths[form.name]
        staging = stack.enter_context(Staging(path, self._progress, field(form.name)))
        raster = OutputRaster(
            staging,
            run.grid,
            form.bands,
            form.dtype,
            run.computer.reference(plan.box),
            driver_for(path, self._asked.driver, OUT_FIELDS),
            self._asked.options,
            nodata=form.nodata,
            content=form.content,
            fields=form.fields,
            overviews=self._asked.overviews,
        )
        self._made.append((staging, stack.enter_context(raster)))
        text = virtual_text(
            plan, run.output.rasters[index], run.grid, run.folder, [_ANY_BLOCK] * len(plan.parts), beside=False
        )
        side = copied_side(plan.memory, run.output.rasters[index].pixel_bytes)
        self._copiers.append(PartsCopier(text, run.grid, plan.parts, side, raster.write))

    def __exit__(self, *_: object) -> None:
        self._copiers.clear()
        self._stack.close()

    def arrived(self, number: int, note: PartNote, progress: Progress) -> None:
        for copier in self._copiers:
            copier.arrived(number, progress)

    def finish(self, progress: Progress) -> None:
        for _, raster in self._made:
            raster.close(progress)
        for staging, _ in self._made[::-1]:
            staging.commit()
