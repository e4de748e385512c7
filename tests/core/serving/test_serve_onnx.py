"""ONNX models are served with the values that ONNX Runtime gives for the whole image."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx_graphs as graphs  # noqa: E402
from blending import blended  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402
from onnx_graphs import node, runtime_values, value, weights  # noqa: E402
from serving import Log, read, served, texture, write_at  # noqa: E402

from otbtf_qgis.core import registry  # noqa: E402
from otbtf_qgis.core.errors import ModelError, OtbtfError, as_key, worded  # noqa: E402
from otbtf_qgis.core.models import onnxsessions  # noqa: E402
from otbtf_qgis.core.models.loading import load_model  # noqa: E402

TILES = {"optim__tilesizex": 14, "optim__tilesizey": 10}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, str]:
    folder = tmp_path_factory.mktemp("scene")
    pixels = texture(42, 54, 3)
    return pixels, write_at(folder / "scene.tif", pixels)


def close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------ layouts, sizes and types


def test_a_fully_convolutional_model_in_tiles_is_the_whole(tmp_path: Path, scene: Any) -> None:
    pixels, path = scene
    model, log = graphs.convolutions(tmp_path / "net.onnx"), Log()
    found = served(tmp_path, model, path, log=log, **TILES)
    close(found, runtime_values(model, pixels))
    assert "ONNX " in log.text and "bands first" in log.text
    assert not log.warnings
    assert f"ONNX Runtime {onnxsessions.runtime().__version__}" in log.text


def test_windows_of_a_fixed_context_are_blended(tmp_path: Path, scene: Any) -> None:
    pixels, path = scene
    model = graphs.pooled(tmp_path / "net.onnx")
    found = served(tmp_path, model, path, model__context=16, **TILES)
    close(found, blended(lambda window: runtime_values(model, window[0])[None], [pixels], 16))
    assert np.abs(found - runtime_values(model, pixels)).max() > 0.01  # which the whole image gives


def test_bands_last_are_not_transposed(tmp_path: Path, scene: Any) -> None:
    """The names of tf2onnx, with :0, are those without."""
    pixels, path = scene
    model, log = graphs.bands_last(tmp_path / "net.onnx"), Log()
    close(served(tmp_path, model, path, log=log, output__names="y", **TILES), runtime_values(model, pixels))
    assert "bands first" not in log.text


def test_a_fixed_size_and_batch(tmp_path: Path, scene: Any) -> None:
    """An image of exactly the model's size is computed at once; see the tests of fixed sizes for larger ones."""
    pixels, _ = scene
    part = pixels[:32, :48]
    model = graphs.convolutions(tmp_path / "net.onnx", (1, 3, 32, 48))
    path = write_at(tmp_path / "part.tif", part)
    close(served(tmp_path, model, path), runtime_values(model, part))


def test_patches_of_a_fixed_size(tmp_path: Path, scene: Any) -> None:
    pixels, path = scene
    model = graphs.patches(tmp_path / "net.onnx")
    found = served(tmp_path, model, path, output__spcscale=8)
    expected = [[runtime_values(model, pixels[y : y + 8, x : x + 8]) for x in range(0, 47, 8)] for y in range(0, 35, 8)]
    close(found, np.array(expected))


def test_several_inputs_and_outputs(tmp_path: Path, scene: Any) -> None:
    pixels, path = scene
    radar = texture(42, 54, 1, seed=5)
    model = graphs.two_inputs(tmp_path / "net.onnx")
    sources = path, write_at(tmp_path / "radar.tif", radar)
    found = served(tmp_path, model, *sources, output__names="scores label", **TILES)
    scores = runtime_values(model, pixels, radar, output="scores")
    close(found[..., :4], scores)
    np.testing.assert_array_equal(found[..., 4], scores.argmax(axis=2))


def test_numbers_of_classes_from_bytes_are_probed_on_the_scores_behind_them(tmp_path: Path) -> None:
    pixels = texture(42, 54, 3, dtype="uint8")
    model = graphs.labels(tmp_path / "net.onnx")
    found = served(tmp_path, model, write_at(tmp_path / "bytes.tif", pixels), **TILES)
    np.testing.assert_array_equal(found[..., 0], runtime_values(model, pixels))
    assert load_model(model).values_behind("label") == ["scores"]


def test_half_precision(tmp_path: Path, scene: Any) -> None:
    pixels, path = scene
    model = graphs.convolutions(tmp_path / "net.onnx", dtype="float16")
    found = served(tmp_path, model, path, **TILES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, runtime_values(model, pixels), rtol=0.02, atol=0.005)


def test_weights_in_a_file_beside_it(tmp_path: Path, scene: Any) -> None:
    pixels, path = scene
    single = graphs.convolutions(tmp_path / "net.onnx")
    onnx.save(
        onnx.load(single),
        str(tmp_path / "split.onnx"),
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    found = served(tmp_path, str(tmp_path / "split.onnx"), path)
    close(found, runtime_values(single, pixels))
    if onnxsessions.version() >= (1, 22):  # values inside a graph, too
        inner = served(tmp_path, str(tmp_path / "split.onnx"), path, output__names="features")
        close(inner, served(tmp_path, single, path, output__names="features"))


def test_an_output_of_unknown_shape_is_transposed_too(tmp_path: Path, scene: Any) -> None:
    """The shape after a loop over a number of times that only the run knows is not known before."""
    pixels, path = scene
    body = helper.make_graph(
        [node("Identity", "more", "again"), node("Relu", "a", "b")],
        "body",
        [value("i", (), TensorProto.INT64), value("more", (), TensorProto.BOOL), value("a", None)],
        [value("again", (), TensorProto.BOOL), value("b", None)],
    )
    nodes = [
        node("Conv", "x w", "c", pads=[1, 1, 1, 1]),
        helper.make_node("Loop", ["times", "on", "c"], ["y"], body=body),
    ]
    constants = [
        weights("w", 4, 3, 3, 3),
        onnx.numpy_helper.from_array(np.array(1, "int64"), "times"),
        onnx.numpy_helper.from_array(np.array(True), "on"),
    ]
    model = graphs.save(tmp_path / "net.onnx", nodes, [value("x", graphs.FREE)], [value("y", None)], constants)
    close(served(tmp_path, model, path, **TILES), runtime_values(model, pixels))


@pytest.mark.parametrize(
    ("shape", "operators", "first"),
    [
        ((1, 3, 512, 640), ["Relu"], True),
        ((1, 512, 640, 3), ["Relu"], False),
        ((None, None, None, None), ["Relu", "Conv"], True),
        (("n", "c", "h", "w"), ["Transpose", "Conv"], False),
        ((1, 4, 4, 4), ["Conv"], True),
        (("n", 3, "h", 512), ["Relu"], True),
    ],
)
def test_where_the_bands_are(tmp_path: Path, shape: Any, operators: list[str], first: bool) -> None:
    bands = 4 if shape[1] == 4 else 3
    more: dict[str, Any] = {"Transpose": {"perm": [0, 3, 1, 2]}}
    nodes = [
        node(operator, f"t{number}" + (" w" if operator == "Conv" else ""), f"t{number + 1}", **more.get(operator, {}))
        for number, operator in enumerate(operators)
    ]
    output = value(f"t{len(operators)}", None)
    model = graphs.save(tmp_path / "net.onnx", nodes, [value("t0", shape)], [output], [weights("w", 2, bands, 1, 1)])
    assert load_model(model).bands_first == (frozenset({"t0"}) if first else frozenset())


def test_an_input_of_which_the_file_tells_no_shape(tmp_path: Path, scene: Any) -> None:
    """The convolution tells where the bands are; without one, they would be taken for the columns."""
    pixels, path = scene
    constants = [weights("w", 2, 3, 3, 3)]
    convolved = graphs.save(
        tmp_path / "net.onnx",
        [node("Conv", "x w", "y", pads=[1, 1, 1, 1])],
        [value("x", None)],
        [value("y", None)],
        constants,
    )
    told = graphs.save(
        tmp_path / "told.onnx",
        [node("Conv", "x w", "y", pads=[1, 1, 1, 1])],
        [value("x", graphs.FREE)],
        [value("y", None)],
        constants,
    )
    close(served(tmp_path, convolved, path), runtime_values(told, pixels))
    other = graphs.save(
        tmp_path / "other.onnx", [node("Softmax", "x", "y", axis=1)], [value("x", None)], [value("y", None)]
    )
    with pytest.raises(ModelError, match="does not tell the shape of its input x: export it with a shape"):
        load_model(other)


def test_a_single_number_is_fed_beside_the_image(tmp_path: Path, scene: Any) -> None:
    pixels, path = scene
    model = graphs.save(
        tmp_path / "net.onnx",
        [node("Mul", "x factor", "y")],
        [value("x", graphs.FREE), value("factor", ())],
        [value("y", graphs.FREE)],
    )
    close(served(tmp_path, model, path, model__userplaceholders="factor=2.5"), pixels * 2.5)


def test_a_shape_that_fits_both_layouts_is_refused(tmp_path: Path) -> None:
    model = graphs.save(
        tmp_path / "net.onnx", [node("Relu", "x", "y")], [value("x", (1, 3, 64, 3))], [value("y", None)]
    )
    with pytest.raises(ModelError, match=r"x \(float32, 1x3x64x3\) .* its shape does not tell"):
        load_model(model)


# ------------------------------------------------------------------ describing, features, parts


def test_describing(tmp_path: Path, scene: Any) -> None:
    pixels, path = scene
    model = graphs.convolutions(tmp_path / "net.onnx")
    out = tmp_path / "item.json"
    values = {"model.dir": model, "out.json": str(out), "sidecar": True, "out.html": str(tmp_path / "page.html")}
    results = registry.run("DescribeModel", {**values, "source1.il": [path]}, Log())
    assert results["verdict"] == "fully convolutional" and results["fits"] == "yes"
    properties = json.loads(out.read_text())["properties"]
    assert properties["mlm:framework"] == properties["otbtf:model_kind"] == "ONNX"
    (tensor,) = properties["mlm:input"]
    assert tensor["input"] == {
        "shape": [-1, 3, -1, -1],
        "dim_order": ["batch", "channel", "height", "width"],
        "data_type": "float32",
    }
    assert (tmp_path / "net.onnx.json").is_file()
    close(served(tmp_path, model, path, **TILES), runtime_values(model, pixels))  # by the geometry in the sidecar


def test_other_rasters_do_not_fit(tmp_path: Path) -> None:
    other = write_at(tmp_path / "five.tif", texture(20, 20, 5))
    model = graphs.convolutions(tmp_path / "net.onnx")
    results = registry.run("DescribeModel", {"model.dir": model, "source1.il": [other], "probing": "fast"}, Log())
    assert results["fits"] == "no" and "expects 3 bands" in results["misfits"]


def test_parts_are_the_whole(tmp_path: Path, scene: Any) -> None:
    pixels, path = scene
    model, out = graphs.convolutions(tmp_path / "net.onnx"), str(tmp_path / "map.vrt")
    for part in ("0/2", "1/2"):
        values = {"model.dir": model, "source1.il": [path], "out": out, "part": part, "optim.tilesizey": 8}
        registry.run("TensorflowModelServe", values, Log())
    close(read(out), runtime_values(model, pixels))


# ------------------------------------------------------------------ bad input


def refused(model: str, path: str, folder: Path, **more: Any) -> str:
    with pytest.raises(OtbtfError) as caught:
        served(folder, model, path, **more)
    return worded(caught.value.message, as_key)


def test_without_the_runtime_the_error_tells_how_to_install_it(
    tmp_path: Path, scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    told = refused(graphs.convolutions(tmp_path / "net.onnx"), scene[1], tmp_path)
    assert "needs ONNX Runtime" in told and "run otbtf:installengine with EXTRAS=onnx" in told


def test_a_gpu_that_the_runtime_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = graphs.convolutions(tmp_path / "net.onnx")
    with pytest.raises(OtbtfError) as caught:
        load_model(model, device="gpu:0")
    told = worded(caught.value.message, as_key)
    assert told.startswith("DEVICE is 'gpu:0', but ONNX Runtime cannot compute on a GPU") and "EXTRAS=onnx" in told
    monkeypatch.setattr(onnxsessions, "on_gpu", lambda device: True)  # TensorFlow finds one
    (remark,) = load_model(model).remarks
    assert "on the CPU instead of the GPU" in remark


def test_an_opset_that_the_runtime_lacks_is_named(tmp_path: Path, scene: Any) -> None:
    opset = helper.make_opsetid("", 999)
    model = graphs.convolutions(tmp_path / "net.onnx", opset_imports=[opset], producer_name="future")
    told = refused(model, scene[1], tmp_path)
    assert "cannot load the model" in told and "opset 999 and IR version 8, written by future" in told


def test_an_operator_that_the_runtime_lacks_is_named(tmp_path: Path, scene: Any) -> None:
    nodes = [node("Frobnicate", "x", "y")]
    model = graphs.save(tmp_path / "net.onnx", nodes, [value("x", graphs.FREE)], [value("y", None)])
    told = refused(model, scene[1], tmp_path)
    assert "cannot load the model" in told and "Frobnicate" in told


def test_an_operator_of_another_domain_is_refused_whatever_is_trusted(tmp_path: Path, scene: Any) -> None:
    nodes = [helper.make_node("Steal", ["x"], ["y"], domain="com.evil")]
    model = graphs.save(tmp_path / "net.onnx", nodes, [value("x", graphs.FREE)], [value("y", None)])
    assert "com.evil.Steal" in refused(model, scene[1], tmp_path, trust_model=True)


def test_an_output_that_does_not_exist(tmp_path: Path, scene: Any) -> None:
    told = refused(graphs.convolutions(tmp_path / "net.onnx"), scene[1], tmp_path, output__names="feature")
    assert "has no output 'feature'" in told and "Did you mean features?" in told


def test_what_the_runtime_says_of_an_image(tmp_path: Path, scene: Any) -> None:
    """A reshape to one size, which no shape declares."""
    nodes = [node("Conv", "x w", "c"), node("Reshape", "c size", "y")]
    constants = [weights("w", 1, 3, 1, 1), onnx.numpy_helper.from_array(np.array([1, 7 * 11 * 13], "int64"), "size")]
    model = graphs.save(tmp_path / "net.onnx", nodes, [value("x", graphs.FREE)], [value("y", None)], constants)
    told = refused(model, scene[1], tmp_path, model__fullyconv="on", source1__rfieldx=1, source1__rfieldy=1)
    assert "Reshape" in told or "none of the sizes" in told or "accept" in told


def test_an_onnx_model_is_not_trained_or_exported(tmp_path: Path) -> None:
    model = graphs.convolutions(tmp_path / "net.onnx")
    with pytest.raises(OtbtfError, match="an ONNX model, which TensorFlow does not compute"):
        registry.run("ExportSavedModel", {"model.dir": model, "out": str(tmp_path / "saved")}, Log())
