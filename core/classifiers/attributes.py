"""Attributes of vector layers as features of samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError
from ..errors import field as mention
from ..files.gdalcalls import collected_errors
from ..parameters.vectorsource import LayerSource
from ..samples.shapes import layer_source
from ..vectors.texts import field_text
from ..vectors.vectorlayer import TEXT, Field, VectorLayer

_CHUNK = 8192  # features read at a time


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
        columns = [_numeric(layer, name) for name in names]
        for values, found in _chunks(layer, columns, field):
            progress.check()
            kept = np.isfinite(values).all(axis=1) & np.array([value is not None for value in found])
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


def _chunks(layer: VectorLayer, columns: Sequence[Field], field: Field) -> Iterator[tuple[np.ndarray, list[Any]]]:
    """Yield the values of some features, NaN where they have none, and their classes, None where they have none."""
    layer.layer.ResetReading()
    feature: Any = True
    while feature is not None:
        rows: list[list[float]] = []
        classes: list[Any] = []
        with collected_errors() as errors:
            while len(rows) < _CHUNK:
                feature = layer.layer.GetNextFeature()
                if feature is None:
                    break
                rows.append([_number(feature, column) for column in columns])
                classes.append(_class(feature, field, layer.path))
        layer.check_read(errors)
        if rows:
            yield np.array(rows, np.float64).reshape(len(rows), len(columns)), classes


def _number(feature: Any, field: Field) -> float:
    if field.index < 0:
        return float(feature.GetFID())
    return float(feature.GetFieldAsDouble(field.index)) if feature.IsFieldSetAndNotNull(field.index) else float("nan")


def _class(feature: Any, field: Field, path: str) -> Any:
    if field.index < 0:
        return feature.GetFID()
    if not feature.IsFieldSetAndNotNull(field.index):
        return None
    return (field_text(feature, field.index, path) or None) if field.kind == TEXT else feature.GetField(field.index)
