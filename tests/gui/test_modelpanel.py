"""The panel that says what a model is, in the dialogs that take one: with real models and the real engine."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from modeldialogs import SERVE, choose, menus, pause, raster, says, says_of_images, settle, unfold, wait_for
from osgeo import gdal
from processing.gui.AlgorithmDialog import AlgorithmDialog
from qgis.core import QgsApplication, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QWidget
from tileserver import serving_tiles

from otbtf_qgis.algorithms import algorithm_classes
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import field
from otbtf_qgis.core.probing.imagefit import Fit
from otbtf_qgis.gui.modelform import form_of
from otbtf_qgis.plugin import OtbtfPlugin

WITH_MODEL = {
    *(
        "tensorflowmodelserve",
        "tensorflowmodeltrain",
        "trainmodel",
        "describemodel",
        "exportsavedmodel",
        "landcovermap",
    ),
    *("trainclassifierfromdeepfeatures", "imageclassifierfromdeepfeatures"),
    *("findlearningrate", "searchsettings", "detectobjects"),
}


class Longest:
    """Measures how long the window is blocked: the longest pause between two ticks of a timer that has none to make.

    Attributes:
        seconds: that it took.
        own: seconds of these in which this thread computed; in the others the machine did something else.
    """

    def __init__(self) -> None:
        self.start()
        self._timer = QTimer()
        self._timer.timeout.connect(self.tick)
        self._timer.start(0)

    def start(self) -> None:
        """Measure anew from now on."""
        self.seconds = self.own = 0.0
        self._last, self._computed = time.monotonic(), time.thread_time()

    def tick(self) -> None:
        now, computed = time.monotonic(), time.thread_time()
        if now - self._last > self.seconds:
            self.seconds, self.own = now - self._last, computed - self._computed
        self._last, self._computed = now, computed

    def __str__(self) -> str:
        return f"{self.seconds:.3f} s (computing {self.own:.3f} s)"


def test_the_algorithms_that_take_a_model_have_a_panel() -> None:
    found = {each.OPERATION.__name__.lower() for each in algorithm_classes() if form_of(each.OPERATION, 2)}
    assert found == WITH_MODEL


@pytest.mark.parametrize("name", sorted(WITH_MODEL))
def test_a_sidecar_is_told_in_a_second(
    open_dialog: Any,
    models: Path,
    tmp_path: Path,
    name: str,
    screenshot: Callable[[QWidget, str], Path],
    record_property: Callable[[str, object], None],
) -> None:
    """How long the window is blocked meanwhile is reported, not judged: that depends on what else the machine does."""
    blocked = Longest()

    def report(what: str) -> None:
        QgsApplication.processEvents()
        record_property(f"the window is blocked by {what}", str(blocked))
        print(f"{name}: {what} blocks the window for {blocked}")
        blocked.start()

    plain = AlgorithmDialog(QgsApplication.processingRegistry().createAlgorithmById(f"otbtf:{name}"))
    plain.resize(1000, 900)
    plain.show()
    report("opening QGIS's own dialog")
    plain.close()
    blocked.start()
    dialog, panel = open_dialog(f"otbtf:{name}")
    report("opening the dialog")
    assert not panel.isVisibleTo(dialog)
    model = models / "net.keras" if name == "exportsavedmodel" else models / "net"
    sees = "receptive field 3 x 3" if name == "exportsavedmodel" else "receptive field of at most 3 x 3 pixels"
    field = "DEEPMODEL_DIR" if name == "imageclassifierfromdeepfeatures" else "MODEL_DIR"
    choose(dialog, **{field: model})
    seconds = wait_for(says(panel, "water", "forest", "#ffc800", "3 bands", sees, "label"), 30)
    print(f"{name}: told after {seconds:.2f} s")
    report("choosing a model")
    images = {"SOURCE1_IL", "IN", "TRAINING_SOURCE1_IL"} & set(dialog.mainWidget().wrappers)
    for each in images:
        choose(dialog, **{each: [raster(tmp_path / "a.tif", 3)]})
        pause(0.4)
        report("choosing an image")
    assert panel.isVisibleTo(panel.parentWidget())
    unfold(dialog)
    settle(dialog)
    screenshot(dialog, f"panel_{name}")
    first = {"OUTPUT_NAMES", "SOURCE1_PLACEHOLDER", "TRAINING_SOURCE1_PLACEHOLDER"} & set(dialog.mainWidget().wrappers)
    assert all(menus(dialog, name).isVisible() for name in first)
    assert panel.isVisible() and panel.height() >= panel.model_text.heightForWidth(panel.model_text.width())


def test_a_model_without_sidecar_is_read_by_the_engine_once(
    plugin: OtbtfPlugin, open_dialog: Any, models: Path, screenshot: Callable[[QWidget, str], Path]
) -> None:
    dialog, panel = open_dialog(SERVE)
    blocked = Longest()
    choose(dialog, MODEL_DIR=models / "two.keras")
    assert "Reading the model" in panel.model_text.text()
    seconds = wait_for(says(panel, "<b>xs</b>: 4 bands", "<b>pan</b>: 1 band", "<b>scores</b>: 3 bands"))
    assert says(panel, "are being determined")()  # inputs and outputs come first
    assert "fully convolutional" not in panel.model_text.text()
    whole = seconds + wait_for(says(panel, "fully convolutional", "the exact receptive field"))
    print(f"inputs after {seconds:.2f} s, all after {whole:.2f} s, longest block {blocked}")
    assert "are being determined" not in panel.model_text.text()
    assert not list(models.glob("two*.json"))
    choose(dialog, OUTPUT_NAMES="scores")
    wait_for(says(panel, "pixel size 4 times that of pan"), 30)
    settle(dialog)
    screenshot(dialog, "panel_two_inputs")
    choose(dialog, MODEL_DIR=models / "net")
    wait_for(says(panel, "“scores” is none of these outputs"), 30)
    choose(dialog, OUTPUT_NAMES="")
    wait_for(says(panel, "water"), 30)
    choose(dialog, MODEL_DIR=models / "two.keras")
    asked: list[int] = []
    wait_for(lambda: asked.append(plugin.provider.runs_in_engine()) or says(panel, "<b>xs</b>")(), 30)
    assert not any(asked)  # it is remembered


@pytest.mark.parametrize(
    ("model", "words"),
    [("unsafe.keras", "Lambda"), ("nowhere.keras", "does not exist"), (".", "holds no model")],
)
def test_a_refused_model_says_why(open_dialog: Any, models: Path, model: str, words: str) -> None:
    dialog, panel = open_dialog(SERVE)
    choose(dialog, MODEL_DIR=models / model)
    wait_for(says(panel, words))
    assert not menus(dialog, "OUTPUT_NAMES").isEnabled()


def test_a_missing_engine_is_told(open_dialog: Any, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTBTF_PYTHON", str(models / "python"))
    dialog, panel = open_dialog("otbtf:describemodel")
    choose(dialog, MODEL_DIR=models / "two.keras")
    wait_for(says(panel, "OTBTF_PYTHON", "does not exist"))


def test_an_answer_for_an_earlier_choice_is_dropped(open_dialog: Any, models: Path) -> None:
    dialog, panel = open_dialog(SERVE)
    choose(dialog, MODEL_DIR=models / "two.keras")
    pause(0.6)  # the engine is asked by now
    choose(dialog, MODEL_DIR=models / "net")
    wait_for(says(panel, "water"), 30)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        QgsApplication.processEvents()
        assert "xs" not in panel.model_text.text()
    choose(dialog, MODEL_DIR="")
    assert not panel.isVisibleTo(panel.parentWidget())


class BusyEngine:
    """Counts what runs, and notes what it is asked."""

    running = 1

    def __init__(self, engine: Any) -> None:
        self._engine, self.asked = engine, 0

    def run(self, *arguments: Any) -> Any:
        self.asked += 1
        return self._engine.run(*arguments)

    def stop(self) -> None: ...


def test_a_run_is_not_disturbed(
    plugin: OtbtfPlugin, open_dialog: Any, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = BusyEngine(plugin.provider._engine)
    monkeypatch.setattr(plugin.provider, "_engine", engine)
    dialog, panel = open_dialog(SERVE)
    choose(dialog, MODEL_DIR=models / "two.keras")
    wait_for(says(panel, "The engine is busy"), 30)
    pause(2.5)
    assert engine.asked == 0
    choose(dialog, MODEL_DIR=models / "net")
    wait_for(says(panel, "water"), 5)  # needs no engine
    choose(dialog, MODEL_DIR=models / "two.keras")
    wait_for(says(panel, "The engine is busy"), 30)
    engine.running = 0
    wait_for(says(panel, "<b>xs</b>", "fully convolutional"))
    assert engine.asked == 2  # for its inputs and outputs, then for its geometry


def test_reading_gives_way_to_a_run(plugin: OtbtfPlugin, open_dialog: Any, models: Path, tmp_path: Path) -> None:
    """A run that begins while a model is read has the machine to itself; the model is read after it."""
    dialog, panel = open_dialog(SERVE)
    other = subprocess.run(["cp", str(models / "two.keras"), str(tmp_path / "copy.keras")], check=True)
    assert other.returncode == 0
    plugin.provider.stop_engine()  # so that reading takes its time
    choose(dialog, MODEL_DIR=tmp_path / "copy.keras")
    wait_for(lambda: plugin.provider.runs_in_engine() == 1, 30)
    told: list[str] = []

    def poll() -> None:
        QgsApplication.processEvents()
        told.append(panel.model_text.text())

    plugin.provider.run_in_engine("EngineReport", {}, Progress(), poll)
    wait_for(lambda: told.append(panel.model_text.text()) or says(panel, "<b>xs</b>")())
    assert any("The engine is busy" in text for text in told)


def test_images_are_compared_with_the_model(
    open_dialog: Any, models: Path, tmp_path: Path, screenshot: Callable[[QWidget, str], Path]
) -> None:
    right, wrong = raster(tmp_path / "right.tif", 3), raster(tmp_path / "wrong.tif", 4)
    dialog, panel = open_dialog(SERVE)
    blocked = Longest()
    choose(dialog, MODEL_DIR=models / "net", SOURCE1_IL=[right])
    wait_for(says_of_images(panel, "The images fit"), 30)
    assert "3 bands, float32, 48 x 48 pixels of 10 x 10, EPSG:32631" in panel.images_text.text()
    label = dialog.mainWidget().wrappers["SOURCE1_IL"].wrappedLabel()
    assert label.text().endswith("x, 3 bands")
    choose(dialog, SOURCE1_IL=[wrong])
    wait_for(says_of_images(panel, "has 4 bands, but x takes 3"), 30)
    print(f"longest block with images {blocked}")
    settle(dialog)
    screenshot(dialog, "panel_wrong_bands")
    choose(dialog, SOURCE1_IL=[right, raster(tmp_path / "coarse.tif", 1, pixel=20)])
    wait_for(says_of_images(panel, "rasters of one source must have the same size"), 30)
    choose(dialog, SOURCE1_IL=[])
    wait_for(lambda: not panel.images_text.isVisibleTo(panel), 30)


@pytest.mark.parametrize(
    ("extent", "lacking"), [("", "Web layers: extent"), ("0,1000,0,1000 [EPSG:3857]", "Web layers: pixel size")]
)
def test_a_basemap_is_left_to_the_run(
    open_dialog: Any, models: Path, tmp_path: Path, extent: str, lacking: str
) -> None:
    with serving_tiles() as server:
        layer = QgsRasterLayer(server.source(), "tiles", "wms")
        QgsProject.instance().addMapLayer(layer)
        try:
            dialog, panel = open_dialog(SERVE)
            given = raster(tmp_path / "a.tif", 3)
            choose(dialog, MODEL_DIR=models / "net", SOURCE1_IL=[layer.id()], WEB_EXTENT=extent)
            wait_for(says_of_images(panel, "Source 1 is read when the algorithm runs."), 30)
            assert "missing" not in panel.images_text.text() and "The images fit" not in panel.images_text.text()
            wait_for(lambda: f"\u201c{lacking}\u201d is missing" in dialog.form_check.text(), 20)
            choose(dialog, SOURCE1_IL=[given])
            wait_for(says_of_images(panel, "The images fit"), 30)
            assert server.asked == []
        finally:
            QgsProject.instance().removeMapLayer(layer)


def test_what_is_said_of_images_names_parameters_by_labels(open_dialog: Any, models: Path) -> None:
    mention = field("alpha")
    dialog, panel = open_dialog(SERVE)
    choose(dialog, MODEL_DIR=models / "net")
    wait_for(says(panel, "water"), 30)
    panel._images_seen(Fit((f"image {mention}",), (f"misfit {mention}",), (f"remark {mention}",)), (), "label")
    assert panel.images_text.text().count("\u201cAlpha bands\u201d") == 3
    assert "\ue000" not in panel.images_text.text()


def test_two_sources_are_compared_with_each_other(open_dialog: Any, models: Path, tmp_path: Path) -> None:
    dialog, panel = open_dialog(SERVE)
    xs, pan = raster(tmp_path / "xs.tif", 4), raster(tmp_path / "pan.tif", 1, gdal.GDT_UInt16, pixel=2.5)
    choose(dialog, MODEL_DIR=models / "two.keras", OUTPUT_NAMES="scores", SOURCE1_IL=[pan])
    wait_for(says_of_images(panel, "also takes xs of 4 bands"))
    choose(dialog, SOURCE2_IL=[xs])
    wait_for(lambda: "also takes" not in panel.images_text.text() and "fit the model" in panel.images_text.text(), 30)
    choose(dialog, SOURCE1_IL=[xs], SOURCE2_IL=[pan])  # the only order that the numbers of bands allow
    label = dialog.mainWidget().wrappers["SOURCE1_IL"].wrappedLabel()
    wait_for(lambda: label.text().endswith("xs, 4 bands"), 30)
    choose(dialog, SOURCE1_IL=[pan], SOURCE2_IL=[xs])
    wait_for(lambda: label.text().endswith("pan, 1 band"), 30)
    choose(dialog, SOURCE2_IL=[raster(tmp_path / "coarse.tif", 4, pixel=20)])
    wait_for(says_of_images(panel, "Source 2 has pixels of 20"), 30)
    choose(dialog, SOURCE2_IL=[raster(tmp_path / "elsewhere.tif", 4, epsg=32632)])
    wait_for(says_of_images(panel, "EPSG:32632"), 30)


def test_patches_are_compared_with_a_model_to_train(open_dialog: Any, models: Path, tmp_path: Path) -> None:
    dialog, panel = open_dialog("otbtf:tensorflowmodeltrain")
    patches = raster(tmp_path / "patches.tif", 2)
    choose(
        dialog,
        MODEL_DIR=models / "net.keras",
        TRAINING_SOURCE1_IL=[patches],
        TRAINING_SOURCE2_IL=[patches],
    )
    wait_for(says_of_images(panel, "Source 1 has 2 bands, but x takes 3"), 30)
    assert "Source 2" not in panel.images_text.text()  # the target
    choose(dialog, TRAINING_SOURCE1_PLACEHOLDER="label")
    wait_for(says_of_images(panel, "Source 2 has 2 bands, but x takes 3"), 30)
    assert "Source 1" not in panel.images_text.text()


def test_a_template_stands_for_a_model_to_train(open_dialog: Any, models: Path) -> None:
    dialog, panel = open_dialog("otbtf:tensorflowmodeltrain")
    for name in ("cnn16", "template:cnn16"):
        choose(dialog, MODEL_DIR=name)
        wait_for(says(panel, "<b>cnn16</b>: Classifies the pixel in the middle", "patches of 16 x 16"), 30)
    choose(dialog, MODEL_DIR="cnn17")
    wait_for(says(panel, "which does not exist"), 30)
    choose(dialog, MODEL_DIR=models / "net.keras")
    wait_for(says(panel, "water"), 30)
    offered = [action.text() for action in menus(dialog, "TRAINING_SOURCE1_PLACEHOLDER").menu().actions()]
    assert offered == ["x  (3 bands)", "label  (1 band)"]
    field = {name: wrapper.wrappedWidget() for name, wrapper in dialog.mainWidget().wrappers.items()}
    assert not field["TRAINING_SOURCE3_IL"].isVisible() and not field["VALIDATION_SOURCE3_IL"].isVisible()
    title = dialog.mainWidget().wrappers["TRAINING_SOURCE2_IL"].wrappedLabel().text()
    assert title.endswith("target") and not field["TRAINING_TARGETNODES"].isEnabled() and field["LOSS"].isEnabled()


def test_a_dialog_may_close_while_a_model_is_read(open_dialog: Any, models: Path) -> None:
    dialog, panel = open_dialog(SERVE)
    choose(dialog, MODEL_DIR=models / "two.keras")
    pause(0.4)
    dialog.deleteLater()
    QgsApplication.sendPostedEvents(dialog, 52)  # QEvent.DeferredDelete
    pause(3)


def test_a_detector_and_a_model_that_is_none(open_dialog: Any, models: Path, tmp_path: Path) -> None:
    described = {
        "mlm:input": [{"name": "images", "input": {"shape": [1, 64, 64, 3], "data_type": "uint8"}}],
        "mlm:output": [
            {"name": f"detection_{name}", "result": {"shape": shape, "data_type": "float32"}}
            for name, shape in (("boxes", [1, 9, 4]), ("classes", [1, 9]), ("scores", [1, 9]))
        ],
        "otbtf:model_kind": "TF2 SavedModel",
    }
    (tmp_path / "mlm.json").write_text(json.dumps({"properties": described}), encoding="utf-8")
    told = "tensorflow (TensorFlow&#x27;s Object Detection API): boxes; tiles of 64 x 64 pixels"
    dialog, panel = open_dialog("otbtf:detectobjects")
    choose(dialog, MODEL_DIR=tmp_path)
    wait_for(says(panel, told, "<b>images</b>: 3 bands"), 30)
    assert "9" not in panel.model_text.text() and "Not recognised" not in panel.model_text.text()
    choose(dialog, MODEL_DIR=models / "net")
    wait_for(says(panel, "water", "Not recognised as a detector", "Detector&#x27;s outputs"), 30)
    dialog, panel = open_dialog(SERVE)
    choose(dialog, MODEL_DIR=tmp_path)
    wait_for(says(panel, told, "A detector: use “Detect objects”."), 30)
    assert "before Run" not in panel.model_text.text()
