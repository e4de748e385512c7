"""Applications as pyotb calls them."""

from __future__ import annotations

from .entry import pyotbapps
from .entry.pyotbapps import App, Input, get_nbchannels

__all__ = [
    "App",
    "Input",
    "get_nbchannels",
]

__getattr__ = pyotbapps.__getattr__  # each application by its name
