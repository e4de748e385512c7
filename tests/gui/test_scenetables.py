"""The table of scenes, made in a window beside the field of its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsApplication
from qgis.gui import QgsFileWidget
from qgis.PyQt.QtCore import Qt

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.operations.landcovermap import LandCoverMap
from otbtf_qgis.core.tablefiles.reading import read_table
from otbtf_qgis.gui.dialogs import Dialogs
from otbtf_qgis.gui.scenetables import SceneButton, SceneTable

COLUMNS = LandCoverMap.SCENE_COLUMNS.listed


def test_a_table_is_made_and_changed(plugin: Any, tmp_path: Path, screenshot: Any) -> None:
    made = SceneTable(COLUMNS, "", None)
    made.add_images(["/data/north.tif", "/data/south.tif"])
    held = made.table.item(1, COLUMNS.index("held_back"))
    held.setCheckState(Qt.CheckState.Checked)
    made.table.item(0, COLUMNS.index("labels_raster")).setText("labels.tif")
    path = str(tmp_path / "scenes.csv")
    made.write(path)
    found = read_table(path)
    assert found.columns == ("name", "in", "held_back", "labels_raster")
    assert [tuple(row.cells.values()) for row in found.rows] == [
        ("north", "/data/north.tif", "", "labels.tif"),
        ("south", "/data/south.tif", "yes", ""),
    ]
    again = SceneTable(COLUMNS, path, None)
    screenshot(again, "scenes")
    again.write(str(tmp_path / "again.csv"))
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "scenes.csv").read_bytes()
    made.deleteLater()
    again.deleteLater()


def test_a_table_with_columns_of_its_own_keeps_them(plugin: Any, tmp_path: Path) -> None:
    path = tmp_path / "scenes.csv"
    path.write_text("IN,date\nnorth.tif,2024\n")
    window = SceneTable(COLUMNS, str(path), None)
    window.write(str(tmp_path / "again.csv"))
    assert read_table(str(tmp_path / "again.csv")).rows[0].cells == {"name": "", "in": "north.tif", "date": "2024"}
    window.deleteLater()


def test_relative_paths_lead_to_the_same_files_from_another_folder(plugin: Any, tmp_path: Path) -> None:
    """The label field and the name are no paths, and stay."""
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "scenes.csv"
    path.write_text(
        "name,in,labels_vector,labels_field,out_confidence\nnorth,a.tif;/data/b.tif,l.gpkg|layername=x,class,sure.tif\n"
    )
    window = SceneTable(COLUMNS, str(path), None)
    window.write(str(tmp_path / "elsewhere" / "scenes.csv"))
    (row,) = read_table(str(tmp_path / "elsewhere" / "scenes.csv")).rows
    assert row.cells == {
        "name": "north",
        "in": f"{tmp_path}/a.tif;/data/b.tif",
        "labels_vector": f"{tmp_path}/l.gpkg|layername=x",
        "labels_field": "class",
        "out_confidence": f"{tmp_path}/sure.tif",
    }
    window.deleteLater()


def test_what_is_neither_yes_nor_no_is_not_taken_for_no(plugin: Any, tmp_path: Path) -> None:
    path = tmp_path / "scenes.csv"
    path.write_text("in,held_back\nnorth.tif,perhaps\n")
    with pytest.raises(ParameterError, match="held_back is 'perhaps'"):
        SceneTable(COLUMNS, str(path), None)


def test_the_button_stands_beside_the_field(plugin: Any) -> None:
    algorithm = QgsApplication.processingRegistry().algorithmById("otbtf:landcovermap")
    dialog = Dialogs(algorithm.provider(), None).make(algorithm, None)
    field = dialog.mainWidget().wrappers["SCENES"].wrappedWidget()
    assert isinstance(field, QgsFileWidget) and isinstance(dialog.scene_button, SceneButton)
    assert dialog.scene_button.parentWidget() is field.parentWidget()
    dialog.deleteLater()
