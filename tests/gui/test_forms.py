"""What the dialogs of all algorithms have beside QGIS's fields: sections that collapse, and a line about what is missing."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import processing
import pytest
from modeldialogs import wait_for
from osgeo import gdal, ogr
from processing.gui.AlgorithmDialog import AlgorithmDialog
from qgis.core import QgsApplication, QgsProcessingParameterDefinition
from qgis.gui import QgsFileWidget
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QCoreApplication, QEvent, qInstallMessageHandler
from qgis.PyQt.QtWidgets import QCheckBox, QGroupBox, QScrollArea, QTextEdit, QWidget

from otbtf_qgis.gui import dialogs
from otbtf_qgis.gui.dialogs import Dialogs
from otbtf_qgis.plugin import OtbtfPlugin

ADVANCED = QgsProcessingParameterDefinition.Flag.FlagAdvanced


@pytest.fixture
def open_dialog(plugin: OtbtfPlugin) -> Iterator[Callable[[str], AlgorithmDialog]]:
    opened: list[AlgorithmDialog] = []
    plugin.provider.use_dialogs(Dialogs(plugin.provider, None).make)

    def open_(name: str) -> AlgorithmDialog:
        algorithm = QgsApplication.processingRegistry().createAlgorithmById(f"otbtf:{name}")
        dialog = algorithm.createCustomParametersWidget(parent=None)
        opened.append(dialog)
        dialog.resize(1000, 1400)
        dialog.show()
        QgsApplication.processEvents()
        return dialog

    yield open_
    plugin.provider.use_dialogs(None)
    for dialog in opened:
        if not sip.isdeleted(dialog):
            dialog.close()
            dialog.deleteLater()
    opened.clear()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()  # fields keep layers, which must not outlive QGIS


def box_of(widget: QWidget) -> QGroupBox | None:
    """The nearest box around a field."""
    while widget is not None and not isinstance(widget, QGroupBox):
        widget = widget.parentWidget()
    return widget


@pytest.mark.parametrize("name", ["tensorflowmodelserve", "trainmodel", "patchesextraction", "describemodel"])
def test_each_field_stands_in_the_box_of_its_section(open_dialog: Any, name: str) -> None:
    dialog = open_dialog(name)
    panel, sections = dialog.mainWidget(), dialog.algorithm().sections()
    shown: dict[str, QGroupBox] = {}
    for parameter, wrapper in panel.wrappers.items():
        box = box_of(wrapper.wrappedWidget())
        definition = wrapper.parameterDefinition()
        if definition.flags() & ADVANCED and not definition.isDestination():
            assert box.title() == "Advanced Parameters", parameter
            assert box_of(box.parentWidget()) is None, "Advanced stands beside the sections"
        else:
            assert box.title() == sections[parameter], parameter
            assert shown.setdefault(box.title(), box) is box, "one box for a section"
    places = [box.mapTo(panel, box.rect().topLeft()).y() for box in shown.values()]
    assert places == sorted(places) and len(set(places)) == len(places)


def test_a_section_collapses_and_shows_again_what_it_had(open_dialog: Any) -> None:
    dialog = open_dialog("tensorflowmodelserve")
    first, second = (dialog.mainWidget().wrappers[f"SOURCE{number}_IL"].wrappedWidget() for number in (1, 2))
    second.hide()  # as the panel does for a model with one input
    box = box_of(first)
    assert box.metaObject().className() == "QgsCollapsibleGroupBoxBasic"
    box.setProperty("collapsed", True)
    assert not first.isVisible()
    box.setProperty("collapsed", False)
    assert first.isVisible() and not second.isVisible()


@pytest.fixture
def image(tmp_path: Path) -> str:
    path = str(tmp_path / "image.tif")
    gdal.GetDriverByName("GTiff").Create(path, 8, 6, 1, gdal.GDT_Byte)
    return path


@pytest.fixture
def points(tmp_path: Path) -> str:
    path = str(tmp_path / "points.gpkg")
    data = ogr.GetDriverByName("GPKG").CreateDataSource(path)
    layer = data.CreateLayer("points", None, ogr.wkbPoint)
    layer.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
    return path


def test_what_is_missing_shows_before_run(open_dialog: Any, image: str, points: str) -> None:
    dialog = open_dialog("landcovermap")
    line = dialog.form_check
    assert line.isVisible() and line.text() == (
        "Before you run, fill in: “Images”. “Labels: raster” and “Labels: polygons, lines or points” are missing: choose one "
        "of them."
    )
    dialog.setParameters({"IN": [image]})
    wait_for(lambda: "“Labels: raster” and “Labels: polygons, lines or points” are missing" in line.text(), 20)
    dialog.setParameters({"LABELS_VECTOR": points})
    told = "“Labels: class field” is missing: choose the field of “Labels: polygons, lines or points”"
    wait_for(lambda: told in line.text(), 20)
    dialog.setParameters({"LABELS_FIELD": "class"})
    wait_for(lambda: not line.isVisible(), 20)
    assert line.text() == ""


def test_a_model_to_be_created_needs_bands_or_images(open_dialog: Any, image: str) -> None:
    dialog = open_dialog("createmodel")
    line = dialog.form_check
    assert line.isVisible() and line.text().startswith("“Bands” is missing: give the number of bands of each source")
    assert "or images in “Source 1: images”" in line.text()
    dialog.setParameters({"BANDS": "4"})
    wait_for(lambda: not line.isVisible(), 20)


def test_the_line_is_as_high_as_its_text_and_brings_no_second_scroll_bar(open_dialog: Any) -> None:
    dialog = open_dialog("trainclassifierfromdeepfeatures")
    line, areas = dialog.form_check, dialog.findChildren(QScrollArea)
    heights = {}
    for width in (500, 1000):
        dialog.resize(width, 500)
        QgsApplication.processEvents()
        heights[width] = line.height()
        assert sum(area.verticalScrollBar().isVisible() for area in areas if area.isAncestorOf(line.parent())) == 0
    two_lines = 2 * line.fontMetrics().lineSpacing() + 2 * line.margin()
    assert heights[1000] < two_lines <= heights[500]


def test_a_line_without_text_takes_no_height(open_dialog: Any) -> None:
    """Qt warns of negative sizes, in QGIS's log, where the height of a text that is not there is taken."""
    said: list[str] = []
    earlier = qInstallMessageHandler(lambda kind, context, text: said.append(text))
    try:
        line = open_dialog("enginereport").form_check
        line.look()
    finally:
        qInstallMessageHandler(earlier)
    assert line.text() == "" and [text for text in said if "sizes" in text] == []


def test_the_line_takes_no_time(open_dialog: Any) -> None:
    for name in ("landcovermap", "trainmodel", "trainclassifierfromdeepfeatures"):
        line = open_dialog(name).form_check
        start = time.monotonic()
        line.look()
        print(f"{name}: looked at in {1000 * (time.monotonic() - start):.1f} ms")


def test_extract_patches_runs_as_opened_with_image_and_points(open_dialog: Any, image: str, points: str) -> None:
    dialog = open_dialog("patchesextraction")
    dialog.setParameters({"SOURCE1_IL": [image], "VEC": points})
    wait_for(lambda: not dialog.form_check.isVisible(), 20)
    values = dialog.createProcessingParameters()
    assert values["FIELD"] == "class"
    assert (values["SOURCE1_PATCHSIZEX"], values["SOURCE1_PATCHSIZEY"]) == (16, 16)
    assert values["SOURCE1_OUT"] is not None and values.get("SOURCE2_OUT") is None


def test_patches_images_offer_no_loading(open_dialog: Any) -> None:
    wrappers = open_dialog("patchesextraction").mainWidget().wrappers
    seen = {
        name: any(box.isVisible() for box in wrappers[name].wrappedWidget().findChildren(QCheckBox))
        for name in ("SOURCE1_OUT", "OUTLABELS", "OUT_MOSAIC")
    }
    assert seen == {"SOURCE1_OUT": False, "OUTLABELS": False, "OUT_MOSAIC": True}


def test_outputs_under_advanced_take_names_of_new_files(open_dialog: Any, tmp_path: Path) -> None:
    dialog = open_dialog("landcovermap")
    wrappers, mode = dialog.mainWidget().wrappers, QgsFileWidget.StorageMode
    fields = {name: wrappers[name].wrappedWidget() for name in ("OUT_CONFIDENCE", "KEEP", "MODEL_DIR")}
    modes = {name: field.storageMode() for name, field in fields.items()}
    assert modes == {"OUT_CONFIDENCE": mode.SaveFile, "KEEP": mode.GetDirectory, "MODEL_DIR": mode.GetFile}
    assert "*.tif" in fields["OUT_CONFIDENCE"].filter()
    sure = str(tmp_path / "sure.tif")
    fields["OUT_CONFIDENCE"].setFilePath(sure)
    dialog.setParameters({"IN": [], "LABELS_FIELD": "class"})
    assert wrappers["OUT_CONFIDENCE"].parameterValue() == sure


def test_example_data_begins_with_the_seed_of_its_declaration(open_dialog: Any) -> None:
    """A maximum beyond QGIS's whole numbers made the field begin at the smallest one."""
    dialog = open_dialog("createexampledata")
    assert dialog.createProcessingParameters()["SEED"] == 1


def test_where_sections_cannot_be_drawn_qgis_opens_its_own_dialog(
    plugin: OtbtfPlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    log = QgsApplication.messageLog()
    connection = log.messageReceived.connect(lambda text, tag, level: lines.append(text) if tag == "OTBTF" else None)

    def fault(*_: Any) -> None:
        raise AttributeError("no such layout")

    monkeypatch.setattr(dialogs, "draw_sections", fault)
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("otbtf:patchesmosaic")
    assert Dialogs(plugin.provider, None).make(algorithm, None) is None
    log.messageReceived.disconnect(connection)
    assert any("no such layout" in line for line in lines)


def test_the_log_holds_no_json(open_dialog: Callable[[str], AlgorithmDialog], tmp_path: Path) -> None:
    """Steps of graphical models and scripts get these results; for people, the log has names and numbers."""
    labels = str(tmp_path / "labels.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(labels, 8, 6)
    dataset.GetRasterBand(1).WriteRaster(0, 0, 8, 6, bytes(range(48)))
    del dataset
    parameters = {"INREF": labels, "STRATEGY": "all", "OUTVEC": str(tmp_path / "points.gpkg")}
    dialog = open_dialog("labelimagesampleselection")
    dialog.setParameters(parameters)
    ended: list[bool] = []
    dialog.algorithmFinished.connect(lambda ok, results: ended.append(ok))
    dialog.runAlgorithm()
    wait_for(lambda: bool(ended), 20)
    told, log = dialog.results(), dialog.findChild(QTextEdit, "txtLog").toPlainText()
    assert ended == [True], log
    found = processing.run("otbtf:labelimagesampleselection", {**parameters, "OUTVEC": str(tmp_path / "again.gpkg")})
    assert len(json.loads(found["LEGEND"])) == 48
    assert "LEGEND" not in told and '"value"' not in log
    assert told["SAMPLES"] == found["SAMPLES"]
