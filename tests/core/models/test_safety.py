"""A SavedModel's operations are read before it is loaded: ordinary models pass, those that do more do not.

The evil models are real: each would write the file `canary` when it is loaded or called, or read it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

tf = pytest.importorskip("tensorflow")

from otbtf_qgis.core.errors import ModelError  # noqa: E402
from otbtf_qgis.core.models.safety import check_saved_model  # noqa: E402

tf1 = tf.compat.v1
ORACLE = Path("/work/shared/oracle/models")
PIXELS = [tf.TensorSpec([None], tf.float32)]


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        check_saved_model(str(folder))
    assert "TRUST_MODEL" in str(caught.value)
    return str(caught.value)


def save_module(folder: Path, body: Callable[[Any], Any]) -> Path:
    """Save a module whose one signature calls `body` on a float vector."""
    module = tf.Module()
    module.variable = tf.Variable(1.0)
    module.call = tf.function(lambda x: body(x) + module.variable, input_signature=PIXELS, autograph=False)
    tf.saved_model.save(module, str(folder), signatures=module.call)
    return folder


def save_graph(folder: Path, body: Callable[[Any], Any], **more: Any) -> Path:
    """Save a TensorFlow 1 graph of one variable with a saver; `body` makes the output of x."""
    with tf1.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, [None], "x")
        weight = tf1.get_variable("w", [], use_resource=True)
        y = tf.identity(body(x) * weight, name="y")
        session.run(tf1.global_variables_initializer())
        builder = tf1.saved_model.Builder(str(folder))
        signature = tf1.saved_model.predict_signature_def({"x": x}, {"y": y})
        options = {key: make() for key, make in more.items()}
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature}, **options)
        builder.save()
    return folder


@pytest.fixture(scope="module")
def module_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_module(tmp_path_factory.mktemp("module") / "m", lambda x: x)


@pytest.fixture(scope="module")
def graph_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_graph(tmp_path_factory.mktemp("graph") / "m", lambda x: x)


def edited(model: Path, folder: Path, change: Callable[[Any], None]) -> Path:
    """Copy a SavedModel with its stored message changed, as somebody who means harm can."""
    from tensorflow.core.protobuf import saved_model_pb2

    shutil.copytree(model, folder)
    path = folder / "saved_model.pb"
    message = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    change(message.meta_graphs[0])
    path.write_bytes(message.SerializeToString())
    return folder


def save_op(path: Any, x: Any) -> Any:
    return tf.raw_ops.SaveV2(prefix=path, tensor_names=["x"], shape_and_slices=[""], tensors=[x])


def first(x: Any, _: Any) -> Any:
    """Return x, where the second argument is made for its effect."""
    return x


# ---------------------------------------------------------------- models that pass


@pytest.mark.skipif(not ORACLE.is_dir(), reason="OTBTF's models are not here")
@pytest.mark.parametrize("name", [path.name for path in sorted(ORACLE.glob("*"))])
def test_models_of_otbtf_pass(name: str) -> None:
    check_saved_model(str(ORACLE / name))


def test_keras_export_passes(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((8, 8, 4))
    net = keras.layers.Rescaling(0.1)(inputs)
    net = keras.layers.RandomFlip()(net)
    net = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(net))
    net = keras.layers.Reshape((36, 4))(net)
    net = keras.layers.MultiHeadAttention(2, 2)(net, net)
    net = keras.layers.Concatenate()([keras.layers.LSTM(2)(net), keras.layers.GRU(2)(net)])
    keras.Model(inputs, keras.layers.Dense(2)(net)).export(str(tmp_path / "m"), verbose=False)
    check_saved_model(str(tmp_path / "m"))


def test_string_lookup_with_its_vocabulary_inside_passes(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((), dtype="string")
    model = keras.Model(inputs, keras.layers.StringLookup(vocabulary=["a", "b"])(inputs))
    model.export(str(tmp_path / "m"), verbose=False)
    check_saved_model(str(tmp_path / "m"))


def test_resaved_module_with_table_and_generator_passes(tmp_path: Path) -> None:
    class Module(tf.Module):
        def __init__(self) -> None:
            self.table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.float32, 0.0)
            self.generator = tf.random.Generator.from_seed(1)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])
        def call(self, x: Any) -> Any:
            tf.print("called", x)
            return self.table.lookup(x) + self.generator.normal([1])

    tf.saved_model.save(Module(), str(tmp_path / "a"))
    check_saved_model(str(tmp_path / "a"))
    tf.saved_model.save(tf.saved_model.load(str(tmp_path / "a")), str(tmp_path / "b"))
    check_saved_model(str(tmp_path / "b"))


@pytest.mark.parametrize("resource", [False, True], ids=["reference", "resource"])
def test_tf1_training_graph_with_two_savers_passes(tmp_path: Path, resource: bool) -> None:
    with tf1.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, [None, 4], "x")
        y = tf1.placeholder(tf.float32, [None, 1], "y")
        weights = tf1.get_variable("w", [4, 1], use_resource=resource)
        prediction = tf.identity(tf.matmul(x, weights), name="prediction")
        loss = tf.reduce_mean((prediction - y) ** 2)
        tf1.summary.scalar("loss", loss)
        tf1.train.AdamOptimizer(1e-3).minimize(loss, name="optimizer")
        tf1.add_to_collection(tf1.GraphKeys.SAVERS, tf1.train.Saver())
        session.run(tf1.global_variables_initializer())
        tf1.saved_model.simple_save(session, str(tmp_path / "m"), {"x": x, "y": y}, {"prediction": prediction})
    check_saved_model(str(tmp_path / "m"))


# ---------------------------------------------------------------- models that do more


def read_with_dataset(path: str) -> Any:
    return tf.data.TextLineDataset(path).reduce(0.0, lambda total, _: total + 1.0)


EVIL_BODIES = {
    "WriteFile": lambda x, path: first(x, tf.io.write_file(path, "evil")),
    "ReadFile": lambda x, path: x + tf.cast(tf.strings.length(tf.io.read_file(path)), tf.float32),
    "MatchingFiles": lambda x, path: x + tf.cast(tf.size(tf.io.matching_files(path)), tf.float32),
    "PyFunc": lambda x, path: tf1.py_func(lambda a: a, [x], tf.float32),
    "EagerPyFunc": lambda x, path: tf.py_function(lambda a: a, [x], tf.float32),
    "TextLineDataset": lambda x, path: x + read_with_dataset(path),
    "PrintV2": lambda x, path: first(x, tf.print(x, output_stream="file://" + path)),
    "ImmutableConst": lambda x, path: (
        x + tf.raw_ops.ImmutableConst(dtype=tf.float32, shape=[1], memory_region_name=path)
    ),
    "DebugIdentity": lambda x, path: tf.raw_ops.DebugIdentity(input=x, debug_urls=["file://" + path]),
    "SaveV2": lambda x, path: first(x, save_op(path, x)),
    "RestoreV2": lambda x, path: (
        x + tf.raw_ops.RestoreV2(prefix=path, tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.float32])[0]
    ),
}


@pytest.mark.parametrize("operation", EVIL_BODIES)
def test_signature_that_does_more_is_refused(tmp_path: Path, operation: str) -> None:
    canary = tmp_path / "canary"
    folder = save_module(tmp_path / "m", lambda x: EVIL_BODIES[operation](x, str(canary)))
    assert operation in refusal(folder)
    assert not list(tmp_path.glob("canary*"))


def test_refusal_is_what_prevents_the_writing(tmp_path: Path) -> None:
    """The model of the tests above really writes, once it is loaded and called."""
    canary = tmp_path / "canary"
    folder = save_module(tmp_path / "m", lambda x: EVIL_BODIES["WriteFile"](x, str(canary)))
    refusal(folder)
    assert not canary.exists()
    tf.saved_model.load(str(folder)).signatures["serving_default"](tf.ones([1]))
    assert canary.read_text() == "evil"


@pytest.mark.parametrize("where", ["cond", "while", "function", "map"])
def test_nested_operations_are_found(tmp_path: Path, where: str) -> None:
    path = str(tmp_path / "canary")

    @tf.function
    def evil(x: Any) -> Any:
        tf.io.write_file(path, "evil")
        return x

    bodies = {
        "cond": lambda x: tf.cond(tf.reduce_sum(x) > 1e30, lambda: evil(x), lambda: x),
        "while": lambda x: tf.while_loop(lambda i, v: i < 1, lambda i, v: (i + 1, evil(v)), (tf.constant(0), x))[1],
        "function": lambda x: tf.function(lambda v: evil(v))(x),
        "map": lambda x: tf.map_fn(evil, x),
    }
    message = refusal(save_module(tmp_path / "m", bodies[where]))
    assert "WriteFile (node " in message and "function" in message
    assert not (tmp_path / "canary").exists()


def test_saving_through_a_nested_function_is_refused(tmp_path: Path) -> None:
    evil = tf.function(lambda x: first(x, save_op(str(tmp_path / "canary"), x)))
    message = refusal(save_module(tmp_path / "m", lambda x: evil(x)))
    assert "SaveV2 to or from a file of its own choice" in message
    assert not list(tmp_path.glob("canary*"))


def test_function_that_only_an_object_holds_is_refused(tmp_path: Path) -> None:
    module = tf.Module()
    module.good = tf.function(lambda x: x, input_signature=PIXELS)
    module.child = tf.Module()
    module.child.unused = tf.function(lambda x: EVIL_BODIES["ReadFile"](x, "/etc/passwd"), input_signature=PIXELS)
    tf.saved_model.save(module, str(tmp_path / "m"), signatures=module.good)
    assert "ReadFile" in refusal(tmp_path / "m")


def test_saver_shaped_function_that_a_caller_can_reach_is_refused(tmp_path: Path) -> None:
    """Its file name is an argument, as the saver's is; but an object's method may be called with any."""
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([], tf.string), *PIXELS])
    def save(prefix: Any, x: Any) -> Any:
        return first(x, save_op(prefix, x))

    module.save = save
    module.call = tf.function(lambda x: save(str(tmp_path / "canary"), x), input_signature=PIXELS)
    tf.saved_model.save(module, str(tmp_path / "m"), signatures=module.call)
    message = refusal(tmp_path / "m")
    assert "can be called" in message and "PartitionedCall of a function that saves" in message


def test_resource_initialiser_is_checked(tmp_path: Path) -> None:
    """`_initialize` of a resource runs while the model is loaded."""
    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("a\nb\n")
    module = tf.Module()
    module.table = tf.lookup.StaticVocabularyTable(
        tf.lookup.TextFileInitializer(
            str(vocabulary),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        ),
        1,
    )
    module.call = tf.function(module.table.lookup, input_signature=[tf.TensorSpec([None], tf.string)])
    tf.saved_model.save(module, str(tmp_path / "m"))
    assert "InitializeTableFromTextFileV2" in refusal(tmp_path / "m")


def test_tf1_initialiser_that_writes_is_refused(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    folder = save_graph(tmp_path / "m", lambda x: x, main_op=lambda: save_op(str(canary), tf.ones([1])))
    assert "SaveV2 to or from a file of its own choice" in refusal(folder)
    assert not list(tmp_path.glob("canary*"))


@pytest.mark.parametrize("tied", ["output", "initialiser"])
def test_tf1_use_of_the_savers_own_operations_is_refused(tmp_path: Path, graph_model: Path, tied: str) -> None:
    """With the default file name it would write `model.*` into the current folder."""

    def tied_body(x: Any) -> Any:
        name = tf1.train.Saver().as_saver_def().save_tensor_name
        with tf.control_dependencies([tf1.get_default_graph().get_tensor_by_name(name)]):
            return tf.identity(x)

    if tied == "output":
        folder = save_graph(tmp_path / "m", tied_body)
    else:

        def add(meta_graph: Any) -> None:
            name = meta_graph.saver_def.save_tensor_name.split(":")[0]
            meta_graph.collection_def["saved_model_main_op"].node_list.value.append(name)

        folder = edited(graph_model, tmp_path / "m", add)
    assert "a signature or a collection names it" in refusal(folder)


def test_tf1_default_file_name_other_than_the_savers_is_refused(tmp_path: Path, graph_model: Path) -> None:
    def change(meta_graph: Any) -> None:
        for node in meta_graph.graph_def.node:
            if node.attr["value"].tensor.string_val[:] == [b"model"]:
                node.attr["value"].tensor.string_val[0] = b"/home/user/.profile"

    check_saved_model(str(graph_model))
    assert "file of its own choice" in refusal(edited(graph_model, tmp_path / "m", change))


def test_tf1_temporary_name_that_leads_elsewhere_is_refused(tmp_path: Path, graph_model: Path) -> None:
    def change(meta_graph: Any) -> None:
        for node in meta_graph.graph_def.node:
            if node.attr["value"].tensor.string_val[:] == [b"_temp/part"]:
                node.attr["value"].tensor.string_val[0] = b"/../../part"

    assert "file of its own choice" in refusal(edited(graph_model, tmp_path / "m", change))


def test_restoring_that_saves_is_refused(tmp_path: Path, module_model: Path, graph_model: Path) -> None:
    def change(meta_graph: Any) -> None:
        meta_graph.saver_def.restore_op_name = meta_graph.saver_def.save_tensor_name.split(":")[0]

    assert "where variables are restored" in refusal(edited(graph_model, tmp_path / "m", change))
    assert "where variables are restored" in refusal(edited(module_model, tmp_path / "n", change))


def test_saver_that_is_fed_a_constant_is_refused(tmp_path: Path, module_model: Path) -> None:
    """A TF2 saver's function takes its file's name first; the call gives it another."""

    def change(meta_graph: Any) -> None:
        node = meta_graph.graph_def.node.add(name="evil", op="Const")
        node.attr["dtype"].type = tf.string.as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto("/tmp/evil"))
        for call in meta_graph.graph_def.node:
            if "saver_filename" in call.input:
                call.input[0] = "evil"

    assert "of a function that saves or restores files" in refusal(edited(module_model, tmp_path / "m", change))


@pytest.mark.parametrize("kind", ["api_implements", "gradient", "attribute"])
def test_hidden_ways_to_the_savers_functions_are_refused(tmp_path: Path, module_model: Path, kind: str) -> None:
    def change(meta_graph: Any) -> None:
        library = meta_graph.graph_def.library
        saver = next(f for f in library.function if "traced_save" in f.signature.name)
        other = next(f for f in library.function if "traced" not in f.signature.name)
        if kind == "api_implements":
            saver.attr["api_implements"].s = b"swap"
        elif kind == "gradient":
            library.gradient.add(function_name=other.signature.name, gradient_func=saver.signature.name)
        else:
            other.attr["backward_function_name"].s = saver.signature.name.encode()

    assert "saves or restores files" in refusal(edited(module_model, tmp_path / "m", change))


def test_unknown_operation_in_an_unused_function_is_refused(tmp_path: Path, module_model: Path) -> None:
    def change(meta_graph: Any) -> None:
        function = meta_graph.graph_def.library.function.add()
        function.signature.name = "unused"
        function.node_def.add(name="n", op="VendorShell")

    message = refusal(edited(module_model, tmp_path / "m", change))
    assert "VendorShell (node n of function unused)" in message


def test_function_named_like_an_operation_is_refused(tmp_path: Path, module_model: Path) -> None:
    def change(meta_graph: Any) -> None:
        meta_graph.graph_def.library.function.add().signature.name = "ReadFile"
        meta_graph.graph_def.node.add(name="n", op="ReadFile")

    assert "takes the name of an operation" in refusal(edited(module_model, tmp_path / "m", change))


def test_every_graph_of_the_file_is_checked(tmp_path: Path, module_model: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    path = shutil.copytree(module_model, tmp_path / "m") / "saved_model.pb"
    message = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    message.meta_graphs.add().graph_def.node.add(name="second", op="ReadFile")
    path.write_bytes(message.SerializeToString())
    assert "ReadFile (node second)" in refusal(path.parent)


def test_message_names_the_first_and_counts_the_rest(tmp_path: Path, module_model: Path) -> None:
    def change(meta_graph: Any) -> None:
        for number in range(8):
            meta_graph.graph_def.node.add(name=f"n{number}", op="ReadFile")

    message = refusal(edited(module_model, tmp_path / "m", change))
    assert "ReadFile (node n0)" in message and "n5" not in message and "and 3 more" in message


# ---------------------------------------------------------------- the list


def test_list_is_what_the_script_makes_of_the_registry() -> None:
    """It also holds no operation with an attribute or input that could name a file or an address."""
    import safe_operations

    lines = safe_operations.TARGET.read_text().splitlines()
    if tf.__version__ not in lines[1]:
        pytest.skip("the list was made with another TensorFlow")
    assert lines[2:] == sorted(safe_operations.safe_operations())
    registry = safe_operations.registry()
    texts = ("string", "list(string)", tf.string.as_datatype_enum)
    suspects = {
        (name, part.name)
        for name in lines[2:]
        for part in [*registry[name].attr, *registry[name].input_arg]
        if part.type in texts and re.search("file|path|url|address|target|region|stream|host|token", part.name)
    }
    assert suspects == {("PrintV2", "output_stream")}, "what these name must be checked, as it is for PrintV2"


# ---------------------------------------------------------------- no SavedModel


@pytest.mark.parametrize("content", [b"", b"\xff\xfe not a model"])
def test_damaged_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(ModelError, match=r"saved_model\.pb is not a SavedModel, or is damaged"):
        check_saved_model(str(tmp_path))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no saved_model.pb"):
        check_saved_model(str(tmp_path))


def test_text_form_is_refused(tmp_path: Path, module_model: Path) -> None:
    shutil.copy(module_model / "saved_model.pb", tmp_path / "saved_model.pbtxt")
    with pytest.raises(ModelError, match="pbtxt.*as_text=False"):
        check_saved_model(str(tmp_path))
