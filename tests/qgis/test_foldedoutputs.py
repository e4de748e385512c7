"""Outputs under Advanced, where QGIS folds no destination: runs, layers that are loaded, graphical models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import processing
import pytest
from osgeo import gdal
from qgis.core import (
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterDefinition,
    QgsProject,
)

from otbtf_qgis.algorithms.definitions import definition, shown_as
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.parameters.kinds import Content, Key
from otbtf_qgis.core.parameters.parsing import keys
from otbtf_qgis.provider import OtbtfProvider

SERVE = "otbtf:tensorflowmodelserve"
ADVANCED = QgsProcessingParameterDefinition.Flag.FlagAdvanced
TYPES = {Content.RASTER: "outputRaster", Content.LAYER: "outputVector", Content.FOLDER: "outputFolder"}
Source = QgsProcessingModelChildParameterSource


def copies(values: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Answers as an operation does that writes each of its rasters."""
    made = {name: path for name, path in values.items() if name.split(".")[0] == "out"}
    for path in made.values():
        gdal.GetDriverByName("GTiff").CreateCopy(path, gdal.Open(values["source1.il"][0]))
    return made


@pytest.fixture
def parameters(engine: Any, make_raster: Callable[[str], str], tmp_path: Path) -> dict[str, Any]:
    engine.answer = copies
    return {"SOURCE1_IL": [make_raster("a.tif")], "MODEL_DIR": "model", "OUT": str(tmp_path / "out.tif")}


def folded_keys(provider: OtbtfProvider, name: str) -> list[Key]:
    return [key for key in keys(provider.algorithm(name).OPERATION) if key.kind.is_output and key.advanced]


@pytest.mark.parametrize("name", ["landcovermap", "tensorflowmodelserve", "tensorflowmodeltrain"])
def test_it_is_a_path_under_advanced_and_an_output(provider: OtbtfProvider, name: str) -> None:
    algorithm = provider.algorithm(name).create()
    found = folded_keys(provider, name)
    assert found
    for key in found:
        parameter = algorithm.parameterDefinition(key.parameter)
        assert (parameter.isDestination(), bool(parameter.flags() & ADVANCED)) == (False, True)
        assert algorithm.outputDefinition(key.parameter).type() == TYPES[key.kind.content]
        assert parameter.checkValueIsAcceptable("/nowhere/that/exists.tif")


def test_its_formats_are_those_of_other_outputs(provider: OtbtfProvider) -> None:
    (key, *_) = folded_keys(provider, "tensorflowmodelserve")
    formats = definition(key).fileFilter()
    assert "(*.tif" in formats and formats == shown_as(key).destination(key).createFileFilter()


def test_a_run_writes_it(engine: Any, parameters: dict[str, Any], tmp_path: Path) -> None:
    sure = tmp_path / "sure.tif"
    more = {"OUT_CONFIDENCE": str(sure), "OUT_MARGIN": "TEMPORARY_OUTPUT", "OUT_ENTROPY": None}
    results = processing.run(SERVE, {**parameters, **more})
    asked = engine.requests[-1][1]
    assert (asked["out.confidence"], "out.entropy" in asked) == (str(sure), False)
    assert results["OUT_CONFIDENCE"] == str(sure) and sure.is_file()
    assert asked["out.margin"] == results["OUT_MARGIN"]
    assert Path(results["OUT_MARGIN"]).suffix == ".tif" and Path(results["OUT_MARGIN"]).is_file()


def test_a_layer_is_loaded_where_the_map_is(
    provider: OtbtfProvider, parameters: dict[str, Any], context: QgsProcessingContext, tmp_path: Path
) -> None:
    sure = str(tmp_path / "sure.tif")
    for project, expected in ((None, []), (QgsProject.instance(), [parameters["OUT"], sure])):
        out = QgsProcessingOutputLayerDefinition(parameters["OUT"], project)
        values = {**parameters, "OUT": out, "OUT_CONFIDENCE": sure}
        _, ok = provider.algorithm("tensorflowmodelserve").create().run(values, context, QgsProcessingFeedback())
        assert ok and sorted(context.layersToLoadOnCompletion()) == expected
    details = context.layerToLoadOnCompletionDetails(sure)
    assert (details.name, details.outputName, details.project) == (
        "Confidence",
        "OUT_CONFIDENCE",
        QgsProject.instance(),
    )
    assert details.postProcessor() is not None, "which styles it"


def test_it_is_checked_as_other_outputs(parameters: dict[str, Any]) -> None:
    with pytest.raises(QgsProcessingException, match=r"OUT and OUT_CONFIDENCE are both .*out\.tif"):
        processing.run(SERVE, {**parameters, "OUT_CONFIDENCE": parameters["OUT"]})
    with pytest.raises(QgsProcessingException, match="OUT_CONFIDENCE is 'memory:', but must be a file"):
        processing.run(SERVE, {**parameters, "OUT_CONFIDENCE": "memory:"})


def test_a_step_of_a_graphical_model_reads_it(parameters: dict[str, Any], context: QgsProcessingContext) -> None:
    model = QgsProcessingModelAlgorithm("sure", "tests")
    serving = QgsProcessingModelChildAlgorithm(SERVE)
    serving.setChildId("serving")
    for name, value in {**parameters, "OUT_CONFIDENCE": "TEMPORARY_OUTPUT"}.items():
        if name != "OUT":
            serving.addParameterSources(name, [Source.fromStaticValue(value)])
    model.addChildAlgorithm(serving)
    reading = QgsProcessingModelChildAlgorithm("native:rasterlayerproperties")
    reading.setChildId("reading")
    reading.addParameterSources("INPUT", [Source.fromChildOutput("serving", "OUT_CONFIDENCE")])
    model.addChildAlgorithm(reading)
    offered = model.availableSourcesForChild("reading", ["raster"], ["outputRaster"])
    assert "OUT_CONFIDENCE" in [source.outputName() for source in offered]
    assert model.childAlgorithm("reading").algorithm() is not None
    results, ok = model.create().run({}, context, QgsProcessingFeedback())
    assert ok and results["CHILD_RESULTS"]["reading"]["WIDTH_IN_PIXELS"] == 8
    assert list(context.layersToLoadOnCompletion()) == []


def test_the_model_designer_stores_it(provider: OtbtfProvider, tmp_path: Path) -> None:
    model = QgsProcessingModelAlgorithm("sure", "tests")
    serving = QgsProcessingModelChildAlgorithm(SERVE)
    serving.setChildId("serving")
    serving.addParameterSources("OUT_CONFIDENCE", [Source.fromStaticValue("/kept/sure.tif")])
    model.addChildAlgorithm(serving)
    path = str(tmp_path / "sure.model3")
    assert model.toFile(path)
    read = QgsProcessingModelAlgorithm()
    assert read.fromFile(path)
    (source,) = read.childAlgorithm("serving").parameterSources()["OUT_CONFIDENCE"]
    assert source.staticValue() == "/kept/sure.tif"
