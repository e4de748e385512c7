"""The engine, free of QGIS, and the Python API for scripts and clusters.

The names below are imported when they are first used, so that importing this package needs neither
TensorFlow nor GDAL.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "Buffer": "dataset",
    "Dataset": "dataset",
    "DatasetFromPatchesImages": "dataset",
    "IteratorBase": "dataset",
    "PatchesImagesReader": "dataset",
    "PatchesReaderBase": "dataset",
    "RandomIterator": "dataset",
    "TFRecords": "tfrecords",
    "ModelBase": "model",
    "gdal_open": "utils",
    "read_as_np_arr": "utils",
    "run": "operations",
}
"""The names of the API, and the modules that define them."""

_MODULES = ("dataset", "layers", "model", "ops", "tfrecords", "utils")

__all__ = [*_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
