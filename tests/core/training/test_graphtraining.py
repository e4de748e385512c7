"""TensorFlow 1 graphs, trained through their target nodes."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_helpers import write

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, ModelError, ParameterError, TrainingError
from otbtf_qgis.core.registry import run

tf = pytest.importorskip("tensorflow")
pytest.importorskip("osgeo")
v1 = tf.compat.v1

SAMPLES = 23
LABELS = (3, 7)


class Told(Progress):
    def __init__(self, stop_at: str = "") -> None:
        self.lines: list[str] = []
        self._stop_at = stop_at

    def info(self, message: str) -> None:
        self.lines.append(message)

    warning = info

    def cancelled(self) -> bool:
        return bool(self._stop_at) and any(self._stop_at in line for line in self.lines)


def make_graph(folder: Path, default: bool = False) -> Path:
    """Label 7 where the patch is bright: one dense layer; `used` counts the samples that were trained on.

    With `default`, the images have a value of their own, of zeros.
    """
    with tf.Graph().as_default(), v1.Session() as session:
        zeros = tf.zeros((SAMPLES, 4, 4, 2))
        shape = (None, 4, 4, 2)
        x = v1.placeholder_with_default(zeros, shape, "x") if default else v1.placeholder(tf.float32, shape, "x")
        y = v1.placeholder(tf.int32, (None, 1, 1, 1), "y")
        lr = v1.placeholder(tf.float32, (), "lr")
        drop = v1.placeholder_with_default(tf.constant(0.0), (), "drop")
        used = v1.get_variable("used", initializer=0, trainable=False, use_resource=True)
        weights = v1.get_variable("weights", (32, 2), initializer=v1.zeros_initializer(), use_resource=True)
        bias = v1.get_variable("bias", (2,), initializer=v1.zeros_initializer(), use_resource=False)  # as in old graphs
        logits = tf.matmul(tf.reshape(x, (-1, 32)) * (1 - drop), weights) + bias
        wanted = tf.reshape(tf.cast(tf.equal(y, LABELS[1]), tf.int32), [-1])
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=wanted, logits=logits), name="loss")
        step = v1.train.AdamOptimizer(lr).minimize(loss)
        count = v1.assign_add(used, tf.shape(x)[0])
        with tf.control_dependencies([step, count]):
            tf.no_op("optimizer")
        probability = tf.nn.softmax(logits, name="probability")
        best = tf.gather(tf.constant(LABELS), tf.argmax(probability, -1))
        prediction = tf.reshape(best, (-1, 1, 1, 1), name="prediction")
        session.run(v1.global_variables_initializer())
        inputs = {"x": x, "y": y, "lr": lr, **({"a_drop": drop} if default else {})}
        v1.saved_model.simple_save(session, str(folder), inputs, {"prediction": prediction})
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Patches of 4 x 4 with 2 bands; training.source1 the images, training.source2 their labels."""
    folder = tmp_path_factory.mktemp("graph")
    random = np.random.default_rng(0)
    bright = random.permutation(np.arange(SAMPLES) % 2)
    images = random.random((SAMPLES, 4, 4, 2)) + bright[:, None, None, None]
    labels = np.where(bright, LABELS[1], LABELS[0]).reshape(-1, 1, 1, 1)
    return {
        "model.dir": str(make_graph(folder / "graph")),
        "training.source1.il": [write(folder / "x.tif", images.astype("float32"))],
        "training.source2.il": [write(folder / "y.tif", labels.astype("uint8"))],
        "training.source1.placeholder": "x",
        "training.source2.placeholder": "y",
        "training.userplaceholders": "lr=0.05 drop=0.1",
        "training.targetnodes": "optimizer",
        "training.outputtensors": "loss",
        "training.batchsize": 5,
        "training.epochs": 6,
    }


def train(data: dict[str, Any], progress: Progress | None = None, **more: Any) -> dict[str, Any]:
    values = {**data, **{key.replace("__", "."): value for key, value in more.items()}}
    return run("TensorflowModelTrain", values, progress)


def variable(prefix: Path, name: str) -> np.ndarray:
    return np.asarray(tf.train.load_checkpoint(str(prefix)).get_tensor(name))


def validated(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "validation__mode": "class",
        "validation__userplaceholders": "drop=0",
        "validation__source1__il": data["training.source1.il"],
        "validation__source2__il": data["training.source2.il"],
        "validation__source1__name": "x",
        "validation__source2__name": "prediction",
    }


def test_trains_scores_saves_and_serves(data: dict[str, Any], tmp_path: Path) -> None:
    progress, out = Told(), tmp_path / "trained"
    results = train(
        data,
        progress,
        model__saveto=out,
        out__history=tmp_path / "history.csv",
        out__report=tmp_path / "report.html",
        tensorboard_dir=tmp_path / "logs",
        **validated(data),
    )
    assert results["epochs_run"] == 6 and results["samples_per_epoch"] == SAMPLES
    assert results["kappa"] == results["overall_accuracy"] == 1.0
    with (tmp_path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 and float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert float(rows[-1]["val_kappa"]) == 1.0 and list((tmp_path / "logs").rglob("events.*"))
    assert "<table" in (tmp_path / "report.html").read_text() and not list(tmp_path.glob("*.checkpoints"))
    assert (out / "mlm.json").is_file()
    image = write(tmp_path / "image.tif", np.full((1, 4, 4, 2), 1.9, "float32"))
    run("TensorflowModelServe", {"source1.il": [image], "model.dir": str(out), "out": str(tmp_path / "map.tif")})
    from osgeo import gdal

    assert gdal.Open(str(tmp_path / "map.tif")).ReadAsArray().tolist() == [[LABELS[1]]]


def test_images_with_a_default_are_fed(data: dict[str, Any], tmp_path: Path) -> None:
    """When scoring, too; and asked for where no source feeds them. Sources without a name do not feed rates."""
    unnamed = {key: value for key, value in data.items() if not key.endswith("placeholder")}
    given = {**unnamed, "model.dir": str(make_graph(tmp_path / "graph", default=True))}
    results = train(given, model__saveto=tmp_path / "out", **validated(data))
    assert results["kappa"] == results["overall_accuracy"] == 1.0
    alone = {key.replace("source2", "source1"): value for key, value in given.items() if "source1" not in key}
    alone["training.source1.placeholder"] = "y"
    with pytest.raises(ParameterError, match=r"also needs x \(training\)"):
        train(alone, model__saveto=tmp_path / "none")


@pytest.mark.parametrize("batch", [1, 5, SAMPLES - 1, SAMPLES, SAMPLES + 1, 1000])
def test_each_sample_once_an_epoch(data: dict[str, Any], tmp_path: Path, batch: int) -> None:
    results = train(
        data,
        training__batchsize=batch,
        training__epochs=2,
        model__saveto=tmp_path / "saved" / "variables" / "variables",
    )
    assert variable(tmp_path / "saved" / "variables" / "variables", "used") == 2 * SAMPLES
    assert results["samples_per_epoch"] == SAMPLES and "kappa" not in results


def test_saved_variables_train_on_and_serve(data: dict[str, Any], tmp_path: Path) -> None:
    """As OTBTF's users do it: variables saved into a copy of the model, restored, served from there."""
    model = Path(shutil.copytree(data["model.dir"], tmp_path / "model"))
    prefix = model / "variables" / "variables"
    train(data, training__epochs=3, model__saveto=prefix)
    assert variable(prefix, "used") == 3 * SAMPLES
    train(data, training__epochs=1, model__restorefrom=prefix, model__saveto=tmp_path / "more")
    assert variable(tmp_path / "more" / "variables" / "variables", "used") == 4 * SAMPLES
    train(data, training__epochs=1, model__restorefrom=tmp_path / "more", model__saveto=prefix)
    assert variable(prefix, "used") == 5 * SAMPLES
    image = write(tmp_path / "image.tif", np.full((1, 4, 4, 2), 0.1, "float32"))
    run("TensorflowModelServe", {"source1.il": [image], "model.dir": str(model), "out": str(tmp_path / "map.tif")})


def test_a_run_that_was_stopped_goes_on_to_the_same_end(data: dict[str, Any], tmp_path: Path) -> None:
    kept = {"checkpoints": tmp_path / "kept", "resume": True}
    train(data, training__epochs=4, model__saveto=tmp_path / "through")
    with pytest.raises(Cancelled):
        train(data, Told("Epoch 2/4:"), training__epochs=4, model__saveto=tmp_path / "resumed", **kept)
    assert not (tmp_path / "resumed").exists()
    results = train(data, training__epochs=4, model__saveto=tmp_path / "resumed", **kept)
    assert results["epochs_run"] == 4
    for name in ("weights", "weights/Adam", "used"):
        through, resumed = (
            variable(tmp_path / run / "variables" / "variables", name) for run in ("through", "resumed")
        )
        np.testing.assert_array_equal(through, resumed)


def test_errors_of_values(data: dict[str, Any]) -> None:
    """Without a name, the last source is scored against the signature's first output."""
    more = {"training__outputtensors": "", "training__epochs": 1, "validation__mode": "rmse"}
    results = train(data, **more)
    assert {"rmse", "mae", "r2"} <= set(results) and 0 <= results["mae"] <= results["rmse"] <= LABELS[1] - LABELS[0]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"training__targetnodes": "optimiser"}, "optimiser.*Did you mean optimizer"),
        ({"training__targetnodes": ""}, "TRAINING_TARGETNODES is missing.*optimizer"),
        ({"training__outputtensors": "los"}, "no such tensor.*x"),
        ({"training__userplaceholders": ""}, "also needs lr.*TRAINING_USERPLACEHOLDERS"),
        ({"training__userplaceholders": "lr=(1, 2)"}, "lr 2 values.*single one"),
        ({"training__source2__placeholder": "x"}, "Two sources feed the placeholder x"),
        ({"loss": "mse"}, "LOSS is mse.*graph"),
        ({"learning_rate": 0.1}, "LEARNING_RATE is 0.1.*TRAINING_USERPLACEHOLDERS"),
        ({"out__keras": "a.keras"}, "OUT_KERAS is a.keras"),
        ({"model__restorefrom": "/tmp"}, "variables.index does not exist"),
        ({"model__tagsets": "train"}, "no graph with the tags train.*serve"),
    ],
)
def test_bad_input(data: dict[str, Any], more: dict[str, Any], message: str) -> None:
    with pytest.raises((ParameterError, ModelError), match=message):
        train(data, **more)


def test_patches_of_another_size(data: dict[str, Any], tmp_path: Path) -> None:
    wrong = write(tmp_path / "wrong.tif", np.zeros((SAMPLES, 5, 5, 2), "float32"))
    with pytest.raises(ParameterError, match="5 x 5 x 2.*placeholder x of the graph takes 4 x 4 x 2"):
        train(data, training__source1__il=[wrong])


def test_a_loss_that_is_no_number(data: dict[str, Any], tmp_path: Path) -> None:
    images = np.full((SAMPLES, 4, 4, 2), np.nan, "float32")
    wrong = write(tmp_path / "nan.tif", images)
    with pytest.raises(TrainingError, match="loss is nan after step 1.*lr = 0.05"):
        train(data, training__source1__il=[wrong], model__saveto=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_savedmodel_of_tensorflow_2(data: dict[str, Any], tmp_path: Path) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path / "two"))
    with pytest.raises(ModelError, match="SavedModel of TensorFlow 2.*keras"):
        train(data, model__dir=str(tmp_path / "two"))
