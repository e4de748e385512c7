"""The rules for operations on checkpoints: whose file they name, judged on graphs of a few nodes."""

from __future__ import annotations

from typing import Any

import pytest

tf = pytest.importorskip("tensorflow")

from tensorflow.core.protobuf import meta_graph_pb2  # noqa: E402

from otbtf_qgis.core.models.graphrules import graph_offences  # noqa: E402

EVIL = ("evil", "Const", (), b"/home/user/.profile")
NAME = ("name", "PlaceholderWithDefault", ("default",), b"")
DEFAULT = ("default", "Const", (), b"model")
Node = tuple[str, str, tuple[str, ...], bytes]


def add(nodes: Any, *described: Node) -> None:
    """Add nodes of a name, an operation, inputs, and the text that a constant holds."""
    for name, operation, inputs, text in described:
        node = nodes.add(name=name, op=operation, input=inputs)
        if operation == "Const":
            node.attr["value"].tensor.string_val.append(text)


def offences(*nodes: Node) -> list[str]:
    """Return what is wrong with a graph of these nodes, each kind of file name being fed or not."""
    graph = meta_graph_pb2.MetaGraphDef()
    add(graph.graph_def.node, *nodes)
    return list(graph_offences(graph))


def restoring(name: str, *nodes: Node) -> list[str]:
    """Return what is wrong with restoring from the file of this name, which nodes make of the fed one."""
    return offences(DEFAULT, NAME, *nodes, ("restore", "RestoreV2", (name,), b""))


def own_choice(operation: str, node: str) -> list[str]:
    return [f"{operation} to or from a file of its own choice (node {node})"]


REFUSED = own_choice("RestoreV2", "restore")


def test_the_fed_name_and_the_savers_default_are_taken() -> None:
    assert restoring("name") == restoring("name:0") == []
    assert offences(("name", "Placeholder", (), b""), ("restore", "RestoreV2", ("name",), b"")) == []


def test_another_name_is_refused() -> None:
    assert restoring("evil", EVIL) == REFUSED
    assert restoring("default") == REFUSED  # a constant, whatever it says, is not fed
    assert restoring("nothing") == REFUSED
    assert offences(("restore", "RestoreV2", (), b"")) == REFUSED
    assert restoring("other", EVIL, ("other", "PlaceholderWithDefault", ("evil",), b"")) == REFUSED


def test_a_default_that_is_fed_itself_is_taken() -> None:
    assert restoring("other", ("other", "PlaceholderWithDefault", ("name",), b"")) == []


@pytest.mark.parametrize("operation", ["Identity", "ShardedFilename"])
def test_what_hands_the_name_on_is_followed(operation: str) -> None:
    assert restoring("next", ("next", operation, ("name",), b"")) == []
    assert restoring("next", EVIL, ("next", operation, ("evil", "name"), b"")) == REFUSED


def test_other_operations_on_the_name_are_refused() -> None:
    assert "RestoreV2" in restoring("next", ("next", "StringLower", ("name",), b""))[-1]


@pytest.mark.parametrize(("prefixes", "destination"), [("name", "evil"), ("evil", "name"), ("evil", "evil")])
def test_merging_must_be_fed_both_names(prefixes: str, destination: str) -> None:
    merge = ("merge", "MergeV2Checkpoints", (prefixes, destination), b"")
    assert offences(DEFAULT, NAME, EVIL, merge) == own_choice("MergeV2Checkpoints", "merge")
    assert offences(DEFAULT, NAME, ("merge", "MergeV2Checkpoints", ("name", "name"), b"")) == []


@pytest.mark.parametrize("parts", [("name", "evil"), ("evil", "name")])
def test_each_of_packed_names_must_be_fed(parts: tuple[str, str]) -> None:
    assert restoring("pack", EVIL, ("pack", "Pack", parts, b"")) == REFUSED
    assert restoring("pack", ("pack", "Pack", ("name", "name", "^default"), b"")) == []


class TestTemporaryNames:
    """A Saver writes parts beside the file, under names that it appends to the fed one."""

    @staticmethod
    def joined(*suffix: Node, inputs: tuple[str, ...] = ("name", "suffix"), separator: bytes = b"") -> list[str]:
        graph = meta_graph_pb2.MetaGraphDef()
        nodes = graph.graph_def.node
        add(nodes, DEFAULT, NAME, *suffix, ("joined", "StringJoin", inputs, b""), ("r", "RestoreV2", ("joined",), b""))
        nodes[-2].attr["separator"].s = separator
        return list(graph_offences(graph))

    @pytest.mark.parametrize("text", [b".part", b"_temp/part", b"_temp_0123abcd/part"])
    def test_of_the_saver_are_taken(self, text: bytes) -> None:
        assert self.joined(("suffix", "Const", (), text)) == []

    @pytest.mark.parametrize("text", [b"", b"/../x", b"_temp/part/../../x", b"x.part", b"_temp_xyz/part", b".part\n"])
    def test_others_are_refused(self, text: bytes) -> None:
        assert self.joined(("suffix", "Const", (), text)) == own_choice("RestoreV2", "r")

    def test_a_separator_or_a_third_part_is_refused(self) -> None:
        suffix = ("suffix", "Const", (), b".part")
        assert self.joined(suffix, separator=b"/../") == own_choice("RestoreV2", "r")
        assert self.joined(suffix, inputs=("name", "suffix", "suffix")) == own_choice("RestoreV2", "r")
        assert self.joined(suffix, inputs=("suffix", "suffix")) == own_choice("RestoreV2", "r")
        assert self.joined(suffix, inputs=("name", "name")) == own_choice("RestoreV2", "r")

    @pytest.mark.parametrize("operation", ["Select", "SelectV2"])
    @pytest.mark.parametrize(
        ("one", "two", "taken"),
        [(b".part", b"_temp/part", True), (b"/../x", b".part", False), (b".part", b"/../x", False)],
    )
    def test_both_of_a_choice_must_be_the_savers(self, operation: str, one: bytes, two: bytes, taken: bool) -> None:
        constants: list[Node] = [("one", "Const", (), one), ("two", "Const", (), two), ("if", "Const", (), b"")]
        choice = ("suffix", operation, ("if", "one", "two"), b"")
        assert self.joined(*constants, choice) == ([] if taken else own_choice("RestoreV2", "r"))


def test_a_chain_longer_than_any_savers_is_refused() -> None:
    """As one that runs in a circle would be."""
    chain: list[Node] = [(f"n{n + 1}", "Identity", (f"n{n}",), b"") for n in range(30)]
    assert restoring("n10", ("n0", "Identity", ("name",), b""), *chain) == []
    assert restoring("n30", ("n0", "Identity", ("name",), b""), *chain) == REFUSED
    assert restoring("a", ("a", "Identity", ("b",), b""), ("b", "Identity", ("a",), b"")) == REFUSED


class TestFunctions:
    """In a function, the first argument is the file's name, and nothing else is fed."""

    @staticmethod
    def offences(*nodes: Node, arguments: tuple[str, ...] = ("file", "more")) -> list[str]:
        graph = meta_graph_pb2.MetaGraphDef()
        function = graph.graph_def.library.function.add()
        function.signature.name = "saver"
        for argument in arguments:
            function.signature.input_arg.add(name=argument)
        add(function.node_def, *nodes)
        return list(graph_offences(graph))

    def test_the_first_argument_is_fed(self) -> None:
        assert self.offences(("r", "RestoreV2", ("file",), b"")) == []
        assert self.offences(("i", "Identity", ("file",), b""), ("r", "RestoreV2", ("i:output:0",), b"")) == []

    def test_other_arguments_are_not(self) -> None:
        refused = ["RestoreV2 to or from a file of its own choice (node r of function saver)"]
        assert self.offences(("r", "RestoreV2", ("more",), b"")) == refused
        assert self.offences(("r", "RestoreV2", ("file",), b""), arguments=()) == refused

    def test_merging_must_be_fed_both_names(self) -> None:
        refused = ["MergeV2Checkpoints to or from a file of its own choice (node m of function saver)"]
        assert self.offences(("m", "MergeV2Checkpoints", ("file", "file"), b"")) == []
        assert self.offences(EVIL, ("m", "MergeV2Checkpoints", ("file", "evil"), b"")) == refused
        assert self.offences(EVIL, ("m", "MergeV2Checkpoints", ("evil", "file"), b"")) == refused


NAMED = {
    "an object": lambda graph: graph.object_graph_def.concrete_functions["saver"],
    "an alias": lambda graph: graph.meta_info_def.function_aliases.update(saver="other"),
    "a method": lambda graph: graph.object_graph_def.nodes.add().function.concrete_functions.append("saver"),
    "a bare function": lambda graph: setattr(
        graph.object_graph_def.nodes.add().bare_concrete_function, "concrete_function_name", "saver"
    ),
    "a captured tensor": lambda graph: setattr(
        graph.object_graph_def.nodes.add().captured_tensor, "concrete_function", "saver"
    ),
    "having a gradient": lambda graph: graph.graph_def.library.gradient.add(function_name="saver", gradient_func="g"),
    "a gradient": lambda graph: graph.graph_def.library.gradient.add(function_name="f", gradient_func="saver"),
    "a registered gradient": lambda graph: graph.graph_def.library.registered_gradients.add(gradient_func="saver"),
}


@pytest.mark.parametrize("kind", NAMED)
def test_a_function_that_restores_and_can_be_called_is_refused(kind: str) -> None:
    graph = meta_graph_pb2.MetaGraphDef()
    function = graph.graph_def.library.function.add()
    function.signature.name = "saver"
    function.signature.input_arg.add(name="file")
    add(function.node_def, ("r", "RestoreV2", ("file",), b""))
    assert list(graph_offences(graph)) == []
    NAMED[kind](graph)
    assert list(graph_offences(graph)) == ["function saver saves or restores files, and can be called"]


@pytest.mark.parametrize(
    ("operation", "name", "taken"),
    [
        ("PartitionedCall", "name", True),
        ("StatefulPartitionedCall", "name", True),
        ("PartitionedCall", "evil", False),
        ("If", "name", False),  # whose first input is the condition
        ("saver", "name", False),
    ],
)
def test_only_a_call_that_is_fed_runs_a_function_that_restores(operation: str, name: str, taken: bool) -> None:
    graph = meta_graph_pb2.MetaGraphDef()
    function = graph.graph_def.library.function.add()
    function.signature.name = "saver"
    function.signature.input_arg.add(name="file")
    add(function.node_def, ("r", "RestoreV2", ("file",), b""))
    add(graph.graph_def.node, DEFAULT, NAME, EVIL, ("call", operation, (name,), b""))
    if operation != "saver":
        graph.graph_def.node[-1].attr["f"].func.name = "saver"
    expected = [] if taken else [f"{operation} of a function that saves or restores files (node call)"]
    assert list(graph_offences(graph)) == expected


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        (b"model", [("default", "StringLower", (), b""), NAME]),
        (
            b".part",
            [NAME, DEFAULT, ("suffix", "StringLower", (), b""), ("joined", "StringJoin", ("name", "suffix"), b"")],
        ),
    ],
)
def test_text_of_a_node_that_is_no_constant_tells_nothing(text: bytes, nodes: list[Node]) -> None:
    graph = meta_graph_pb2.MetaGraphDef()
    add(graph.graph_def.node, *nodes, ("restore", "RestoreV2", (nodes[-1][0],), b""))
    for node in graph.graph_def.node:
        if node.op == "StringLower":
            node.attr["value"].tensor.string_val.append(text)
    assert REFUSED[0] in list(graph_offences(graph))


def test_two_nodes_of_one_name_are_refused() -> None:
    """The one that is judged may not be the one that is run."""
    assert offences(("x", "Identity", (), b""), ("x", "Identity", (), b"")) == ["two nodes of one name in the graph"]
    assert TestFunctions.offences(("x", "Identity", (), b""), ("x", "Identity", (), b"")) == [
        "two nodes of one name in function saver"
    ]


@pytest.mark.parametrize("stream", ["stderr", "stdout", "log(info)", "log(warning)", "log(error)", "file:///tmp/x", ""])
def test_printing_goes_to_the_log_only(stream: str) -> None:
    graph = meta_graph_pb2.MetaGraphDef()
    node = graph.graph_def.node.add(name="p", op="PrintV2")
    node.attr["output_stream"].s = stream.encode()
    assert list(graph_offences(graph)) == ([] if stream and "file" not in stream else ["PrintV2 (node p)"])
