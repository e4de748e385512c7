"""SavedModels of TensorFlow 1 graphs; OTBTF's module of this name."""

from __future__ import annotations

from .training.graphmodels import (
    CheckpointToSavedModel,
    CreateSavedModel,
    ckpt_to_savedmodel,
    create_savedmodel,
    gdal_open,
    read_as_np_arr_from_gdal_ds,
    read_image_as_np,
    read_samples,
    tf,
)

__all__ = [
    "CheckpointToSavedModel",
    "CreateSavedModel",
    "ckpt_to_savedmodel",
    "create_savedmodel",
    "gdal_open",
    "read_as_np_arr_from_gdal_ds",
    "read_image_as_np",
    "read_samples",
    "tf",
]
