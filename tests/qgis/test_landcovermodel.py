"""The graphical model that the provider lists, and its copy for the user."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from osgeo import gdal
from qgis.core import QgsProcessingContext, QgsProcessingModelAlgorithm

from otbtf_qgis.broughtmodels import LAND_COVER_MODEL
from otbtf_qgis.gui.models import copied
from otbtf_qgis.provider import OtbtfProvider

STEPS = {
    "samples": "otbtf:labelimagesampleselection",
    "patches": "otbtf:patchesextraction",
    "training": "otbtf:tensorflowmodeltrain",
    "map": "otbtf:tensorflowmodelserve",
}


def listed(provider: OtbtfProvider) -> Any:
    return next(algorithm for algorithm in provider.algorithms() if algorithm.id() == "otbtf:landcovermodel")


def test_it_is_listed_with_inputs_outputs_and_help(provider: OtbtfProvider) -> None:
    model = listed(provider)
    assert (model.displayName(), model.groupId()) == ("Step by step: a land cover map (model)", "start")
    inputs = ["images", "labels", "samples", "patchsize", "network", "epochs"]  # in the order of work
    assert [p.name() for p in model.parameterDefinitions()][:6] == inputs
    assert all(p.isDestination() for p in model.parameterDefinitions()[6:])
    assert {output.description() for output in model.outputDefinitions()} == {"Map", "Model", "Report"}
    page = model.shortHelpString()
    assert "otbtf:landcovermap" in page
    for definition in model.parameterDefinitions():
        assert definition.description() in page and len(definition.description()) > 2
        assert definition.isDestination() or definition.help() in page
        assert definition.isDestination() or definition.help().endswith(".")
    assert "to serve it on other images" in page  # the outputs have help too
    provider.refreshAlgorithms()
    assert {output.description() for output in listed(provider).outputDefinitions()} == {"Map", "Model", "Report"}


def test_a_model_that_is_not_asked_for_is_refused_before_training(provider: OtbtfProvider, tmp_path: Path) -> None:
    model = listed(provider).create()
    raster = str(tmp_path / "raster.tif")
    gdal.GetDriverByName("GTiff").Create(raster, 4, 4).SetGeoTransform((0, 1, 0, 4, 0, -1))
    values = {"images": [raster], "labels": raster, "samples": 9, "patchsize": 16, "network": "cnn16", "epochs": 1}
    values["map:Map"] = "map.tif"
    accepted, message = model.checkParameterValues(values, QgsProcessingContext())
    assert not accepted and "Model" in message  # the map is made with it
    values["training:Model"] = "folder"
    assert model.checkParameterValues(values, QgsProcessingContext()) == (True, "")


def test_it_is_made_of_our_algorithms_and_every_value_is_stored(provider: OtbtfProvider) -> None:
    model = QgsProcessingModelAlgorithm()
    assert model.fromFile(str(LAND_COVER_MODEL))
    assert model.validate() == (True, [])
    children = model.childAlgorithms()
    assert {name: child.algorithmId() for name, child in children.items()} == STEPS
    for child in children.values():
        known = {definition.name(): definition for definition in child.algorithm().parameterDefinitions()}
        assert set(child.parameterSources()) <= set(known)
        for name, definition in known.items():
            stored = name in child.parameterSources() or definition.isDestination()
            without_default = definition.defaultValue() in (None, "")  # the latter for a text in QGIS 3.44
            assert stored or without_default, f"{child.algorithmId()}: {name} is not in the model"


def test_the_file_holds_no_place_of_the_machine_that_made_it() -> None:
    """QGIS asks for the suggested folder where it loads the model."""
    suggested = ElementTree.parse(LAND_COVER_MODEL).findall(".//Option[@name='defaultGui']")
    assert len(suggested) == 9 and {option.get("value") for option in suggested} == {None}


def test_a_copy_gets_a_name_that_is_free(provider: OtbtfProvider, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    first, second = copied(LAND_COVER_MODEL, folder), copied(LAND_COVER_MODEL, folder)
    assert [path.name for path in (first, second)] == ["landcovermodel.model3", "landcovermodel2.model3"]
    model = QgsProcessingModelAlgorithm()
    assert model.fromFile(str(second))
    assert (model.name(), model.validate()) == ("landcovermodel2", (True, []))


def test_a_copy_that_cannot_be_made_is_told(provider: OtbtfProvider, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="is not a model"):
        copied(tmp_path / "missing.model3", tmp_path)
