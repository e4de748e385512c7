"""What the algorithms of classifiers share: the classes of a layer's categories."""

from __future__ import annotations

import json
from typing import Any

from qgis.core import (
    QgsMapLayer,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
)

from .layerclasses import categories_of


def legend_of(layer: QgsMapLayer | None, field: str) -> str:
    """Return the classes of a layer that is categorized by `field`, as the parameter LEGEND takes them; may be empty.

    Call it in the main thread.
    """
    rows = [{"value": _number(value), **entry} for value, entry in categories_of(layer, field).items() if value]
    return json.dumps(rows, ensure_ascii=False) if rows else ""


def _number(value: str) -> Any:
    try:
        return int(value)
    except ValueError:
        return value


def first_layer(algorithm: QgsProcessingAlgorithm, parameters: Any, name: str, context: QgsProcessingContext) -> Any:
    """Return the first of several vector layers that a parameter names; None where there is none."""
    layers = algorithm.parameterAsLayerList(parameters, name, context)
    return layers[0] if layers else None
