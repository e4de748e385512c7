"""Choosing patches in which the classes have nearly equal shares."""

from __future__ import annotations

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..geometry.grid import Box
from ..samples.labelraster import LabelRaster, count_labels
from .patchgrid import PatchGrid


def class_histograms(
    labels: LabelRaster, patches: PatchGrid, chosen: np.ndarray, most_classes: int | None, progress: Progress
) -> np.ndarray:
    """Return how many pixels of each class the chosen patches hold.

    Args:
        labels: on the grid of the patches' image.
        patches: the grid of patches.
        chosen: bool, shape (rows, columns).
        most_classes: number of classes that the user expects, or None.
        progress: may cancel.

    Returns:
        float64, shape (patches chosen, classes), in scan order.

    Raises:
        ParameterError: there are no labels, or more classes than expected.
    """
    found: set[int] = set()
    for _, box in patches.strips():
        progress.check()
        found |= set(count_labels(labels.read(box)[1]))
    classes = np.array(sorted(found), "int64")
    if not len(classes):
        raise ParameterError(
            "{strategy_balanced_labelimage} is {name}, of which no pixel has a label.",
            strategy_balanced_labelimage=field("strategy_balanced_labelimage"),
            name=labels.stack.names[0],
        )
    if most_classes is not None and len(classes) > most_classes:
        raise ParameterError(
            "{strategy_balanced_nclasses} is {most_classes}, but {name} holds {classes_count} classes "
            "({classes}{value}): raise it, leave it empty, or set the raster's no-data value.",
            strategy_balanced_nclasses=field("strategy_balanced_nclasses"),
            most_classes=most_classes,
            name=labels.stack.names[0],
            classes_count=len(classes),
            classes=", ".join(map(str, classes[:12].tolist())),
            value=", ..." if len(classes) > 12 else "",
        )
    histograms = np.zeros((int(chosen.sum()), len(classes)))
    done = 0
    for rows, box in patches.strips():
        progress.check()
        here = chosen[rows]
        number = int(here.sum())
        codes = _codes(labels, box, classes)
        for index in range(len(classes)):
            histograms[done : done + number, index] = patches.counts(codes == index)[here]
        done += number
    return histograms


def _codes(labels: LabelRaster, box: Box, classes: np.ndarray) -> np.ndarray:
    where, values = labels.read(box)
    codes = np.full(box.area, -1, "int32")
    codes[where] = np.searchsorted(classes, values.astype("int64"))
    return codes.reshape(box.height, box.width)


def balanced(histograms: np.ndarray, share: float, random: np.random.Generator, progress: Progress) -> np.ndarray:
    """Return the numbers of the patches chosen, sorted.

    A share of all is drawn; then, while one lowers it, the patch is added that most lowers the squared distance between
    the class histogram of all chosen and the uniform one. With shares p of K classes that distance is sum(p**2) - 1/K.

    Args:
        histograms: pixels per class, shape (patches, classes).
        share: of the patches drawn first, from 0 to 1.
        random: draws them.
        progress: may cancel.
    """
    count = len(histograms)
    first = random.choice(count, max(1, round(share * count)), replace=False)  # nosec B311 (draws samples, not secrets)
    free = np.ones(count, bool)
    free[first] = False
    total = histograms[first].sum(axis=0)
    sizes, squares = histograms.sum(axis=1), np.einsum("ij,ij->i", histograms, histograms)
    products = histograms @ total  # of each patch's histogram with that of all chosen
    distance = _distance(float(total @ total), float(total.sum()))
    while free.any():
        progress.check()
        with np.errstate(invalid="ignore", divide="ignore"):
            distances = (total @ total + 2 * products + squares) / (total.sum() + sizes) ** 2
        distances[~free | (sizes == 0)] = np.inf
        best = int(np.argmin(distances))
        if not distances[best] < distance * (1 - 1e-12):  # what is less is rounding
            break
        free[best] = False
        total = total + histograms[best]
        products += histograms @ histograms[best]
        distance = _distance(float(total @ total), float(total.sum()))
    return np.flatnonzero(~free)


def _distance(squares: float, size: float) -> float:
    return squares / size**2 if size else np.inf
