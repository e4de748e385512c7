"""TrainModel does what TensorflowModelTrain does, and speaks of its own parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_scene as scene
from api_helpers import write
from graph_models import save_graph

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import OtbtfError, ParameterError
from otbtf_qgis.core.operations.tensorflowmodeltrain import TensorflowModelTrain
from otbtf_qgis.core.operations.trainmodel import TrainModel
from otbtf_qgis.core.parameters.parsing import keys, parse, values_of
from otbtf_qgis.core.workflows.modeltraining import training_values

FEW = {"training.epochs": 2, "training.batchsize": 8, "seed": 3}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("training")
    training = scene.patches(folder, "training", 24)
    return {
        "folder": folder,
        "net": scene.classifier(folder / "net.keras"),
        "images": training["source1.il"],
        "labels": training["source2.il"],
        "two bands": [write(folder / "two_bands.tif", np.ones((24, 1, 1, 2), "uint8"))],
    }


def given(files: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {
        **FEW,
        "model.dir": files["net"],
        "training.source1.il": files["images"],
        "training.target.il": files["labels"],
        **changed,
    }


def test_it_trains_as_tensorflowmodeltrain(files: dict[str, Any]) -> None:
    """The parameters of the training are equal, so it is the same; the tests of read-only inputs run it."""
    shared = {**FEW, "model.dir": "cnn16", "loss": "focal", "patience": 3, "memory": 128, "model.saveto": "model"}
    shared |= {"nodata_fill": "value", "nodata_fill.value": 2.5, "nodata_fill.mask": True, "dates": "20180101 20180106"}
    shared |= {"dates.order": "band-major", "step": 5}
    sources = {"training.source1.il": files["images"], "training.source2.il": files["images"]}
    validated = {"validation.source1.il": ["v.tif"], "validation.source2.il": ["w.tif"]}
    target, output = {"training.target.il": files["labels"]}, {"training.target.placeholder": "predictions"}
    short = parse(TrainModel, {**shared, **sources, **target, **output, **validated, "validation.target.il": ["l.tif"]})
    long = {
        **shared,
        **sources,
        **validated,
        "training.source3.il": files["labels"],
        "training.source3.placeholder": "predictions",
        "validation.source3.il": ["l.tif"],
    }
    assert parse(TensorflowModelTrain, training_values(short)) == parse(TensorflowModelTrain, long)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"validation.source1.il": ["v.tif"]}, "VALIDATION_TARGET_IL is missing"),
        ({"validation.target.il": ["v.tif"]}, "VALIDATION_SOURCE1_IL is missing: validation needs"),
        (
            {"validation.source1.il": ["v.tif"], "validation.source2.il": ["w.tif"], "validation.target.il": ["l.tif"]},
            "VALIDATION_SOURCE2_IL is given, but the number of training sources is 1",
        ),
        ({"training.target.il": []}, "TRAINING_TARGET_IL is missing"),
        ({"training.source1.il": []}, "TRAINING_SOURCE1_IL is missing"),
        (
            {"validation.source1.il": ["v.tif"], "validation.target.il": ["l.tif"], "validation.share": 0.2},
            "VALIDATION_SHARE is 0.2, but there are validation sources too",
        ),
        ({"calibrate": True}, "CALIBRATE is on, but there are no validation samples to fit the temperature to: give"),
    ],
)
def test_what_cannot_be_right_is_refused_before_the_run(
    files: dict[str, Any], values: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError) as raised:
        registry.read(TrainModel, given(files, **values))
    assert str(raised.value).startswith(message)


def test_messages_name_the_target(files: dict[str, Any], tmp_path: Path) -> None:
    values = {"training.target.il": files["two bands"], "model.saveto": str(tmp_path / "model")}
    with pytest.raises(OtbtfError) as raised:
        registry.run("TrainModel", given(files, **values), scene.Log())
    assert str(raised.value).startswith("TRAINING_TARGET_IL has 2 bands, but labels have one")
    assert [key for key in raised.value.fields if "source2" in key] == []


def test_values_are_those_that_were_read(files: dict[str, Any]) -> None:
    values = given(files, **{"training.source2.il": files["images"], "training.source2.placeholder": "b"})
    read = parse(TrainModel, values)
    back = values_of(read)
    assert {name: list(back[name]) if name.endswith(".il") else back[name] for name in values} == values
    assert parse(TrainModel, back) == read
    assert set(back) <= {key.name for key in keys(TrainModel)}


def test_a_graph_of_tensorflow_1_is_refused_before_the_work(files: dict[str, Any], tmp_path: Path) -> None:
    def build() -> tuple[dict[str, Any], dict[str, Any]]:
        import tensorflow.compat.v1 as tf1

        x = tf1.placeholder(tf1.float32, (None, 1), "x")
        return {"x": x}, {"y": tf1.identity(x, "y")}

    samples = {"training.source1.il": files["images"], "training.target.il": files["labels"]}
    graph, search = (
        save_graph(tmp_path / "graph", build),
        {"validation.share": 0.5, "out": str(tmp_path / "trials.json")},
    )
    searched = {"settings": f"MODEL_DIR=cnn16;{graph}", **search}
    cases = [("TrainModel", {}), ("FindLearningRate", {}), ("SearchSettings", search), ("SearchSettings", searched)]
    for name, more in cases:
        log, model = scene.Log(), "cnn16" if more is searched else graph
        with pytest.raises(
            ParameterError, match="MODEL_DIR is .*graph, a TensorFlow 1 graph, which holds its own loss"
        ):
            registry.run(name, {**samples, "model.dir": model, **more}, log)
        assert log.lines == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph"]
