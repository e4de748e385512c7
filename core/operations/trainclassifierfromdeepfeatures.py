"""TrainClassifierFromDeepFeatures: a classifier learned from a network's features of images, at the places of samples."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import sharedkeys as shared
from ..parameters.classifierchoices import ClassifierChoice
from ..parameters.classifiergroups import (
    TRAINING_RESULTS,
    SampleChoice,
    deep_features,
    statistics,
    trained_classifier,
    training_report,
)
from ..parameters.operation import Group, Operation
from ..parameters.servedmodel import ServedModel


@dataclass(frozen=True)
class FeatureModel(ServedModel):
    """The parameters of a model whose outputs are features."""

    output_names: str = deep_features()
    imstat: str | None = statistics("imstat", "those of the training samples. The classifier keeps them")


@dataclass(frozen=True)
class Outputs(Group):
    """The parameters that name what is written."""

    out: str = trained_classifier("out")
    confmatout: str | None = shared.confusion_matrix("confmatout")
    out_report: str | None = training_report()


@dataclass(frozen=True)
class TrainClassifierFromDeepFeatures(Operation, Outputs, ClassifierChoice, SampleChoice, FeatureModel):
    """See OTBTF's application of the same name."""

    TITLE = "Train a classifier on deep features"
    GROUP = "training"
    DESCRIPTION = (
        "Learns a classifier (random forest, support vector machine, ...) from what a network makes of images: the "
        "values of one of its layers at samples that polygons, lines or points give. The features are computed at "
        "the samples only. otbtf:imageclassifierfromdeepfeatures makes a map with network and classifier.\n\n"
        "The report shows the confusion matrix and the scores of each class. The parameters are those of OTBTF's "
        "TrainClassifierFromDeepFeatures and OTB's TrainImagesClassifier, and the defaults too; scikit-learn does "
        "the learning."
    )
    RESULTS = TRAINING_RESULTS
    RUN = "classifiers.traindeep:train_on_deep_features"
    NEEDS_ENGINE = True
