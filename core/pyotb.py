"""Applications as pyotb calls them."""

from __future__ import annotations

from .entry.pyotbapps import (
    App,
    Input,
    __getattr__,  # noqa: F401 (each application by its name)
    get_nbchannels,
)

__all__ = [
    "App",
    "Input",
    "get_nbchannels",
]
