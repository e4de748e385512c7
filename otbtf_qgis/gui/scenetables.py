"""A button beside the field of the table of scenes: the table is made, or changed, in a window."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qgis.core import QgsProject
from qgis.gui import QgsFileWidget
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QHBoxLayout,
    QMessageBox,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from ..algorithms.translate import tr
from ..core.errors import OtbtfError
from ..core.parameters.scenetable import is_held_back
from ..core.parameters.tablecells import SEPARATOR, is_relative, listed
from ..core.tablefiles.reading import read_table
from .fieldmenu import put_beside

_PARAMETER, _SWITCH = "SCENES", "held_back"
_FILES = ("raster", "vector", "in", "il", "mask", "vd", "valid")
"""Last parts of the names of columns whose cells are files, beside those of outputs."""


def offer_scene_table(panel: Any, columns: Any) -> SceneButton | None:
    """Put a button beside the field of the table of scenes, and return it for the dialog to keep; None without a field.

    Args:
        panel: QGIS's widget with the parameters of the dialog, as `mainWidget()` returns it.
        columns: of the table; None where the operation takes none.
    """
    field = panel.wrappers[_PARAMETER].wrappedWidget() if columns and _PARAMETER in panel.wrappers else None
    return SceneButton(field, columns.listed) if isinstance(field, QgsFileWidget) else None


class SceneButton(QToolButton):
    """Opens the window in which the table is made.

    Args:
        field: of the file, beside which the button is put.
        columns: of the table.
    """

    def __init__(self, field: QgsFileWidget, columns: Sequence[str]) -> None:
        super().__init__(field.parentWidget())
        self._field, self._columns = field, columns
        self.setText(tr("Edit"))
        self.setToolTip(tr("Make a table of scenes, or change the one that is chosen."))
        put_beside(field, self)
        self.clicked.connect(self._edit)

    def _edit(self) -> None:
        try:
            window = SceneTable(self._columns, self._field.filePath(), self.window())
        except OtbtfError as error:
            QMessageBox.warning(self.window(), tr("Scenes"), str(error))
            return
        if window.exec():
            self._field.setFilePath(window.path)


class SceneTable(QDialog):
    """A row for each scene; a CSV file when it is accepted.

    Attributes:
        path: of the file.
        table: the cells.
    """

    def __init__(self, columns: Sequence[str], path: str, parent: QWidget | None) -> None:
        """Show a table, which is empty unless there is a file.

        Raises:
            ParameterError: the file cannot be read, or a cell of `held_back` says neither yes nor no.
        """
        super().__init__(parent)
        self.path = path
        self.setWindowTitle(tr("Scenes"))
        self.resize(1000, 400)
        read = read_table(path) if path and os.path.exists(path) else None
        rows, self._folder = (read.rows, read.folder) if read else ((), "")
        found = list(dict.fromkeys(name for row in rows for name in row.cells))
        known = {name.lower().replace(".", "_"): name for name in found}
        self._columns = [*columns, *(name for plain, name in known.items() if plain not in columns)]
        self.table = QTableWidget(0, len(self._columns), self)
        self.table.setHorizontalHeaderLabels(self._columns)
        for row in rows:
            self._add({name: row.cells.get(known.get(name, name), "") for name in self._columns})
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self._save)
        buttons.rejected.connect(self.reject)
        line = QHBoxLayout()
        for text, action in (
            (tr("Add images\u2026"), self._add_images),
            (tr("File of the cell\u2026"), self._choose_file),
            (tr("Remove rows"), self._remove),
        ):
            button = QPushButton(text, self)
            button.setAutoDefault(False)
            button.clicked.connect(action)
            line.addWidget(button)
        line.addStretch()
        layout = QVBoxLayout(self)
        layout.addLayout(line)
        layout.addWidget(self.table)
        layout.addWidget(buttons)

    def add_images(self, paths: Sequence[str]) -> None:
        """Add a scene for each image file."""
        for path in paths:
            self._add({"name": Path(path).stem, self._columns[1]: path})

    def _add(self, cells: dict[str, str]) -> None:
        number = self.table.rowCount()
        self.table.insertRow(number)
        for place, name in enumerate(self._columns):
            item = QTableWidgetItem("" if name == _SWITCH else cells.get(name, ""))
            if name == _SWITCH:
                held = bool(cells.get(name)) and is_held_back(cells[name])
                item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(Qt.CheckState.Checked if held else Qt.CheckState.Unchecked)
            self.table.setItem(number, place, item)

    def _add_images(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(
            self, tr("Images, one for each scene"), QgsProject.instance().homePath()
        )
        self.add_images(paths)

    def _choose_file(self) -> None:
        item = self.table.currentItem()
        if item is None or not _holds_files(self._columns[item.column()]):
            return
        if _is_output(self._columns[item.column()]):
            path, _ = QFileDialog.getSaveFileName(self, tr("Map of the scene"), item.text())
        else:
            paths, _ = QFileDialog.getOpenFileNames(self, self._columns[item.column()], item.text())
            path = ";".join(paths)
        if path:
            item.setText(path)

    def _remove(self) -> None:
        for row in sorted({index.row() for index in self.table.selectedIndexes()}, reverse=True):
            self.table.removeRow(row)

    def _save(self) -> None:
        given = self.path if self.path.lower().endswith(".csv") else ""
        start = given or os.path.join(QgsProject.instance().homePath(), "scenes.csv")
        path, _ = QFileDialog.getSaveFileName(self, tr("Table of scenes"), start, "CSV (*.csv)")
        if not path:
            return
        try:
            self.write(path if os.path.splitext(path)[1] else f"{path}.csv")
        except (OSError, OtbtfError) as error:
            QMessageBox.warning(self, tr("Scenes"), str(error))
            return
        self.accept()

    def write(self, path: str) -> None:
        """Write the table; columns without a value are left out.

        Relative paths begin in the folder of the table: in another one than that from which it was read, they become absolute.
        """
        rows = [self._cells(number) for number in range(self.table.rowCount())]
        if self._folder and not os.path.samefile(self._folder, os.path.dirname(path) or "."):
            rows = [{name: self._absolute(name, cell) for name, cell in row.items()} for row in rows]
        used = [name for place, name in enumerate(self._columns) if place < 2 or any(row[name] for row in rows)]
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, used, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        self.path = path

    def _absolute(self, name: str, cell: str) -> str:
        if not _holds_files(name):
            return cell
        paths = (os.path.join(self._folder, text) if is_relative(text) else text for text in listed(cell))
        return SEPARATOR.join(paths)

    def _cells(self, row: int) -> dict[str, str]:
        cells = {}
        for place, name in enumerate(self._columns):
            item = self.table.item(row, place)
            checked = item is not None and item.checkState() == Qt.CheckState.Checked
            cells[name] = ("yes" if checked else "") if name == _SWITCH else item.text().strip() if item else ""
        return cells


def _holds_files(column: str) -> bool:
    return _is_output(column) or _last_part(column) in _FILES


def _is_output(column: str) -> bool:
    return column.lower().replace(".", "_").split("_")[0] == "out"


def _last_part(column: str) -> str:
    return column.lower().replace(".", "_").split("_")[-1]
