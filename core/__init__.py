"""The engine, free of QGIS, and the Python API for scripts and clusters.

The names below are imported when they are first used, so that importing this package needs neither
TensorFlow nor GDAL.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from .machine import preloading

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
    "RasterSource": "parameters.rastersource",
    "Progress": "base.progress",
    "RandomIterator": "dataset",
    "TFRecords": "tfrecords",
    "VectorSource": "parameters.vectorsource",
    "ModelBase": "model",
    "CheckpointToSavedModel": "tricks",
    "CreateSavedModel": "tricks",
    "ckpt_to_savedmodel": "tricks",
    "create_savedmodel": "tricks",
    "gdal_open": "utils",
    "is_chief": "training.strategies",
    "make_strategy": "training.strategies",
    "read_as_np_arr": "utils",
    "read_image_as_np": "tricks",
    "read_samples": "tricks",
    "run": "registry",
    "train": "training.train",
}
"""The names of the API, and the modules that define them."""

_MODULES = ("dataset", "layers", "model", "ops", "otbApplication", "pyotb", "tfrecords", "tricks", "utils")

__all__ = [*_HOMES, *_MODULES]


if "tensorflow" in sys.modules:
    preloading.gdal()


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("..", __name__).__version__
    if name not in __all__:
        return _operation(name)
    from .registry.scripts import missing_packages_explained

    preloading.gdal()
    with missing_packages_explained():
        module = importlib.import_module(f"{__name__}.{_HOMES.get(name, name)}")
    return getattr(module, name) if name in _HOMES else module


def _operation(name: str) -> Any:
    """Return the function that runs the operation called `name`: core.TensorflowModelServe(...)."""
    if name[:1].isupper():
        from . import registry

        if name in registry.names():
            return registry.function(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
