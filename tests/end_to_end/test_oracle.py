"""OTBTF's recorded runs of TensorflowModelServe, repeated every way a user can start one."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import application
import numpy as np
import pytest
import serving

from otbtf_qgis.core import registry
from otbtf_qgis.core.operations.tensorflowmodelserve import TensorflowModelServe
from otbtf_qgis.core.parameters.parsing import keys

SERVE = "TensorflowModelServe"
HANDFUL = ("s_up_vec", "g_unet_box", "g_pick2_fc")
"""Of the recorded runs, those that go through qgis_process too: a user placeholder, a box, two sources."""


@pytest.fixture(scope="module")
def oracle(shared: Path) -> ModuleType:
    """The tool that compares; how it runs an algorithm is replaced by the tests."""
    spec = importlib.util.spec_from_file_location("otbtf_oracle", shared / "tools" / "otbtf_oracle.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cases(oracle: ModuleType) -> dict[str, Any]:
    every = json.loads((oracle.PUBLIC / "cases.json").read_text())
    found = {case["name"]: case for case in every if case["application"] == SERVE}
    assert len(found) >= 20
    return found


def disagreements(oracle: ModuleType, cases: dict[str, Any], folder: Path) -> dict[str, str]:
    found = {name: oracle.check(case, oracle.PUBLIC, folder) for name, case in cases.items()}
    return {name: why for name, why in found.items() if why is not None}


def test_in_python(oracle: ModuleType, cases: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {key.parameter: key.name for key in keys(TensorflowModelServe)}

    def run(name: str, values: dict[str, Any], timeout: float = 0) -> tuple[bool, Any, str, float]:
        return True, registry.run(name, {names[key]: value for key, value in values.items()}), "", 0.0

    monkeypatch.setattr(oracle, "run", run)
    assert disagreements(oracle, cases, tmp_path) == {}


def test_through_qgis_process(
    qgis: Any, oracle: ModuleType, cases: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(name: str, values: dict[str, Any], timeout: float = 0) -> tuple[bool, Any, str, float]:
        return True, qgis.run(f"otbtf:{name.lower()}", values), "", 0.0

    monkeypatch.setattr(oracle, "run", run)
    assert disagreements(oracle, {name: cases[name] for name in HANDFUL}, tmp_path) == {}


ONE_AFTER_THE_OTHER = """
for values in given:
    results = processing.run("otbtf:tensorflowmodelserve", values)
    assert results["OUT"] == values["OUT"], results
print("runs:", len(given))
"""


def test_through_processing_run(
    qgis: Any, oracle: ModuleType, cases: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All in one session of QGIS, by one warm engine; compared afterwards."""
    runs = [oracle.parameters_of(case, oracle.PUBLIC, tmp_path)[0] for case in cases.values()]
    printed = application.run(qgis.environment, ONE_AFTER_THE_OTHER, runs)
    assert f"runs: {len(cases)}" in printed
    monkeypatch.setattr(oracle, "run", lambda *_: (True, {}, "", 0.0))
    assert disagreements(oracle, cases, tmp_path) == {}


SAVE_MODEL = """
from qgis.core import (QgsProcessingModelAlgorithm, QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource as Source, QgsProcessingModelOutput, QgsProcessingModelParameter,
    QgsProcessingParameterMultipleLayers, QgsProcessing)

def step(name, images, values):
    child = QgsProcessingModelChildAlgorithm("otbtf:tensorflowmodelserve")
    child.setChildId(name)
    child.addParameterSources("SOURCE1_IL", [images])
    for key, value in {**shown(child.algorithmId()), **values}.items():
        child.addParameterSources(key, [Source.fromStaticValue(value)])
    return child

model = QgsProcessingModelAlgorithm("Two runs", "tests")
images = QgsProcessingParameterMultipleLayers("images", "Images", QgsProcessing.TypeRaster)
model.addModelParameter(images, QgsProcessingModelParameter("images"))
first, second = given["steps"]
model.addChildAlgorithm(step("first", Source.fromModelParameter("images"), first))
last = step("second", Source.fromChildOutput("first", "OUT"), second)
output = QgsProcessingModelOutput("map")
output.setChildId("second")
output.setChildOutputName("OUT")
last.setModelOutputs({"map": output})
model.addChildAlgorithm(last)
print("valid:", model.validate())
print("saved:", model.toFile(given["file"]))
"""


def test_in_a_model_that_chains_two_runs(qgis: Any, tmp_path: Path) -> None:
    """Halved by two networks on average and cut to whole numbers, blurred by another in each mirror image.

    Every value is stored in the .model3.
    """
    image = serving.noise(60, 70, 2, "uint16")
    common = {"MODEL_FULLYCONV": "auto", "OUTPUT_BV": 0, "DEVICE": "cpu", "MEMORY": 256, "PADDING": "none"}
    less, more = (serving.pixelwise(tmp_path / f"{n}", lambda x, n=n: x * n / 4, 2) for n in (1, 3))
    blur = serving.convolutions(tmp_path / "blur", 2, (4,), 1, dtype="float32")
    steps = [
        {**common, "MODEL_DIR": less, "MODEL_MORE": [more], "OUT_PIXELTYPE": "uint16"},
        {**common, "MODEL_DIR": blur, "AUGMENT_SERVE": "flips", "OUT_PIXELTYPE": "float"},
    ]
    file = tmp_path / "two.model3"
    printed = application.run(qgis.environment, SAVE_MODEL, {"steps": steps, "file": str(file)})
    assert "valid: (True, [])" in printed and "saved: True" in printed, printed
    out = tmp_path / "map.tif"
    qgis.run(str(file), {"images": serving.write(tmp_path / "image.tif", image), "second:map": str(out)})
    import tensorflow as tf

    bare = tf.saved_model.load(blur).signatures["serving_default"]
    halved = np.floor(image / 2).astype("float32")
    flips = [np.s_[::down, ::across] for down in (1, -1) for across in (1, -1)]
    expected = np.mean([bare(x=tf.constant(halved[flip][None]))["y"].numpy()[0][flip] for flip in flips], axis=0)
    assert serving.read(out).shape == (56, 66, 1)
    np.testing.assert_allclose(serving.read(out), expected, rtol=1e-4, atol=1e-5)
