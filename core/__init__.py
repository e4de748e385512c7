"""The engine, free of QGIS, and the Python API for scripts and clusters.

The names below are imported when they are first used, so that importing this package needs neither
TensorFlow nor GDAL.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from . import preloading

_HOMES = {
    "ArrayRaster": "rasters.inmemory",
    "Buffer": "dataset",
    "Cancelled": "errors",
    "Dataset": "dataset",
    "DatasetFromPatchesImages": "dataset",
    "IteratorBase": "dataset",
    "OtbtfError": "errors",
    "PatchesImagesReader": "dataset",
    "PatchesReaderBase": "dataset",
    "Progress": "progress",
    "RandomIterator": "dataset",
    "TFRecords": "tfrecords",
    "ModelBase": "model",
    "ckpt_to_savedmodel": "tricks",
    "create_savedmodel": "tricks",
    "gdal_open": "utils",
    "is_chief": "training.strategies",
    "make_strategy": "training.strategies",
    "read_as_np_arr": "utils",
    "run": "operations",
    "train": "training.train",
}
"""The names of the API, and the modules that define them."""

_MODULES = ("dataset", "layers", "model", "ops", "tfrecords", "tricks", "utils")

__all__ = [*_HOMES, *_MODULES]


if "tensorflow" in sys.modules:
    preloading.gdal()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .running import missing_packages_explained

    preloading.gdal()
    with missing_packages_explained():
        module = importlib.import_module(f"{__name__}.{_HOMES.get(name, name)}")
    return getattr(module, name) if name in _HOMES else module


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
