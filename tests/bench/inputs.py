"""What the benchmarks of serving work on: images, models, and the ways to start a run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal, osr

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.engine.client import Engine

KEPT = Path(__file__).resolve().parents[2] / "build" / "bench" / "inputs"
"""Images stay here from one time to the next."""

DEVICE = os.environ.get("DEVICE", "auto")
"""What computes: the parameter DEVICE of all runs, given to `make bench` by the same name."""

_KINDS = {"uint8": gdal.GDT_Byte, "int16": gdal.GDT_Int16, "uint16": gdal.GDT_UInt16}
_STRIP = 256


def image(name: str, width: int, height: int, dtype: str, bands: int = 4, options: Sequence[str] = ()) -> Path:
    """Return a tiled GeoTIFF of noise between 0 and 10000."""
    path = KEPT / f"{name}-{width}x{height}x{bands}-{dtype}.tif"
    if path.exists():
        return path
    KEPT.mkdir(parents=True, exist_ok=True)
    making = path.with_suffix(".making.tif")
    driver = gdal.GetDriverByName("GTiff")
    dataset = driver.Create(str(making), width, height, bands, _KINDS[dtype], ["TILED=YES", *options])
    dataset.SetProjection(_wkt())
    dataset.SetGeoTransform((380_000, 10, 0, 3_960_000, 0, -10))
    random = np.random.default_rng(len(name))
    for y in range(0, height, _STRIP):
        pixels = random.integers(0, 10_000, (bands, min(_STRIP, height - y), width), dtype)
        dataset.WriteArray(pixels, 0, y)
    dataset = None
    making.rename(path)
    return path


def mosaic(side: int, tile: int = 2500) -> Path:
    """Return a VRT of 4 uint16 bands, as large as wished, that shows one tile of noise again and again."""
    source = image("tile", tile, tile, "uint16")
    bands = ""
    for band in range(1, 5):
        bands += f'<VRTRasterBand dataType="UInt16" band="{band}">'
        for y in range(0, side, tile):
            for x in range(0, side, tile):
                bands += (
                    f'<SimpleSource><SourceFilename relativeToVRT="1">{source.name}</SourceFilename>'
                    f'<SourceBand>{band}</SourceBand><SrcRect xOff="0" yOff="0" xSize="{tile}" ySize="{tile}"/>'
                    f'<DstRect xOff="{x}" yOff="{y}" xSize="{tile}" ySize="{tile}"/></SimpleSource>'
                )
        bands += "</VRTRasterBand>"
    path = KEPT / f"mosaic-{side}.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="{side}" rasterYSize="{side}"><SRS>EPSG:32654</SRS>'
        f"<GeoTransform>380000, 10, 0, 3960000, 0, -10</GeoTransform>{bands}</VRTDataset>"
    )
    return path


def _wkt() -> str:
    system = osr.SpatialReference()
    system.ImportFromEPSG(32654)
    return str(system.ExportToWkt())


def formula(folder: Path, name: str, body: Callable[..., Any], sources: int) -> Path:
    """Save a model without weights that takes so many images of 4 bands as floats, and returns `y`."""
    import tensorflow as tf

    module = tf.Module()
    signature = [tf.TensorSpec([None, None, None, 4], tf.float32, name=f"x{number + 1}") for number in range(sources)]
    module.serve = tf.function(lambda *images: {"y": body(*images)}, input_signature=signature)
    tf.saved_model.save(module, str(folder / name), signatures=module.serve)
    return folder / name


def network(folder: Path, template: str, classes: int, best: bool = False, patch: int | None = None) -> Path:
    """Save a template with random weights for 4 bands, and return its file.

    Args:
        folder: where.
        template: its name.
        classes: that it tells apart.
        best: whether it returns the number of the most probable class, of type uint8, not the probabilities.
        patch: width and height of its input, where that is to be fixed.
    """
    import keras

    from otbtf_qgis.core.templates.catalogue import create

    keras.utils.set_random_seed(1)
    model = create(template, bands=(4,), classes=classes)
    if patch:
        fixed = keras.Input((patch, patch, 4))
        model = keras.Model(fixed, model(fixed))
    if best:
        number = keras.ops.argmax(model.output, axis=-1, keepdims=True)
        model = keras.Model(model.input, keras.ops.cast(number, "uint8"))
    path = folder / f"{template}{'-best' if best else ''}{patch or ''}.keras"
    model.save(path)
    return path


def engine() -> Engine:
    """Return an engine as QGIS has it: a process that is started by its first run."""
    return Engine(lambda: Path(sys.executable))


def on_device(values: dict[str, Any]) -> dict[str, Any]:
    """Return parameters of an operation with the device that is measured."""
    return {**values, "device": DEVICE}


def first_device() -> str:
    """Return the first of the devices that are measured, which computes a bare model."""
    from otbtf_qgis.core.machine.devices import devices

    return devices(DEVICE)[0]


def serve(running: Engine, values: dict[str, Any], progress: Progress | None = None) -> None:
    """Serve in an engine's process."""
    running.run(
        "TensorflowModelServe", {key: str(value) for key, value in on_device(values).items()}, progress or Progress()
    )


def whole_process(values: dict[str, Any]) -> None:
    """Serve in a process that is started for it, imports TensorFlow and ends."""
    one = engine()
    try:
        serve(one, values)
    finally:
        one.stop()


def call(command: Sequence[str | Path]) -> None:
    """Run a program to its end.

    Raises:
        RuntimeError: it failed.
    """
    words = [str(word) for word in command]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
