"""Small rasters and models made on the spot, and the run in this process, for the tests that serve."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, osr

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import as_key, worded

UTM = 32654
ORIGIN = (300000.0, 10.0, 0.0, 4000000.0, 0.0, -10.0)
_numbers = itertools.count()
CODES = {
    "uint8": gdal.GDT_Byte,
    "uint16": gdal.GDT_UInt16,
    "int16": gdal.GDT_Int16,
    "int32": gdal.GDT_Int32,
    "float32": gdal.GDT_Float32,
    "float64": gdal.GDT_Float64,
}


class Log(Progress):
    """Keeps what an operation says."""

    def __init__(self) -> None:
        self.infos: list[str] = []
        self.warnings: list[str] = []
        self.fractions: list[float] = []

    @property
    def text(self) -> str:
        """All infos, a line each."""
        return "\n".join(self.infos)

    def info(self, message: str) -> None:
        self.infos.append(worded(message, as_key))

    def warning(self, message: str) -> None:
        self.warnings.append(worded(message, as_key))

    def fraction(self, done: float) -> None:
        self.fractions.append(done)


def serve(progress: Progress | None = None, **values: Any) -> dict[str, Any]:
    """Run TensorflowModelServe here; `source1_il=` is the key source1.il."""
    as_they_are = ("nodata_from_layer", "trust_model")
    keys = {name if name in as_they_are else name.replace("_", ".", 1): value for name, value in values.items()}
    return registry.run("TensorflowModelServe", keys, progress)


def served(folder: Path, model: Any, *sources: Any, log: Progress | None = None, **more: Any) -> np.ndarray:
    """Serve a model (a Keras model, or a path) on rasters (paths, or lists of them) and return the output's pixels.

    Keyword arguments are parameters with `__` for the dot: `output__names`.
    """
    out = str(folder / f"out{next(_numbers)}.tif")
    values: dict[str, Any] = {"model.dir": model if isinstance(model, str) else keras_file(folder, model), "out": out}
    for number, source in enumerate(sources, 1):
        values[f"source{number}.il"] = source if isinstance(source, list) else [source]
    values.update({key.replace("__", "."): value for key, value in more.items()})
    registry.run("TensorflowModelServe", values, log or Log())
    return read(values["out"])


def keras_file(folder: Path, model: Any) -> str:
    """Save a Keras model once and return its path."""
    path = folder / f"{model.name}_{id(model)}.keras"
    if not path.exists():
        model.save(path)
    return str(path)


def texture(height: int, width: int, bands: int = 1, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    """Return pixels of shape (height, width, bands) that differ from each of their neighbours."""
    values = np.random.default_rng(seed).random((height, width, bands))
    return (values * 200).astype(dtype) if np.dtype(dtype).kind in "iu" else values.astype(dtype)


def noise(height: int, width: int, bands: int = 1, dtype: str = "uint8", seed: int = 0) -> np.ndarray:
    """Return random pixels of shape (height, width, bands) that no format compresses."""
    generator = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return generator.random((height, width, bands), dtype=np.dtype(dtype))
    return generator.integers(1, np.iinfo(dtype).max, (height, width, bands), dtype=np.dtype(dtype))


def write(
    path: Path,
    pixels: np.ndarray,
    transform: Sequence[float] = ORIGIN,
    epsg: int | None = UTM,
    nodata: float | None = None,
    options: Sequence[str] = (),
) -> str:
    """Write pixels of shape (height, width, bands) as a GeoTIFF and return its path."""
    height, width, bands = pixels.shape
    code = CODES[pixels.dtype.name]
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), width, height, bands, code, list(options))
    if epsg is not None:
        system = osr.SpatialReference()
        system.ImportFromEPSG(epsg)
        dataset.SetProjection(system.ExportToWkt())
    dataset.SetGeoTransform(tuple(transform))
    for band in range(bands):
        if nodata is not None:
            dataset.GetRasterBand(band + 1).SetNoDataValue(nodata)
        dataset.GetRasterBand(band + 1).WriteArray(np.ascontiguousarray(pixels[..., band]))
    return str(path)


def write_at(
    path: Path,
    pixels: np.ndarray,
    spacing: float = 10.0,
    corner: tuple[float, float] = (500000.0, 4800000.0),
    south_up: bool = False,
    nodata: float | None = None,
    epsg: int = 32631,
) -> str:
    """Write pixels, north row first, by their spacing and the upper-left corner; with `south_up` stored from the south."""
    x, y = corner
    if south_up:
        return write(path, pixels[::-1], (x, spacing, 0.0, y - len(pixels) * spacing, 0.0, spacing), epsg, nodata)
    return write(path, pixels, (x, spacing, 0.0, y, 0.0, -spacing), epsg, nodata)


def read(path: str | Path) -> np.ndarray:
    """Return the pixels of a raster, of shape (height, width, bands)."""
    array = gdal.Open(str(path)).ReadAsArray()
    return array[..., None] if array.ndim == 2 else np.moveaxis(array, 0, -1)


def save(path: Path, body: Callable[..., Any], **inputs: tuple[Sequence[int | None], str]) -> str:
    """Save a SavedModel with one signature that calls `body(**inputs)`, and return its folder.

    Args:
        path: its folder.
        body: takes tensors by input name and returns a dictionary of tensors.
        inputs: shape and dtype of each input.
    """
    import tensorflow as tf

    module = tf.Module()
    specs = {name: tf.TensorSpec(shape, dtype, name=name) for name, (shape, dtype) in inputs.items()}
    module.serve = tf.function(body)
    tf.saved_model.save(module, str(path), signatures=module.serve.get_concrete_function(**specs))
    return str(path)


def pixelwise(path: Path, body: Callable[[Any], Any], bands: int = 1, dtype: str = "float32") -> str:
    """Save a model whose output `y` is `body` of each pixel of its input `x`."""
    return save(path, lambda x: {"y": body(x)}, x=([None, None, None, bands], dtype))


def slow(path: Path, products: int = 60) -> str:
    """Save a pixel-wise model that returns what it gets, after so many products of matrices, some ms each."""
    import tensorflow as tf

    def body(x: Any) -> dict[str, Any]:
        start = tf.fill([512, 512], tf.reduce_mean(x) * 0.0)  # nothing that could be computed beforehand
        matrix = tf.while_loop(
            lambda step, m: step < products, lambda step, m: (step + 1, tf.linalg.matmul(m, m)), (0, start)
        )[1]
        return {"y": x + matrix[0, 0]}

    return save(path, body, x=([None, None, None, 1], "float32"))


SLOW = {
    "model_fullyconv": "off",
    "source1_rfieldx": 1,
    "source1_rfieldy": 1,
    "optim_tilesizex": 4096,
    "optim_tilesizey": 2,
}
"""With these, a run of `slow` has a tile for every two rows, and is not probed nor measured."""


def hidden(folder: Path) -> list[str]:
    """Return the names of the unfinished outputs in a folder."""
    return sorted(item.name for item in folder.glob(".otbtf-*"))


def convolutions(
    path: Path, bands: int, widths: Sequence[int] = (8, 8), outputs: int = 2, dtype: str = "uint16"
) -> str:
    """Save a network of 3 x 3 convolutions of so many channels with random but fixed weights; it crops by its context."""
    import tensorflow as tf

    generator = np.random.default_rng(1)
    kernels = []
    for before, after in zip((bands, *widths), (*widths, outputs)):
        kernels.append(generator.normal(size=(3, 3, before, after), scale=(9 * before) ** -0.5).astype("float32"))

    def body(x: Any) -> dict[str, Any]:
        y = tf.cast(x, "float32") / 1000.0
        for kernel in kernels[:-1]:
            y = tf.nn.relu(tf.nn.conv2d(y, kernel, 1, "VALID"))
        return {"y": tf.nn.conv2d(y, kernels[-1], 1, "VALID")}

    return save(path, body, x=([None, None, None, bands], dtype))


def nodata_of(path: str | Path) -> float | None:
    """Return the no-data value of a raster's first band."""
    dataset = gdal.Open(str(path))  # a band does not keep its dataset alive
    value: float | None = dataset.GetRasterBand(1).GetNoDataValue()
    return value
