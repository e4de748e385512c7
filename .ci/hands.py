"""The hands and eyes of a user at the windows of QGIS: clicks, keys, and pictures of the screen.

They are a thread: a click that opens a window returns when that window is closed, and the next click is in it. Pictures and
logs are saved in the folder FIRSTHOUR_TAKEN.
"""

from __future__ import annotations

import os
import queue
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qgis.core import QgsMapLayer, QgsProject
from qgis.gui import QgsProcessingAlgorithmDialogBase
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QEvent, QItemSelectionModel, QObject, QPoint, Qt, QTimer, pyqtSignal, pyqtSlot
from qgis.PyQt.QtGui import QKeyEvent
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QComboBox,
    QDialogButtonBox,
    QLineEdit,
    QMenu,
    QScrollArea,
    QTextEdit,
    QToolButton,
    QWidget,
)
from qgis.utils import iface

TAKEN = Path(os.environ["FIRSTHOUR_TAKEN"])
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
