"""Pixel types: NumPy's names, GDAL's codes and OTB's words for them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from osgeo import gdal

from ..errors import ParameterError

_GDAL_TO_NUMPY = {
    gdal.GDT_Byte: "uint8",
    gdal.GDT_UInt16: "uint16",
    gdal.GDT_Int16: "int16",
    gdal.GDT_UInt32: "uint32",
    gdal.GDT_Int32: "int32",
    gdal.GDT_Float32: "float32",
    gdal.GDT_Float64: "float64",
    gdal.GDT_CFloat32: "complex64",
    gdal.GDT_CFloat64: "complex128",
}
for _name, _dtype in (("GDT_UInt64", "uint64"), ("GDT_Int64", "int64"), ("GDT_Int8", "int8")):  # GDAL 3.5, 3.7
    if hasattr(gdal, _name):
        _GDAL_TO_NUMPY[getattr(gdal, _name)] = _dtype
_NUMPY_TO_GDAL = {np.dtype(dtype): code for code, dtype in _GDAL_TO_NUMPY.items()}
_COMPLEX = {gdal.GDT_CInt16: "complex64", gdal.GDT_CInt32: "complex64"}

WORDS = {
    "uint8": "uint8",
    "int16": "int16",
    "uint16": "uint16",
    "int32": "int32",
    "uint32": "uint32",
    "float": "float32",
    "double": "float64",
}
"""OTB's words for pixel types, and NumPy's names of them."""

_WRITTEN = {
    "bool": "uint8",
    "int8": "int16",
    "int64": "int32",
    "uint64": "uint32",
    "float16": "float32",
    "bfloat16": "float32",
}


def numpy_type(gdal_type: int) -> np.dtype:
    """Return the NumPy dtype into which GDAL's pixel type `gdal_type` is read."""
    return np.dtype(_GDAL_TO_NUMPY.get(gdal_type) or _COMPLEX.get(gdal_type) or "float64")


def gdal_type(dtype: npt.DTypeLike) -> int:
    """Return GDAL's pixel type for a NumPy dtype.

    Raises:
        KeyError: GDAL cannot hold it; see `written_type`.
    """
    code: int = _NUMPY_TO_GDAL[np.dtype(dtype)]
    return code


def written_type(dtype_name: str, word: str = "auto") -> np.dtype:
    """Return the dtype in which values of the dtype called `dtype_name` are written.

    Args:
        dtype_name: NumPy's or TensorFlow's name of what the data has.
        word: OTB's word for the wished type, or `auto` for the data's own: bool becomes uint8, float16
            and bfloat16 float32, int64 int32 and uint64 uint32 (values are checked), int8 int16.

    Raises:
        ParameterError: the data's type cannot be written.
    """
    if word != "auto":
        return np.dtype(WORDS[word])
    name = _WRITTEN.get(dtype_name, dtype_name)
    try:
        dtype = np.dtype(name)
        gdal_type(dtype)
    except (TypeError, KeyError):
        raise ParameterError(
            "Values of the type {dtype_name} cannot be written to a raster.", dtype_name=dtype_name
        ) from None
    return dtype


def check_fits(value: float, dtype: npt.DTypeLike, what: str) -> None:
    """Raise ParameterError where `dtype` cannot hold `value`; `what` names the parameter."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "iu":
        return
    info = np.iinfo(dtype)
    if not math.isfinite(value) or value != int(value) or not info.min <= value <= info.max:
        raise ParameterError(
            "{what} is {value:g}, which the pixel type {dtype} cannot hold ({min} to {max}, whole numbers): choose "
            "another value, or another pixel type.",
            what=what,
            value=value,
            dtype=dtype.name,
            min=info.min,
            max=info.max,
        )
