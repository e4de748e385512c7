"""OTB's classifiers and their parameters as scikit-learn's; docs/classifiers.md compares them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ParameterError, field
from ..parameters.classifierchoices import ClassifierChoice
from .imstat import ImageStatistics

FOLDS = 5
"""Number of parts in a cross-validation."""

_COSTS = (0.1, 1.0, 10.0, 100.0, 1000.0)
_NUS = (0.05, 0.1, 0.2, 0.3, 0.5)
_GAMMAS = (0.001, 0.01, 0.1, 1.0)

_ENDLESS = 100_000  # iterations of a network that ends by its loss alone

_PER_ITERATION = 100  # epsilon is the improvement of the loss in this number of iterations, scikit-learn's tol in one

_REGULARISED = 1e-3  # share of the identity in a covariance: that of a feature that never varies can be inverted too


def build(choice: ClassifierChoice, features: int, samples: int, seed: int) -> Any:
    """Return the classifier as scikit-learn's estimator, not fitted yet.

    Args:
        choice: which one, and its parameters.
        features: their number.
        samples: number of samples for training.
        seed: of what it draws.

    Raises:
        ParameterError: a parameter does not fit these samples.
    """
    if choice.classifier == "rf" and choice.rf_var > features:
        raise ParameterError(
            "{rf_var} is {choice_rf_var}, but the number of features is {features}: choose {features} or fewer.",
            rf_var=field("rf_var"),
            choice_rf_var=choice.rf_var,
            features=features,
        )
    if choice.classifier == "knn" and choice.knn_k > samples:
        raise ParameterError(
            "{knn_k} is {choice_knn_k}, but there are only {samples} training samples: choose fewer neighbours.",
            knn_k=field("knn_k"),
            choice_knn_k=choice.knn_k,
            samples=samples,
        )
    return _BUILDERS[choice.classifier](choice, seed)


def folds(smallest: int, seed: int) -> Any:
    """Return how samples are divided for the cross-validation of a support vector machine.

    Args:
        smallest: samples of the class that has the fewest.
        seed: of the division.

    Raises:
        ParameterError: a class has too few samples.
    """
    from sklearn.model_selection import StratifiedKFold

    if smallest < 2:
        raise ParameterError(
            "A class has one training sample, but cross-validation ({libsvm_opt}, {libsvm_prob}) needs two per "
            "class: add samples, or switch cross-validation off.",
            libsvm_opt=field("libsvm_opt"),
            libsvm_prob=field("libsvm_prob"),
        )
    return StratifiedKFold(min(FOLDS, smallest), shuffle=True, random_state=seed)


def grid(choice: ClassifierChoice) -> dict[str, tuple[float, ...]]:
    """Return the values among which a grid search finds the best."""
    values: dict[str, tuple[float, ...]] = {"C": _COSTS} if choice.libsvm_m == "csvc" else {"nu": _NUS}
    return values if choice.libsvm_k == "linear" else {**values, "gamma": _GAMMAS}


def standardiser(statistics: ImageStatistics) -> Any:
    """Return scikit-learn's StandardScaler with given means and standard deviations."""
    import numpy as np
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler()
    scaler.mean_, scaler.var_ = statistics.mean, statistics.deviation**2
    scaler.scale_ = np.where(statistics.deviation > 0, statistics.deviation, 1.0)
    scaler.n_features_in_ = len(statistics.mean)
    return scaler


def _svm(choice: ClassifierChoice, seed: int) -> Any:
    from sklearn.svm import SVC, NuSVC

    more: dict[str, Any] = {
        "kernel": choice.libsvm_k,
        "gamma": choice.libsvm_gamma,
        "coef0": choice.libsvm_coef0,
        "degree": choice.libsvm_degree,
    }
    return SVC(C=choice.libsvm_c, **more) if choice.libsvm_m == "csvc" else NuSVC(nu=choice.libsvm_nu, **more)


def _boost(choice: ClassifierChoice, seed: int) -> Any:
    from sklearn.ensemble import AdaBoostClassifier
    from sklearn.tree import DecisionTreeClassifier

    weak = DecisionTreeClassifier(max_depth=choice.boost_m)
    return AdaBoostClassifier(weak, n_estimators=choice.boost_w, random_state=seed)


def _gbt(choice: ClassifierChoice, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(
        max_iter=choice.gbt_w,
        learning_rate=choice.gbt_s,
        max_depth=choice.gbt_max,
        early_stopping=False,
        random_state=seed,
    )


def _dt(choice: ClassifierChoice, seed: int) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=choice.dt_max, min_samples_split=choice.dt_min, random_state=seed)


def _ann(choice: ClassifierChoice, seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier

    endless = choice.ann_term == "eps"
    stepwise = choice.ann_term == "iter"
    iterations = _ENDLESS if endless else choice.ann_iter
    return MLPClassifier(
        hidden_layer_sizes=choice.layers,
        activation={"sig": "tanh", "ident": "identity"}[choice.ann_f],
        solver={"reg": "adam", "back": "sgd"}[choice.ann_t],
        learning_rate_init=0.001 if choice.ann_t == "reg" else choice.ann_bpdw,
        momentum=choice.ann_bpms,
        max_iter=iterations,
        tol=0.0 if stepwise else choice.ann_eps / _PER_ITERATION,
        n_iter_no_change=iterations if stepwise else 10,
        random_state=seed,
    )


def _bayes(choice: ClassifierChoice, seed: int) -> Any:
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

    return QuadraticDiscriminantAnalysis(reg_param=_REGULARISED)


def _rf(choice: ClassifierChoice, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(
        n_estimators=choice.rf_nbtrees,
        max_depth=choice.rf_max,
        min_samples_split=choice.rf_min,
        max_features=choice.rf_var or "sqrt",
        random_state=seed,
    )


def _knn(choice: ClassifierChoice, seed: int) -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(choice.knn_k)


_BUILDERS: dict[str, Callable[[ClassifierChoice, int], Any]] = {
    "libsvm": _svm,
    "boost": _boost,
    "gbt": _gbt,
    "dt": _dt,
    "ann": _ann,
    "bayes": _bayes,
    "rf": _rf,
    "knn": _knn,
}
