"""TrainVectorClassifier: a classifier trained on the attributes of vector layers."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.classifierchoices import ClassifierChoice
from ..parameters.classifiergroups import TRAINING_RESULTS, legend, statistics, trained_classifier, training_report
from ..parameters.operation import Group, Operation
from ..parameters.vectorsource import LayerSource


@dataclass(frozen=True)
class Attributes(Group):
    """The layers and their fields."""

    vd: tuple[LayerSource, ...] = voc.vectors(
        "io.vd",
        "Training layers",
        "Layers whose features are the samples, such as the points of SampleExtraction, or tables without geometry.",
    )
    layer: int | None = shared.layer_index("IO_VD")
    feat: tuple[str, ...] = voc.attributes(
        "feat",
        "Features",
        "Numeric fields to train on, in the order of an image's bands.",
        of="io.vd",
    )
    cfield: str = shared.class_field("cfield", of="io.vd")
    legend: str = legend()
    stats: str | None = statistics("io.stats", "those of the training samples, which the classifier stores")
    valid_vd: tuple[LayerSource, ...] = voc.vectors(
        "valid.vd",
        "Validation layers",
        "Layers with the same fields to test the classifier. Default: the training samples; the scores are then too "
        "optimistic.",
        required=False,
        section=sections.VALIDATION,
    )
    valid_layer: int | None = shared.layer_index("VALID_VD", "valid.layer", "Validation layer index")


@dataclass(frozen=True)
class Outputs(Group):
    """The outputs."""

    out: str = trained_classifier("io.out")
    confmatout: str | None = shared.confusion_matrix("io.confmatout")
    out_report: str | None = training_report()


@dataclass(frozen=True)
class TrainVectorClassifier(Operation, Outputs, ClassifierChoice, Attributes):
    """See OTB's application of the same name."""

    TITLE = "Train on attributes (random forest, SVM, ...)"
    GROUP = "training"
    DESCRIPTION = (
        "Trains a classifier (random forest, support vector machine, ...) on attributes of vector layers: points of "
        "otbtf:sampleextraction with the pixel values of an image, or any layer with numbers and a class. "
        "otbtf:imageclassifier creates a map with it, from the image whose bands are these attributes.\n\n"
        "The report has the confusion matrix and the scores of each class. The parameters and defaults are those of "
        "OTB's TrainVectorClassifier; the classifiers are those of scikit-learn."
    )
    RESULTS = TRAINING_RESULTS
    RUN = "classifiers.trainvector:train_on_attributes"
    NEEDS_ENGINE = True
