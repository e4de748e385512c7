"""TrainClassifierFromDeepFeatures: a classifier trained on a network's features of images, at samples."""

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
from ..parameters.scenetable import SceneColumns, scenes
from ..parameters.servedmodel import ServedModel


@dataclass(frozen=True)
class FeatureModel(ServedModel):
    """The parameters of a model whose outputs are features."""

    output_names: str = deep_features()
    imstat: str | None = statistics("imstat", "those of the training samples, which the classifier stores")


_SCENES = SceneColumns("source1.il", ("vd", "valid"))


@dataclass(frozen=True)
class Scenes(Group):
    """Further scenes."""

    scenes: str | None = scenes(
        _SCENES,
        "to learn from",
        "Further sources are source2_il, and so on. Each scene has the same number of samples of a class, as far as it has them.",
    )


@dataclass(frozen=True)
class Outputs(Group):
    """The outputs."""

    out: str = trained_classifier("out")
    confmatout: str | None = shared.confusion_matrix("confmatout")
    out_report: str | None = training_report()


@dataclass(frozen=True)
class TrainClassifierFromDeepFeatures(Operation, Outputs, ClassifierChoice, SampleChoice, Scenes, FeatureModel):
    """See OTBTF's application of the same name."""

    TITLE = "Train on deep features (random forest, SVM, ...)"
    GROUP = "training"
    DESCRIPTION = (
        "Trains a classifier (random forest, support vector machine, ...) on the features that a network computes "
        "from images: the values of one of its layers at the samples of polygons, lines or points. The features are "
        "computed only at the samples. otbtf:imageclassifierfromdeepfeatures creates a map with the network and the "
        "classifier.\n\n"
        "The report has the confusion matrix and the scores of each class. The parameters and defaults are those of "
        "OTBTF's TrainClassifierFromDeepFeatures and OTB's TrainImagesClassifier; the classifiers are those of "
        "scikit-learn."
    )
    RESULTS = TRAINING_RESULTS
    RUN = "workflows.deeptraining:train_classifier"
    NEEDS_ENGINE = True
    SCENE_COLUMNS = _SCENES
