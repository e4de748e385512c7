"""The classes that an output of a model, or a map, holds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelClass:
    """A class that an output holds: its value, its name and its colour as `#rrggbb`; empty where it has none."""

    value: int
    name: str = ""
    color: str = ""


Classes = tuple[ModelClass, ...]
