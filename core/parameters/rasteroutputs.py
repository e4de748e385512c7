"""The rasters that an operation writes beside each other, and their paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from .certaintyoutputs import CERTAINTY

RASTER_OUTPUTS = ("out", "confmap", *CERTAINTY)
"""Fields of rasters that are made tile by tile, or part by part, together; the first is that of the map."""


def output_paths(parameters: Any) -> dict[str, str]:
    """Return by field the paths of the rasters that the parameters of an operation ask for."""
    given = vars(parameters)
    return {name: str(given[name]) for name in RASTER_OUTPUTS if given.get(name)}


def results_of(parameters: Any) -> dict[str, str]:
    """Return the same paths by key, as results of an operation hold them."""
    names = {each.name: str(each.metadata["key"].name) for each in fields(parameters) if "key" in each.metadata}
    return {names[name]: path for name, path in output_paths(parameters).items()}


def outputs_identity(parameters: Any) -> Mapping[str, str]:
    """Return by field whether an output beside the map is made."""
    given = vars(parameters)
    return {name: "made" if given[name] else "null" for name in RASTER_OUTPUTS[1:] if name in given}
