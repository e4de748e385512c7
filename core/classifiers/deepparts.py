"""ImageClassifierFromDeepFeatures in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.jsonvalues import Json
from ..base.progress import Progress
from ..geometry.grid import Box, Grid
from ..machine.memory import gdal_cache
from ..parts.partplan import PartPlan
from ..parts.rasterwork import Counted, Planned, RasterForm, Writer
from ..rasters.rasterreference import Reference
from ..serving.memorybudget import MemoryBudget
from ..serving.modelidentity import model_identity
from ..serving.modelplan import ModelPlan, read_model_plan, whole_only
from ..serving.openmodel import open_model
from ..serving.runplan import RunPlan, plan_run
from ..serving.tilecomputer import TileOutput
from ..serving.tiledrun import TiledRun
from .classifydeep import features_told, settings_of
from .classifyimage import opened as opened_classifier
from .imageparts import classifier_identity
from .mapwriter import MapForms, MapTiles
from .parallelclassification import PixelClassifier
from .traindeep import check_features

if TYPE_CHECKING:
    from ..operations.imageclassifierfromdeepfeatures import ImageClassifierFromDeepFeatures


class DeepParts:
    """A network, its sources and a classifier, open to classify in parts; see `core.parts.rasterwork.RasterWork`."""

    def __init__(self, parameters: ImageClassifierFromDeepFeatures, progress: Progress) -> None:
        """Open them.

        Raises:
            ParameterError, RasterError, ModelError, ClassifierError: bad input.
        """
        self._parameters = parameters
        self._classifier = opened_classifier(parameters.classifier, parameters.imstat)
        self._maps = MapForms(parameters, self._classifier, progress)
        self._settings = settings_of(parameters, self._classifier, progress)
        self._opened = open_model(self._settings, progress)
        check_features(self._opened)
        self._budget = MemoryBudget.of(self._settings.memory, self._opened.sources)
        self.forms: Sequence[RasterForm] = self._maps.forms(self._opened.masked)
        self._run: RunPlan | None = None

    @property
    def grid(self) -> Grid:
        """The grid of all outputs."""
        return self._opened.geometry.grid

    @property
    def placed(self) -> Reference:
        """The reference of the first source."""
        return self._opened.sources[0].stack.reference

    @property
    def part_reference(self) -> Reference:
        """That without points."""
        return self.placed.without_placement()

    @property
    def memory(self) -> tuple[int, int]:
        """The memory that a run takes, and GDAL's share of it, in bytes."""
        return self._budget.memory, self._budget.cache

    def reference(self, box: Box) -> Reference:
        """Return the reference of the outputs in a box."""
        return self._opened.reference(box)

    def identity(self, parts_are_kept: bool) -> dict[str, str]:
        """Return what must be the same for all runs."""
        given = self._parameters
        found = model_identity(given, self._opened, parts_are_kept, ("classifier", "imstat"))
        found.update(classifier_identity(given.classifier, given.imstat))
        return found

    def planned(self, box: Box, middle: Box, progress: Progress) -> Planned:
        """Find out how the network is applied."""
        opened, features = self._opened, features_told(self._opened)
        output, _ = self._output()
        with gdal_cache(self._budget.cache):
            run = plan_run(
                opened,
                middle,
                output,
                self._settings.tiling,
                self._budget,
                progress,
                lambda bands: self._classifier.check_features(bands, features),
            )
        return Planned(ModelPlan.of(opened, run, box).values(), whole_only(run.geometry.fields), self.forms)

    def _output(self) -> tuple[TileOutput, PixelClassifier]:
        """Return what is made of features, and what makes it."""
        label = self._parameters.nodatalabel
        mapper = PixelClassifier(self._classifier, label)
        return TileOutput(np.dtype("float64"), np.array([label, 0.0]), mapper), mapper

    def follow(self, plan: PartPlan, way: Json, progress: Progress) -> DeepParts:
        """Return what classifies as a plan says: this."""
        found = read_model_plan(way)
        opened = found.opened_again(self._opened, self._settings, progress)
        self._opened, self._run = found.followed_by(opened, plan.box)
        return self

    def compute(self, box: Box, rasters: Sequence[Writer], progress: Progress) -> Counted:
        """Classify the outputs in a box."""
        assert self._run is not None  # nosec B101 (tells mypy)
        output, mapper = self._output()
        run = TiledRun(self._opened, replace(self._run, box=box), output)
        run.write(MapTiles(self.forms, rasters), progress)
        return Counted(mapper.replaced, told=[told for told in (*run.told(), mapper.told()) if told])

    def results(self) -> dict[str, Any]:
        """Return the classes."""
        return {"classes": [vars(item) for item in self._maps.classes]}

    def counts(self, without_data: int) -> dict[str, Any]:
        """Return none."""
        return {}
