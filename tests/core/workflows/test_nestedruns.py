"""Operations inside another: their messages name what the user of the outer one knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_models import save_graph
from polygon_scene import Log, raster

from otbtf_qgis.core.errors import OtbtfError, ParameterError, as_key, field, worded
from otbtf_qgis.core.workflows.nestedruns import run_nested


@pytest.fixture()
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Values with which TensorflowModelTrain warns of its model, and then refuses to write it."""
    import tensorflow.compat.v1 as tf1

    def build() -> tuple[dict[str, Any], dict[str, Any]]:
        x = tf1.placeholder(tf1.float32, [None, 16, 16, 1], "x")
        return {"x": x}, {"y": x * tf1.get_variable("w", [])}

    monkeypatch.chdir(tmp_path)
    save_graph(Path("cnn16"), build)
    patches = raster(tmp_path / "patches.tif", np.zeros((32, 16)))
    return {
        "model.dir": "cnn16",
        "training.source1.il": [patches],
        "training.source2.il": [patches],
        "out.keras": "net.keras",
    }


def test_a_key_of_the_inner_operation_is_told_as_a_field_of_the_outer_one(training: dict[str, Any]) -> None:
    log = Log()
    words = {"model.dir": field("template"), "out.keras": field("map"), "model.saveto": field("net")}
    with pytest.raises(OtbtfError) as raised:
        run_nested("TensorflowModelTrain", training, words, log)
    assert raised.value.fields == ("map", "net")
    assert str(raised.value) == "MAP is net.keras, but cnn16 is a graph: name a folder in NET."
    assert worded(log.warnings[0], as_key).startswith("TEMPLATE is cnn16: ")


def test_a_key_without_a_word_says_whose_it_is(training: dict[str, Any]) -> None:
    log = Log()
    with pytest.raises(OtbtfError, match=r"name a folder in MODEL_SAVETO of TensorflowModelTrain\.") as raised:
        run_nested("TensorflowModelTrain", training, {"out.keras": field("out_keras")}, log)
    assert raised.value.fields == ("out_keras",)
    assert log.warnings[0].startswith("MODEL_DIR of TensorflowModelTrain is cnn16: ")


def test_a_source_of_the_inner_operation(training: dict[str, Any]) -> None:
    values = {**training, "model.dir": "template:cnn16", "training.source2.patchsizex": 7}
    words = {"training.source2.patchsizex": field("size", of="images", number=3)}
    with pytest.raises(ParameterError) as raised:
        run_nested("TensorflowModelTrain", values, words, Log())
    assert raised.value.fields == ("images[3].size",)
    assert str(raised.value).startswith("IMAGE3_SIZE is 7, but ")
