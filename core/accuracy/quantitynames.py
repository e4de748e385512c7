"""Readable names of losses and scores, for logs, pictures and reports; files and results keep the names of Keras and ours."""

from __future__ import annotations

from ..phrases import Phrase, plain

VALIDATION = "val_"
"""How the names of what is measured on validation data begin."""

_MEAN_SQUARED = Phrase("mean squared error")
_MEAN_ABSOLUTE = Phrase("mean absolute error")
_ROOT_MEAN_SQUARED = Phrase("RMSE")

_NAMES = {
    "loss": Phrase("loss"),
    "learning_rate": Phrase("learning rate"),
    "accuracy": Phrase("accuracy"),
    "categorical_accuracy": Phrase("accuracy"),
    "sparse_categorical_accuracy": Phrase("accuracy"),
    "binary_accuracy": Phrase("accuracy"),
    "mean_iou": Phrase("mean IoU"),
    "mean_io_u": Phrase("mean IoU"),
    "mse": _MEAN_SQUARED,
    "mean_squared_error": _MEAN_SQUARED,
    "mae": _MEAN_ABSOLUTE,
    "mean_absolute_error": _MEAN_ABSOLUTE,
    "rmse": _ROOT_MEAN_SQUARED,
    "root_mean_squared_error": _ROOT_MEAN_SQUARED,
    "precision": Phrase("precision"),
    "recall": Phrase("recall"),
    "auc": Phrase("area under the ROC curve"),
    "kappa": Phrase("kappa"),
    "overall_accuracy": Phrase("overall accuracy"),
    "f1_macro": Phrase("mean F-score"),
    "r2": Phrase("R2"),
    "r2_score": Phrase("R2"),
}


def readable(name: str) -> Phrase:
    """Return a quantity in words: its own name where none is known, with that of an output before it as Keras has it."""
    if name.startswith(VALIDATION):
        return Phrase("{quantity} on validation data", quantity=readable(name[len(VALIDATION) :]))
    if name in _NAMES:
        return _NAMES[name]
    known = max((each for each in _NAMES if name.endswith(f"_{each}")), key=len, default=None)
    if known is None:
        return plain(name)
    return Phrase("{quantity} of {output}", quantity=_NAMES[known], output=name[: -len(known) - 1])
