"""SavedModels of TensorFlow 1 graphs: they serve, train, and replace an older one whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import Log, read, texture, write_at

tf = pytest.importorskip("tensorflow")
pytest.importorskip("osgeo")

from otbtf_qgis import core  # noqa: E402
from otbtf_qgis.core.errors import EngineError, ModelError, ParameterError  # noqa: E402
from otbtf_qgis.core.models.loading import load_model  # noqa: E402

v1 = tf.compat.v1
KERNEL = np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype("float32")


def build() -> None:
    """A convolution and its training, as scripts for OTBTF build them."""
    x = v1.placeholder(tf.float32, [None, None, None, 2], name="x")
    y = v1.placeholder(tf.int32, [None, 1, 1, 1], name="y")
    rate = v1.placeholder_with_default(tf.constant(0.1), shape=[], name="lr")
    kernel = v1.get_variable("kernel", initializer=KERNEL)
    logits = tf.nn.conv2d(x, kernel, 1, "VALID", name="logits")
    tf.argmax(logits, axis=-1, name="prediction")
    loss = v1.losses.sparse_softmax_cross_entropy(tf.reshape(y, [-1]), tf.reshape(logits, [-1, 4]))
    tf.identity(loss, name="loss")
    v1.train.AdamOptimizer(rate, name="optimizer").minimize(loss)


@pytest.fixture
def session() -> Any:
    graph = tf.Graph()
    with graph.as_default():
        build()
        initial = v1.global_variables_initializer()
    session = v1.Session(graph=graph)
    session.run(initial)
    yield session
    session.close()


def expected(image: np.ndarray) -> np.ndarray:
    return np.argmax(tf.nn.conv2d(image[None], KERNEL, 1, "VALID").numpy()[0], axis=-1)


def test_it_serves(session: Any, tmp_path: Path) -> None:
    pixels = texture(12, 15, 2)
    core.create_savedmodel(session, ["x:0", "y:0"], ["prediction:0", "logits:0"], tmp_path / "model")
    out = str(tmp_path / "map.tif")
    values = {
        "source1.il": write_at(tmp_path / "image.tif", pixels),
        "source1.placeholder": "x",
        "model.dir": tmp_path / "model",
        "output.names": "prediction",
        "out": out,
    }
    core.run("TensorflowModelServe", values, Log())
    np.testing.assert_array_equal(read(out)[..., 0], expected(pixels))
    with session.graph.as_default(), pytest.raises(EngineError, match="outside of tf.Graph"):
        core.run("TensorflowModelServe", values, Log())
    model = load_model(str(tmp_path / "model"), "", False)
    assert model.kind == "TF1 SavedModel"
    assert {"x", "y"} <= set(model.inputs) and {"prediction", "logits"} == set(model.outputs)


def test_it_trains_by_the_name_of_its_optimizer(session: Any, tmp_path: Path) -> None:
    core.create_savedmodel(session, ["x", "y"], ["prediction"], tmp_path / "model")
    feeds = {"x:0": texture(48, 3, 2).reshape(16, 3, 3, 2), "y:0": np.arange(16).reshape(16, 1, 1, 1) % 4}
    with tf.Graph().as_default(), v1.Session() as restored:
        v1.saved_model.load(restored, ["serve"], str(tmp_path / "model"))
        before = restored.run("loss:0", feeds)
        for _ in range(20):
            restored.run("optimizer", feeds)
        assert restored.run("loss:0", feeds) < before


def test_a_checkpoint(session: Any, tmp_path: Path) -> None:
    with session.graph.as_default():
        path = v1.train.Saver().save(session, str(tmp_path / "checkpoint" / "model"))
    core.ckpt_to_savedmodel(path, ["x:0", "y:0"], ["prediction:0"], tmp_path / "a" / "saved", clear_devices=True)
    pixels = texture(8, 8, 2)
    wanted = expected(pixels)
    with tf.Graph().as_default(), v1.Session() as restored:
        v1.saved_model.load(restored, ["serve"], str(tmp_path / "a" / "saved"))
        np.testing.assert_array_equal(restored.run("prediction:0", {"x:0": pixels[None]})[0], wanted)
    with pytest.raises(ModelError, match=r"no .*model\.meta\.meta.*without \.meta"):
        core.ckpt_to_savedmodel(f"{path}.meta", ["x:0"], ["prediction:0"], tmp_path / "b")
    for part in Path(path).parent.glob("model.data*"):
        part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(ModelError, match="cannot be restored"):
        core.ckpt_to_savedmodel(path, ["x:0"], ["prediction:0"], tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_bad_input_is_told_and_changes_nothing(session: Any, tmp_path: Path) -> None:
    target = tmp_path / "model"
    core.create_savedmodel(session, ["x:0"], ["prediction:0"], target)
    before = sorted(path.name for path in target.rglob("*"))
    with pytest.raises(ModelError, match=r"no tensor 'predictions:0'\. Did you mean prediction:0\?"):
        core.create_savedmodel(session, ["x:0"], ["predictions:0"], target)
    with tf.Graph().as_default(), v1.Session() as fresh:
        build()
        with pytest.raises(ModelError, match="no value.*global_variables_initializer"):
            core.create_savedmodel(fresh, ["x:0"], ["prediction:0"], target)
    assert sorted(path.name for path in target.rglob("*")) == before
    core.create_savedmodel(session, ["x:0"], ["logits:0"], target)
    assert list(load_model(str(target), "", False).outputs) == ["logits"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("mine")
    with pytest.raises(ParameterError, match="is no SavedModel"):
        core.create_savedmodel(session, ["x:0"], ["logits:0"], tmp_path / "other")
