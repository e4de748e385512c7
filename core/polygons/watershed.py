"""Objects that touch, told apart by a watershed from seeds: pure arrays.

A watershed floods a relief from its seeds, from the lowest pixels up (F. Meyer, "Un algorithme optimal pour la ligne de
partage des eaux", 1991; that of scikit-image). How it is used for fields: F. Waldner, F. I. Diakogiannis, "Deep learning on
edge: Extracting field boundaries from satellite images with a convolutional neural network", Remote Sensing of Environment
245, 2020.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import EngineError, field


@dataclass(frozen=True)
class Scores:
    """What tells objects apart, for the pixels of a window.

    Attributes:
        extent: probability that a pixel belongs to an object, float64 of shape (rows, columns).
        boundary: probability that it is at the border of one; None where that is not known.
        distance: its distance from the border, 1 where that is largest in its object; None where that is not known.
        inside: whether it belongs to an object.
    """

    extent: np.ndarray
    boundary: np.ndarray | None
    distance: np.ndarray | None
    inside: np.ndarray

    def seeds(self, least: float) -> np.ndarray:
        """Return which pixels are sure to lie within one object: those with a distance of at least `least`.

        Where no distance is known, the extent minus the boundary stands for it.
        """
        if self.distance is not None:
            depth = self.distance
        else:
            depth = self.extent if self.boundary is None else self.extent - self.boundary
        return self.inside & (depth >= least)

    def relief(self) -> np.ndarray:
        """Return the boundary minus the distance, where one is not known that counts as 0."""
        relief = np.zeros(self.extent.shape)
        if self.boundary is not None:
            relief += self.boundary
        if self.distance is not None:
            relief -= self.distance
        relief[~self.inside] = 0.0
        return relief


def flooded(relief: np.ndarray, seeds: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the number of the object of each pixel, int32; 0 for none.

    Of equal pixels of seeds, the first one row by row is taken first. So the order is the same in every window, and one that
    holds an object with its neighbours gives the same as the whole.

    Args:
        relief: float64 of shape (rows, columns).
        seeds: numbers of the seeds, int32; 0 elsewhere.
        inside: pixels that belong to objects.
    """
    places = np.flatnonzero(seeds)
    if not len(places):
        return np.zeros(seeds.shape, "int32")
    levels = np.unique(relief, return_inverse=True)[1].reshape(relief.shape).astype("float64")
    levels.flat[places] -= 0.5 - 0.5 * np.arange(len(places)) / len(places)  # before the others of the same level
    return np.asarray(segmentation().watershed(levels, seeds, mask=inside), "int32")


def segmentation() -> Any:
    """Return the module skimage.segmentation.

    Raises:
        EngineError: this Python has none.
    """
    try:
        return importlib.import_module("skimage.segmentation")
    except ImportError as error:
        raise EngineError(
            "{instances} needs the package scikit-image, which {executable} does not have or cannot load "
            "({error}): run otbtf:installengine with {extras}=objects.",
            instances=field("instances"),
            executable=sys.executable,
            error=error,
            extras=field("extras"),
        ) from error
