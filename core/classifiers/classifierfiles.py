"""Classifiers in files: skops, which holds data and names of types, and no code to run.

Beside what skops writes, the file (a zip archive) holds a small JSON, `otbtf.json`, that says what the
classifier is for. It is read first, so that a file that does not fit is refused before anything is made of it.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.archives import DAMAGED, OddArchive, check_sizes, read_json
from ..base.jsonvalues import Json, OddJson
from ..classes.modelclasses import Classes, ModelClass
from ..errors import ClassifierError
from ..models.servingdefaults import ServingDefaults, as_json, from_json
from ..phrases import Phrase

_DESCRIPTION, _FORMAT = "otbtf.json", 1

_TRUSTED = frozenset(
    (
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.model_selection._split.StratifiedKFold",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
    )
)
"""Types of scikit-learn in the classifiers of this plugin, besides those that skops trusts by itself."""


@dataclass(frozen=True)
class Classifier:
    """A trained classifier.

    Attributes:
        pipeline: scikit-learn's pipeline of a standardiser and the classifier proper.
        name: which one, as OTB calls it.
        features: their names.
        classes: the classes that it tells apart, in the pipeline's order.
        path: the file it was read from; empty where it comes from none.
        network: how the network was applied whose features it has learned from; None where these are of no network.
    """

    pipeline: Any
    name: str
    features: tuple[str, ...]
    classes: Classes
    path: str = ""
    network: ServingDefaults | None = None

    def check_features(self, number: int, what: str) -> None:
        """Raise ClassifierError where `what` (an image, a model's output) has another number of features."""
        if number != len(self.features):
            raise ClassifierError(
                "The classifier {path} was trained with {features_count} {features_count:feature|features}, but "
                "{what} has {number}: choose "
                "the data that it was trained on.",
                path=self.path,
                features_count=len(self.features),
                what=what,
                number=number,
            )


def learned_with(scaler: Any, estimator: Any, name: str, features: Sequence[str], classes: Classes) -> Classifier:
    """Return the classifier that is made of a standardiser and an estimator, both fitted."""
    from sklearn.pipeline import Pipeline

    pipeline = Pipeline([("standardiser", scaler), ("classifier", estimator)])
    return Classifier(pipeline, name, tuple(features), classes)


def save(classifier: Classifier, path: str | Path) -> None:
    """Write a classifier; into a place of its own, which the caller stages.

    Raises:
        ClassifierError: it cannot be written.
    """
    import sklearn
    import skops.io

    described = {
        "format": _FORMAT,
        "scikit-learn": sklearn.__version__,
        "classifier": classifier.name,
        "features": list(classifier.features),
        "classes": [vars(item) for item in classifier.classes],
        **({"network": as_json(classifier.network)} if classifier.network else {}),
    }
    try:
        skops.io.dump(classifier.pipeline, path, compression=zipfile.ZIP_DEFLATED)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(_DESCRIPTION, json.dumps(described, indent=1, ensure_ascii=False))
    except OSError as error:
        raise ClassifierError(
            "Cannot write the classifier {path}: {reason}.", path=path, reason=error.strerror
        ) from error
    _pipeline(str(path))  # what cannot be read again shall not be found out later


def load(path: str) -> Classifier:
    """Read a classifier that `save` wrote.

    Raises:
        ClassifierError: the file is not a classifier of this plugin, contains untrusted types, or was written with another
            scikit-learn.
    """
    described = _description(path)
    try:
        _check_version(path, described["scikit-learn"].text())
        classes = tuple(
            ModelClass(item["value"].whole(), item["name"].text(), item["color"].text())
            for item in described["classes"].items()
        )
        features = tuple(item.text() for item in described["features"].items())
        name = described["classifier"].text()
        network = from_json(described.get("network"))
    except OddJson as error:
        raise _damaged(path, error) from error
    pipeline = _pipeline(path)
    known = [getattr(pipeline, name, None) for name in ("n_features_in_", "classes_")]
    if known[0] != len(features) or known[1] is None or known[1].tolist() != [item.value for item in classes]:
        raise _damaged(path, Phrase("its parts contradict each other"))
    return Classifier(pipeline, name, features, classes, path, network)


def _description(path: str) -> Json:
    ours = Phrase(
        "Choose a classifier (.skops) that this plugin has trained: OTB's own models (.txt, .svm) and pickles are "
        "not read."
    )
    try:
        with zipfile.ZipFile(path) as archive:
            check_sizes(archive)
            described = read_json(archive, _DESCRIPTION)
        form = described["format"].whole()
    except OddArchive as error:
        raise _damaged(path, error) from error
    except OSError as error:
        raise ClassifierError(
            "Cannot read the classifier {path}: {reason}. {ours}", path=path, reason=error.strerror, ours=ours
        ) from error
    except (*DAMAGED, KeyError, ValueError) as error:
        raise ClassifierError("{path} is not a classifier of this plugin. {ours}", path=path, ours=ours) from error
    if form > _FORMAT:
        raise ClassifierError(
            "{path} was written by a newer version of this plugin (format {form}; this version reads up to "
            "{format}): update the plugin.",
            path=path,
            form=form,
            format=_FORMAT,
        )
    return described


def _check_version(path: str, version: str) -> None:
    import sklearn

    if version.split(".")[:2] != sklearn.__version__.split(".")[:2]:
        raise ClassifierError(
            "The classifier {path} was trained with scikit-learn {version}, but the engine has scikit-learn "
            "{sklearn_version}, which may interpret it differently: train it again, or install scikit-learn "
            "{version} in the engine.",
            path=path,
            version=version,
            sklearn_version=sklearn.__version__,
        )


def _pipeline(path: str) -> Any:
    import skops.io

    try:
        strange = sorted(set(skops.io.get_untrusted_types(file=path)) - _TRUSTED)
    except Exception as error:
        raise _damaged(path, error) from error
    if strange:
        raise ClassifierError(
            "The classifier {path} contains unknown types that could run code: {strange}. It is not loaded: train "
            "it again.",
            path=path,
            strange=", ".join(strange[:8]),
        )
    try:
        return skops.io.load(path, trusted=sorted(_TRUSTED))
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: str, reason: object) -> ClassifierError:
    return ClassifierError(
        "The classifier {path} is damaged or was changed ({reason}): train it again.", path=path, reason=reason
    )
