"""The pictures of dialogs and maps, taken inside QGIS; .ci/pictures.py starts QGIS with it.

PICTURES_DATA is the folder of the tutorial's data, PICTURES_TAKEN the folder for the pictures; PICTURES_NAMES, names
separated by spaces, selects some of them.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import processing
from osgeo import gdal, osr
from processing.gui.AlgorithmDialog import AlgorithmDialog
from qgis.core import QgsApplication, QgsMapLayer, QgsProject, QgsRasterLayer, QgsRectangle, QgsVectorLayer
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QRect, QSize, QTimer, QUrl
from qgis.PyQt.QtGui import QPainter, QPixmap
from qgis.PyQt.QtWebKitWidgets import QWebView
from qgis.PyQt.QtWidgets import QDockWidget, QScrollArea, QTreeView
from qgis.utils import iface

DATA, TAKEN = Path(os.environ["PICTURES_DATA"]), Path(os.environ["PICTURES_TAKEN"])
DIALOG = (860, 720)
WINDOW = (1000, 700)
LONGEST = 180
"""Seconds to wait for what a picture shows."""

IMAGE, MODEL = DATA / "data" / "xs_10m.tif", str(DATA / "model")


def wait(seconds: float) -> None:
    """Let QGIS work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QgsApplication.processEvents()
        time.sleep(0.01)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Let QGIS work until a condition holds.

    Raises:
        TimeoutError: it does not in time.
    """
    end = time.monotonic() + LONGEST
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {LONGEST} seconds.")
        wait(0.1)


def save(picture: QPixmap, name: str) -> None:
    """Save a picture, which must not be empty."""
    if not picture.save(str(TAKEN / f"{name}.png")):
        raise OSError(f"{name}.png cannot be saved.")


# ------------------------------------------------------------------- dialogs


def dialog(name: str, algorithm: str, values: dict[str, Any], ready: Callable[[Any], bool] | None = None) -> None:
    """Take a dialog with its fields filled; files of layers are layers of the project, as users choose them.

    Args:
        name: of the picture.
        algorithm: its id without the provider's.
        values: of the fields; a path, or a list of paths, is a layer.
        ready: whether the dialog shows what it reads in the background; None where it reads nothing.
    """
    given = [each for value in values.values() for each in (value if isinstance(value, list) else [value])]
    layers = dict.fromkeys(each for each in given if isinstance(each, Path))
    QgsProject.instance().addMapLayers([layer(path) for path in layers])
    made = QgsApplication.processingRegistry().createAlgorithmById(f"otbtf:{algorithm}")
    shown = made.createCustomParametersWidget(iface.mainWindow()) or AlgorithmDialog(made, parent=iface.mainWindow())
    shown.resize(*DIALOG)
    shown.show()
    wait(0.5)
    shown.setParameters({key: source(value) for key, value in values.items()})
    if ready is not None:
        wait_for(lambda: ready(shown), f"What {name} shows")
    wait(1)
    for area in shown.findChildren(QScrollArea):
        area.verticalScrollBar().setValue(0)
    wait(0.2)
    save(shown.grab(), name)
    shown.close()
    shown.deleteLater()
    QgsProject.instance().removeAllMapLayers()


def layer(path: Path) -> QgsMapLayer:
    """Return a file as a layer with the file's name."""
    return (QgsVectorLayer if path.suffix == ".gpkg" else QgsRasterLayer)(str(path), path.stem)


def source(value: Any) -> Any:
    """Return a value as a dialog takes it."""
    if isinstance(value, list):
        return [source(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def describes_model(shown: Any) -> bool:
    """Return whether the panel has described the model and compared the images with it."""
    panel = shown.model_panel
    return "classes" in panel.model_text.text() and bool(panel.images_text.text())


def samples_dialog(name: str) -> None:
    """Take the dialog of step 2 of the tutorial."""
    truth = DATA / "data" / "terrain_truth_A.tif"
    dialog(name, "labelimagesampleselection", {"INREF": truth, "STRATEGY_CONSTANT_NB": 400, "PAD": 8, "SEED": 1})


def patches_dialog(name: str) -> None:
    """Take the dialog of step 3."""
    values = {"SOURCE1_IL": [IMAGE], "SOURCE1_PATCHSIZEX": 16, "SOURCE1_PATCHSIZEY": 16, "FIELD": "class"}
    dialog(name, "patchesextraction", {**values, "VEC": DATA / "points_A.gpkg"})


def training_dialog(name: str) -> None:
    """Take the dialog of step 4."""
    dialog(name, "tensorflowmodeltrain", training_values())


def training_values() -> dict[str, Any]:
    """Return the values of step 4."""
    values: dict[str, Any] = {"MODEL_DIR": "cnn16", "TRAINING_EPOCHS": 15, "VALIDATION_MODE": "class"}
    for role, area in (("TRAINING", "A"), ("VALIDATION", "B")):
        sources = {1: f"patches_{area}.tif", 2: f"labels_{area}.tif"}
        values |= {f"{role}_SOURCE{number}_IL": [DATA / file] for number, file in sources.items()}
    return values


def serving_dialog(name: str) -> None:
    """Take the dialog of step 5, with its panel."""
    values = {"SOURCE1_IL": [IMAGE], "MODEL_DIR": MODEL}
    dialog(name, "tensorflowmodelserve", values, describes_model)


def accuracy_dialog(name: str) -> None:
    """Take the dialog of step 6."""
    points = {"REF": "vector", "REF_VECTOR_IN": DATA / "points_B.gpkg", "REF_VECTOR_FIELD": "class"}
    dialog(name, "computeconfusionmatrix", {"IN": DATA / "map.tif", **points})


def land_cover_dialog(name: str) -> None:
    """Take the dialog that runs all steps."""
    truth = DATA / "data" / "terrain_truth_A.tif"
    dialog(name, "landcovermap", {"IN": [IMAGE], "LABELS_RASTER": truth})


# ------------------------------------------------------------ toolbox, maps


def toolbox(name: str) -> None:
    """Take the groups and algorithms of the plugin in the Processing toolbox."""
    dock = iface.mainWindow().findChild(QDockWidget, "ProcessingToolbox")
    dock.setFloating(True)
    dock.show()
    dock.resize(470, 700)
    tree = dock.findChild(QTreeView)
    wait(1)
    model = tree.model()
    for row in range(model.rowCount()):
        group = model.index(row, 0)
        if model.data(group) == "OTBTF":
            tree.expand(group)
            for inner in range(model.rowCount(group)):
                tree.expand(model.index(inner, 0, group))
            tree.scrollTo(group, QTreeView.ScrollHint.PositionAtTop)
    wait(0.5)
    save(dock.grab(), name)
    dock.hide()


def window(name: str, *layers: QgsRasterLayer) -> None:
    """Take QGIS's window with layers, the first one on top."""
    main = iface.mainWindow()
    for dock in main.findChildren(QDockWidget):
        dock.setVisible(dock.objectName() == "Layers")
    main.resize(*WINDOW)
    for each in reversed(layers):
        QgsProject.instance().addMapLayer(each)
    iface.mapCanvas().setExtent(layers[0].extent())
    drawn(iface.mapCanvas())
    save(main.grab(), name)
    QgsProject.instance().removeAllMapLayers()


def drawn(canvas: QgsMapCanvas) -> None:
    """Wait until a map is drawn."""
    canvas.refresh()
    wait(1)
    wait_for(lambda: not canvas.isDrawing(), "The map")
    wait(0.5)


def true_colours(path: Path) -> QgsRasterLayer:
    """Return an image of blue, green, red, ... as red, green, blue."""
    image = QgsRasterLayer(str(path), path.stem)
    image.renderer().setRedBand(3)
    image.renderer().setBlueBand(1)
    image.setDefaultContrastEnhancement()
    return image


def side_by_side(name: str, *layers: QgsMapLayer, side: int = 330, extent: QgsRectangle | None = None) -> None:
    """Take maps of layers beside each other, without a window; of an extent, or each layer of its own."""
    picture = QPixmap(len(layers) * (side + 8) - 8, side)
    picture.fill()
    painter = QPainter(picture)
    for number, each in enumerate(layers):
        canvas = QgsMapCanvas()
        canvas.setFrameShape(QgsMapCanvas.Shape.NoFrame)
        canvas.resize(side, side)
        canvas.setDestinationCrs(each.crs())
        canvas.setLayers([each])
        canvas.setExtent(extent or each.extent())
        canvas.show()
        drawn(canvas)
        painter.drawPixmap(number * (side + 8), 0, canvas.grab(QRect(0, 0, side, side)))
        canvas.close()
    painter.end()
    save(picture, name)


def example_data(name: str) -> None:
    """Take the image and the labels of area A."""
    truth = QgsRasterLayer(str(DATA / "data" / "terrain_truth_A.tif"), "terrain_truth_A")
    side_by_side(name, true_colours(IMAGE), truth)


def mosaic(name: str) -> None:
    """Take the mosaic of patches as it is."""
    picture = QgsRasterLayer(str(DATA / "mosaic.tif"))
    save(QPixmap.fromImage(picture.previewAsImage(QSize(picture.width(), picture.height()))), name)


def made_layers(algorithm: str, values: dict[str, Any]) -> dict[str, QgsMapLayer]:
    """Run an algorithm as its dialog does, and return by file the layers that QGIS loads, with their styles."""
    processing.runAndLoadResults(f"otbtf:{algorithm}", values)
    wait(1)
    made = {each.source(): each.clone() for each in QgsProject.instance().mapLayers().values()}
    QgsProject.instance().removeAllMapLayers()
    return made


def made_layer(algorithm: str, values: dict[str, Any]) -> QgsMapLayer:
    """Return the only layer."""
    (made,) = made_layers(algorithm, values).values()
    return made


def certainty(name: str) -> None:
    """Take confidence, entropy and margin of the map, beside each other."""
    outputs = {f"OUT_{word}": str(TAKEN / f"{word}.tif") for word in ("CONFIDENCE", "ENTROPY", "MARGIN")}
    values = {"SOURCE1_IL": [str(IMAGE)], "MODEL_DIR": MODEL, "OUT": str(TAKEN / "Land cover.tif"), **outputs}
    made = made_layers("tensorflowmodelserve", values)
    side_by_side(name, *(made[path] for path in outputs.values()))


def averages(name: str) -> None:
    """Take confidence, agreement and variance of three models that differ in their seed, in four positions each."""
    values = {key: source(value) for key, value in training_values().items()}
    more = []
    for seed in (2, 3):
        more.append(str(TAKEN / f"model{seed}"))
        processing.run("otbtf:tensorflowmodeltrain", {**values, "SEED": seed, "MODEL_SAVETO": more[-1]})
    outputs = {f"OUT_{word}": str(TAKEN / f"mean {word}.tif") for word in ("CONFIDENCE", "AGREEMENT", "VARIANCE")}
    models = {"MODEL_DIR": MODEL, "MODEL_MORE": more, "AUGMENT_SERVE": "flips"}
    served = {"SOURCE1_IL": [str(IMAGE)], **models, "OUT": str(TAKEN / "Mean.tif"), **outputs}
    made = made_layers("tensorflowmodelserve", served)
    side_by_side(name, *(made[path] for path in outputs.values()))


def class_map(name: str) -> None:
    """Take the map in the window of QGIS, with its legend."""
    out = str(TAKEN / "Land cover.tif")
    window(name, made_layer("tensorflowmodelserve", {"SOURCE1_IL": [str(IMAGE)], "MODEL_DIR": MODEL, "OUT": out}))


def probabilities(name: str) -> None:
    """Take the probabilities in the window of QGIS."""
    values = {"SOURCE1_IL": [str(IMAGE)], "MODEL_DIR": MODEL, "OUTPUT_NAMES": "predictions"}
    window(name, made_layer("tensorflowmodelserve", {**values, "OUT": str(TAKEN / "Probabilities.tif")}))


def polygons(name: str) -> None:
    """Take a part of the map, its polygons, and the simplified ones."""
    classes = QgsRasterLayer(str(DATA / "map.tif"), "map")
    centre, half = classes.extent().center(), 40 * classes.rasterUnitsPerPixelX()
    extent = QgsRectangle(centre.x() - half, centre.y() - half, centre.x() + half, centre.y() + half)
    values = {"IN": str(DATA / "map.tif"), "MINAREA": 16_000}
    exact = made_layer("maptopolygons", {**values, "OUT": str(TAKEN / "exact.gpkg")})
    simple = made_layer("maptopolygons", {**values, "SIMPLIFY": 40, "OUT": str(TAKEN / "simple.gpkg")})
    side_by_side(name, classes, exact, simple, extent=extent)


def buildings(name: str) -> None:
    """Take probabilities of buildings, the simplified outlines, and those with right angles."""
    image = probabilities_of_buildings(TAKEN / "buildings.tif")
    values = {"IN": image.source(), "THRESHOLD": 0.5, "MINAREA": 20, "SIMPLIFY": 1.5}
    simple = made_layer("maptopolygons", {**values, "OUT": str(TAKEN / "simple.gpkg")})
    squares = made_layer("maptopolygons", {**values, "RIGHTANGLES": True, "OUT": str(TAKEN / "squares.gpkg")})
    side_by_side(name, image, simple, squares, extent=image.extent())


def probabilities_of_buildings(path: Path) -> QgsRasterLayer:
    """Write made-up probabilities in pixels of 1 m: houses with a wing in four directions, and a large round tank."""
    random, side = np.random.default_rng(4), 110
    y, x = np.indices((side, side)) + 0.5
    found = np.hypot(x - 55, y - 55) < 14
    for row, column, turn in ((22, 24, 0.2), (24, 84, 0.9), (84, 26, 1.25), (82, 84, 0.45)):
        along = np.cos(turn) * (x - column) + np.sin(turn) * (y - row)
        across = np.cos(turn) * (y - row) - np.sin(turn) * (x - column)
        found |= (np.abs(along) < 16) & (np.abs(across) < 6)
        found |= (np.abs(along - 11) < 5) & (np.abs(across - 6) < 10)
    system = osr.SpatialReference()
    system.ImportFromEPSG(32654)
    made = gdal.GetDriverByName("GTiff").Create(str(path), side, side, 1, gdal.GDT_Float32)
    made.SetProjection(system.ExportToWkt())
    made.SetGeoTransform((380_000.0, 1.0, 0.0, 3_955_000.0, 0.0, -1.0))
    blurred = sum(np.roll(found * 1.0, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)) / 9
    made.GetRasterBand(1).WriteArray(np.clip(blurred + random.normal(0, 0.04, found.shape), 0, 1))
    made = None
    return QgsRasterLayer(str(path), path.stem)


def accuracy_report(name: str) -> None:
    """Take the beginning of the report on the accuracy of the map."""
    view = QWebView()
    view.resize(760, 900)
    view.load(QUrl.fromLocalFile(str(DATA / "accuracy.html")))
    view.show()
    wait(3)
    save(view.grab(), name)
    view.close()


PICTURES: dict[str, Callable[[str], None]] = {
    "toolbox": toolbox,
    "example-data": example_data,
    "dialog-samples": samples_dialog,
    "dialog-patches": patches_dialog,
    "mosaic": mosaic,
    "dialog-training": training_dialog,
    "dialog-serving": serving_dialog,
    "map": class_map,
    "probabilities": probabilities,
    "certainty": certainty,
    "averages": averages,
    "dialog-accuracy": accuracy_dialog,
    "accuracy-report": accuracy_report,
    "polygons": polygons,
    "polygons-buildings": buildings,
    "start-land-cover-map": land_cover_dialog,
}


def main() -> None:
    """Take the pictures and end QGIS; the status is 1 if one fails."""
    status = 0
    wanted = os.environ.get("PICTURES_NAMES", "").split() or list(PICTURES)
    for name in wanted:
        try:
            PICTURES[name](name)
        except Exception:  # noqa: BLE001 (the other pictures are made)
            traceback.print_exc()
            status = 1
    os._exit(status)  # QGIS would ask whether to save the project


QTimer.singleShot(3000, main)
