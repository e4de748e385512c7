"""Of a training script's graph no more is judged, loaded and run than serving or training needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import pipeline_models as pipelines  # noqa: E402
import serving  # noqa: E402

from otbtf_qgis.core.errors import ModelError, OtbtfError  # noqa: E402
from otbtf_qgis.core.models.loading import load_model  # noqa: E402
from otbtf_qgis.core.training.trainablegraph import TrainableGraph  # noqa: E402

tf1 = tf.compat.v1
PIXELS = np.random.default_rng(1).random((1, 5, 6, 3)).astype("float32")


def values(model: Any, output: str = "y") -> np.ndarray:
    (found,) = model.function(["x"], [output])({"x": tf.constant(PIXELS)})
    return np.asarray(found)


@pytest.mark.parametrize("feed", pipelines.FEEDS)
def test_network_beside_its_pipeline_is_served(tmp_path: Path, feed: str) -> None:
    canary = tmp_path / "canary"
    model = load_model(str(pipelines.save_with_pipeline(tmp_path / "m", feed, str(canary))))
    assert list(model.outputs) == ["y"] and model.needed_inputs(["y"]) == ["x"]
    pixels = PIXELS if feed in ("placeholder", "default") else PIXELS[:, :4, :4]
    (found,) = model.function(["x"], ["y"])({"x": tf.constant(pixels)})
    assert np.asarray(found) == pytest.approx(pixels @ pipelines.WEIGHTS, rel=1e-5)
    assert not canary.exists()


def test_what_is_not_safe_is_not_in_the_graph(tmp_path: Path) -> None:
    model = load_model(str(pipelines.save_with_pipeline(tmp_path / "m")))
    operations = {operation.type for operation in model._graph.get_operations()}  # type: ignore[attr-defined]
    assert "Placeholder" in operations and not operations & {"EagerPyFunc", "PyFunc", "IteratorGetNext", "IteratorV2"}
    definition = model._graph.as_graph_def()  # type: ignore[attr-defined]
    nodes = [node.op for function in definition.library.function for node in function.node_def]
    assert "PyFunc" not in nodes


def test_other_outputs_are_judged_when_they_are_asked_for(tmp_path: Path) -> None:
    model = load_model(str(pipelines.save_with_pipeline(tmp_path / "m")))
    assert model.output("fed_loss").name == "fed_loss"
    for name, why in (("checked", r"EagerPyFunc \(node checked\)"), ("loss:0", "IteratorV2|EagerPyFunc|PyFunc")):
        with pytest.raises(ModelError, match=f"(?s){name.partition(':')[0]}.*depends on .*({why}).*TRUST_MODEL"):
            model.output(name)


def test_output_that_needs_the_pipeline_is_refused(tmp_path: Path) -> None:
    def save(folder: Path) -> None:
        with tf1.Graph().as_default(), tf1.Session() as session:
            x = tf1.placeholder(tf.float32, [None, 3], "x")
            y = tf.identity(tf.py_function(lambda a: a, [x], tf.float32, name="python"), name="y")
            tf1.saved_model.simple_save(session, str(folder), {"x": x}, {"y": y})

    save(tmp_path / "m")
    with pytest.raises(ModelError, match=r"EagerPyFunc \(node python\)"):
        load_model(str(tmp_path / "m"))


@pytest.mark.parametrize("way", ["control", "cond", "while", "function"])
def test_hidden_ways_to_an_unsafe_node_are_followed(tmp_path: Path, way: str) -> None:
    path = str(tmp_path / "canary")

    def write(x: Any) -> Any:
        with tf.control_dependencies([tf.io.write_file(path, "evil", name="evil")]):
            return tf.identity(x)

    def body(x: Any) -> Any:
        if way == "control":
            return write(x)
        if way == "cond":
            return tf1.cond(tf.reduce_sum(x) > -1e30, lambda: write(x), lambda: x)
        if way == "while":
            return tf1.while_loop(lambda i, v: i < 1, lambda i, v: (i + 1, write(v)), (tf.constant(0), x))[1]
        return tf.function(write)(x)

    with tf1.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, [None], "x")
        outputs = {"good": tf.identity(x * 2, name="good"), "bad": tf.identity(body(x), name="badly_named")}
        tf1.saved_model.simple_save(session, str(tmp_path / "m"), {"x": x}, outputs)
    model = load_model(str(tmp_path / "m"))
    assert list(model.outputs) == ["good"]
    with pytest.raises(ModelError, match="bad of the model.*WriteFile"):
        model.output("bad")
    (found,) = model.function(["x"], ["good"])({"x": tf.ones([2])})
    assert list(np.asarray(found)) == [2, 2] and not Path(path).exists()


def test_initialiser_that_runs_the_pipeline_is_refused(tmp_path: Path) -> None:
    with tf1.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, [None], "x")
        y = tf.identity(x, name="y")
        with tf.control_dependencies([tf.io.write_file(str(tmp_path / "canary"), "evil", name="evil")]):
            start = tf.no_op("start")
        builder = tf1.saved_model.Builder(str(tmp_path / "m"))
        signature = tf1.saved_model.predict_signature_def({"x": x}, {"y": y})
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature}, main_op=start)
        builder.save()
    with pytest.raises(ModelError, match=r"WriteFile \(node evil\)"):
        load_model(str(tmp_path / "m"))
    assert not (tmp_path / "canary").exists()


def test_reading_while_the_graph_is_put_together_is_prevented(tmp_path: Path) -> None:
    """TensorFlow computes constant shapes on import; a shape that a file holds would be read then."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"\x02\x00\x00\x00")

    def extra(_: Any, y: Any) -> None:
        shape = tf.io.decode_raw(tf.io.read_file(str(secret)), tf.int32)
        tf.reshape(tf.zeros([2]), shape, name="read")

    model = load_model(str(pipelines.save_with_pipeline(tmp_path / "m", extra=extra)))
    with pytest.raises(ModelError, match=r"ReadFile \(node ReadFile\)"):
        model.output("read")


def test_map_through_serve(tmp_path: Path) -> None:
    pixels = serving.texture(13, 17, 3)
    model = pipelines.save_with_pipeline(tmp_path / "m")
    found = serving.served(tmp_path, str(model), serving.write_at(tmp_path / "image.tif", pixels))
    assert found == pytest.approx(pixels @ pipelines.WEIGHTS, rel=1e-5)


def test_training_runs_no_more_than_its_targets_need(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    graph = TrainableGraph(str(pipelines.save_with_pipeline(tmp_path / "m", canary=str(canary))), "", False, "cpu")
    with pytest.raises(ModelError, match="pipeline_optimizer.*depends on"):
        graph.operation("pipeline_optimizer")
    target, x = graph.operation("fed_optimizer"), graph.tensor("x", "TRAINING_SOURCE1_PLACEHOLDER")
    graph.session.run(target, {x: PIXELS})
    y = PIXELS.reshape(-1, 3) @ pipelines.WEIGHTS
    gradient = 2 * PIXELS.reshape(-1, 3).T @ y / y.size
    assert graph.values()[0] == pytest.approx(pipelines.WEIGHTS - 0.1 * gradient, rel=1e-4)
    graph.close()
    assert not canary.exists()


def test_pointer_of_git_lfs_is_named(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    model = pipelines.save_with_pipeline(tmp_path / "m")
    file = next((model / "variables").glob("*.data*"))
    content = file.read_bytes()
    file.write_text(pointer)
    with pytest.raises(OtbtfError, match=r"data-00000.*pointer of Git LFS.*git lfs pull"):
        load_model(str(model))
    file.write_bytes(content)
    (model / "saved_model.pb").write_text(pointer)
    with pytest.raises(OtbtfError, match=r"saved_model\.pb .*pointer of Git LFS"):
        load_model(str(model))
    (model / "saved_model.pb").write_bytes(b"")
    with pytest.raises(OtbtfError, match=r"saved_model\.pb is not a SavedModel, or is damaged: it is empty"):
        load_model(str(model))
