"""Small patches images, and data sets of them, for the tests of the Python API."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from osgeo import gdal

CODES = {"uint8": gdal.GDT_Byte, "uint16": gdal.GDT_UInt16, "int16": gdal.GDT_Int16, "float32": gdal.GDT_Float32}


def patches(count: int, size: int, bands: int, dtype: str = "uint16", first: int = 0) -> np.ndarray:
    """Patches of shape (n, size, size, bands); the upper-left value of patch i is `first` + i in every band."""
    array = np.random.default_rng(first).integers(0, 200, (count, size, size, bands)).astype(dtype)
    array[:, 0, 0, :] = (first + np.arange(count))[:, None]
    return array


def write(path: Path, array: np.ndarray) -> str:
    """Write patches of shape (n, rows, columns, bands) one below the other and return the path."""
    count, height, width, bands = array.shape
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), width, count * height, bands, CODES[array.dtype.name])
    for band in range(bands):
        dataset.GetRasterBand(band + 1).WriteArray(np.ascontiguousarray(array[..., band].reshape(-1, width)))
    dataset.FlushCache()
    return str(path)


def numbers(samples: list, key: str = "image") -> list[int]:
    """The numbers that `patches` wrote into the corner of each."""
    return [int(sample[key][0, 0, 0]) for sample in samples]
