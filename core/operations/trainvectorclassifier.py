"""TrainVectorClassifier: a classifier learned from the attributes of vector layers."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.classifierchoices import ClassifierChoice
from ..parameters.classifiergroups import TRAINING_RESULTS, legend, statistics, trained_classifier, training_report
from ..parameters.operation import Group, Operation
from ..parameters.vectorsource import LayerSource


@dataclass(frozen=True)
class Attributes(Group):
    """The parameters that name layers and their fields."""

    vd: tuple[LayerSource, ...] = voc.vectors(
        "io.vd",
        "Training layers",
        "Layers whose features are the samples, such as the points that SampleExtraction writes; a table without geometry "
        "will do.",
    )
    layer: int | None = shared.layer_index("IO_VD")
    feat: tuple[str, ...] = voc.attributes(
        "feat",
        "Features",
        "Fields of numbers from which the class is learned, in the order of an image's bands.",
        of="io.vd",
    )
    cfield: str = voc.attribute(
        "cfield",
        "Class field",
        "Field that holds the class: whole numbers, as texts too, or names, which are numbered from 0 in alphabetical "
        "order.",
        of="io.vd",
    )
    legend: str = legend()
    stats: str | None = statistics("io.stats", "those of the training samples. The classifier keeps them")
    valid_vd: tuple[LayerSource, ...] = voc.vectors(
        "valid.vd",
        "Validation layers",
        "Layers with the same fields on which the classifier is tested. Not given: the training samples, which flatters.",
        required=False,
    )
    valid_layer: int | None = voc.integer(
        "valid.layer", "Validation layer index", "As LAYER, for VALID_VD.", minimum=0, advanced=True
    )


@dataclass(frozen=True)
class Outputs(Group):
    """The parameters that name what is written."""

    out: str = trained_classifier("io.out")
    confmatout: str | None = shared.confusion_matrix("io.confmatout")
    out_report: str | None = training_report()


@dataclass(frozen=True)
class TrainVectorClassifier(Operation, Outputs, ClassifierChoice, Attributes):
    """See OTB's application of the same name."""

    TITLE = "Train a classifier on attributes"
    GROUP = "training"
    DESCRIPTION = (
        "Learns a classifier (random forest, support vector machine, ...) from attributes of vector layers: of "
        "points with the pixel values of an image, as sampleextraction writes them, or of anything that has numbers "
        "and a class. otbtf:imageclassifier makes a map with it, from the image whose bands are these attributes.\n\n"
        "The report shows the confusion matrix and the scores of each class. The parameters are those of OTB's "
        "TrainVectorClassifier, and the defaults too; scikit-learn does the learning."
    )
    RESULTS = TRAINING_RESULTS
    RUN = "classifiers.trainvector:train_on_attributes"
    NEEDS_ENGINE = True
