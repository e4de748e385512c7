"""The labels of patches: their pixel type, and the names of their classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..classes.legend import TextLegend, as_rows, of_texts
from ..errors import ParameterError, field
from ..rasters.pixeltypes import written_type
from .patchpoints import PatchPoints

_MOST_CLASSES = 1000  # more values than that are no classes


def label_type(labels: np.ndarray, word: str) -> np.dtype:
    """Return the dtype in which labels are written.

    Args:
        labels: int64 or float64.
        word: OTB's word for a pixel type; for `auto` the smallest type that holds all labels.

    Raises:
        ParameterError: no type, or not the one asked for, holds them.
    """
    names = ["uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"]
    if word != "auto":
        names = [written_type("", word).name]
    elif labels.dtype.kind == "f":
        names = names[-2:]
    for name in names:
        with np.errstate(over="ignore", invalid="ignore"):
            same = labels.astype(name).astype(labels.dtype) == labels
        if (same | (word != "auto" and labels.dtype.kind == "f" and np.dtype(name).kind == "f")).all():
            return np.dtype(name)
    wrong = labels[~same][0]
    raise ParameterError(
        "A label is {wrong}, which the pixel type {names} cannot hold: set {outlabels_pixeltype} to another, or auto.",
        wrong=wrong,
        names=names[-1],
        outlabels_pixeltype=field("outlabels_pixeltype"),
    )


def class_rows(points: PatchPoints, known: TextLegend) -> list[dict[str, Any]]:
    """Return the classes as they are written to JSON; empty where the labels are no classes.

    Args:
        points: with their labels.
        known: names and colours that are kept beside the layer.
    """
    if points.texts is not None:
        return as_rows(sorted(points.texts.values()), of_texts(points.texts, points.named, known))
    if points.labels.dtype.kind == "f":
        return []
    values = np.unique(points.labels)
    legend = {value: known[str(value)] for value in values.tolist() if str(value) in known}
    return as_rows(values.tolist(), legend) if len(values) <= _MOST_CLASSES else []
