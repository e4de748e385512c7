"""What tests of dialogs that take a model share: models made with the real engine, and hands for the fields."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from application import TREE
from osgeo import gdal, osr
from processing.gui.AlgorithmDialog import AlgorithmDialog
from qgis.core import QgsApplication
from qgis.PyQt.QtWidgets import QGroupBox

from otbtf_qgis.gui.fieldmenu import FieldMenu
from otbtf_qgis.gui.modelpanel import ModelPanel

SERVE = "otbtf:tensorflowmodelserve"

_MAKE_MODELS = """
import keras
from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress

layers = keras.layers
x = keras.Input((None, None, 3), name="x")
label = keras.ops.cast(keras.ops.argmax(layers.Conv2D(3, 3, padding="same")(x), axis=-1), "uint8")
keras.Model(x, layers.Identity(name="label")(label)).save("net.keras")
registry.run("DescribeModel", {"model.dir": "net.keras", "classes": "labels.tif", "sidecar": True}, Progress())
registry.run("ExportSavedModel", {"model.dir": "net.keras", "out": "net"}, Progress())

xs, pan = keras.Input((None, None, 4), name="xs"), keras.Input((None, None, 1), name="pan")
features = layers.Conv2D(8, 3, padding="same")(xs)
both = layers.Add()([features, layers.Conv2D(8, 4, strides=4)(pan)])
outputs = {"scores": layers.Conv2D(3, 1, name="scores")(both), "features": layers.Identity(name="features")(features)}
keras.Model([xs, pan], outputs).save("two.keras")

inputs = [keras.Input((None, None, bands), name=name) for name, bands in dict(dem=1, radar=2, spot=4, swir=6).items()]
total = layers.Add()([layers.Conv2D(3, 1)(each) for each in inputs])
keras.Model(inputs, layers.Identity(name="sum")(total)).save("four.keras")

nine = [keras.Input((None, None, 1), name=f"x{number}") for number in range(1, 10)]
keras.Model(nine, layers.Add(name="sum")(nine)).save("nine.keras")

patch = keras.Input((16, 16, 3), name="patch")
keras.Model(patch, layers.Dense(2, name="p")(layers.Flatten()(patch))).save("fixed.keras")

y = keras.Input((None, None, 1), name="y")
keras.Model(y, layers.Lambda(lambda t: t * 2, name="twice")(y)).save("unsafe.keras")
"""


def make_models(folder: Path) -> None:
    """Make models in a folder: `net` has a sidecar with classes, two.keras has none, unsafe.keras is refused."""
    labels = gdal.GetDriverByName("GTiff").Create(str(folder / "labels.tif"), 2, 2, 1, gdal.GDT_Byte)
    colours = gdal.ColorTable()
    for value, colour in enumerate(((0, 0, 255, 255), (0, 128, 0, 255), (255, 200, 0, 255))):
        colours.SetColorEntry(value, colour)
    labels.GetRasterBand(1).SetColorTable(colours)
    labels.GetRasterBand(1).SetCategoryNames(["water", "forest", "crops"])
    labels = None
    done = subprocess.run(
        [os.environ["OTBTF_PYTHON"], "-c", _MAKE_MODELS],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TREE)},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr


def raster(path: Path, bands: int, kind: int = gdal.GDT_Float32, pixel: float = 10, epsg: int = 32631) -> str:
    data = gdal.GetDriverByName("GTiff").Create(str(path), int(480 / pixel), int(480 / pixel), bands, kind)
    data.SetGeoTransform((500000, pixel, 0, 4800000, 0, -pixel))
    system = osr.SpatialReference()
    system.ImportFromEPSG(epsg)
    data.SetProjection(system.ExportToWkt())
    data.GetRasterBand(1).Fill(1)
    return str(path)


def wait_for(condition: Callable[[], Any], seconds: float = 240) -> float:
    """Let the application work until a condition holds; return after how many seconds it did."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds
        QgsApplication.processEvents()
        time.sleep(0.002)
    return time.monotonic() - start


def pause(seconds: float) -> None:
    """Let the application work for a while."""
    end = time.monotonic() + seconds
    wait_for(lambda: time.monotonic() > end)


def choose(dialog: AlgorithmDialog, **values: Any) -> None:
    dialog.setParameters({name: str(value) if isinstance(value, Path) else value for name, value in values.items()})


def settle(dialog: AlgorithmDialog) -> None:
    """Let layouts take their sizes, in a window that is large enough to see all."""
    dialog.resize(1000, 1300)
    pause(0.3)


def unfold(dialog: AlgorithmDialog, on: bool = True) -> None:
    """Unfold what is advanced, or fold it."""
    for group in dialog.findChildren(QGroupBox):
        group.setProperty("collapsed", not on)


def value(dialog: AlgorithmDialog, name: str) -> Any:
    return dialog.mainWidget().wrappers[name].parameterValue()


def says(panel: ModelPanel, *words: str) -> Callable[[], bool]:
    return lambda: all(word in panel.model_text.text() for word in words)


def says_of_images(panel: ModelPanel, word: str) -> Callable[[], bool]:
    return lambda: word in panel.images_text.text()


def menus(dialog: AlgorithmDialog, name: str) -> FieldMenu:
    field = dialog.mainWidget().wrappers[name].wrappedWidget()
    return field.parentWidget().findChildren(FieldMenu)[0]
