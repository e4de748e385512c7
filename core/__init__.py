"""The engine, free of QGIS, and the Python API for scripts and clusters.

The names below are imported when they are first used, so that importing this package needs neither
TensorFlow nor GDAL.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from typing import Any

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


def _load_gdal() -> None:
    """Load GDAL, if there is one, before TensorFlow or shielded from it.

    On Linux, TensorFlow's library shows those that are loaded after it an SQLite of its own, which lacks what
    GeoPackages need.
    """
    flags = sys.getdlopenflags() if "tensorflow" in sys.modules and hasattr(os, "RTLD_DEEPBIND") else None
    try:
        if flags is not None:
            sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
        with contextlib.suppress(ImportError):
            importlib.import_module("osgeo.gdal")
    finally:
        if flags is not None:
            sys.setdlopenflags(flags)


_load_gdal()


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .running import missing_packages_explained

    with missing_packages_explained():
        module = importlib.import_module(f"{__name__}.{_HOMES.get(name, name)}")
    return getattr(module, name) if name in _HOMES else module


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
