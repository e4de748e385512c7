"""The samples of one class, read from the attributes of a layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from osgeo import ogr

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..phrases import Phrase
from ..vectors.vectorlayer import DTYPES, INTEGER, TEXT, Field, VectorLayer
from ..vectors.vectoroutput import NO_GEOMETRY, POINTS

_EXACT = 2**53  # whole numbers up to it are exact as float64
_LISTED = 20  # classes named in a message


@dataclass(frozen=True)
class FirstSample:
    """What new samples take over from one that there is.

    Attributes:
        attributes: the values of all fields, by index; None where one is null.
        geometry_type: OGR's type: of points without a third coordinate; NO_GEOMETRY where it has none.
        wkb: its geometry; empty where it has none.
        point: x and y of a point.
    """

    attributes: tuple[Any, ...]
    geometry_type: int = NO_GEOMETRY
    wkb: bytes = b""
    point: tuple[float, float] = (math.nan, math.nan)

    @classmethod
    def of(cls, feature: Any, layer: VectorLayer) -> FirstSample:
        """Read an OGR feature.

        Raises:
            VectorError: a text of it cannot be read.
        """
        attributes = tuple(layer.getter(each)(feature) for each in layer.fields)
        geometry = feature.GetGeometryRef()
        if geometry is None or geometry.IsEmpty():
            return cls(attributes)
        wkb = bytes(geometry.ExportToWkb(ogr.wkbNDR))
        if ogr.GT_Flatten(geometry.GetGeometryType()) == ogr.wkbPoint:
            return cls(attributes, POINTS, wkb, (geometry.GetX(), geometry.GetY()))
        return cls(attributes, geometry.GetGeometryType(), wkb)


@dataclass(frozen=True)
class ClassSamples:
    """The samples of a class that have a number in every feature, in the order of the layer.

    Attributes:
        label: the class, as its field holds it.
        features: the fields of the features.
        columns: the values of each, shape (samples,).
        first: the first of them.
    """

    label: Any
    features: tuple[Field, ...]
    columns: tuple[np.ndarray, ...]
    first: FirstSample

    @property
    def count(self) -> int:
        """The number of samples."""
        return len(self.columns[0])

    def values(self) -> np.ndarray:
        """Return the values to compute with, float64, shape (samples, features).

        Raises:
            ParameterError: a whole number is too large.
        """
        return np.stack([_exact(each, column) for each, column in zip(self.features, self.columns)], axis=1)


def read_class(
    layer: VectorLayer, class_field: Field, features: tuple[Field, ...], label: str, progress: Progress
) -> ClassSamples:
    """Read the samples of a class.

    Args:
        layer: the layer.
        class_field: its class field.
        features: fields of numbers.
        label: the class, as text.
        progress: may ask to stop; hears how many samples lack a feature and are left out.

    Raises:
        ParameterError: the class has no samples, or none with all features.
        VectorError: the layer cannot be read.
        Cancelled: `progress` asked to stop.
    """
    reader = _Reader(layer, class_field, features, label)
    rows = [row for part in layer.taken(reader, progress) for row in part if row is not None]
    first, left_out = reader.first, reader.left_out
    names = ", ".join(each.name for each in features)
    if first is None:
        raise _nothing(layer, class_field, label, list(reader.others), left_out, names)
    if left_out:
        progress.warning(
            Phrase(
                "{left_out} samples of the class {label} are left out: they have no finite number in a feature "
                "({names}).",
                left_out=left_out,
                label=label,
                names=names,
            )
        )
    columns = tuple(np.array(column, DTYPES[each.kind]) for each, column in zip(features, zip(*rows)))
    return ClassSamples(reader.label, features, columns, first)


class _Reader:
    """Takes the samples of a class from the features of a layer.

    Attributes:
        first: the first of them; None before there is one.
        label: the class, as its field holds it.
        others: other classes, as far as a message names them.
        left_out: number of features of the class without a finite number in each field.
    """

    def __init__(self, layer: VectorLayer, class_field: Field, features: Sequence[Field], label: str) -> None:
        self._layer, self._belongs = layer, _belongs(class_field, label)
        self._class, self._numbers = layer.getter(class_field), [layer.getter(each) for each in features]
        self.first: FirstSample | None = None
        self.label: Any = None
        self.others: dict[Any, None] = {}
        self.left_out = 0

    def __call__(self, feature: Any) -> list[Any] | None:
        """Return the values of an OGR feature; None where it is no sample of the class."""
        value = self._class(feature)
        if value is None:
            return None
        if not self._belongs(value):
            if len(self.others) <= _LISTED:
                self.others[value] = None
            return None
        row = [get(feature) for get in self._numbers]
        if not all(number is not None and math.isfinite(number) for number in row):
            self.left_out += 1
            return None
        if self.first is None:
            self.first, self.label = FirstSample.of(feature, self._layer), value
        return row


def _belongs(class_field: Field, label: str) -> Callable[[Any], bool]:
    """Return a function that tells whether a value of the class field is the class."""
    if class_field.kind == TEXT:
        return lambda value: bool(value == label)
    try:
        number: float = int(label)
    except ValueError:
        try:
            number = float(label)
        except ValueError:
            raise ParameterError(
                "{label} is {value!r}, but the field {name} holds numbers: enter one of them.",
                label=field("label"),
                value=label,
                name=class_field.name,
            ) from None
    return lambda value: bool(value == number)


def _exact(of: Field, column: np.ndarray) -> np.ndarray:
    """Return a column as float64; refuse whole numbers that it cannot hold."""
    if of.kind == INTEGER and (column.min() < -_EXACT or column.max() > _EXACT):
        raise ParameterError(
            "The field {name} holds {value}, too large a whole number to compute with: add it to {exclude}.",
            name=of.name,
            value=int(column[np.abs(column.astype("float64")).argmax()]),
            exclude=field("exclude"),
        )
    return column.astype("float64")


def _nothing(
    layer: VectorLayer, class_field: Field, label: str, others: Sequence[Any], left_out: int, names: str
) -> ParameterError:
    if left_out:
        return ParameterError(
            "No sample of the class {label} has a finite number in every feature ({names}): add fields without values to "
            "{exclude}.",
            label=label,
            names=names,
            exclude=field("exclude"),
        )
    listed = ", ".join(map(str, others[:_LISTED])) + (", ..." if len(others) > _LISTED else "")
    return ParameterError(
        "{label} is {value!r}, but no feature of {path} has it in the field {name}. The classes are: {classes}.",
        label=field("label"),
        value=label,
        path=layer.path,
        name=class_field.name,
        classes=listed or Phrase("none"),
    )
