"""Serving a model in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..base.jsonvalues import Json
from ..base.progress import Progress
from ..geometry.grid import Box, Grid
from ..machine.memory import gdal_cache
from ..operations.tensorflowmodelserve import TensorflowModelServe
from ..parts.partplan import PartPlan
from ..parts.rasterwork import Counted, Planned, RasterForm, Writer
from ..rasters.rasterreference import Reference
from .defaultsapplied import serving_defaults_of, with_serving_defaults
from .memorybudget import MemoryBudget
from .modelidentity import model_identity
from .modelplan import ModelPlan, read_model_plan, whole_only
from .openmodel import open_model
from .parameterresolution import raster_settings, serve_settings
from .runplan import RunPlan, plan_run
from .servedrasters import ServedForms, ServedTiles
from .tiledrun import TiledRun


class ServedParts:
    """A model and its sources, open to be served in parts; see `core.parts.rasterwork.RasterWork`."""

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
        self._forms = ServedForms(raster_settings(self._parameters), self._opened)  # refuses before the trials

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
        with gdal_cache(self._budget.cache):
            run = plan_run(opened, middle, self._forms.output, settings.tiling, self._budget, progress)
        forms = self._forms.forms(run.bands)
        return Planned(ModelPlan.of(opened, run, box).values(), whole_only(run.geometry.fields), forms)

    def follow(self, plan: PartPlan, way: Json, progress: Progress) -> _Follower:
        """Return what serves the model as a plan says."""
        found = read_model_plan(way)
        opened = found.opened_again(self._opened, self._settings, progress)
        self._opened, run = found.followed_by(opened, plan.box)
        self._forms = ServedForms(raster_settings(self._parameters), self._opened)
        return _Follower(self, run, self._forms.forms(found.bands))


@dataclass(frozen=True)
class _Follower:
    """See `core.parts.rasterwork.RasterComputer`."""

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
        run = TiledRun(self.work._opened, replace(self.run, box=box), self.work._forms.output)
        tiles = ServedTiles(self.forms, rasters)
        run.write(tiles, progress)
        converter, told = tiles.converter, [*run.told(), *tiles.told()]
        return Counted(converter.replaced, converter.clipped, run.without_data, told)

    def results(self) -> dict[str, Any]:
        return self.work._forms.results(self.run.bands)

    def counts(self, without_data: int) -> dict[str, Any]:
        return {"pixels_nodata": without_data}
