"""The first hour of a new user, by clicks and keys in the windows of QGIS; .ci/firsthour.py starts QGIS with it.

The user's hands are a thread: a click that opens a window returns when that window is closed, and the next click is in it.

FIRSTHOUR_ZIP is the plugin's zip, FIRSTHOUR_WORK an empty folder for the user's files, FIRSTHOUR_TAKEN the folder for the
pictures. FIRSTHOUR_ENGINE is the engine's Python that is used from then on after the installer's dialog was seen; empty to
install the engine. FIRSTHOUR_DIALOGS, if not empty, takes the dialogs of all algorithms instead, and counts their fields.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qgis.utils
from qgis.core import QgsApplication, QgsMapLayer, QgsProcessingParameterDefinition, QgsProject
from qgis.gui import QgsProcessingAlgorithmDialogBase
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QEvent, QItemSelectionModel, QObject, QPoint, Qt, QTimer, pyqtSignal, pyqtSlot
from qgis.PyQt.QtGui import QKeyEvent
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDockWidget,
    QLineEdit,
    QListWidget,
    QMenu,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QTextEdit,
    QToolButton,
    QTreeView,
    QWidget,
)
from qgis.utils import iface

TAKEN, WORK = Path(os.environ["FIRSTHOUR_TAKEN"]), Path(os.environ["FIRSTHOUR_WORK"])
ENGINE = os.environ.get("FIRSTHOUR_ENGINE", "")
LONGEST = 300.0
"""Seconds to wait for what a step brings."""

LONGEST_RUN = 2400.0
LEFT = Qt.MouseButton.LeftButton


# ------------------------------------------------------- hands and eyes


class _Windows(QObject):
    """Does in the thread of the windows what another thread asks for, also while a dialog is open."""

    asked = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self.asked.connect(self._do, Qt.ConnectionType.QueuedConnection)

    @pyqtSlot(object)
    def _do(self, work: Callable[[], None]) -> None:
        work()


WINDOWS = _Windows()
BREATH = QTimer()
"""QTest keeps Python's lock while a click has opened a dialog: this timer hands it to the hands."""

BREATH.timeout.connect(lambda: time.sleep(0.005))
BREATH.start(20)


def see(look: Callable[[], Any]) -> Any:
    """Return what a function finds in the windows; raise what it raises."""
    answers: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()

    def answer() -> None:
        try:
            answers.put((look(), None))
        except BaseException as error:  # noqa: BLE001 (raised in the thread that asked)
            answers.put((None, error))

    WINDOWS.asked.emit(answer)
    found, error = answers.get(timeout=LONGEST)
    if error is not None:
        raise error
    return found


def act(work: Callable[[], Any]) -> None:
    """Let the windows do something, which may open a dialog, and wait for a moment."""

    def attempt() -> None:
        try:
            work()
        except Exception:  # noqa: BLE001 (the step that waits for its effect fails)
            traceback.print_exc()

    WINDOWS.asked.emit(attempt)
    time.sleep(0.4)


def wait_for(look: Callable[[], Any], what: str, longest: float = LONGEST) -> Any:
    """Return what a function finds, as soon as it is something.

    Raises:
        TimeoutError: it finds nothing in time.
    """
    end = time.monotonic() + longest
    while not (found := see(look)):
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {longest:.0f} seconds.")
        time.sleep(0.2)
    return found


def click(widget: QWidget, place: QPoint | None = None) -> None:
    """Click on a widget: in its middle, or at a place."""
    see(lambda: reach(widget))
    act(lambda: QTest.mouseClick(widget, LEFT, pos=place or widget.rect().center()))


def reach(widget: QWidget) -> None:
    """Scroll to a widget."""
    above = widget.parentWidget()
    while above is not None:
        if isinstance(above, QScrollArea) and above.widget() is not None and above.widget().isAncestorOf(widget):
            above.ensureWidgetVisible(widget)
        above = above.parentWidget()


def write(edit: QLineEdit, text: str) -> None:
    """Replace the text of a field."""
    click(edit)
    act(lambda: QTest.keyClick(edit, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier))
    for letter in text:
        see(lambda letter=letter: press(edit, letter))
    act(lambda: QTest.keyClick(edit, Qt.Key.Key_Tab))


def press(edit: QLineEdit, letter: str) -> None:
    """Press the key of a letter, of which QTest knows those of ASCII."""
    if letter.isascii():
        QTest.keyClick(edit, letter)
    else:
        event = QKeyEvent(QEvent.Type.KeyPress, 0, Qt.KeyboardModifier.NoModifier, letter)
        QApplication.sendEvent(edit, event)


_taken = 0


def picture(step: str) -> None:
    """Save what the screen shows."""
    global _taken
    _taken += 1
    path = TAKEN / f"{_taken:02}-{step}.png"
    time.sleep(0.8)
    screen = see(lambda: QApplication.primaryScreen().grabWindow(0))
    if not screen.save(str(path)):
        raise OSError(f"{path} cannot be saved.")
    print(f"firsthour: {path.name}", flush=True)


def shown(kind: type) -> list[Any]:
    """Return the visible windows of a kind."""
    return [each for each in QApplication.topLevelWidgets() if isinstance(each, kind) and each.isVisible()]


# --------------------------------------------------------- parts of QGIS


def choose(*names: str) -> None:
    """Choose an entry of the Plugins menu, by texts or names of actions of one level after the other."""
    bar, menu = see(lambda: iface.mainWindow().menuBar()), see(lambda: iface.pluginMenu())
    click(bar, see(lambda: bar.actionGeometry(menu.menuAction()).center()))
    wait_for(lambda: menu.isVisible(), "The menu")
    for name in names:
        action = see(lambda menu=menu, name=name: entry(menu, name))
        click(menu, see(lambda menu=menu, action=action: menu.actionGeometry(action).center()))
        menu = see(lambda action=action: action.menu())
        if menu is not None:
            wait_for(lambda menu=menu: menu.isVisible(), f"The menu {name}")
            picture("menu")


def entry(menu: QMenu, name: str) -> Any:
    """Return the entry of a menu whose object has the name, or whose text or icon is that."""
    found = [each for each in menu.actions() if name in (each.objectName(), each.text().replace("&", ""))]
    return found[0] if found else menu.actions()[int(name)]


def dialog() -> Any:
    """Wait for the dialog of an algorithm and return it."""
    (found,) = wait_for(lambda: shown(QgsProcessingAlgorithmDialogBase), "The dialog")
    time.sleep(1)
    return found


def field(window: Any, key: str, kind: type) -> Any:
    """Return the widget of a kind in a field of a dialog."""

    def look() -> Any:
        widget = window.mainWidget().wrappers[key].wrappedWidget()
        return widget if isinstance(widget, kind) else widget.findChild(kind)

    found = see(look)
    if found is None:
        raise LookupError(f"The field {key} has no {kind.__name__}.")
    return found


def fill(window: Any, key: str, text: str) -> None:
    """Write into a field."""
    write(field(window, key, QLineEdit), text)


def pick(window: Any, key: str, name: str) -> None:
    """Choose a layer in a list: by the beginning of its name, then with the arrow until it is there."""
    combo = field(window, key, QComboBox)
    see(lambda: reach(combo))
    act(lambda: QTest.keyClicks(combo, name.split()[0]))  # a space would open the list
    for _ in range(10):
        if see(lambda: combo.currentText().split(" [")[0] == name):
            return
        act(lambda: QTest.keyClick(combo, Qt.Key.Key_Down))
    raise LookupError(f"{key} shows {see(combo.currentText)}, not {name}.")


def tick(window: Any, key: str, layer: QgsMapLayer, step: str = "") -> None:
    """Choose one layer where several can be chosen."""
    click(field(window, key, QToolButton))
    panel = wait_for(lambda: next(filter(is_list_of_layers, window.findChildren(QWidget)), None), "The list of layers")
    items = see(lambda: panel.findChild(QAbstractItemView))
    row = wait_for(lambda: row_of(items, layer), f"{layer.name()} in the list")
    if step:
        picture(step)
    click(see(items.viewport), see(lambda: items.visualRect(row).center()))
    act(lambda: items.selectionModel().setCurrentIndex(row, QItemSelectionModel.SelectionFlag.ClearAndSelect))
    act(lambda: QTest.keyClick(items, Qt.Key.Key_Space))
    box = see(lambda: panel.findChild(QDialogButtonBox))
    click(see(lambda: box.button(QDialogButtonBox.StandardButton.Ok)))


def is_list_of_layers(widget: QWidget) -> bool:
    """Return whether a widget is the list where several layers are chosen; Python does not know its class."""
    return widget.isVisible() and widget.metaObject().className().startswith("QgsProcessingMultipleInputPanel")


def row_of(items: QAbstractItemView, layer: QgsMapLayer) -> Any:
    """Return the row of a layer in a list."""
    model = items.model()
    rows = [model.index(row, 0) for row in range(model.rowCount())]
    told = [str(model.data(row, Qt.ItemDataRole.UserRole)) for row in rows]
    return next((row for row, value in zip(rows, told) if layer.id() in value or layer.source() in value), None)


def run(window: Any, step: str, longest: float = LONGEST_RUN) -> str:
    """Click Run, wait for the end, close the dialog, and return its log."""
    button = see(window.runButton)
    click(button)
    time.sleep(1)
    wait_for(lambda: button.isEnabled() and not window.cancelButton().isEnabled(), f"The end of {step}", longest)
    time.sleep(1)
    picture(f"{step}-log")
    text = see(lambda: window.findChild(QTextEdit, "txtLog").toPlainText())
    (TAKEN / f"{_taken:02}-{step}-log.txt").write_text(text, encoding="utf-8")
    close(window)
    return text


def close(window: Any) -> None:
    """Click Close in a window."""
    boxes = see(lambda: [each for each in window.findChildren(QDialogButtonBox) if each.isVisible()])
    click(see(lambda: next(filter(None, (box.button(QDialogButtonBox.StandardButton.Close) for box in boxes)))))
    wait_for(lambda: sip.isdeleted(window) or not window.isVisible(), "The end of the window")


def layer_of(path: Path) -> QgsMapLayer:
    """Return the project's layer of a file."""
    return wait_for(
        lambda: next((each for each in QgsProject.instance().mapLayers().values() if str(path) in each.source()), None),
        f"The layer of {path}",
    )


def map_is_drawn() -> None:
    """Wait until the map shows its layers."""
    time.sleep(1.5)
    wait_for(lambda: not iface.mapCanvas().isDrawing(), "The map")


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
