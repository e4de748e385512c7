"""Attributes of vector layers as features of samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError
from ..errors import field as mention
from ..parameters.vectorsource import LayerSource
from ..samples.shapes import layer_source
from ..vectors.vectorlayer import TEXT, Field, VectorLayer


@dataclass(frozen=True)
class Attributes:
    """Samples of one or several layers.

    Attributes:
        features: float64, shape (samples, features).
        classes: of each layer the classes of its samples, as the field holds them.
        layers: the layers, each with its class field.
        left_out: features without a class, or with an attribute that is not a finite number.
    """

    features: np.ndarray
    classes: list[list[Any]]
    layers: list[tuple[VectorLayer, Field]]
    left_out: int


def read_attributes(
    sources: Sequence[LayerSource], number: int | None, names: Sequence[str], class_name: str, progress: Progress
) -> Attributes:
    """Read attributes and classes of all features.

    Args:
        sources: layers, with or without geometry.
        number: of the layer in each file, from 0, where a source names none; None where there is but one.
        names: fields of numbers.
        class_name: the field of the class.
        progress: may ask to stop.

    Raises:
        ParameterError, VectorError: a layer cannot be read, has no such field, or one that holds no numbers.
        Cancelled: `progress` asked to stop.
    """
    layers = [VectorLayer(layer_source(source, number)) for source in sources]
    features: list[np.ndarray] = []
    classes: list[list[Any]] = [[] for _ in layers]
    left_out = 0
    fields = [layer.field(class_name) for layer in layers]
    layers[0].check_class_field(fields[0], progress)
    for own, layer, field in zip(classes, layers, fields):
        for rows in layer.taken(_row([*(_numeric(layer, name) for name in names), field], layer), progress):
            *columns, found = zip(*rows)
            values = np.array(columns, np.float64).reshape(len(names), len(rows)).T  # None becomes NaN
            kept = np.isfinite(values).all(axis=1) & np.array([value not in (None, "") for value in found])
            features.append(values[kept])
            own += [value for value, keep in zip(found, kept.tolist()) if keep]
            left_out += int((~kept).sum())
    everything = np.concatenate(features) if features else np.empty((0, len(names)))
    return Attributes(everything, classes, list(zip(layers, fields)), left_out)


def _numeric(layer: VectorLayer, name: str) -> Field:
    field = layer.field(name)
    if field.kind == TEXT:
        raise ParameterError(
            "The field {field} of {layer} holds text, but features are numbers: remove it from {mention}.",
            field=field.name,
            layer=layer.path,
            mention=mention("feat"),
        )
    return field


def _row(fields: Sequence[Field], layer: VectorLayer) -> Callable[[Any], list[Any]]:
    """Return a function of a feature that gives the values of fields; None where it has none."""
    getters = [layer.getter(each) for each in fields]
    return lambda feature: [get(feature) for get in getters]
