"""Of a training script's graph no more is judged, loaded and run than serving or training needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import pipeline_models as pipelines  # noqa: E402
import serving  # noqa: E402
from tensorflow.core.framework import variable_pb2  # noqa: E402
from tensorflow.core.protobuf import meta_graph_pb2  # noqa: E402

from otbtf_qgis.core.errors import ModelError, OtbtfError  # noqa: E402
from otbtf_qgis.core.models.loading import load_model  # noqa: E402
from otbtf_qgis.core.models.pruning import JudgedPart, judged_part  # noqa: E402
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


class TestPart:
    """What is left of a graph whose iterator, which the signature feeds, is not safe."""

    @pytest.fixture
    def graph(self) -> Any:
        graph = meta_graph_pb2.MetaGraphDef()
        for name, operation, *inputs in (
            ("it", "IteratorGetNext"),
            ("w", "Const"),
            ("fed", "Identity", "it", "^w"),
            ("unfed", "Identity", "it:1"),
            ("later", "Identity", "unfed"),
            ("after", "Identity", "w", "^it"),
            ("words", "Const"),
            ("default", "PlaceholderWithDefault", "it:1"),
        ):
            graph.graph_def.node.add(name=name, op=operation, input=inputs)
        graph.graph_def.node[2].attr["_class"].list.s[:] = [b"loc:@it", b"loc:@w"]
        for signature in (graph.signature_def["one"], graph.signature_def["two"]):
            signature.inputs["x"].name, signature.inputs["x"].dtype = "it:0", 1
            for size in (4, 8):
                signature.inputs["x"].tensor_shape.dim.add(size=size)
            signature.outputs["y"].name, signature.outputs["lost"].name = "fed:0", "later:0"
        graph.signature_def["three"].outputs["lost"].name = "later:0"
        return graph

    @staticmethod
    def part(graph: Any) -> JudgedPart:
        return judged_part(graph, {"it": "reads", "words": "a file"}, ["bad"])

    @staticmethod
    def nodes(part: JudgedPart) -> dict[str, Any]:
        return {node.name: node for node in part.meta_graph.graph_def.node}

    def test_without_an_offence_is_the_graph_itself(self, graph: Any) -> None:
        part = judged_part(graph, {}, ["bad"])
        assert part.meta_graph is graph and not part.left_out and not part.variables

    def test_what_depends_on_it_is_left_out_for_its_reason(self, graph: Any) -> None:
        before = graph.SerializeToString(deterministic=True)
        part = self.part(graph)
        reads = dict.fromkeys(("it", "unfed", "later", "after"), "reads")
        assert part.left_out == {**reads, "words": "a file"}
        assert set(self.nodes(part)) == {"w", "fed", "default", "it_0_fed"}
        assert graph.SerializeToString(deterministic=True) == before

    def test_what_is_fed_becomes_a_placeholder_of_any_number(self, graph: Any) -> None:
        part = self.part(graph)
        placeholder = self.nodes(part)["it_0_fed"]
        assert (placeholder.op, placeholder.attr["dtype"].type) == ("Placeholder", 1)
        assert [size.size for size in placeholder.attr["shape"].shape.dim] == [-1, 8]
        assert list(self.nodes(part)["fed"].input) == ["it_0_fed", "^w"]
        signatures = part.meta_graph.signature_def
        assert set(signatures) == {"one", "two"}  # nothing is left of the third
        assert all(signature.inputs["x"].name == "it_0_fed:0" for signature in signatures.values())
        assert all(list(signature.outputs) == ["y"] for signature in signatures.values())

    def test_its_name_is_a_free_one(self, graph: Any) -> None:
        for name in ("it_0_fed", "it_0_fed_"):
            graph.graph_def.node.add(name=name, op="Const")
        part = self.part(graph)
        assert self.nodes(part)["it_0_fed__"].op == "Placeholder"
        assert list(self.nodes(part)["fed"].input) == ["it_0_fed__", "^w"]

    def test_a_placeholder_loses_a_default_that_is_left_out(self, graph: Any) -> None:
        node = self.nodes(self.part(graph))["default"]
        assert (node.op, list(node.input)) == ("Placeholder", [])

    def test_hints_at_what_was_left_out_go(self, graph: Any) -> None:
        nodes = self.nodes(self.part(graph))
        assert list(nodes["fed"].attr["_class"].list.s) == [b"loc:@w"]
        assert "_class" not in nodes["w"].attr

    def test_assets_that_were_left_out_go(self, graph: Any) -> None:
        graph.asset_file_def.add(filename="a.txt").tensor_info.name = "words:0"
        graph.asset_file_def.add(filename="b.txt").tensor_info.name = "w:0"
        graph.collection_def["saved_model_assets"].any_list.value.add()
        part = self.part(graph).meta_graph
        assert [asset.filename for asset in part.asset_file_def] == ["b.txt"]
        assert "saved_model_assets" not in part.collection_def
        del graph.asset_file_def[0]
        part = self.part(graph).meta_graph
        assert [asset.filename for asset in part.asset_file_def] == ["b.txt"]
        assert "saved_model_assets" in part.collection_def

    def test_functions_and_gradients_that_are_not_safe_go(self, graph: Any) -> None:
        library = graph.graph_def.library
        for name in ("bad", "good"):
            library.function.add().signature.name = name
            library.registered_gradients.add(gradient_func=name)
        for name, gradient in (("bad", "good"), ("good", "bad"), ("good", "good")):
            library.gradient.add(function_name=name, gradient_func=gradient)
        left = self.part(graph).meta_graph.graph_def.library
        assert [function.signature.name for function in left.function] == ["good"]
        assert [(each.function_name, each.gradient_func) for each in left.gradient] == [("good", "good")]
        assert [each.gradient_func for each in left.registered_gradients] == ["good"]

    def test_collections_hold_only_what_is_left(self, graph: Any) -> None:
        collections = graph.collection_def
        collections["while_context"].bytes_list.value.append(b"x")
        collections["train_op"].node_list.value[:] = ["fed", "later:0", "^after"]
        lost = variable_pb2.VariableDef(variable_name="v:0", snapshot_name="later:0").SerializeToString()
        kept = variable_pb2.VariableDef(variable_name="w:0", initializer_name="fed").SerializeToString()
        collections["variables"].bytes_list.value[:] = [lost, kept, b"\xff"]
        collections["trainable_variables"].bytes_list.value[:] = [lost]
        collections["savers"].bytes_list.value[:] = [lost]
        part = self.part(graph)
        left = part.meta_graph.collection_def
        assert "while_context" not in left
        assert list(left["train_op"].node_list.value) == ["fed"]
        assert list(left["variables"].bytes_list.value) == [kept, b"\xff"]
        assert list(left["trainable_variables"].bytes_list.value) == []
        assert list(left["savers"].bytes_list.value) == [lost]
        assert part.variables == ("v:0",)
