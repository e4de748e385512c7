"""otbtf:runcommandline: each command is run as its own algorithm would run it."""

from __future__ import annotations

import json
import shlex
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
    QgsProject,
    QgsRasterLayer,
)

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.operations.tensorflowmodelserve import TensorflowModelServe
from otbtf_qgis.core.parameters.parsing import parse
from otbtf_qgis.plugin import OtbtfPlugin
from otbtf_qgis.provider import OtbtfProvider

RUN = "otbtf:runcommandline"


class Log(QgsProcessingFeedback):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(False)
        self.said: list[str] = []

    def pushInfo(self, text: str) -> None:
        self.said.append(text)


def copy_of_input(values: dict[str, Any], progress: Progress) -> dict[str, Any]:
    gdal.GetDriverByName("GTiff").CreateCopy(values["out"], gdal.Open(values["source1.il"][0]))
    progress.info("served")
    return {"out": values["out"], "width": 8}


@pytest.fixture
def command(make_raster: Callable[[str], str], tmp_path: Path) -> str:
    image, out = shlex.quote(make_raster("a.tif")), shlex.quote(f"{tmp_path}/map.tif?&box=0:0:4:4")
    return f"otbcli_TensorflowModelServe -source1.il {image} \\\n -model.dir m -ram 300 -out {out} uint8"


def test_a_command_runs_as_its_algorithm(engine: Any, command: str, tmp_path: Path) -> None:
    engine.answer = copy_of_input
    log = Log()
    results = processing.run(RUN, {"COMMAND": command}, feedback=log)
    ((operation, values),) = engine.requests
    assert operation == "TensorflowModelServe"
    assert values["out"] == str(tmp_path / "map.tif") and values["out.box"] == "0:0:4:4"
    assert values["ram"] == "300" and values["device"] == "auto"  # the option, as for the algorithm itself
    assert values["source1.rfieldx"] == "1"  # OTBTF's default
    assert results["COUNT"] == 1 and json.loads(results["RESULTS"]) == [{"out": values["out"], "width": 8}]
    assert results["CALLS"] in log.said and "served" in log.said


def test_the_call_shown_asks_for_the_same(engine: Any, command: str) -> None:
    engine.answer = copy_of_input
    shown = processing.run(RUN, {"COMMAND": command, "SHOW_ONLY": True})
    assert engine.requests == [] and shown["RESULTS"] == "[]"
    processing.run(RUN, {"COMMAND": command})
    exec(shown["CALLS"].split("\n\n")[0], {"processing": processing})
    by_command, by_call = (parse(TensorflowModelServe, values) for _, values in engine.requests)
    assert by_call == by_command


def test_outputs_are_loaded(engine: Any, provider: OtbtfProvider, command: str, tmp_path: Path) -> None:
    engine.answer = copy_of_input
    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())
    algorithm = provider.algorithm("runcommandline").create()
    _, ok = algorithm.run({"COMMAND": command}, context, QgsProcessingFeedback())
    assert ok
    layers = context.layersToLoadOnCompletion()
    assert {path: details.name for path, details in layers.items()} == {str(tmp_path / "map.tif"): "map"}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("otbcli_TensorflowModelSrve -out a", "Did you mean TensorflowModelServe?"),
        ("otbcli_TensorflowModelServe -source1.li a", "Did you mean source1.il?"),
        ("otbcli_TensorflowModelServe -out 'a", "not closed"),
        ("", "COMMAND is missing"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(engine: Any, command: str, text: str, part: str) -> None:
    with pytest.raises(QgsProcessingException, match=part.replace("?", r"\?")):
        processing.run(RUN, {"COMMAND": f"{command}\n{text}" if text else ""})
    assert engine.requests == []


@pytest.mark.usefixtures("no_engine")
def test_without_an_engine_nothing_runs(plugin: OtbtfPlugin, command: str, tmp_path: Path) -> None:
    first = f"otbcli_CreateExampleData -outdir {tmp_path / 'made'}"
    with pytest.raises(QgsProcessingException, match="engine"):
        processing.run(RUN, {"COMMAND": f"{first}\n{command}"})
    assert not (tmp_path / "made").exists()


def test_maps_have_the_colours_of_the_model(engine: Any, provider: OtbtfProvider, command: str, tmp_path: Path) -> None:
    """Those of its results, as where the algorithm is run by itself: its file may not hold them."""
    classes = [{"value": 70000, "name": "water", "color": "#0072b2"}, {"value": -1, "name": "", "color": "#123456"}]
    engine.answer = lambda values, progress: {**copy_of_input(values, progress), "classes": classes}
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback(False)
    context.setProject(QgsProject.instance())
    _, ok = provider.algorithm("runcommandline").create().run({"COMMAND": command}, context, feedback)
    assert ok
    path = str(tmp_path / "map.tif")
    layer = QgsRasterLayer(path, "map")
    context.layerToLoadOnCompletionDetails(path).postProcessor().postProcessLayer(layer, context, feedback)
    shown = [(int(item.value), item.label, item.color.name()) for item in layer.renderer().classes()]
    assert shown == [(70000, "water", "#0072b2"), (-1, "-1", "#123456")]


def test_the_command_is_a_text_of_several_lines(provider: OtbtfProvider) -> None:
    assert provider.algorithm("runcommandline").parameterDefinition("COMMAND").multiLine()
