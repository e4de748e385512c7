"""What the tests of serving share: rasters, runs, and receptive fields computed by hand from layers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, osr

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.registry import run

CODES = {"uint8": gdal.GDT_Byte, "uint16": gdal.GDT_UInt16, "int16": gdal.GDT_Int16, "int32": gdal.GDT_Int32}
CODES["float32"], CODES["float64"] = gdal.GDT_Float32, gdal.GDT_Float64
_numbers = itertools.count()


def texture(height: int, width: int, bands: int = 1, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    """Return pixels of shape (height, width, bands) that differ from each of their neighbours."""
    values = np.random.default_rng(seed).random((height, width, bands))
    return (values * 200).astype(dtype) if np.dtype(dtype).kind in "iu" else values.astype(dtype)


def write(
    path: Path,
    array: np.ndarray,
    spacing: float | tuple[float, float] = 10.0,
    origin: tuple[float, float] = (500000.0, 4800000.0),
    south_up: bool = False,
    nodata: float | None = None,
    crs: int = 32631,
) -> str:
    """Write an array of shape (height, width, bands), north row first, in UTM; return the path as text."""
    height, width, bands = array.shape
    dx, dy = spacing if isinstance(spacing, tuple) else (spacing, spacing)
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), width, height, bands, CODES[array.dtype.name])
    system = osr.SpatialReference()
    system.ImportFromEPSG(crs)
    dataset.SetProjection(system.ExportToWkt())
    top = origin[1] - height * dy if south_up else origin[1]
    dataset.SetGeoTransform((origin[0], dx, 0.0, top, 0.0, dy if south_up else -dy))
    stored = array[::-1] if south_up else array
    for band in range(bands):
        dataset.GetRasterBand(band + 1).WriteArray(np.ascontiguousarray(stored[..., band]))
        if nodata is not None:
            dataset.GetRasterBand(band + 1).SetNoDataValue(nodata)
    dataset.FlushCache()
    del dataset
    return str(path)


def read(path: str) -> np.ndarray:
    """Return the pixels as they are stored, of shape (height, width, bands)."""
    array = gdal.Open(path).ReadAsArray()
    return array[..., None] if array.ndim == 2 else np.moveaxis(array, 0, -1)


class Log(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(message)

    def warning(self, message: str) -> None:
        self.warnings.append(message)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def serve(folder: Path, model: Any, *sources: Any, log: Log | None = None, **more: Any) -> np.ndarray:
    """Serve a model (a Keras model, or a path) on rasters (paths, or lists of them) and return the output's pixels.

    Keyword arguments are parameters with `__` for the dot: `output__names`.
    """
    out = str(folder / f"out{next(_numbers)}.tif")
    values: dict[str, Any] = {"model.dir": model if isinstance(model, str) else save(folder, model), "out": out}
    for number, source in enumerate(sources, 1):
        values[f"source{number}.il"] = source if isinstance(source, list) else [source]
    values.update({key.replace("__", "."): value for key, value in more.items()})
    run("TensorflowModelServe", values, log or Log())
    return read(values["out"])


def save(folder: Path, model: Any) -> str:
    """Save a Keras model once and return its path."""
    path = folder / f"{model.name}_{id(model)}.keras"
    if not path.exists():
        model.save(path)
    return str(path)


# ------------------------------------------------------------------ receptive fields by hand


@dataclass(frozen=True)
class Layer:
    """A layer along one axis: kernel, stride, dilation; `up` for a transposed one."""

    kernel: int
    stride: int = 1
    dilation: int = 1
    same: bool = True
    up: bool = False

    def size(self, pixels: int) -> int:
        extent = (self.kernel - 1) * self.dilation + 1
        if self.up:
            return pixels * self.stride if self.same else pixels * self.stride + max(extent - self.stride, 0)
        return -(-pixels // self.stride) if self.same else (pixels - extent) // self.stride + 1

    def sees(self, first: int, last: int, pixels: int) -> tuple[int, int]:
        """Return the first and last input that outputs `first` to `last` see; may lie outside 0..pixels-1."""
        extent = (self.kernel - 1) * self.dilation + 1
        if self.up:
            before = max(extent - self.stride, 0) // 2 if self.same else 0
            return -((extent - 1 - first - before) // self.stride), (last + before) // self.stride
        before = 0
        if self.same:
            before = max((self.size(pixels) - 1) * self.stride + extent - pixels, 0) // 2
        return first * self.stride - before, last * self.stride - before + extent - 1


def margins(layers: Sequence[Layer], pixels: int, skips: Sequence[tuple[int, int]] = ()) -> tuple[int, int]:
    """Return how many outputs at the start and end of a region of `pixels` see beyond it, by interval arithmetic.

    Args:
        layers: in order.
        pixels: size of the region.
        skips: (a, b): the values before layer a are joined to those behind layer b.
    """
    sizes = [pixels]
    for layer in layers:
        sizes.append(layer.size(sizes[-1]))

    def outside(depth: int, first: int, last: int) -> bool:
        if depth == 0:
            return first < 0 or last >= pixels
        for start, end in skips:
            if end + 1 == depth and outside(start, first, last):
                return True
        return outside(depth - 1, *layers[depth - 1].sees(first, last, sizes[depth - 1]))

    seen = [outside(len(layers), index, index) for index in range(sizes[-1])]
    inner = [index for index, value in enumerate(seen) if not value]
    assert inner, "the region is too small for this stack"
    return inner[0], sizes[-1] - 1 - inner[-1]


def jump(layers: Sequence[Layer]) -> int:
    """Return the stride of the deepest layer in input pixels: shifts by less give other values."""
    scale, largest = 1.0, 1.0
    for layer in layers:
        scale = scale / layer.stride if layer.up else scale * layer.stride
        largest = max(largest, scale)
    return math.ceil(largest)
