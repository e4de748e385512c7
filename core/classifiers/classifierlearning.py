"""Training a classifier on samples, and scoring it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..accuracy.scores import ClassScores, class_scores
from ..base.progress import Progress
from ..classes.legend import ClassEntry, Legend
from ..classes.modelclasses import Classes, ModelClass
from ..classes.palette import coloured
from ..errors import ParameterError
from ..parameters.classifierchoices import ClassifierChoice
from ..phrases import Phrase
from .classifierbuilding import build, folds, grid, standardiser
from .classifierfiles import Classifier, learned_with
from .imstat import ImageStatistics
from .parallelclassification import ParallelClassifier

_FEW = 2_000_000  # values


@dataclass(frozen=True)
class FeatureSamples:
    """Features with their classes.

    Attributes:
        features: float32 or float64, shape (samples, features); all finite.
        labels: int64, shape (samples,).
    """

    features: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def learn(
    choice: ClassifierChoice,
    training: FeatureSamples,
    names: Sequence[str],
    legend: Legend,
    statistics: ImageStatistics | None,
    seed: int,
    progress: Progress,
) -> Classifier:
    """Train a classifier.

    Args:
        choice: which one, and its parameters.
        training: the samples.
        names: of the features.
        legend: what is known of the classes.
        statistics: by which features are standardised; None to learn that from the samples.
        seed: of all that is drawn.
        progress: hears of doubts.

    Raises:
        ParameterError: the samples are of one class, or do not suit the classifier.
    """
    labels, numbers = np.unique(training.labels, return_counts=True)
    if len(labels) < 2:
        raise ParameterError(
            Phrase(
                "All {training_count} training samples are of the class {label}, but a classifier needs at least two "
                "classes: add samples of others, or check the class field.",
                training_count=len(training),
                label=labels[0],
            )
            if len(labels)
            else Phrase("There are no training samples: check the layer, its class field, and the numbers of samples.")
        )
    scaler = _standardiser(training, statistics)
    features = scaler.transform(training.features)
    estimator = build(choice, features.shape[1], len(training), seed)
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always")
        try:
            estimator = _fitted(choice, estimator, features, training.labels, int(numbers.min()), seed)
        except ValueError as error:
            raise ParameterError(
                "The classifier {classifier} cannot learn from these samples: {error} Choose other parameters, or "
                "another classifier.",
                classifier=choice.classifier,
                error=error,
            ) from error
    for message in dict.fromkeys(str(doubt.message).split("\n")[0] for doubt in doubts):
        progress.warning(Phrase("scikit-learn, {classifier}: {message}", classifier=choice.classifier, message=message))
    return learned_with(scaler, estimator, choice.classifier, names, _classes(labels.tolist(), legend))


def _standardiser(training: FeatureSamples, statistics: ImageStatistics | None) -> Any:
    from sklearn.preprocessing import StandardScaler

    if statistics is None:
        return StandardScaler().fit(training.features)
    statistics.check(training.features.shape[1])
    return standardiser(statistics)


def _fitted(
    choice: ClassifierChoice, estimator: Any, features: np.ndarray, labels: np.ndarray, smallest: int, seed: int
) -> Any:
    """Return the estimator after fitting; of a support vector machine the best, and with probabilities, as asked for."""
    import joblib
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import GridSearchCV
    from threadpoolctl import threadpool_limits

    # OpenMP's threads, which gradient boosting uses, wait for each other longer than such small steps take.
    small = threadpool_limits(limits=1 if features.size < _FEW else None, user_api="openmp")
    with joblib.parallel_config("threading", n_jobs=-1), small:  # no processes: the engine's own must not start anew
        if choice.classifier == "libsvm" and choice.libsvm_opt:
            search = GridSearchCV(estimator, grid(choice), cv=folds(smallest, seed), error_score=0.0)
            estimator = search.fit(features, labels).best_estimator_
        if choice.classifier == "libsvm" and choice.libsvm_prob:
            estimator = CalibratedClassifierCV(estimator, ensemble=False, cv=folds(smallest, seed))
        return estimator.fit(features, labels)


def _classes(labels: Sequence[int], legend: Legend) -> Classes:
    entries = [(label, legend.get(label, ClassEntry())) for label in labels]
    return coloured(tuple(ModelClass(label, entry.name, entry.color) for label, entry in entries))


def score(classifier: Classifier, samples: FeatureSamples) -> ClassScores:
    """Return how well a classifier finds the classes of samples; classes that it does not know are scored too."""
    found, _ = ParallelClassifier(classifier)(samples.features)
    known = {item.value: item.name for item in classifier.classes}
    labels = sorted({*known, *np.unique(samples.labels).tolist()})
    return class_scores(samples.labels, found, labels, [known.get(label) or str(label) for label in labels])
