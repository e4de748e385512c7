"""The panel that says what a model is, in the dialogs that take one: with real models and the real engine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from osgeo import gdal, osr
from processing.gui.AlgorithmDialog import AlgorithmDialog
from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog
from qgis.core import QgsApplication, QgsProcessingContext, QgsProject, QgsRasterLayer
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QGroupBox, QWidget
from tileserver import serving_tiles

import otbtf_qgis
from otbtf_qgis.algorithms import algorithm_classes
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import field
from otbtf_qgis.core.probing.imagefit import Fit
from otbtf_qgis.gui import dialogs, modelpanel
from otbtf_qgis.gui.dialogs import Dialogs
from otbtf_qgis.gui.fieldmenu import FieldMenu
from otbtf_qgis.gui.modelform import form_of
from otbtf_qgis.gui.modelpanel import ModelPanel
from otbtf_qgis.plugin import LateDialogs, OtbtfPlugin

TREE = Path(otbtf_qgis.__file__).absolute().parents[1]
SERVE = "otbtf:tensorflowmodelserve"

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
}

MAKE_MODELS = """
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

patch = keras.Input((16, 16, 3), name="patch")
keras.Model(patch, layers.Dense(2, name="p")(layers.Flatten()(patch))).save("fixed.keras")

y = keras.Input((None, None, 1), name="y")
keras.Model(y, layers.Lambda(lambda t: t * 2, name="twice")(y)).save("unsafe.keras")
"""


def raster(path: Path, bands: int, kind: int = gdal.GDT_Float32, pixel: float = 10, epsg: int = 32631) -> str:
    data = gdal.GetDriverByName("GTiff").Create(str(path), int(480 / pixel), int(480 / pixel), bands, kind)
    data.SetGeoTransform((500000, pixel, 0, 4800000, 0, -pixel))
    system = osr.SpatialReference()
    system.ImportFromEPSG(epsg)
    data.SetProjection(system.ExportToWkt())
    data.GetRasterBand(1).Fill(1)
    return str(path)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models: `net` has a sidecar with classes, two.keras has none, unsafe.keras is refused."""
    folder = tmp_path_factory.mktemp("models")
    labels = gdal.GetDriverByName("GTiff").Create(str(folder / "labels.tif"), 2, 2, 1, gdal.GDT_Byte)
    colours = gdal.ColorTable()
    for value, colour in enumerate(((0, 0, 255, 255), (0, 128, 0, 255), (255, 200, 0, 255))):
        colours.SetColorEntry(value, colour)
    labels.GetRasterBand(1).SetColorTable(colours)
    labels.GetRasterBand(1).SetCategoryNames(["water", "forest", "crops"])
    labels = None
    done = subprocess.run(
        [os.environ["OTBTF_PYTHON"], "-c", MAKE_MODELS],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TREE)},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return folder


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


@pytest.fixture
def open_dialog(plugin: OtbtfPlugin) -> Iterator[Callable[[str], tuple[AlgorithmDialog, ModelPanel]]]:
    """Opens a dialog as QGIS does, and returns it with its panel."""
    opened: list[AlgorithmDialog] = []
    plugin.provider.use_dialogs(Dialogs(plugin.provider, None).make)

    def open_(identifier: str) -> tuple[AlgorithmDialog, ModelPanel]:
        algorithm = QgsApplication.processingRegistry().createAlgorithmById(identifier)
        dialog = algorithm.createCustomParametersWidget(parent=None)
        opened.append(dialog)
        dialog.resize(1000, 900)
        dialog.show()
        return dialog, dialog.model_panel

    yield open_
    plugin.provider.use_dialogs(None)
    for dialog in opened:
        if sip.isdeleted(dialog):
            continue
        dialog.close()
        dialog.deleteLater()


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


@pytest.mark.parametrize("extent", ["", "0,1000,0,1000 [EPSG:3857]"])
def test_a_basemap_is_left_to_the_run(open_dialog: Any, models: Path, tmp_path: Path, extent: str) -> None:
    with serving_tiles() as server:
        layer = QgsRasterLayer(server.source(), "tiles", "wms")
        QgsProject.instance().addMapLayer(layer)
        try:
            dialog, panel = open_dialog(SERVE)
            given = raster(tmp_path / "a.tif", 3)
            choose(dialog, MODEL_DIR=models / "net", SOURCE1_IL=[layer.id()], WEB_EXTENT=extent)
            wait_for(says_of_images(panel, "Source 1 is read when the algorithm runs."), 30)
            assert "missing" not in panel.images_text.text() and "The images fit" not in panel.images_text.text()
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


def test_as_many_sources_are_shown_as_the_model_has_inputs(
    open_dialog: Any, models: Path, tmp_path: Path, screenshot: Callable[[QWidget, str], Path]
) -> None:
    dialog, panel = open_dialog(SERVE)
    settle(dialog)
    unfold(dialog)
    field = {name: dialog.mainWidget().wrappers[name].wrappedWidget() for name in dialog.mainWidget().wrappers}
    second = [field[name] for name in ("SOURCE2_IL", "SOURCE2_NODATA", "SOURCE2_RFIELDX", "SOURCE2_PLACEHOLDER")]
    further = [widget for name, widget in field.items() if name.startswith(("SOURCE3", "SOURCE4"))]
    assert all(widget.isVisible() for widget in second) and not any(widget.isVisible() for widget in further)
    choose(dialog, MODEL_DIR=models / "net")
    wait_for(says(panel, "water"), 30)
    unfold(dialog, False)
    unfold(dialog)
    assert not any(widget.isVisible() for widget in (*second, *further)) and field["SOURCE1_RFIELDX"].isVisible()
    unfold(dialog, False)
    choose(dialog, MODEL_DIR=models / "four.keras")
    wait_for(says(panel, "<b>swir</b>"))
    assert not field["SOURCE4_RFIELDX"].isVisible()
    unfold(dialog)
    assert len(further) == 10 and all(widget.isVisible() for widget in (*second, *further))
    assert not field["SOURCE5_IL"].isVisible()
    labels = [dialog.mainWidget().wrappers[f"SOURCE{number}_IL"].wrappedLabel().text() for number in range(1, 5)]
    fed = ["dem, 1 band", "radar, 2 bands", "spot, 4 bands", "swir, 6 bands"]
    assert [label.partition(" – ")[2] for label in labels] == fed
    screenshot(dialog, "panel_four_inputs")
    choose(dialog, MODEL_DIR="")
    assert all(widget.isVisible() for widget in second) and not any(widget.isVisible() for widget in further)
    given = [raster(tmp_path / "a.tif", 3)]
    choose(dialog, SOURCE1_IL=given, SOURCE2_IL=given, MODEL_DIR=models / "net")
    wait_for(says_of_images(panel, "takes x of 3 bands, but 2 sources are given"), 30)
    assert all(widget.isVisible() for widget in second)  # nothing that was chosen is lost
    assert value(dialog, "SOURCE2_IL") == given


def test_what_does_not_apply_is_grey_and_not_given(open_dialog: Any, models: Path) -> None:
    dialog, panel = open_dialog(SERVE)
    field = {name: wrapper.wrappedWidget() for name, wrapper in dialog.mainWidget().wrappers.items()}
    choose(dialog, MODEL_FULLYCONV="on", MODEL_DIR=models / "fixed.keras")
    wait_for(says(panel, "patches of 16 x 16"))
    assert value(dialog, "MODEL_FULLYCONV") == "auto" and not field["MODEL_FULLYCONV"].isEnabled()
    assert "patches of 16 x 16 pixels only" in field["MODEL_FULLYCONV"].toolTip()
    assert not field["MODEL_TAGSETS"].isEnabled() and not field["MODEL_USERPLACEHOLDERS"].isEnabled()
    choose(dialog, MODEL_DIR=models / "net")
    wait_for(says(panel, "water"), 30)
    assert value(dialog, "MODEL_FULLYCONV") == "on" and field["MODEL_FULLYCONV"].isEnabled()
    assert field["MODEL_TAGSETS"].isEnabled()


def test_fields_of_a_template_do_not_apply_to_a_model(open_dialog: Any, models: Path) -> None:
    dialog, panel = open_dialog("otbtf:landcovermap")
    choose(dialog, TEMPLATE="unet", MODEL_DIR=models / "net.keras")
    wait_for(says(panel, "water"), 30)
    assert value(dialog, "TEMPLATE") == "auto"
    assert not dialog.mainWidget().wrappers["TEMPLATE"].wrappedWidget().isEnabled()
    choose(dialog, MODEL_DIR="")
    assert value(dialog, "TEMPLATE") == "unet"


def test_only_the_options_of_the_classifier_that_is_chosen_are_shown(open_dialog: Any) -> None:
    dialog, _ = open_dialog("otbtf:trainclassifierfromdeepfeatures")
    unfold(dialog)

    def shown() -> set[str]:
        fields = {name: wrapper.wrappedWidget() for name, wrapper in dialog.mainWidget().wrappers.items()}
        return {name.split("_")[1] for name, field in fields.items() if "CLASSIFIER_" in name and field.isVisible()}

    assert shown() == {"LIBSVM"}
    choose(dialog, CLASSIFIER="rf", CLASSIFIER_RF_MAX=15)
    assert shown() == {"RF"} and value(dialog, "CLASSIFIER_RF_MAX") == 15


def test_names_are_chosen_from_lists(open_dialog: Any, models: Path) -> None:
    dialog, panel = open_dialog(SERVE)
    outputs, inputs = menus(dialog, "OUTPUT_NAMES"), menus(dialog, "SOURCE2_PLACEHOLDER")
    assert not outputs.isEnabled() and not inputs.isEnabled()
    choose(dialog, MODEL_DIR=models / "two.keras")
    wait_for(outputs.isEnabled)
    outputs.menu().actions()[0].trigger()
    outputs.menu().actions()[1].trigger()
    inputs.menu().actions()[1].trigger()
    assert (value(dialog, "OUTPUT_NAMES"), value(dialog, "SOURCE2_PLACEHOLDER")) == ("features scores", "xs")
    outputs.menu().aboutToShow.emit()
    outputs.menu().actions()[0].trigger()
    assert value(dialog, "OUTPUT_NAMES") == "scores"


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


def test_what_the_dialog_sends_is_what_qgis_sends(open_dialog: Any, models: Path, tmp_path: Path) -> None:
    """The decoration changes nothing of the parameters."""
    given = {"MODEL_DIR": str(models / "net"), "SOURCE1_IL": [raster(tmp_path / "a.tif", 3)], "OUT": "/tmp/o.tif"}
    dialog, _ = open_dialog(SERVE)
    plain = AlgorithmDialog(QgsApplication.processingRegistry().createAlgorithmById(SERVE))
    for each in (dialog, plain):
        each.setParameters(given)
    ours, own = (each.createProcessingParameters() for each in (dialog, plain))
    assert ours.pop("OUT").sink.staticValue() == own.pop("OUT").sink.staticValue()
    assert ours == own
    assert dialog.algorithm().checkParameterValues({**ours, "OUT": "/tmp/o.tif"}, QgsProcessingContext())[0]
    plain.deleteLater()


@pytest.fixture
def logged(qgis_app: QgsApplication) -> Iterator[list[str]]:
    lines: list[str] = []
    log = QgsApplication.messageLog()
    connection = log.messageReceived.connect(lambda text, tag, level: lines.append(text) if tag == "OTBTF" else None)
    yield lines
    log.messageReceived.disconnect(connection)


def test_without_what_is_expected_of_qgis_its_own_dialog_opens(
    open_dialog: Any, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> type:
        raise ImportError("no such dialog")

    class Strange(AlgorithmDialog):
        def mainWidget(self) -> QWidget:
            return QWidget()

    algorithm = QgsApplication.processingRegistry().createAlgorithmById(SERVE)
    for fault in (missing, lambda: Strange):
        monkeypatch.setattr(dialogs, "_dialog_class", fault)
        del logged[:]
        assert algorithm.createCustomParametersWidget(parent=None) is None
        assert any("without what OTBTF adds" in line for line in logged)


def test_starting_qgis_does_not_load_the_panel(models: Path) -> None:
    """Modules that only dialogs need are loaded with the first dialog."""
    script = """
import sys
from unittest.mock import MagicMock
from qgis.testing import start_app
start_app()
from qgis.PyQt.QtWidgets import QMainWindow
from otbtf_qgis.plugin import OtbtfPlugin
window = QMainWindow()
iface = MagicMock()
iface.mainWindow.return_value = window
plugin = OtbtfPlugin(iface)
plugin.initGui()
print([name for name in sys.modules if name.startswith("otbtf_qgis.gui.") and "panel" in name or "imagefit" in name])
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TREE), *sys.path]), "QT_QPA_PLATFORM": "offscreen"}
    run = [sys.executable, "-c", script]
    done = subprocess.run(run, env=environment, cwd=models, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr


def test_panel_modules_that_do_not_load_leave_the_dialog_of_qgis(
    plugin: OtbtfPlugin, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "otbtf_qgis.gui.dialogs", None)
    algorithm = QgsApplication.processingRegistry().createAlgorithmById(SERVE)
    assert LateDialogs(plugin.provider, None).make(algorithm, None) is None
    assert any("without what OTBTF adds" in line for line in logged)


def test_a_fault_of_the_panel_leaves_the_dialog(
    open_dialog: Any, models: Path, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog, panel = open_dialog(SERVE)
    monkeypatch.setattr(modelpanel.modeltext, "of_model", lambda *_: 1 / 0)
    choose(dialog, MODEL_DIR=models / "net")
    wait_for(lambda: logged, 30)
    assert "ZeroDivisionError" in logged[-1]
    assert not panel.isVisibleTo(panel.parentWidget())
    assert value(dialog, "MODEL_DIR") == str(models / "net")


def test_batch_keeps_the_dialog_of_qgis(open_dialog: Any) -> None:
    batch = BatchAlgorithmDialog(QgsApplication.processingRegistry().createAlgorithmById(SERVE))
    assert not batch.findChildren(FieldMenu)
    batch.deleteLater()


def test_a_dialog_may_close_while_a_model_is_read(open_dialog: Any, models: Path) -> None:
    dialog, panel = open_dialog(SERVE)
    choose(dialog, MODEL_DIR=models / "two.keras")
    pause(0.4)
    dialog.deleteLater()
    QgsApplication.sendPostedEvents(dialog, 52)  # QEvent.DeferredDelete
    pause(3)
