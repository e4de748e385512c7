"""Serving a model in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..base.jsonvalues import Json
from ..base.progress import Progress
from ..errors import field
from ..geometry.grid import Box, Grid
from ..machine.memory import gdal_cache
from ..operations.tensorflowmodelserve import TensorflowModelServe
from ..parts.partedwork import Counted, Planned, RasterForm, Writer
from ..parts.partplan import PartPlan
from ..phrases import Phrase
from ..rasters.outputfields import OUT_FIELDS
from ..rasters.pixeltypes import written_type
from ..rasters.rasterreference import Reference
from .defaultsapplied import serving_defaults_of, with_serving_defaults
from .memorybudget import MemoryBudget
from .modelidentity import model_identity
from .modelplan import ModelPlan, read_model_plan, whole_only
from .openmodel import open_model
from .parameterresolution import serve_settings
from .runplan import RunPlan, plan_run
from .servedoutput import declared_nodata, output_content, told_classes
from .tilecomputer import TileOutput
from .tiledrun import TiledRun


class ServedParts:
    """A model and its sources, open to be served in parts; see `core.parts.partedwork.PartedWork`."""

    def __init__(self, parameters: TensorflowModelServe, progress: Progress) -> None:
        """Open them.

        Raises:
            ParameterError, RasterError, ModelError: bad input.
        """
        defaults = serving_defaults_of(parameters.model_dir)
        self._parameters = with_serving_defaults(parameters, defaults, progress)
        self._settings = serve_settings(self._parameters, defaults)
        self._opened = open_model(self._settings, progress)
        self._budget = MemoryBudget.of(self._settings.memory, self._opened.sources)
        dtype = written_type(self._opened.compute.dtype_name, self._parameters.out_pixeltype)
        self._output = TileOutput(dtype, self._parameters.output_bv or 0.0)

    @property
    def grid(self) -> Grid:
        """The grid of all outputs."""
        return self._opened.geometry.grid

    @property
    def placed(self) -> Reference:
        """The reference of the first source."""
        return self._opened.sources[0].stack.reference

    @property
    def memory(self) -> tuple[int, int]:
        """The memory that a run takes, and GDAL's share of it, in bytes."""
        return self._budget.memory, self._budget.cache

    def reference(self, box: Box) -> Reference:
        """Return the reference of the outputs in a box."""
        return self._opened.reference(box)

    def identity(self, parts_are_kept: bool) -> dict[str, str]:
        """Return what must be the same for all runs."""
        return model_identity(self._parameters, self._opened, parts_are_kept)

    def planned(self, box: Box, middle: Box, progress: Progress) -> Planned:
        """Find out how the model is applied."""
        opened, settings = self._opened, self._settings
        self._nodata()  # refused before the trials
        with gdal_cache(self._budget.cache):
            run = plan_run(opened, middle, self._output, settings.tiling, self._budget, progress)
        return Planned(
            ModelPlan.of(opened, run, box).values(), whole_only(run.geometry.fields), [self._form(run.bands)]
        )

    def _nodata(self) -> float | None:
        return declared_nodata(
            self._parameters.out_nodata, self._opened, self._output.dtype, float(self._output.background)
        )

    def _form(self, bands: int) -> RasterForm:
        background = float(self._output.background)
        others = [background] if self._opened.masked else []
        content = output_content(self._opened, bands, self._output.dtype, others)
        return RasterForm("out", bands, self._output.dtype, background, self._nodata(), content, OUT_FIELDS)

    def follow(self, plan: PartPlan, way: Json, progress: Progress) -> _Follower:
        """Return what serves the model as a plan says."""
        found = read_model_plan(way)
        if found.outputs != tuple(self._opened.outputs):  # another machine has found another of the same map to be best
            asked = replace(self._settings.model, outputs=" ".join(found.outputs))
            self._opened = open_model(replace(self._settings, model=asked), progress)
        self._opened, run = found.followed_by(self._opened, plan.box)
        return _Follower(self, run, [self._form(found.bands)])


@dataclass(frozen=True)
class _Follower:
    """See `core.parts.partedwork.PartComputer`."""

    work: ServedParts
    run: RunPlan
    forms: Sequence[RasterForm]

    @property
    def grid(self) -> Grid:
        return self.run.geometry.grid

    @property
    def part_reference(self) -> Reference:
        return self.work.placed.without_placement()

    def reference(self, box: Box) -> Reference:
        return self.work.reference(box)

    def compute(self, box: Box, rasters: Sequence[Writer], progress: Progress) -> Counted:
        run = TiledRun(self.work._opened, replace(self.run, box=box), self.work._output)
        run.write(rasters[0], progress)
        converter, form = run.converter, self.forms[0]
        background = Phrase("{background:g} ({output_bv})", background=form.background, output_bv=field("output_bv"))
        told = [*run.told(), *converter.told(field("out_pixeltype"), background)]
        return Counted(converter.replaced, converter.clipped, told)

    def results(self) -> dict[str, Any]:
        opened, form = self.work._opened, self.forms[0]
        return {"bands": form.bands, **told_classes(opened, form.bands, form.dtype)}
