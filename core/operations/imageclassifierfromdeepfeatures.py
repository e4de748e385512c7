"""ImageClassifierFromDeepFeatures: images through a network and a classifier, into a map of classes."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import vocabulary as voc
from ..parameters.classifierchoices import FILE_FILTER
from ..parameters.classifiergroups import MapOutputs
from ..parameters.operation import Operation
from .tensorflowmodelserve import MODES, ServedModel
from .trainclassifierfromdeepfeatures import FEATURES_HELP


@dataclass(frozen=True)
class DeepModel(ServedModel):
    """The parameters of the network, under the names that they have beside those of a classifier."""

    model_dir: str = voc.file(
        "deepmodel.dir",
        "Network",
        "A SavedModel (its folder, or the saved_model.pb inside) or a .keras file.",
        file_filter="TensorFlow models (saved_model.pb *.keras);;All files (*)",
    )
    model_userplaceholders: str = voc.text(
        "deepmodel.userplaceholders",
        "User placeholders",
        "Values for further inputs of the network: name=value, several separated by spaces. A value is a number, "
        "true or false, or a list such as (1, 2.5).",
    )
    model_fullyconv: str = voc.choice(
        "deepmodel.fullyconv",
        "Fully convolutional",
        "on: the network is applied to whole regions. off: to one patch per output pixel. auto: what it allows.",
        MODES,
    )
    model_tagsets: str = voc.text(
        "deepmodel.tagsets",
        "Tag sets",
        "Tags of the SavedModel's graph, separated by spaces or commas. Empty: serve.",
        advanced=True,
    )
    output_names: str = voc.text("output.names", "Features", FEATURES_HELP)
    classifier: str = voc.file(
        "model",
        "Classifier",
        "A classifier that TrainClassifierFromDeepFeatures has trained on the same features.",
        file_filter=FILE_FILTER,
    )
    imstat: str | None = voc.file(
        "imstat",
        "Statistics",
        "XML file of OTB's ComputeImagesStatistics: means and standard deviations of the features in place of those that "
        "the classifier was trained with. Not given: those of the training.",
        required=False,
        file_filter="XML files (*.xml)",
        advanced=True,
    )


@dataclass(frozen=True)
class ImageClassifierFromDeepFeatures(Operation, MapOutputs, DeepModel):
    """See OTBTF's application of the same name."""

    TITLE = "Classify an image by deep features"
    GROUP = "inference"
    DESCRIPTION = (
        "Applies a network to one or several rasters and a trained classifier to its features, and writes a map of "
        "classes; with a confidence map, how probable each is. The features are streamed from one to the other and "
        "kept nowhere.\n\n"
        "The classifier is one that otbtf:trainclassifierfromdeepfeatures has trained with the same network. The "
        "parameters are those of OTBTF's ImageClassifierFromDeepFeatures."
    )
    RUN = "classifiers.classifydeep:classify_deep_features"
    NEEDS_ENGINE = True

    def __post_init__(self) -> None:
        DeepModel.__post_init__(self)
        MapOutputs.__post_init__(self)
