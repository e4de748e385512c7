"""The work of ImageClassifierFromDeepFeatures: a network's features, tile by tile, straight through a classifier."""

from __future__ import annotations

import dataclasses
import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.progress import Progress
from ..errors import OtbtfError
from ..machine.memory import MB, gdal_cache, release
from ..rasters.conversion import Converter
from ..rasters.outputarea import wanted_box
from ..serving.defaultsapplied import serving_defaults_of, with_serving_defaults
from ..serving.openmodel import Budget, open_model
from .classifyimage import opened as opened_classifier
from .mapwriter import MapWriter
from .parallelclassification import PixelClassifier
from .traindeep import PREFERRED, check_features

if TYPE_CHECKING:
    from ..operations.imageclassifierfromdeepfeatures import ImageClassifierFromDeepFeatures


def classify_deep_features(parameters: ImageClassifierFromDeepFeatures, progress: Progress) -> dict[str, Any]:
    """Classify the images' features, which are kept nowhere.

    Returns:
        `out` and `confmap`, the maps' paths; `width` and `height` in pixels; `classes`, a list of value, name and color.

    Raises:
        ParameterError, RasterError, ModelError, ClassifierError: bad input, as far as possible before work starts.
        Cancelled: `progress` asked to stop; nothing is left behind.
    """
    try:
        return _classify(parameters, progress)
    except OtbtfError as error:  # serving knows the network's parameters as MODEL_...
        told = re.sub(r"\bMODEL_(DIR|USERPLACEHOLDERS|FULLYCONV|TAGSETS)\b", r"DEEPMODEL_\1", str(error))
        raise type(error)(told) from error


def _classify(parameters: ImageClassifierFromDeepFeatures, progress: Progress) -> dict[str, Any]:
    classifier = opened_classifier(parameters.classifier, parameters.imstat)
    outputs = [path for path in (parameters.out, parameters.confmap) if path]
    with ExitStack() as stack:
        maps = MapWriter(parameters, classifier, stack, progress)
        defaults = classifier.network or serving_defaults_of(parameters.model_dir)
        parameters = with_serving_defaults(parameters, defaults, progress)
        if classifier.network and not parameters.output_names:
            parameters = dataclasses.replace(parameters, output_names=classifier.network.output)
        opened = open_model(parameters, outputs, progress, defaults, PREFERRED)
        check_features(opened)
        box = wanted_box(parameters.out_box, parameters.extent, opened.geometry.grid, opened.sources[0].stack.reference)
        reference = opened.reference(box)
        memory = Budget.of(parameters, opened.sources)
        stack.enter_context(gdal_cache(memory.cache))
        mapper = PixelClassifier(classifier, parameters.nodatalabel)
        background = np.array([parameters.nodatalabel, 0.0])
        job = opened.job(parameters, box, Converter(np.dtype("float64"), 0.0), background)
        features = job.learn()
        classifier.check_features(features, f"the output {' '.join(opened.outputs)} of {opened.loaded.model.path}")
        opened.choose_way(job, memory.planned, progress)
        job.finish = mapper
        job.learn()
        tile = opened.tile(parameters, job, memory.planned, features, progress)
        progress.info(f"Tiles of {tile[0]} x {tile[1]} outputs, {memory.memory // MB} MB.")
        mapper.replaced = 0
        release()
        maps.open(job.geometry.grid.part(box), reference, opened.masked)
        job.run(maps, tile, progress)
        maps.commit()
    for told in (*job.told(), mapper.told()):
        if told:
            progress.warning(told)
    return maps.results(box)
