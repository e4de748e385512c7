"""Messages call parameters by the labels of the form in QGIS's dialogs, and by their names elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import processing
import pytest
from qgis.core import QgsApplication, QgsProcessingContext, QgsProcessingException, QgsProcessingFeedback

from otbtf_qgis.algorithms.base import OtbtfAlgorithm
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import ModelError, field
from otbtf_qgis.plugin import OtbtfPlugin
from otbtf_qgis.provider import OtbtfProvider


class Log(QgsProcessingFeedback):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(False)
        self.lines: list[str] = []

    def pushInfo(self, text: str) -> None:
        self.lines.append(text)

    def pushWarning(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(params=["desktop", "qgis_process", "external"])
def platform(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(QgsApplication, "platform", staticmethod(lambda: request.param))
    return str(request.param)


@pytest.fixture
def raster(make_raster: Callable[[str], str]) -> str:
    return make_raster("a.tif")


SERVE = {"SOURCE1_IL": ["a.tif"], "MODEL_DIR": "model", "OUT": "out.tif"}
PATCHES = {"SOURCE1_IL": ["a.tif"], "SOURCE1_PATCHSIZEX": 4, "SOURCE1_PATCHSIZEY": 4, "VEC": "p.gpkg", "FIELD": "class"}
TRAIN = {"MODEL_DIR": "cnn16", "TRAINING_SOURCE1_IL": ["a.tif"]}


@pytest.mark.parametrize(
    ("algorithm", "given", "keys", "labels"),
    [
        ("tensorflowmodelserve", {**SERVE, "OUTPUT_BV": "abc"}, "OUTPUT_BV is 'abc'", "“Background value” is 'abc'"),
        ("tensorflowmodelserve", {**SERVE, "MODEL_DIR": ""}, "MODEL_DIR is missing", "“Model” is missing"),
        (
            "tensorflowmodelserve",
            {**SERVE, "SOURCE1_IL": ["a.tif", ""]},
            "SOURCE1_IL, image 2, is empty",
            "“Source 1: images”, image 2, is empty",
        ),
        (
            "tensorflowmodelserve",
            {**SERVE, "MEMORY": 100, "RAM": 200},
            "MEMORY is 100 and RAM is 200",
            "“Memory (MB)” is 100 and “RAM (MB)” is 200",
        ),
        (
            "tensorflowmodelserve",
            {**SERVE, "SOURCE4_IL": ["b.tif"]},
            "SOURCE4_IL is given, but nothing for SOURCE2",
            "“Source 4: images” is given, but nothing for SOURCE2",
        ),
        ("patchesextraction", PATCHES, "SOURCE1_OUT is missing", "“Source 1: patches” is missing"),
        (
            "tensorflowmodeltrain",
            {**TRAIN, "VALIDATION_SOURCE1_NAME": "x"},
            "VALIDATION_SOURCE1_IL is missing: choose at least one patches image, or a folder in VALIDATION_TFRECORDS",
            "“Validation source 1: patches images” is missing: choose at least one patches image, or a folder in “TFRecords "
            "for validation”",
        ),
        (
            "tensorflowmodeltrain",
            {**TRAIN, "TRAINING_TFRECORDS": "records"},
            "TRAINING_TFRECORDS and TRAINING_SOURCE1_IL are both given",
            "“TFRecords for training” and “Training source 1: patches images” are both given",
        ),
        (
            "imageclassifierfromdeepfeatures",
            {"SOURCE1_IL": ["a.tif"], "MODEL": "c.skops", "OUT": "out.tif"},
            "DEEPMODEL_DIR is missing",
            "“Network” is missing",
        ),
    ],
)
def test_an_error_of_the_check(
    engine: Any,
    provider: OtbtfProvider,
    raster: str,
    platform: str,
    algorithm: str,
    given: dict[str, Any],
    keys: str,
    labels: str,
) -> None:
    rasters = {
        name: [raster if item == "a.tif" else item for item in value]
        for name, value in given.items()
        if name[-2:] == "IL"
    }
    usable, said = provider.algorithm(algorithm).checkParameterValues({**given, **rasters}, QgsProcessingContext())
    assert not usable
    assert said.startswith(labels if platform == "desktop" else keys)


def test_lines_and_errors_of_a_run_in_the_engine(
    engine: Any, plugin: OtbtfPlugin, raster: str, platform: str, tmp_path: Path
) -> None:
    """The engine sends mentions as they are; no other process knows who will read them."""

    def answer(values: dict[str, Any], progress: Progress) -> dict[str, Any]:
        progress.info(f"{field('=source1.il')} is read.")
        progress.warning(f"{field('=output.bv')} is 0; {field('=unknown.key')} is not shown.")
        raise ModelError(f"{field('=model.dir')} is model, but must be a folder.")

    engine.answer, log = answer, Log()
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("otbtf:tensorflowmodelserve")
    values = {"SOURCE1_IL": [raster], "MODEL_DIR": "model", "OUT": str(tmp_path / "out.tif")}
    with pytest.raises(QgsProcessingException) as raised:
        algorithm.run(values, QgsProcessingContext(), log, {}, False)
    said = [*log.lines, str(raised.value)]
    if platform == "desktop":
        expected = [
            "“Source 1: images” is read.",
            "“Background value” is 0; UNKNOWN_KEY is not shown.",
            "“Model” is model",
        ]
    else:
        expected = ["SOURCE1_IL is read.", "OUTPUT_BV is 0; UNKNOWN_KEY is not shown.", "MODEL_DIR is model"]
    assert len(said) == 3
    assert all(one.startswith(begin) for one, begin in zip(said, expected)), said


def test_a_run_in_this_process(plugin: OtbtfPlugin, raster: str, platform: str, tmp_path: Path) -> None:
    """The error comes from the body, which knows fields only."""
    given = {"IN": raster, "MODE": "fit", "OUT": str(tmp_path / "out.tif")}
    with pytest.raises(QgsProcessingException) as raised:
        processing.run("otbtf:extractroi", given)
    names = (
        ("“Mode”", "“Fit: image”", "“Fit: layer”")
        if platform == "desktop"
        else ("MODE", "MODE_FIT_IM", "MODE_FIT_VECT")
    )
    assert all(name in str(raised.value) for name in names)


def test_labels_of_a_form_are_distinct(provider: OtbtfProvider) -> None:
    """A label in a message names one parameter."""
    for algorithm in provider.algorithms():
        if isinstance(algorithm, OtbtfAlgorithm):
            labels = [parameter.description() for parameter in algorithm.parameterDefinitions()]
            twice = {label for label in labels if labels.count(label) > 1}
            assert not twice, algorithm.name()
