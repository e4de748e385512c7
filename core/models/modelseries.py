"""What a Keras model tells of its sources: the dates of its time series, and what it takes for a missing value."""

from __future__ import annotations

from typing import Any

import keras

from ..rasters.seriesbands import SeriesLayout, has_dates
from .keraslayers import HarmonicFit
from .missingvalues import FillNodata, MergedDates, TemporalInterpolation
from .servingdefaults import ServingDefaults, SourceDefaults


def source_facts(model: keras.Model) -> dict[str, SourceDefaults]:
    """Return what the layers tell that follow each input; by name of the inputs for which there is something."""
    found: dict[str, SourceDefaults] = {}
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, (FillNodata, MergedDates, TemporalInterpolation, HarmonicFit)):
            for name in _inputs_before(layer):
                found[name] = _joined(found.get(name, SourceDefaults()), layer)
    return found


def serving_facts(model: keras.Model) -> ServingDefaults | None:
    """Return serving defaults with what the layers tell; None where they tell nothing."""
    facts = source_facts(model)
    return ServingDefaults(sources=facts) if facts else None


def _inputs_before(layer: Any) -> list[str]:
    """Return the names of the inputs that a layer takes, or that come to it through layers that fill gaps."""
    names = []
    for node in layer._inbound_nodes:
        for tensor in node.input_tensors:
            maker = tensor._keras_history.operation
            if isinstance(maker, keras.layers.InputLayer):
                names.append(maker.name)
            elif isinstance(maker, FillNodata):
                names += _inputs_before(maker)
    return names


def _joined(facts: SourceDefaults, layer: Any) -> SourceDefaults:
    series, filled = facts.series, facts.filled
    if not isinstance(layer, FillNodata) and has_dates(layer.times):
        bands, order = getattr(layer, "bands", 1), getattr(layer, "order", "date-major")
        names = tuple(getattr(layer, "band_names", ()))
        series = SeriesLayout(tuple(layer.times), bands, order, names)
    # Of several layers the one that knows a value beside NaN: the others come behind it.
    if filled is None or filled != filled:
        filled = float(layer.nodata)
    return SourceDefaults(facts.rfield, facts.nodata, filled, series)
