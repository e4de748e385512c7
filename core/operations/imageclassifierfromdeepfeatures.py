"""ImageClassifierFromDeepFeatures: a map of classes from images, by a network and a classifier."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.classifierchoices import FILE_FILTER
from ..parameters.classifiergroups import MapOutputs, deep_features, statistics
from ..parameters.maskgroup import Masked
from ..parameters.operation import Operation
from ..parameters.servedmodel import MODES, ServedModel, context
from ..parameters.sharedgroups import PARTS_RESULTS


@dataclass(frozen=True)
class DeepModel(ServedModel):
    """The parameters of the network, under the names that they have beside those of a classifier."""

    model_dir: str = shared.model_file("deepmodel.dir", "Network")
    model_userplaceholders: str = shared.user_placeholders("deepmodel.userplaceholders", "network")
    model_fullyconv: str = voc.choice(
        "deepmodel.fullyconv",
        "Fully convolutional",
        "on: apply the network to whole regions. off: apply it to one patch per output pixel. auto: what the network "
        "allows.",
        MODES,
        in_otbtf="off",
        section=sections.GEOMETRY,
        advanced=True,
    )
    model_context: int | None = context("deepmodel.context", "network")
    model_tagsets: str = shared.tag_sets("deepmodel.tagsets")
    output_names: str = deep_features()
    classifier: str = voc.file(
        "model",
        "Classifier",
        "Classifier that TrainClassifierFromDeepFeatures has trained on the same features.",
        file_filter=FILE_FILTER,
        section=sections.CLASSIFIER,
    )
    imstat: str | None = statistics("imstat", "those of the classifier's training")


@dataclass(frozen=True)
class ImageClassifierFromDeepFeatures(Operation, MapOutputs, Masked, DeepModel):
    """See OTBTF's application of the same name."""

    TITLE = "Classify by deep features (with a trained classifier)"
    GROUP = "inference"
    DESCRIPTION = (
        "Applies a network to one or several rasters and a trained classifier to its features, and writes a map of "
        "classes and, if you want, a confidence map with the probability of the class of each pixel. The features "
        "are not stored.\n\n"
        "The classifier must have been trained by otbtf:trainclassifierfromdeepfeatures with the same network. The "
        "parameters are those of OTBTF's ImageClassifierFromDeepFeatures."
    )
    RUN = "classifiers.classifydeep:classify_deep_features"
    NEEDS_ENGINE = True
    RESULTS = PARTS_RESULTS
