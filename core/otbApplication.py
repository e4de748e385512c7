"""OTB's Python module, as scripts for OTBTF use it."""

from __future__ import annotations

from .entry.otbmodule import (
    Application,
    Image,
    ImagePixelType_double,
    ImagePixelType_float,
    ImagePixelType_int16,
    ImagePixelType_int32,
    ImagePixelType_uint8,
    ImagePixelType_uint16,
    ImagePixelType_uint32,
    Registry,
)

__all__ = [
    "Application",
    "Image",
    "ImagePixelType_double",
    "ImagePixelType_float",
    "ImagePixelType_int16",
    "ImagePixelType_int32",
    "ImagePixelType_uint16",
    "ImagePixelType_uint32",
    "ImagePixelType_uint8",
    "Registry",
]
