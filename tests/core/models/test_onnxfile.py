"""An ONNX file is read and judged before ONNX Runtime sees it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx_graphs import convolutions, node, save, value, weights  # noqa: E402

from otbtf_qgis.core.errors import ModelError  # noqa: E402
from otbtf_qgis.core.models.identity import fingerprint, identity  # noqa: E402
from otbtf_qgis.core.models.modelfiles import model_files  # noqa: E402
from otbtf_qgis.core.models.onnxfile import check_onnx, read_onnx  # noqa: E402

ABSOLUTE = "/etc/hostname"


def checked(path: Path | str) -> None:
    check_onnx(Path(path), read_onnx(Path(path)))


def external(location: str, name: str = "w", **more: str) -> Any:
    """A tensor of 24 numbers whose values lie in another file."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[2, 3, 2, 2], data_location=TensorProto.EXTERNAL)
    for key, text in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=text)
    return tensor


def with_tensor(path: Path, tensor: Any) -> str:
    return save(path, [node("Conv", "x w", "y")], [value("x", ("n", 3, "h", "w"))], [value("y", None)], [tensor])


def places() -> dict[str, Any]:
    """Models by where a tensor of another file stands in them; each as a function of the file's name."""

    def graph(*nodes: Any, **more: Any) -> Any:
        return helper.make_graph(nodes, "graph", [], [value("y", None)], **more)

    def model(made: Any, **more: Any) -> Any:
        return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], **more)

    def branch(at: str) -> Any:
        inner = helper.make_graph([node("Identity", "w", "z")], "branch", [], [value("z", None)], [external(at)])
        return model(graph(helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)))

    def function(at: str) -> Any:
        body = [helper.make_node("Constant", [], ["y"], value=external(at))]
        made = helper.make_function("own", "F", [], ["y"], body, [helper.make_opsetid("", 17)])
        return model(graph(helper.make_node("F", [], ["y"], domain="own")), functions=[made])

    def sparse(at: str) -> Any:
        indices = numpy_helper.from_array(np.arange(4), "indices")
        return onnx.helper.make_sparse_tensor(external(at), indices, [24])

    def training(at: str) -> Any:
        made = model(graph(node("Identity", "x", "y")))
        made.training_info.add().algorithm.CopyFrom(graph(node("Identity", "w", "y"), initializer=[external(at)]))
        return made

    return {
        "initializer": lambda at: model(graph(node("Identity", "w", "y"), initializer=[external(at)])),
        "constant": lambda at: model(graph(helper.make_node("Constant", [], ["y"], value=external(at)))),
        "tensors": lambda at: model(graph(helper.make_node("Constant", [], ["y"], value=[external(at)]))),
        "subgraph": branch,
        "function": function,
        "sparse initializer": lambda at: model(
            graph(node("Identity", "w", "y"), sparse_initializer=[sparse(at)]),
        ),
        "sparse constant": lambda at: model(graph(helper.make_node("Constant", [], ["y"], sparse_value=sparse(at)))),
        "training": training,
    }


@pytest.mark.parametrize("place", places())
def test_files_outside_the_folder_are_refused_wherever_they_are_named(tmp_path: Path, place: str) -> None:
    path, secret = tmp_path / "models" / "net.onnx", tmp_path / "secret.bin"
    path.parent.mkdir()
    secret.write_bytes(bytes(96))
    path.write_bytes(places()[place]("../secret.bin").SerializeToString())
    with pytest.raises(ModelError, match=r"would read files outside its folder: \.\./secret\.bin for the tensor w"):
        checked(path)
    assert model_files(path) == [path]  # nothing outside is read for the identity either


@pytest.mark.parametrize(
    ("location", "why"),
    [
        (ABSOLUTE, "the path is absolute"),
        ("C:\\weights.bin", "the path is absolute"),
        ("\\\\server\\share\\weights.bin", "the path is absolute"),
        ("data/../../secret.bin", "the path leaves the folder"),
        ("..\\secret.bin", "the path leaves the folder"),
        ("", "it names no file"),
        ("w.bin\0/../x", "it names no file"),
        ("*/_ORT_MEM_ADDR_/*", "it stands for an address in memory"),
        ("link.bin", "a link leads out of the folder"),
        ("linked/secret.bin", "a link leads out of the folder"),
    ],
)
def test_other_ways_out_of_the_folder(tmp_path: Path, location: str, why: str) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(96))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "linked").symlink_to(tmp_path)
    with pytest.raises(ModelError, match=why):
        checked(with_tensor(folder / "net.onnx", external(location)))


def test_the_last_of_two_graphs_counts_too(tmp_path: Path) -> None:
    """Protobuf merges a field that stands twice, so that what is appended to a file belongs to its model."""
    path = Path(with_tensor(tmp_path / "net.onnx", weights("w", 2, 3, 2, 2)))
    more = onnx.ModelProto()
    more.graph.initializer.append(external(ABSOLUTE, "more"))
    path.write_bytes(path.read_bytes() + more.SerializeToString())
    assert len(onnx.load(str(path), load_external_data=False).graph.initializer) == 2
    with pytest.raises(ModelError, match="for the tensor more"):
        checked(path)


def test_the_second_of_two_locations_counts_too(tmp_path: Path) -> None:
    tensor = external("w.bin")
    tensor.external_data.add(key="location", value=ABSOLUTE)
    with pytest.raises(ModelError, match="the path is absolute"):
        checked(with_tensor(tmp_path / "net.onnx", tensor))


def test_a_link_inside_the_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "w.bin").write_bytes(bytes(96))
    (tmp_path / "w.bin").symlink_to("data/w.bin")
    checked(with_tensor(tmp_path / "net.onnx", external("w.bin", length="96")))


def test_a_missing_or_short_file_of_weights_is_named(tmp_path: Path) -> None:
    path = with_tensor(tmp_path / "net.onnx", external("w.bin", offset="4", length="96"))
    with pytest.raises(ModelError, match=r"w\.bin, which does not exist\. Copy it"):
        checked(path)
    (tmp_path / "w.bin").write_bytes(b"")
    with pytest.raises(ModelError, match=r"w\.bin is not the file of weights of the model net\.onnx.*: it is empty"):
        checked(path)
    (tmp_path / "w.bin").write_bytes(bytes(99))
    with pytest.raises(ModelError, match=r"w\.bin of the model .* has 99 bytes, but the tensor w needs 100"):
        checked(path)
    (tmp_path / "w.bin").write_bytes(bytes(100))
    checked(path)


@pytest.mark.parametrize(
    ("kind", "bits"), [("FLOAT", 32), ("FLOAT16", 16), ("BOOL", 8), ("INT4", 4), ("DOUBLE", 64), ("COMPLEX128", 128)]
)
def test_without_a_length_the_shape_tells_how_long_the_file_is(tmp_path: Path, kind: str, bits: int) -> None:
    tensor = external("w.bin", offset="4")
    tensor.data_type = TensorProto.DataType.Value(kind)
    needed = 4 + 24 * bits // 8
    path = with_tensor(tmp_path / "net.onnx", tensor)
    (tmp_path / "w.bin").write_bytes(bytes(needed - 1))
    with pytest.raises(ModelError, match=rf"has {needed - 1} bytes, but the tensor w needs {needed}: it is damaged"):
        checked(path)
    (tmp_path / "w.bin").write_bytes(bytes(needed))
    checked(path)


def test_a_tensor_of_too_many_dimensions_is_damaged(tmp_path: Path) -> None:
    tensor = external("w.bin")
    tensor.dims.extend([2**62] * 1000)
    with pytest.raises(ModelError, match="is damaged: a tensor of 1004 dimensions"):
        checked(with_tensor(tmp_path / "net.onnx", tensor))


def test_operators_of_other_domains_are_refused_by_name(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Steal", ["x"], ["a"], domain="com.evil", name="first"),
        node("Identity", "a", "y"),
    ]
    path = save(tmp_path / "net.onnx", nodes, [value("x", ("n", 3, "h", "w"))], [value("y", None)])
    with pytest.raises(ModelError, match=r"not part of ONNX Runtime: com\.evil\.Steal \(node first\)\. Export"):
        checked(path)


def test_operators_are_found_in_subgraphs_and_functions(tmp_path: Path) -> None:
    inner = helper.make_graph(
        [helper.make_node("Steal", ["x"], ["z"], domain="com.evil")], "branch", [], [value("z", None)]
    )
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)]
    path = save(tmp_path / "net.onnx", nodes, [value("c", (), TensorProto.BOOL)], [value("y", None)])
    with pytest.raises(ModelError, match=r"com\.evil\.Steal"):
        checked(path)
    body = [helper.make_node("Steal", ["a"], ["b"], domain="com.evil")]
    own = helper.make_function("own", "F", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    nodes = [helper.make_node("F", ["x"], ["y"], domain="own")]
    path = save(tmp_path / "net.onnx", nodes, [value("x", ("n", 3))], [value("y", None)], functions=[own])
    with pytest.raises(ModelError, match=r"com\.evil\.Steal"):
        checked(path)


def test_functions_of_the_file_and_microsofts_operators_are_taken(tmp_path: Path) -> None:
    body = [node("Relu", "a", "b")]
    own = helper.make_function("pkg.own", "F", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    nodes = [
        helper.make_node("F", ["x"], ["y"], domain="pkg.own"),
        helper.make_node("Gelu", ["y"], ["z"], domain="com.microsoft"),
    ]
    path = save(tmp_path / "net.onnx", nodes, [value("x", ("n", 3))], [value("z", None)], functions=[own])
    checked(path)
    nodes = [helper.make_node("EPContext", ["x"], ["z"], domain="com.microsoft", ep_cache_context="../x.bin")]
    with pytest.raises(ModelError, match=r"com\.microsoft\.EPContext"):
        checked(save(tmp_path / "net.onnx", nodes, [value("x", ("n", 3))], [value("z", None)]))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_damaged(tmp_path: Path, share: float) -> None:
    path = Path(convolutions(tmp_path / "net.onnx"))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match=r"net\.onnx is not an ONNX model, or is damaged: it ends too early"):
        checked(path)
    assert model_files(path) == [path] and identity(str(path), ())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n", "pointer of Git LFS"),
        (b"<!DOCTYPE html><html></html>", "damaged"),
        (b"PK\x03\x04" + bytes(40), "damaged"),
        (b"\x08\x08", "it holds no graph"),
        (b"\x08\x08\x3a\x00", "it names no version of ONNX's operators"),
        (b"\x08" + b"\xff" * 20, "more than ten bytes"),
    ],
)
def test_other_files_are_damaged(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=why):
        checked(path)


def test_graphs_nested_too_deeply_are_damaged(tmp_path: Path) -> None:
    """Deeper than protobuf itself reads, so that no recursion ends the process."""
    inner = b""
    for _ in range(5000):
        for number in (6, 5, 1):  # graph of an attribute of a node
            length, size = b"", len(inner)
            while size > 0x7F:
                length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
            inner = bytes([number << 3 | 2]) + length + bytes([size]) + inner
    message = onnx.ModelProto(ir_version=8, opset_import=[helper.make_opsetid("", 17)]).SerializeToString()
    size, length = len(inner), b""
    while size > 0x7F:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    (tmp_path / "net.onnx").write_bytes(message + b"\x3a" + length + bytes([size]) + inner)
    with pytest.raises(ModelError, match="nested too deeply"):
        checked(tmp_path / "net.onnx")


def test_random_damage_is_refused_or_read(tmp_path: Path) -> None:
    path = Path(convolutions(tmp_path / "net.onnx"))
    content, generator = path.read_bytes(), random.Random(0)
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(generator.randint(1, 4)):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        path.write_bytes(bytes(damaged))
        try:
            checked(path)
        except ModelError as error:
            assert "net.onnx" in str(error)


def test_all_that_onnx_reads_is_found(tmp_path: Path) -> None:
    """Compared with the classes that ONNX's own schema was compiled to."""
    path = convolutions(tmp_path / "net.onnx", producer_name="tests", metadata={"a": "1", "names": "{0: 'é'}"})
    found, known = read_onnx(Path(path)), onnx.load(path)
    assert found.metadata == {item.key: item.value for item in known.metadata_props}
    assert (found.ir_version, found.producer, found.opsets) == (8, "tests", {"": 17})
    assert [(item.operator, list(item.inputs), list(item.outputs)) for item in found.nodes] == [
        (item.op_type, list(item.input), list(item.output)) for item in known.graph.node
    ]
    assert found.constants == {item.name for item in known.graph.initializer}


# ------------------------------------------------------------------ identity


def test_weights_beside_the_file_belong_to_the_identity(tmp_path: Path) -> None:
    path = with_tensor(tmp_path / "net.onnx", external("w.bin"))
    (tmp_path / "w.bin").write_bytes(bytes(96))
    before, content = identity(path, ()), fingerprint(path)
    assert model_files(Path(path)) == [tmp_path / "net.onnx", tmp_path / "w.bin"]
    assert before.bytes == sum(file.stat().st_size for file in tmp_path.iterdir())
    (tmp_path / "w.bin").write_bytes(bytes(95) + b"\1")
    assert identity(path, ()) != before and fingerprint(path) != content
    (tmp_path / "w.bin").write_bytes(bytes(96))
    assert fingerprint(path) == content


def test_the_fingerprint_of_a_single_file_is_that_of_its_content(tmp_path: Path) -> None:
    import hashlib

    path = convolutions(tmp_path / "net.onnx")
    assert fingerprint(path) == "sha256:" + hashlib.sha256(Path(path).read_bytes()).hexdigest()
