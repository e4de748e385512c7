"""Detection targets: heat maps, sizes and offsets of objects in a patch (see `core.parameters.detectionmaps`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..parameters.detectionmaps import GEOMETRY, MORE_IN_TARGET

OVERLAP = 0.3
"""Intersection over union that a box keeps if its corners are off by the radius of the heat.

CornerNet's paper has it since its second version (arXiv 1808.01244v2); its first version and the code have 0.7.
"""


@dataclass(frozen=True)
class TargetObjects:
    """The objects of an image, in pixels.

    Attributes:
        rows, columns: of their centres, float64, shape (n,); in ascending order of the rows.
        heights, widths: of their boxes, float64, above 0.
        classes: number of the heat map of each, int64.
    """

    rows: np.ndarray
    columns: np.ndarray
    heights: np.ndarray
    widths: np.ndarray
    classes: np.ndarray

    @classmethod
    def of(cls, boxes: np.ndarray, classes: np.ndarray) -> TargetObjects:
        """Return the objects of boxes y1, x1, y2, x2, shape (n, 4)."""
        boxes = boxes[order := np.argsort(boxes[:, 0] + boxes[:, 2], kind="stable")]
        middle, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        return cls(middle[:, 0], middle[:, 1], size[:, 0], size[:, 1], np.asarray(classes, "int64")[order])

    def __len__(self) -> int:
        return len(self.rows)

    def near(self, row: int, column: int, height: int, width: int, reach: float = 0.0) -> np.ndarray:
        """Return the places of the objects with their centre in a window, or at most `reach` pixels beside it."""
        first, end = np.searchsorted(self.rows, (row - reach, row + height + reach))
        columns = self.columns[first:end]
        return np.flatnonzero((columns >= column - reach) & (columns < column + width + reach)) + first


def heat_radius(heights: np.ndarray, widths: np.ndarray, overlap: float = OVERLAP) -> np.ndarray:
    """Return by how much the corners of boxes may be off, so that they still overlap with the right ones by `overlap`.

    After H. Law and J. Deng, CornerNet: Detecting Objects as Paired Keypoints, 2019, section 3.2, with the roots that the code
    of CenterNet takes (those in CornerNet's own code are too large): the smallest of the radii for a box that is shifted, for
    one inside the right one, and for one around it, each the root of a quadratic equation.

    Args:
        heights, widths: of the boxes, in any unit.
        overlap: intersection over union, between 0 and 1.
    """
    both, area = heights + widths, heights * widths
    shifted = (both - np.sqrt(both**2 - 4 * area * (1 - overlap) / (1 + overlap))) / 2
    inside = (both - np.sqrt(both**2 - 4 * area * (1 - overlap))) / 4
    around = (-overlap * both + np.sqrt((overlap * both) ** 2 + 4 * overlap * (1 - overlap) * area)) / (4 * overlap)
    radius: np.ndarray = np.minimum(shifted, np.minimum(inside, around))
    return radius


class TargetMaps:
    """Draws the maps of patches.

    Attributes:
        objects: of the image.
        classes: number of heat maps.
        stride: width and height of a cell in pixels.
        hidden: number of centres that fell into a cell with the centre of a smaller object, in all patches drawn.
    """

    def __init__(self, objects: TargetObjects, classes: int, stride: int) -> None:
        """Prepare.

        Args:
            objects: of the image.
            classes: number of heat maps.
            stride: width and height of a cell in pixels.
        """
        self.objects, self.classes, self.stride, self.hidden = objects, classes, stride, 0
        # In whole cells; half a cell more on each side, so that a radius of 0 has a deviation, too.
        self._radii = np.floor(heat_radius(objects.heights / stride, objects.widths / stride)).astype("int64")
        self._reach = float((self._radii.max(initial=0) + 1) * stride)

    @property
    def bands(self) -> int:
        """Number of bands."""
        return self.classes + MORE_IN_TARGET

    def draw(self, row: int, column: int, height: int, width: int) -> np.ndarray:
        """Return the maps of a patch.

        Args:
            row, column: of the image, in which the patch begins.
            height, width: of the patch in pixels, multiples of the stride.

        Returns:
            float32 of shape (height / stride, width / stride, bands). The heat of objects with their centre outside reaches
            into the patch.
        """
        maps = np.zeros((height // self.stride, width // self.stride, self.bands), "float32")
        near = self.objects.near(row, column, height, width, self._reach)
        areas = self.objects.heights[near] * self.objects.widths[near]
        for place in near[np.argsort(-areas, kind="stable")].tolist():  # smaller ones win the cell
            self._add(maps, place, row, column)
        return maps

    def _add(self, maps: np.ndarray, place: int, row: int, column: int) -> None:
        objects = self.objects
        down, right = (objects.rows[place] - row) / self.stride, (objects.columns[place] - column) / self.stride
        cell = int(np.floor(down)), int(np.floor(right))
        _heat(maps[..., objects.classes[place]], cell, int(self._radii[place]))
        if not (0 <= cell[0] < maps.shape[0] and 0 <= cell[1] < maps.shape[1]):
            return
        told = maps[cell][self.classes :]
        self.hidden += int(told[-1])
        offset = down - cell[0] - 0.5, right - cell[1] - 0.5
        told[:] = (objects.heights[place], objects.widths[place], *offset, 1)


def _heat(heat: np.ndarray, cell: tuple[int, int], radius: int) -> None:
    """Raise a heat map to a Gaussian around a cell, whose deviation is a sixth of its side, as in CornerNet's code."""
    rows, columns = (
        np.arange(max(0, middle - radius), min(size, middle + radius + 1)) for middle, size in zip(cell, heat.shape)
    )
    if not len(rows) or not len(columns):
        return
    deviation = (2 * radius + 1) / 6
    squares = (rows[:, None] - cell[0]) ** 2 + (columns[None] - cell[1]) ** 2
    part = heat[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    np.maximum(part, np.exp(-squares / (2 * deviation**2)), out=part)


def band_names(classes: list[str]) -> list[str]:
    """Return the names of the bands, for classes of these names."""
    return [*classes, *GEOMETRY, "mask"]
