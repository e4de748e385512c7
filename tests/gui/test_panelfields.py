"""The fields of a dialog that takes a model: which are shown, grey, titled and offered names, as its model is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from modeldialogs import SERVE, choose, menus, raster, says, says_of_images, settle, unfold, value, wait_for
from processing.gui.AlgorithmDialog import AlgorithmDialog
from qgis.core import QgsApplication, QgsProcessingContext
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QLabel, QLineEdit, QVBoxLayout, QWidget

from otbtf_qgis.gui.fieldmenu import FieldMenu
from otbtf_qgis.gui.sourcefields import Source


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
    assert len(further) == 10
    wait_for(lambda: all(widget.isVisible() for widget in (*second, *further)), 10)
    assert not field["SOURCE5_IL"].isVisible()
    labels = [dialog.mainWidget().wrappers[f"SOURCE{number}_IL"].wrappedLabel().text() for number in range(1, 5)]
    fed = ["dem, 1 band", "radar, 2 bands", "spot, 4 bands", "swir, 6 bands"]
    assert [label.partition(" – ")[2] for label in labels] == fed
    lacking = ", ".join(f"“Source {number}: images”" for number in range(1, 5))
    wait_for(lambda: dialog.form_check.text() == f"Before you run, fill in: {lacking}.", 10)
    screenshot(dialog, "panel_four_inputs")
    choose(dialog, MODEL_DIR="")
    assert all(widget.isVisible() for widget in second) and not any(widget.isVisible() for widget in further)
    given = [raster(tmp_path / "a.tif", 3)]
    choose(dialog, SOURCE1_IL=given, SOURCE2_IL=given, MODEL_DIR=models / "net")
    wait_for(says_of_images(panel, "takes x of 3 bands only, but images are given for 2 sources"), 30)
    assert all(widget.isVisible() for widget in second)  # nothing that was chosen is lost
    assert value(dialog, "SOURCE2_IL") == given


def test_more_inputs_than_fields_are_told_and_no_source_that_is_needed_is_optional(
    open_dialog: Any, models: Path
) -> None:
    dialog, panel = open_dialog(SERVE)
    choose(dialog, MODEL_DIR=models / "nine.keras")
    wait_for(says(panel, "The model needs 9 sources, but this form has fields for 8.", "Number of sources shown"))
    labels = [dialog.mainWidget().wrappers[f"SOURCE{number}_IL"].wrappedLabel().text() for number in range(1, 9)]
    assert all(label.endswith(f" \u2013 x{number}, 1 band") for number, label in enumerate(labels, 1)), labels
    assert not any("[optional]" in label for label in labels)
    choose(dialog, MODEL_DIR="")
    assert "[optional]" in dialog.mainWidget().wrappers["SOURCE2_IL"].wrappedLabel().text()


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


def test_values_of_an_earlier_run_are_not_hidden(open_dialog: Any, models: Path) -> None:
    """QGIS's history fills all fields, those too that the panel has hidden."""
    dialog, panel = open_dialog(SERVE)
    unfold(dialog)
    nodata = dialog.mainWidget().wrappers["SOURCE3_NODATA"].wrappedWidget()
    choose(dialog, MODEL_DIR=models / "net.keras")
    wait_for(says(panel, "water"), 30)
    assert not nodata.isVisible()
    choose(dialog, SOURCE3_NODATA=7)
    wait_for(nodata.isVisible, 5)  # else Run would complain of a field that is not there
    assert value(dialog, "SOURCE3_NODATA") == 7


def test_fields_of_a_template_do_not_apply_to_a_model(open_dialog: Any, models: Path) -> None:
    dialog, panel = open_dialog("otbtf:landcovermap")
    choose(dialog, TEMPLATE="unet", MODEL_DIR=models / "net.keras")
    wait_for(says(panel, "water"), 30)
    assert value(dialog, "TEMPLATE") == "auto"
    assert not dialog.mainWidget().wrappers["TEMPLATE"].wrappedWidget().isEnabled()
    choose(dialog, TEMPLATE="cnn16")  # as the history does, to the grey field
    wait_for(lambda: value(dialog, "TEMPLATE") == "auto", 5)
    choose(dialog, MODEL_DIR="")
    assert value(dialog, "TEMPLATE") == "cnn16"


def test_only_the_options_of_the_classifier_that_is_chosen_are_shown(open_dialog: Any) -> None:
    dialog, _ = open_dialog("otbtf:trainclassifierfromdeepfeatures")
    unfold(dialog)

    def shown() -> set[str]:
        fields = {name: wrapper.wrappedWidget() for name, wrapper in dialog.mainWidget().wrappers.items()}
        return {name.split("_")[1] for name, field in fields.items() if "CLASSIFIER_" in name and field.isVisible()}

    default = value(dialog, "CLASSIFIER_RF_MAX")
    assert shown() == {"LIBSVM"}
    choose(dialog, CLASSIFIER="rf", CLASSIFIER_RF_MAX=15)
    assert shown() == {"RF"} and value(dialog, "CLASSIFIER_RF_MAX") == 15
    # QGIS's history fills fields that are hidden, too.
    choose(dialog, CLASSIFIER="libsvm", CLASSIFIER_RF_MAX=12)
    wait_for(lambda: value(dialog, "CLASSIFIER_RF_MAX") == default, 10)
    assert shown() == {"LIBSVM"}
    choose(dialog, CLASSIFIER="rf")
    assert shown() == {"RF"} and value(dialog, "CLASSIFIER_RF_MAX") == 12


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


def test_names_that_look_like_markup_are_shown_as_they_are(qgis_app: QgsApplication) -> None:
    title, field = QLabel("Source 1"), QLineEdit()
    window = QWidget()
    QVBoxLayout(window).addWidget(field)
    Source([], title, "Images", True).follow(True, "<b>a&b</b>")
    assert title.textFormat() == Qt.TextFormat.PlainText and title.text() == "Images \u2013 <b>a&b</b>"
    menu = FieldMenu(field, field.text, field.setText, False)
    menu.offer([("a&b", "")])
    (action,) = menu.menu().actions()
    assert action.text() == "a&&b"  # which Qt shows as a&b
    action.trigger()
    assert field.text() == "a&b"


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
