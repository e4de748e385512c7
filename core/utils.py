"""Reading patches images with GDAL, and names that models share; OTBTF's module of this name."""

from __future__ import annotations

from .patches.patchesarrays import (
    cropped_tensor_name,
    gdal_open,
    read_as_np_arr,
)

__all__ = [
    "cropped_tensor_name",
    "gdal_open",
    "read_as_np_arr",
]
