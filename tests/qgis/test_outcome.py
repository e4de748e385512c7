"""Where outputs are kept, and the line that says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from osgeo import gdal
from qgis.core import QgsApplication, QgsProcessingContext, QgsProcessingUtils, QgsProject
from qgis.gui import QgsGui, QgsProcessingGui

from otbtf_qgis.algorithms.keptoutputs import free, suggested_place, unused
from otbtf_qgis.algorithms.landcovermap import LandCoverMap
from otbtf_qgis.algorithms.outcome import outcome
from otbtf_qgis.core.parameters.parsing import keys


@pytest.fixture()
def project(tmp_path: Path):
    """A project that is stored in a folder."""
    QgsProject.instance().setFileName(str(tmp_path / "work.qgz"))
    yield tmp_path
    QgsProject.instance().clear()


def test_the_line_says_what_was_made_and_what_is_temporary(qgis_app) -> None:
    temporary = f"{QgsProcessingUtils.tempFolder()}/OUT.tif"
    line = outcome(keys(LandCoverMap.OPERATION), {"OUT": temporary, "MODEL_SAVETO": "/data/model", "KAPPA": 0.5})
    assert line == f"Written: Map in {temporary} (temporary: removed when QGIS closes); Trained model in /data/model"
    assert outcome(keys(LandCoverMap.OPERATION), {"KAPPA": 0.5}) == ""


def test_models_are_suggested_a_free_place_in_the_folder_of_the_project(project: Path) -> None:
    assert suggested_place("model") == str(project / "model")
    (project / "model").mkdir()
    assert suggested_place("model") == str(project / "model_2")
    (project / "net.keras").touch()
    assert free(str(project / "net.keras")) == str(project / "net_2.keras")


def test_a_dialog_that_runs_twice_does_not_replace_its_first_model(project: Path) -> None:
    place = suggested_place("model")
    assert unused(place) == place
    (project / "model").mkdir()
    assert unused(place) == str(project / "model_2")


def test_a_place_that_the_user_chose_stays(project: Path) -> None:
    (project / "mine").mkdir()
    assert unused(str(project / "mine")) == str(project / "mine")


def test_without_a_project_models_are_kept_in_a_folder_of_the_user(qgis_app) -> None:
    QgsProject.instance().clear()
    place = suggested_place("model_of_a_test")
    assert place is not None and not place.startswith(QgsProcessingUtils.tempFolder())
    assert Path(place).parent.is_dir()


@pytest.mark.parametrize(
    ("algorithm", "parameter"),
    [
        ("landcovermap", "MODEL_SAVETO"),
        ("landcovermodel", "training:Model"),
        ("tensorflowmodeltrain", "MODEL_SAVETO"),
        ("trainvectorclassifier", "IO_OUT"),
        ("trainclassifierfromdeepfeatures", "OUT"),
        ("createmodel", "OUT_KERAS"),
        ("exportsavedmodel", "OUT"),
    ],
)
def test_dialogs_keep_models_outside_temporary_folders(project: Path, provider, algorithm: str, parameter: str) -> None:
    opened = provider.algorithm(algorithm).create()
    definition = opened.parameterDefinition(parameter)
    assert definition.defaultValue() is None  # scripts and qgis_process make what they ask for
    widget = QgsGui.processingGuiRegistry().createParameterWidgetWrapper(
        definition, QgsProcessingGui.WidgetType.Standard
    )
    _kept = widget.createWrappedWidget(QgsProcessingContext())
    assert Path(str(widget.parameterValue())).parent == project


def test_no_input_is_opened_to_compare_coordinate_systems(tmp_path: Path, provider, capfd) -> None:
    patches = str(tmp_path / "patches.tif")
    gdal.GetDriverByName("GTiff").Create(patches, 4, 16, 1, gdal.GDT_Byte)
    context = QgsProcessingContext()
    algorithm = QgsApplication.processingRegistry().algorithmById("otbtf:tensorflowmodeltrain")
    assert algorithm.validateInputCrs({"TRAINING_SOURCE1_IL": [patches], "MODEL_DIR": "cnn16"}, context)
    assert context.temporaryLayerStore().count() == 0
    assert capfd.readouterr().err == "" and [path.name for path in tmp_path.iterdir()] == ["patches.tif"]
