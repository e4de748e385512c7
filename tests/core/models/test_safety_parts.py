"""Which part of a graph is judged, and why the rest is left out, on graphs of a few nodes."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

tf = pytest.importorskip("tensorflow")

from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2  # noqa: E402

from otbtf_qgis.core.errors import ModelError  # noqa: E402
from otbtf_qgis.core.models.safety import (  # noqa: E402
    check_graph,
    check_saved_model,
    encoded_graph_offences,
    listed,
)


def graph_of(*nodes: tuple[str, ...], outputs: dict[str, str], key: str = "serving_default") -> Any:
    """Return a graph without objects: nodes of a name, an operation and inputs, and a signature."""
    graph = meta_graph_pb2.MetaGraphDef()
    graph.meta_info_def.tags.append("serve")
    for name, operation, *inputs in nodes:
        graph.graph_def.node.add(name=name, op=operation, input=inputs)
    graph.signature_def[key].inputs["x"].name = "x:0"
    for output, tensor in outputs.items():
        graph.signature_def[key].outputs[output].name = tensor
    return graph


def written(folder: Path, *graphs: Any) -> str:
    folder.mkdir()
    message = saved_model_pb2.SavedModel(saved_model_schema_version=1, meta_graphs=graphs)
    (folder / "saved_model.pb").write_bytes(message.SerializeToString())
    return str(folder)


def refusal(folder: str) -> str:
    with pytest.raises(ModelError) as caught:
        check_saved_model(folder)
    return str(caught.value)


SERVED = (("x", "Placeholder"), ("y", "Identity", "x"), ("r", "ReadFile"), ("z", "Identity", "r"))
READS = "ReadFile (node r)"


class TestParts:
    def test_only_what_the_outputs_need_is_judged(self, tmp_path: Path) -> None:
        part = check_saved_model(written(tmp_path / "m", graph_of(*SERVED, outputs={"y": "y:0"})))
        assert part.left_out == {"r": READS, "z": READS}

    def test_an_output_that_is_left_out_is_known_by_its_key_and_its_node(self, tmp_path: Path) -> None:
        part = check_saved_model(written(tmp_path / "m", graph_of(*SERVED, outputs={"y": "y:0", "lost": "z:0"})))
        assert part.left_out == {"r": READS, "z": READS, "lost": READS}

    def test_a_graph_of_which_no_output_is_left_is_refused(self, tmp_path: Path) -> None:
        assert READS in refusal(written(tmp_path / "m", graph_of(*SERVED, outputs={"lost": "z:0"})))
        assert READS in refusal(written(tmp_path / "n", graph_of(*SERVED[:3], outputs={"lost": "r:0"})))

    def test_all_of_a_graph_without_a_signature_is_judged(self, tmp_path: Path) -> None:
        for number, key in enumerate(("__saved_model_init_op", "__saved_model_train_op")):
            graph = graph_of(*SERVED, outputs={"y": "y:0"}, key=key)
            assert READS in refusal(written(tmp_path / f"m{number}", graph))

    def test_all_of_a_graph_with_objects_is_judged(self, tmp_path: Path) -> None:
        graph = graph_of(*SERVED, outputs={"y": "y:0"})
        graph.object_graph_def.nodes.add()
        assert READS in refusal(written(tmp_path / "m", graph))
        # Beside another one, it is loaded as TensorFlow 1 does it.
        check_saved_model(written(tmp_path / "n", graph, graph))

    def test_all_of_a_graph_with_two_nodes_of_one_name_is_judged(self, tmp_path: Path) -> None:
        graph = graph_of(*SERVED, ("x", "Placeholder"), outputs={"y": "y:0"})
        message = refusal(written(tmp_path / "m", graph))
        assert READS in message and "two nodes of one name" in message
        graph = graph_of(*SERVED, outputs={"y": "y:0"})
        graph.graph_def.library.function.add().signature.name = "y"
        assert READS in refusal(written(tmp_path / "n", graph))

    def test_the_signature_that_is_served_decides(self, tmp_path: Path) -> None:
        graph = graph_of(*SERVED, outputs={"y": "y:0"})
        graph.signature_def["another"].outputs["z"].name = "z:0"
        check_saved_model(written(tmp_path / "m", graph))
        only = graph_of(*SERVED, outputs={"y": "y:0"}, key="predict")
        assert check_saved_model(written(tmp_path / "n", only)).left_out == {"r": READS, "z": READS}

    @pytest.mark.parametrize("way", ["saver_def", "main_op", "legacy_init_op", "init signature", "save", "filename"])
    def test_what_restores_or_initialises_must_be_safe(self, tmp_path: Path, way: str) -> None:
        graph = graph_of(*SERVED, outputs={"y": "y:0"})
        if way in ("saver_def", "save", "filename"):
            names = {"saver_def": "restore_op_name", "save": "save_tensor_name", "filename": "filename_tensor_name"}
            setattr(graph.saver_def, names[way], "z" if way == "saver_def" else "z:0")
        elif way == "init signature":
            graph.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = "z"
        else:
            key = {"main_op": "saved_model_main_op"}.get(way, way)
            graph.collection_def[key].node_list.value.append("z")
        assert READS in refusal(written(tmp_path / "m", graph))

    def test_only_graphs_with_the_tags_are_judged(self, tmp_path: Path) -> None:
        good, bad = graph_of(*SERVED, outputs={"y": "y:0"}), graph_of(*SERVED, outputs={"z": "z:0"})
        bad.meta_info_def.tags.append("gpu")
        folder = written(tmp_path / "m", bad, good)
        assert check_saved_model(folder, ["serve"]).left_out == {"r": READS, "z": READS}
        for tags in (None, ["gpu", "serve"]):
            with pytest.raises(ModelError, match="ReadFile"):
                check_saved_model(folder, tags)

    def test_functions_that_reach_unsafe_ones_are_left_out(self, tmp_path: Path) -> None:
        nodes = [("direct", "outer", "x"), ("by_name", "PartitionedCall", "x"), ("good", "fine", "x")]
        outputs = {"y": "y:0", "direct": "direct:0", "by_name": "by_name:0", "good": "good:0"}
        graph = graph_of(*SERVED[:2], *nodes, outputs=outputs)
        graph.graph_def.node[-2].attr["f"].func.name = "middle"
        library = graph.graph_def.library
        for name, operation in (
            ("outer", "middle"),
            ("middle", "Identity"),
            ("evil", "ReadFile"),
            ("fine", "Identity"),
        ):
            function = library.function.add()
            function.signature.name = name
            function.node_def.add(name="n", op=operation)
        library.function[1].node_def[0].attr["f"].func.name = "evil"
        shadow = library.function.add()
        shadow.signature.name = "by_attribute"
        shadow.attr["backward_function_name"].s = b"evil"
        part = check_saved_model(written(tmp_path / "m", graph))
        why = "ReadFile (node n of function evil)"
        assert part.left_out == {"direct": why, "by_name": why}
        assert [each.signature.name for each in part.meta_graph.graph_def.library.function] == ["fine"]


def test_a_graph_that_stands_alone_is_checked() -> None:
    """As a layer that holds one keeps it: nothing restores variables there."""
    graph = graph_of(("x", "Placeholder"), ("y", "own", "x"), outputs={}).graph_def
    graph.library.function.add().signature.name = "own"
    graph.library.function[0].node_def.add(name="n", op="Identity")
    check_graph(graph, "The layer")
    assert encoded_graph_offences(base64.b64encode(graph.SerializeToString())) == []
    graph.library.function[0].node_def.add(name="m", op="RestoreV2")
    graph.node.add(name="r", op="ReadFile")
    with pytest.raises(ModelError, match=r"^The layer is not loaded.*ReadFile \(node r\); RestoreV2 \(node m\)"):
        check_graph(graph, "The layer")
    offences = encoded_graph_offences(base64.b64encode(graph.SerializeToString()))
    assert offences == [READS, "RestoreV2 (node m)"]
    graph.library.function[0].signature.name = "ReadFile"
    assert "a function named ReadFile" in encoded_graph_offences(base64.b64encode(graph.SerializeToString()))


@pytest.mark.parametrize("text", [b"abc", b"////", 7, None])
def test_a_graph_that_cannot_be_read_is_an_offence(text: Any) -> None:
    (offence,) = encoded_graph_offences(text)
    assert offence.startswith("a graph that cannot be read")


@pytest.mark.parametrize(("count", "more"), [(1, ""), (5, ""), (6, "; and 1 more"), (9, "; and 4 more")])
def test_five_offences_are_listed(count: int, more: str) -> None:
    assert listed([str(number) for number in range(count)]) == "; ".join("01234"[:count]) + more
