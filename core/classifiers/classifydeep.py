"""The work of ImageClassifierFromDeepFeatures: a network and a classifier, applied tile by tile."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.progress import Progress
from ..machine import preloading
from ..machine.memory import gdal_cache
from ..parts.partedoutput import PartedOperation
from ..parts.partedrun import run_in_parts, wants_parts
from ..parts.rasterparts import RasterParts
from ..phrases import Phrase
from ..rasters.outputarea import wanted_box
from ..serving.defaultsapplied import serving_defaults_of, with_serving_defaults
from ..serving.memorybudget import MemoryBudget
from ..serving.openmodel import OpenModel, open_model
from ..serving.parameterresolution import serve_settings
from ..serving.servesettings import ServeSettings
from .classifierfiles import Classifier
from .classifyimage import opened as opened_classifier
from .mapwriter import MapForms, MapWriter
from .parallelclassification import PixelClassifier
from .traindeep import PREFERRED, check_features

if TYPE_CHECKING:
    from ..operations.imageclassifierfromdeepfeatures import ImageClassifierFromDeepFeatures


def classify_deep_features(parameters: ImageClassifierFromDeepFeatures, progress: Progress) -> dict[str, Any]:
    """Classify the images by their features, which are not written to a file.

    Returns:
        `out` and `confmap`, the maps' paths; `width` and `height` in pixels; `classes`, a list of value, name and color.

    Raises:
        ParameterError, RasterError, ModelError, ClassifierError: bad input, as far as possible before work starts.
        Cancelled: `progress` asked to stop; nothing is left behind.
    """
    if wants_parts(parameters):
        preloading.wait()
        from ..serving.modelidentity import packages_of  # these import TensorFlow
        from .deepparts import DeepParts

        packages = (*packages_of(parameters), "sklearn")
        return run_in_parts(parameters, PartedOperation(RasterParts, DeepParts, packages), progress)
    classifier = opened_classifier(parameters.classifier, parameters.imstat)
    with ExitStack() as stack:
        forms = MapForms(parameters, classifier, progress)
        maps = MapWriter(parameters, forms, stack, progress)
        settings = settings_of(parameters, classifier, progress)
        opened = open_model(settings, progress)
        from ..serving.runplan import plan_run  # these import TensorFlow, so not sooner
        from ..serving.tilecomputer import TileOutput
        from ..serving.tiledrun import TiledRun

        check_features(opened)
        box = wanted_box(parameters.out_box, parameters.extent, opened.geometry.grid, opened.sources[0].stack.reference)
        reference = opened.reference(box)
        memory = MemoryBudget.of(settings.memory, opened.sources)
        stack.enter_context(gdal_cache(memory.cache))
        background = np.array([parameters.nodatalabel, 0.0])
        tried, mapper = (
            PixelClassifier(classifier, parameters.nodatalabel) for _ in range(2)
        )  # of trials nothing counts
        output = TileOutput(np.dtype("float64"), background, tried)
        features = features_told(opened)
        plan = plan_run(
            opened,
            box,
            output,
            settings.tiling,
            memory,
            progress,
            lambda bands: classifier.check_features(bands, features),
        )
        tiles = maps.open(plan.grid, reference, opened.masked)
        run = TiledRun(opened, plan, dataclasses.replace(output, finish=mapper))
        run.write(tiles, progress)
        maps.commit()
    for told in (*run.told(), mapper.told()):
        if told:
            progress.warning(told)
    return maps.results(box)


def settings_of(
    parameters: ImageClassifierFromDeepFeatures, classifier: Classifier, progress: Progress
) -> ServeSettings:
    """Return how the network is opened: as for the training of the classifier, where that is known."""
    defaults = classifier.network or serving_defaults_of(parameters.model_dir)
    parameters = with_serving_defaults(parameters, defaults, progress)
    if classifier.network and not parameters.output_names:
        parameters = dataclasses.replace(parameters, output_names=classifier.network.output)
    return serve_settings(parameters, defaults, PREFERRED)


def features_told(opened: OpenModel) -> str:
    """Return what the features are, for messages."""
    return Phrase("the output {outputs} of {model}", outputs=" ".join(opened.outputs), model=opened.loaded.model.path)
