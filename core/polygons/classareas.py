"""The areas of a map's classes as a table: those of its polygons, and those adjusted for its errors."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..accuracy.olofsson import estimate
from ..base.progress import Progress
from ..classes.legend import Legend
from ..errors import ParameterError, field
from ..files.staging import Staging
from ..phrases import Phrase
from ..rasters.rasterreference import Reference
from ..vectors.vectorlayer import INTEGER, REAL, TEXT, Field
from ..vectors.vectoroutput import NO_GEOMETRY, OutputVector
from .polygonshapes import Shape

_FIELDS = (
    *(Field("class", INTEGER), Field("name", TEXT), Field("polygons", INTEGER), Field("pixels", INTEGER)),
    *(Field("area_m2", REAL), Field("percent", REAL)),
)
_ADJUSTED = (Field("adjusted", REAL), Field("adjust_ci", REAL))

Matrix = tuple[Sequence[int], np.ndarray]
"""Classes, and how many samples each pair has, with the reference in rows."""


def numbered(labels: Sequence[Any], legend: Legend) -> list[int]:
    """Return the numbers of a matrix's classes, which it may call by their names.

    Args:
        labels: of the classes: int, or str.
        legend: of the map.

    Raises:
        ParameterError: a class of the matrix is none of the map.
    """
    known = {item.name: value for value, item in legend.items() if item.name}
    found = [label if isinstance(label, int) else known.get(label) for label in labels]
    for label, number in zip(labels, found):
        if number is None:
            raise ParameterError(
                "{matrix} has the class {label}, but {classes}: give the matrix that compares this map with a reference.",
                matrix=field("matrix"),
                label=label,
                classes=Phrase("those of {image} are {names}", image=field("image"), names=", ".join(known))
                if known
                else Phrase("{image} has no names of classes", image=field("image")),
            )
    return [number for number in found if number is not None]


class ClassAreas:
    """What the polygons of each class come to.

    Attributes:
        polygons: how many there are, by class.
        unmeasured: how many have no area or perimeter.
    """

    def __init__(self) -> None:
        self.polygons: defaultdict[int, int] = defaultdict(int)
        self.unmeasured = 0
        self._pixels: defaultdict[int, int] = defaultdict(int)
        self._areas: defaultdict[int, float] = defaultdict(float)

    def add(self, shapes: Iterable[Shape], classes: Sequence[int]) -> None:
        """Count some polygons, whose codes are places in `classes`."""
        for shape in shapes:
            value = classes[shape.code]
            self.polygons[value] += 1
            self._pixels[value] += shape.pixels
            self._areas[value] += shape.area_of_pixels
            self.unmeasured += not (math.isfinite(shape.area) and math.isfinite(shape.perimeter))

    def columns(self, values: Sequence[int], legend: Legend) -> list[np.ma.MaskedArray]:
        """Return number, name, polygons, pixels, area in m2 and its share in percent of some classes."""
        areas = np.ma.masked_invalid([self._areas.get(value, 0.0) for value in values])
        counts = [[known.get(value, 0) for value in values] for known in (self.polygons, self._pixels)]
        shares = areas * 100 / areas.sum() if len(values) and areas.count() else areas
        numbers = map(whole_numbers, counts)
        return [whole_numbers(values), names_of(values, legend), *numbers, areas, np.ma.masked_invalid(shares)]


def write_areas(staging: Staging, areas: ClassAreas, legend: Legend, matrix: Matrix | None, progress: Progress) -> None:
    """Write the table.

    Args:
        staging: where it is made.
        areas: of the classes on the map.
        legend: their names.
        matrix: a comparison of the map with a reference, if areas adjusted by it are wanted. The classes of the reference that
            are not on the map are rows of the table, too.
        progress: warned where areas cannot be adjusted.
    """
    values, adjusted = sorted(areas.polygons), []
    if matrix is not None:
        values = sorted({*values, *matrix[0]})
        adjusted = _adjusted(values, areas.columns(values, legend), matrix, progress)
    fields = (*_FIELDS, *_ADJUSTED) if matrix is not None else _FIELDS
    with OutputVector(staging, fields, Reference("", False), progress, NO_GEOMETRY) as output:
        output.write([*areas.columns(values, legend), *adjusted])
        output.close()


def _adjusted(
    values: Sequence[int], columns: Sequence[np.ma.MaskedArray], given: Matrix, progress: Progress
) -> list[np.ma.MaskedArray]:
    """Return the estimated true areas, and half the widths of their 95 % confidence intervals; masked where unknown."""
    names, areas = columns[1].filled(""), columns[4]
    places = [values.index(number) for number in given[0]]
    matrix = np.zeros((len(values), len(values)))
    matrix[np.ix_(places, places)] = given[1]
    missing = [
        name or str(value)
        for value, name, mapped, sampled in zip(values, names, areas, matrix.sum(axis=0))
        if mapped and not sampled
    ]
    if missing or areas.count() < len(values) or not areas.sum():
        progress.warning(
            Phrase(
                "The areas cannot be adjusted: {matrix} has no sample where the map has {classes}. Add reference data there.",
                matrix=field("matrix"),
                classes=", ".join(missing),
            )
            if missing
            else Phrase("The areas cannot be adjusted, since those of the map are unknown.")
        )
        return [np.ma.masked_all(len(values))] * 2
    found = estimate(matrix, areas.filled())
    return [np.ma.masked_invalid(found.area), np.ma.masked_invalid(found.area_ci)]


def whole_numbers(values: Sequence[int]) -> np.ma.MaskedArray:
    """Return a column of whole numbers."""
    return np.ma.MaskedArray(np.array(values, "int64"))


def names_of(values: Sequence[int], legend: Legend) -> np.ma.MaskedArray:
    """Return a column with the names of classes; masked where one has none."""
    names = [legend[value].name if value in legend else "" for value in values]
    return np.ma.MaskedArray(np.array(names, object), [not name for name in names])
