"""Outcome of training a classifier: its file, the confusion matrix, the report, and the results."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from ..accuracy import matrixfile
from ..accuracy.report import Report
from ..accuracy.scores import ClassScores, described, numbers
from ..base.progress import Progress
from ..errors import field
from ..files.staging import Staging
from ..parameters.classifierchoices import NAMES
from ..phrases import Phrase
from . import classifierfiles
from .classifierfiles import Classifier
from .classifierlearning import FeatureSamples, score

TITLES = {
    "libsvm": Phrase("support vector machine"),
    "boost": "AdaBoost",
    "gbt": Phrase("gradient boosting"),
    "dt": Phrase("decision tree"),
    "ann": Phrase("neural network"),
    "bayes": Phrase("normal distributions"),
    "rf": Phrase("random forest"),
    "knn": Phrase("nearest neighbours"),
}


_FIELDS = ("out", "confmatout", "out_report")  # of the parameters, for the paths


class TrainingOutcome:
    """The files of a training run while they are written."""

    def __init__(self, paths: Mapping[str, str | None], stack: ExitStack, progress: Progress) -> None:
        """Check the paths and make room for the files, until `stack` is left.

        Args:
            paths: of the classifier, the confusion matrix and the report, in this order, by key; None where not asked for.
            stack: owns the files.
            progress: told of the hidden folders.

        Raises:
            ParameterError: a file cannot be written.
        """
        self._paths, self._progress = paths, progress
        self._staged = {
            key: stack.enter_context(Staging.of_file(path, progress, field(name)))
            for name, (key, path) in zip(_FIELDS, paths.items())
            if path
        }

    def write(
        self,
        classifier: Classifier,
        training: FeatureSamples,
        validation: FeatureSamples,
        parameters: Any,
        tested_on: str,
    ) -> dict[str, Any]:
        """Score the classifier, write all files, and return the results.

        Args:
            classifier: what was learned.
            training: the samples it was learned from.
            validation: others; where there are none, the training samples are scored.
            parameters: the operation's.
            tested_on: where the validation samples come from, in words.

        Raises:
            ClassifierError, ParameterError, RasterError: a file cannot be written.
        """
        if not len(validation):
            tested_on = Phrase("the training samples")
            self._progress.warning(
                Phrase(
                    "The classifier is tested on {tested_on}, because there are no others: the scores are too "
                    "optimistic.",
                    tested_on=tested_on,
                )
            )
        scores = score(classifier, validation if len(validation) else training)
        found = numbers(scores)
        self._progress.info(Phrase("Scores on {tested_on}: {scores}.", tested_on=tested_on, scores=described(scores)))
        places = [self._staged.get(key) for key in self._paths]
        self._write_files(places, classifier, scores, _ReportPage(training, validation, parameters, tested_on))
        for place in places[::-1]:  # the classifier last
            if place is not None:
                place.commit()
        return {
            **{key: path for key, path in self._paths.items() if path},
            **found,
            "classes": len(classifier.classes),
            "training.samples": len(training),
            "validation.samples": len(validation),
        }

    def _write_files(
        self, places: Sequence[Staging | None], classifier: Classifier, scores: ClassScores, page: _ReportPage
    ) -> None:
        out, matrix, report = places
        if out is not None:
            classifierfiles.save(classifier, out.path)
        if matrix is not None:
            matrixfile.write(matrix.path, scores)
        if report is not None:
            report.write_text(page.html(classifier, scores))


@dataclasses.dataclass(frozen=True)
class _ReportPage:
    """Contents of the report besides the scores."""

    training: FeatureSamples
    validation: FeatureSamples
    parameters: Any
    tested_on: str

    def html(self, classifier: Classifier, scores: ClassScores) -> str:
        title = TITLES[classifier.name]
        report = Report(Phrase("Classifier: {title}", title=title))
        optimistic = "" if len(self.validation) else Phrase("; the scores are too optimistic")
        report.text(
            Phrase(
                "Trained on {training_count} {training_count:sample|samples} of {classes_count} "
                "{classes_count:class|classes} with {features_count} {features_count:feature|features}; tested "
                "on {tested_on}{optimistic}.",
                training_count=len(self.training),
                classes_count=len(classifier.classes),
                features_count=len(classifier.features),
                tested_on=self.tested_on,
                optimistic=optimistic,
            )
        )
        report.class_scores(Phrase("Scores"), scores)
        rows = [
            (name, *(int(np.count_nonzero(samples.labels == label)) for samples in (self.training, self.validation)))
            for label, name in zip(scores.labels, scores.names)
        ]
        report.table(Phrase("Samples"), (Phrase("Class"), Phrase("Training"), Phrase("Validation")), rows)
        report.parameters(_of_this_classifier(self.parameters))
        return report.html()


def _of_this_classifier(parameters: Any) -> Any:
    """Return the parameters without those of other classifiers."""
    others = tuple(f"{name}_" for name in NAMES if name != parameters.classifier)
    names = [field.name for field in dataclasses.fields(parameters) if field.name.startswith(others)]
    return dataclasses.replace(parameters, **dict.fromkeys(names))
