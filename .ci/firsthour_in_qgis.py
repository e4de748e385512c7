"""The first hour of a new user, by clicks and keys in the windows of QGIS; .ci/firsthour.py starts QGIS with it.

FIRSTHOUR_ZIP is the plugin's zip, FIRSTHOUR_WORK an empty folder for the user's files, FIRSTHOUR_TAKEN the folder for the
pictures. FIRSTHOUR_ENGINE is the engine's Python that is used from then on after the installer's dialog was seen; empty to
install the engine. FIRSTHOUR_DIALOGS, if not empty, takes the dialogs of all algorithms instead, and counts their fields.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import qgis.utils
from hands import (
    LEFT,
    act,
    choose,
    click,
    close,
    dialog,
    fill,
    layer_of,
    map_is_drawn,
    pick,
    picture,
    run,
    see,
    shown,
    tick,
    wait_for,
    write,
)
from qgis.core import QgsApplication, QgsProcessingParameterDefinition
from qgis.PyQt.QtCore import QPoint, QTimer
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import (
    QApplication,
    QDialog,
    QDockWidget,
    QLineEdit,
    QListWidget,
    QMessageBox,
    QPushButton,
    QTreeView,
    QWidget,
)
from qgis.utils import iface

WORK = Path(os.environ["FIRSTHOUR_WORK"])
ENGINE = os.environ.get("FIRSTHOUR_ENGINE", "")


# --------------------------------------------------------------- the hour


def install_zip() -> None:
    """Install the plugin as a file that was downloaded."""
    choose("mActionManagePlugins")
    (window,) = wait_for(lambda: [each for each in shown(QDialog) if "PluginManager" in each.objectName()], "Plugins")
    pages = see(lambda: window.findChild(QListWidget, "mOptionsListWidget"))
    item = see(lambda: next(pages.item(row) for row in range(pages.count()) if "ZIP" in pages.item(row).text().upper()))
    click(see(pages.viewport), see(lambda: pages.visualItemRect(item).center()))
    write(see(lambda: window.findChild(QWidget, "mZipFileWidget").findChild(QLineEdit)), os.environ["FIRSTHOUR_ZIP"])
    picture("install-zip")
    click(see(lambda: window.findChild(QPushButton, "buttonInstallFromZip")))
    asked = wait_for(lambda: shown(QMessageBox) or "otbtf_qgis" in qgis.utils.active_plugins, "The question")
    if asked is not True:
        picture("install-zip-question")
        click(see(lambda: asked[0].button(QMessageBox.StandardButton.Yes)))
    wait_for(lambda: "otbtf_qgis" in qgis.utils.active_plugins, "The plugin")
    picture("install-zip-done")
    close(window)


def install_engine() -> None:
    """Install the engine from the message bar; with an engine at hand, look at the dialog only."""
    buttons = wait_for(
        lambda: [
            each
            for item in ([iface.messageBar().currentItem()] if iface.messageBar().currentItem() else [])
            for each in item.findChildren(QPushButton)
            if each.isVisible()
        ],
        "The message about the engine",
    )
    picture("engine-message")
    click(buttons[0])
    window = dialog()
    picture("engine-dialog")
    if ENGINE:
        close(window)
        os.environ["OTBTF_PYTHON"] = ENGINE
        see(iface.messageBar().clearWidgets)
    else:
        run(window, "engine")


def create_example_data(folder: Path, seed: int | None = None) -> None:
    """Create a scene."""
    choose("OTBTF", "1")
    window = dialog()
    fill(window, "OUTDIR", str(folder))
    if seed is not None:
        fill(window, "SEED", str(seed))
    step = "example" if seed is None else "second-example"
    picture(f"{step}-dialog")
    run(window, step)
    layer_of(folder / "xs_10m.tif")
    map_is_drawn()
    picture(f"{step}-map")


def make_land_cover_map(data: Path) -> None:
    """Train a network and map the image."""
    choose("OTBTF", "2")
    window = dialog()
    picture("landcover-opened")
    tick(window, "IN", layer_of(data / "xs_10m.tif"), "landcover-images")
    pick(window, "LABELS_RASTER", layer_of(data / "terrain_truth_A.tif").name())
    fill(window, "EPOCHS", "20")
    fill(window, "OUT", str(WORK / "map.tif"))
    fill(window, "MODEL_SAVETO", str(WORK / "model"))
    picture("landcover-filled")
    run(window, "landcover")
    layer_of(WORK / "map.tif")
    map_is_drawn()
    picture("landcover-map")


def serve(data: Path) -> None:
    """Apply the model to the second scene."""
    choose("OTBTF", "3")
    window = dialog()
    picture("serve-opened")
    fill(window, "MODEL_DIR", str(WORK / "model"))
    wait_for(lambda: window.model_panel is None or window.model_panel.model_text.text(), "The panel")
    tick(window, "SOURCE1_IL", layer_of(data / "xs_10m.tif"), "serve-images")
    fill(window, "OUT", str(WORK / "map_2.tif"))
    wait_for(lambda: window.model_panel is None or window.model_panel.images_text.text(), "What the panel says")
    time.sleep(5)
    picture("serve-filled")
    run(window, "serve")
    layer_of(WORK / "map_2.tif")
    map_is_drawn()
    picture("serve-map")


def assess_accuracy(data: Path) -> None:
    """Compare the first map with the places that were not used for training."""
    dock = see(lambda: iface.mainWindow().findChild(QDockWidget, "ProcessingToolbox"))
    act(dock.show)
    title = see(lambda: QgsApplication.processingRegistry().algorithmById("otbtf:computeconfusionmatrix").displayName())
    write(see(lambda: dock.findChild(QLineEdit)), title)
    tree = see(lambda: dock.findChild(QTreeView))
    row = wait_for(lambda: leaf(tree, title), title)
    picture("accuracy-toolbox")
    place = see(lambda: tree.visualRect(row).center())
    click(see(tree.viewport), place)
    act(lambda: QTest.mouseDClick(tree.viewport(), LEFT, pos=place))
    window = dialog()
    pick(window, "IN", layer_of(WORK / "map.tif").name())
    pick(window, "REF_RASTER_IN", layer_of(data / "terrain_truth_B.tif").name())
    picture("accuracy-filled")
    run(window, "accuracy")
    time.sleep(2)
    picture("accuracy-report")


def leaf(tree: QTreeView, text: str) -> Any:
    """Return the visible row with a text in a tree that is expanded."""
    row = tree.indexAt(QPoint(5, 5))
    while row.isValid():
        if str(row.data()) == text and not row.model().hasChildren(row):
            return row
        row = tree.indexBelow(row)
    return None


def first_hour() -> None:
    """Do what docs/start-here.md says."""
    time.sleep(2)
    picture("qgis")
    install_zip()
    install_engine()
    create_example_data(WORK / "example")
    make_land_cover_map(WORK / "example")
    create_example_data(WORK / "example_2", 2)
    serve(WORK / "example_2")
    assess_accuracy(WORK / "example")


# ------------------------------------------------------------ all dialogs


def all_dialogs() -> None:
    """Take the dialog of each algorithm, with the numbers of its fields before and behind Advanced."""
    install_zip()
    os.environ["OTBTF_PYTHON"] = ENGINE
    advanced = QgsProcessingParameterDefinition.Flag.FlagAdvanced
    hidden = QgsProcessingParameterDefinition.Flag.FlagHidden
    for algorithm in see(lambda: QgsApplication.processingRegistry().providerById("otbtf").algorithms()):
        fields = [each for each in algorithm.parameterDefinitions() if not each.flags() & hidden]
        behind = sum(bool(each.flags() & advanced) and not each.isDestination() for each in fields)
        act(lambda algorithm=algorithm: open_dialog(algorithm.id()))
        window = dialog()
        see(lambda window=window: window.setGeometry(10, 10, 980, 860))
        picture(algorithm.name())
        print(f"firsthour: {algorithm.name()}: {len(fields) - behind} fields, {behind} advanced", flush=True)
        close(window)


def open_dialog(identifier: str) -> None:
    """Open the dialog of an algorithm as the toolbox does."""
    from processing import execAlgorithmDialog

    execAlgorithmDialog(identifier)


def live() -> None:
    """Do all steps and end QGIS; the status is 1 if one fails."""
    status = 0
    try:
        all_dialogs() if os.environ.get("FIRSTHOUR_DIALOGS") else first_hour()
    except BaseException:  # noqa: BLE001 (told, with a picture)
        traceback.print_exc()
        status = 1
        picture("failed")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # QGIS would ask whether to save the project


def start() -> None:
    """Give QGIS the whole screen, and start."""
    iface.mainWindow().setGeometry(QApplication.primaryScreen().geometry())
    threading.Thread(target=live, daemon=True).start()


QTimer.singleShot(4000, start)
