"""TrainClassifierFromDeepFeatures: a classifier learned from a network's features of images, at the places of samples."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import vocabulary as voc
from ..parameters.classifierchoices import FILE_FILTER, ClassifierChoice
from ..parameters.classifiergroups import TRAINING_RESULTS, SampleChoice
from ..parameters.operation import Operation
from .tensorflowmodelserve import ServedModel

FEATURES_HELP = (
    "Names of the model's outputs that are the features, separated by spaces; of a .keras file, layers too. Empty: "
    "features, where the model has an output or layer of this name, else the first output in alphabetical order."
)


@dataclass(frozen=True)
class FeatureModel(ServedModel):
    """The parameters of a model whose outputs are features."""

    output_names: str = voc.text("output.names", "Features", FEATURES_HELP)
    imstat: str | None = voc.file(
        "imstat",
        "Statistics",
        "XML file of OTB's ComputeImagesStatistics: the means and standard deviations by which features are standardised. "
        "Not given: those of the training samples. The classifier keeps them.",
        required=False,
        file_filter="XML files (*.xml)",
        advanced=True,
    )


@dataclass(frozen=True)
class Outputs:
    """The parameters that name what is written."""

    out: str = voc.file_out("out", "Classifier", "What was learned.", required=True, file_filter=FILE_FILTER)
    confmatout: str | None = voc.file_out(
        "confmatout",
        "Confusion matrix",
        "CSV file as OTB writes it; rows are the reference.",
        file_filter="CSV files (*.csv)",
    )
    out_report: str | None = voc.file_out(
        "out.report",
        "Report",
        "A page with confusion matrix, scores per class, numbers of samples and the parameters used.",
        file_filter="HTML files (*.html)",
        created=True,
    )


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
