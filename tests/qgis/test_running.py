"""A run, from what QGIS passes to what it gets back, with an engine that only records."""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import processing
import pytest
from osgeo import gdal
from qgis.core import (
    QgsApplication,
    QgsProcessingAlgorithm,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterMultipleLayers,
    QgsProject,
    QgsRasterLayer,
)
from qgis.PyQt.QtCore import QEventLoop

from otbtf_qgis.algorithms.feedback import FeedbackProgress
from otbtf_qgis.algorithms.tensorflowmodelserve import TensorflowModelServe
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, ModelError
from otbtf_qgis.plugin import OtbtfPlugin
from otbtf_qgis.provider import OtbtfProvider

SERVE = "otbtf:tensorflowmodelserve"


class Log(QgsProcessingFeedback):
    """Keeps what is said, by kind."""

    def __init__(self) -> None:
        super().__init__(False)
        self.said: list[tuple[str, str]] = []

    def pushInfo(self, text: str) -> None:
        self.said.append(("info", text))

    def pushWarning(self, text: str) -> None:
        self.said.append(("warning", text))

    def reportError(self, text: str, fatal: bool = False) -> None:
        self.said.append(("error", text))

    def pushDebugInfo(self, text: str) -> None:
        self.said.append(("debug", text))


@pytest.fixture
def serve(plugin: OtbtfPlugin) -> QgsProcessingAlgorithm:
    return QgsApplication.processingRegistry().createAlgorithmById(SERVE)


@pytest.fixture
def parameters(make_raster: Callable[[str], str], tmp_path: Path) -> dict[str, Any]:
    return {"SOURCE1_IL": [make_raster("a.tif")], "MODEL_DIR": "model", "OUT": str(tmp_path / "out.tif")}


def copy_of_input(values: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Answers as an operation does: writes the output, reports and returns."""
    gdal.GetDriverByName("GTiff").CreateCopy(values["out"], gdal.Open(values["source1.il"][0]))
    progress.fraction(0.5)
    progress.info("half")
    return {"out": values["out"], "nan_pixels": 3, "share": math.nan}


class TestRequest:
    def test_holds_what_was_given(self, engine: Any, parameters: dict[str, Any]) -> None:
        results = processing.run(SERVE, {**parameters, "OUTPUT_BV": "7", "TRUST_MODEL": "off", "OUT_BOX": None})
        assert engine.requests == [
            (
                "TensorflowModelServe",
                {
                    "source1.il": parameters["SOURCE1_IL"],
                    "model.dir": "model",
                    "output.bv": "7",
                    "trust_model": "off",
                    "out": parameters["OUT"],
                    "device": "auto",
                },
            )
        ]
        assert results["OUT"] == parameters["OUT"]

    def test_holds_lists_of_files(self, engine: Any, parameters: dict[str, Any]) -> None:
        for given in (["one.keras", "two"], "one.keras"):
            processing.run(SERVE, {**parameters, "MODEL_MORE": given})
            assert engine.requests[-1][1]["model.more"] == ([given] if isinstance(given, str) else given)

    def test_is_json(self, engine: Any, parameters: dict[str, Any], make_raster: Callable[[str], str]) -> None:
        import json

        layer = QgsRasterLayer(make_raster("b.tif"), "b")
        extent = layer.extent()
        processing.run(SERVE, {**parameters, "SOURCE2_IL": [layer], "EXTENT": extent, "SOURCE2_NODATA": 0.0})
        assert json.loads(json.dumps(engine.requests[0][1])) == engine.requests[0][1]

    def test_takes_memory_and_device_from_the_options(
        self, engine: Any, provider: OtbtfProvider, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from otbtf_qgis.options import Options

        monkeypatch.setattr(provider, "options", lambda: Options(memory=900, device="cpu"))
        for given, expected in (
            ({}, {"memory": 900, "device": "cpu"}),
            ({"MEMORY": 512, "DEVICE": "gpu:0"}, {"memory": 512, "device": "gpu:0"}),
            ({"RAM": 256}, {"ram": 256, "device": "cpu"}),
        ):
            processing.run(SERVE, {**parameters, **given})
            request = engine.requests[-1][1]
            assert {name: request.get(name) for name in expected} == expected
            assert ("memory" in request) == ("memory" in expected)

    def test_engine_starts_while_parameters_are_checked(
        self, engine: Any, serve: QgsProcessingAlgorithm, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> None:
        assert serve.checkParameterValues(parameters, context) == (True, "")
        assert (engine.warmed, engine.requests) == (1, [])
        ok, _ = serve.checkParameterValues({**parameters, "OUTPUT_BV": "abc"}, context)
        assert not ok
        assert engine.warmed == 1

    def test_checking_opens_nothing(
        self, engine: Any, serve: QgsProcessingAlgorithm, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> None:
        remote = {**parameters, "SOURCE1_IL": ["https://nowhere.invalid/a.tif"]}
        assert serve.checkParameterValues(remote, context) == (True, "")


class TestResults:
    def test_come_back_without_nan(self, engine: Any, parameters: dict[str, Any], context: Any) -> None:
        engine.answer = copy_of_input
        log = Log()
        results = processing.run(SERVE, parameters, feedback=log, context=context)
        assert results == {"OUT": parameters["OUT"], "NAN_PIXELS": 3}
        assert ("info", "half") in log.said
        assert log.progress() == 100  # whatever the operation told last

    def test_temporary_output(self, engine: Any, parameters: dict[str, Any]) -> None:
        engine.answer = copy_of_input
        results = processing.run(SERVE, {**parameters, "OUT": "TEMPORARY_OUTPUT"})
        assert QgsRasterLayer(results["OUT"]).isValid()

    def test_loaded_layers_are_styled_in_the_main_thread(
        self, engine: Any, parameters: dict[str, Any], context: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine.answer = copy_of_input
        styled = []
        monkeypatch.setattr(
            TensorflowModelServe,
            "style",
            staticmethod(lambda *given: styled.append((*given, threading.current_thread()))),
        )
        out = QgsProcessingOutputLayerDefinition(parameters["OUT"], QgsProject.instance())
        serve = QgsApplication.processingRegistry().createAlgorithmById(SERVE)
        feedback = QgsProcessingFeedback()
        task = QgsProcessingAlgRunnerTask(serve, {**parameters, "OUT": out}, context, feedback)
        done, loop = [], QEventLoop()
        task.executed.connect(lambda ok, results: (done.append((ok, results)), loop.quit()))
        QgsApplication.taskManager().addTask(task)
        loop.exec_() if hasattr(loop, "exec_") else loop.exec()
        ok, results = done[0]
        assert ok

        from processing.gui.Postprocessing import handleAlgorithmResults

        assert handleAlgorithmResults(serve, context, feedback, False)
        output, layer, told, thread = styled[0]
        assert (output, told) == ("OUT", results)
        assert layer.source() == parameters["OUT"]
        assert thread is threading.main_thread()
        assert len(styled) == 1


class TestFailures:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"MODEL_DIRR": "x"}, "Unknown parameter MODEL_DIRR. Did you mean MODEL_DIR?"),
            ({"MODEL_DIR": None}, "MODEL_DIR is missing"),
            ({"OUT": ""}, "OUT is missing"),
            ({"SOURCE1_IL": []}, "SOURCE1_IL is missing"),
            ({"OUTPUT_BV": "abc"}, "OUTPUT_BV is 'abc', but must be a number"),
            ({"SOURCE3_IL": ["x.tif"]}, "SOURCE3_IL is given, but nothing for SOURCE2"),
        ],
    )
    def test_bad_values_are_told_before_and_in_the_run(
        self, engine: Any, parameters: dict[str, Any], context: Any, change: dict[str, Any], message: str
    ) -> None:
        bad = {**parameters, **change}
        with pytest.raises(QgsProcessingException, match=message):
            processing.run(SERVE, bad)
        # A model's step does not check first.
        serve = QgsApplication.processingRegistry().createAlgorithmById(SERVE)
        with pytest.raises(QgsProcessingException, match=message):
            serve.run(bad, context, Log(), {}, False)
        assert engine.requests == []

    def test_cores_errors_are_passed_on_as_they_are(self, engine: Any, parameters: dict[str, Any]) -> None:
        def fail(values: dict[str, Any], progress: Progress) -> dict[str, Any]:
            raise ModelError("model is no model: it has no saved_model.pb.")

        engine.answer = fail
        with pytest.raises(QgsProcessingException, match=r"^model is no model: it has no saved_model.pb\.$"):
            processing.run(SERVE, parameters)

    def test_cancelling_raises(self, engine: Any, parameters: dict[str, Any], context: Any) -> None:
        def cancelled(values: dict[str, Any], progress: Progress) -> dict[str, Any]:
            feedback.cancel()
            progress.check()
            return {}

        engine.answer, feedback = cancelled, Log()
        with pytest.raises(QgsProcessingException, match="Cancelled"):
            processing.run(SERVE, parameters, feedback=feedback, context=context)

    def test_no_traceback_reaches_the_user(self, engine: Any, parameters: dict[str, Any], context: Any) -> None:
        def fail(values: dict[str, Any], progress: Progress) -> dict[str, Any]:
            return {}["missing"]

        engine.answer, log = fail, Log()
        with pytest.raises(QgsProcessingException, match="Internal error, please report it: KeyError in test_running"):
            processing.run(SERVE, parameters, feedback=log, context=context)
        assert not any("Traceback" in text for _, text in log.said)

    def test_without_an_engine(self, no_engine: None, parameters: dict[str, Any], context: Any) -> None:
        serve = QgsApplication.processingRegistry().createAlgorithmById(SERVE)
        for ok, message in (serve.canExecute(), serve.checkParameterValues(parameters, context)):
            assert not ok
            assert "otbtf:installengine" in message
        with pytest.raises(QgsProcessingException, match="otbtf:installengine"):
            serve.run(parameters, context, Log(), {}, False)

    def test_what_needs_no_engine_runs_without(self, no_engine: None, tmp_path: Path) -> None:
        create = QgsApplication.processingRegistry().createAlgorithmById("otbtf:createexampledata")
        assert create.canExecute()[0]
        processing.run("otbtf:createexampledata", {"SIZE": 256, "OUTDIR": str(tmp_path)})
        assert list(tmp_path.glob("*.tif"))


def test_installing_goes_into_the_profile(
    engine: Any, provider: OtbtfProvider, monkeypatch: pytest.MonkeyPatch, plugin: OtbtfPlugin
) -> None:
    """The folder is filled in where it is not given, and no engine holds its files open."""
    asked = []
    monkeypatch.setattr(
        "otbtf_qgis.algorithms.base.run_here", lambda name, values, progress: asked.append((name, values)) or {}
    )
    processing.run("otbtf:installengine", {"GPU": "off"})
    processing.run("otbtf:installengine", {"FOLDER": "/elsewhere"})
    version = f"engine-py{sys.version_info[0]}.{sys.version_info[1]}"
    profile = Path(QgsApplication.qgisSettingsDirPath()) / "otbtf" / version
    assert asked == [
        ("InstallEngine", {"gpu": "off", "folder": str(profile)}),
        ("InstallEngine", {"folder": "/elsewhere"}),
    ]
    assert engine.stopped == 2


def test_in_a_model(engine: Any, parameters: dict[str, Any], context: Any) -> None:
    """Two runs in a chain: the second serves what the first wrote, and hidden sources are kept."""
    engine.answer = copy_of_input
    source = QgsProcessingModelChildParameterSource

    def step(name: str, images: Any) -> QgsProcessingModelChildAlgorithm:
        child = QgsProcessingModelChildAlgorithm(SERVE)
        child.setChildId(name)
        child.addParameterSources("SOURCE1_IL", [images])
        child.addParameterSources("SOURCE2_IL", [images])
        child.addParameterSources("SOURCE3_IL", [images])
        child.addParameterSources("MODEL_DIR", [source.fromStaticValue("model")])
        child.addParameterSources("OUTPUT_BV", [source.fromExpression("1 + 2")])
        return child

    model = QgsProcessingModelAlgorithm("chain", "tests")
    definition = QgsProcessingParameterMultipleLayers("images", "Images")
    model.addModelParameter(definition, QgsProcessingModelParameter("images"))
    model.addChildAlgorithm(step("first", source.fromModelParameter("images")))
    last = step("second", source.fromChildOutput("first", "OUT"))
    output = QgsProcessingModelOutput("map")
    output.setChildId("second")
    output.setChildOutputName("OUT")
    last.setModelOutputs({"map": output})
    model.addChildAlgorithm(last)
    model.initAlgorithm()

    given = {"images": parameters["SOURCE1_IL"], "second:map": parameters["OUT"]}
    results, ok = model.run(given, context, QgsProcessingFeedback())
    assert ok
    first, second = (values for _, values in engine.requests)
    assert first["source3.il"] == parameters["SOURCE1_IL"]
    assert second["source1.il"] == [first["out"]]
    assert (second["output.bv"], second["out"]) == (3, parameters["OUT"])
    assert results["second:map"] == parameters["OUT"]


class TestProgress:
    def test_passes_everything_on(self) -> None:
        log = Log()
        progress = FeedbackProgress(log, TensorflowModelServe)
        progress.fraction(0.25)
        progress.info("a")
        progress.warning("b")
        assert (log.progress(), log.said) == (25, [("info", "a"), ("warning", "b")])
        assert not progress.cancelled()
        log.cancel()
        with pytest.raises(Cancelled):
            progress.check()

    def test_takes_reports_from_any_thread(self) -> None:
        log = Log()
        progress = FeedbackProgress(log, TensorflowModelServe)
        threads = [threading.Thread(target=lambda: [progress.info(str(n)) for n in range(200)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(log.said) == sorted([("info", str(n)) for n in range(200)] * 4)


@pytest.mark.parametrize("key", ["SOURCE1_IL", "MODEL_DIR"])
def test_a_pipe_is_refused_before_qgis_loads_it(provider: OtbtfProvider, tmp_path: Path, key: str) -> None:
    pipe = str(tmp_path / "pipe.tif")
    os.mkfifo(pipe)
    values = {"SOURCE1_IL": [str(tmp_path / "image.tif")], "MODEL_DIR": str(tmp_path), "OUT": str(tmp_path / "out.tif")}
    algorithm = provider.algorithm("tensorflowmodelserve")
    given = {**values, key: [pipe] if key == "SOURCE1_IL" else pipe}
    usable, said = algorithm.checkParameterValues(given, QgsProcessingContext())
    assert not usable and f"{key} is {pipe}, which is a named pipe" in said


@pytest.mark.parametrize("key", ["VEC", "IN"])
def test_a_pipe_as_layer(provider: OtbtfProvider, tmp_path: Path, key: str) -> None:
    pipe = str(tmp_path / "pipe.gpkg")
    os.mkfifo(pipe)
    values = {
        "IN": str(tmp_path / "a.tif"),
        "VEC": str(tmp_path / "a.gpkg"),
        "FIELD": "class",
        "OUT": str(tmp_path / "o"),
    }
    algorithm = provider.algorithm("polygonclassstatistics")
    usable, said = algorithm.checkParameterValues({**values, key: pipe}, QgsProcessingContext())
    assert not usable and f"{key} is {pipe}, which is a named pipe" in said
