"""Which input of a model each source feeds: values are compared with those of the model's formula."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from graph_models import save_function, save_graph  # noqa: E402
from serving import Log, served, texture, write_at  # noqa: E402

from otbtf_qgis.core.errors import ModelError  # noqa: E402

tf1 = tf.compat.v1
FREE = [None, None, None]


@pytest.fixture
def pair(tmp_path: Path) -> Any:
    """Images of two and three bands, and their paths."""
    two, three = texture(21, 25, 2), texture(21, 25, 3, seed=1)
    return two, three, write_at(tmp_path / "two.tif", two), write_at(tmp_path / "three.tif", three)


# ------------------------------------------------------------------ graphs of TensorFlow 1


def with_default() -> Any:
    """An image and a factor with defaults, beside a placeholder of which the output does not know."""
    tf1.placeholder(tf.float32, [*FREE, 2], "a_unused")
    x = tf1.placeholder_with_default(tf.zeros([1, 4, 4, 2]), [*FREE, 2], "x")
    gain = tf1.placeholder_with_default(2.0, [], "gain")
    return {"x": x, "gain": gain}, {"y": tf.multiply(x, gain, name="y")}


@pytest.mark.parametrize(("given", "gain"), [("", 2), ("gain=3", 3), ("gain:0=3", 3)])
def test_image_with_a_default(tmp_path: Path, pair: Any, given: str, gain: int) -> None:
    two, _, path, _ = pair
    model = save_graph(tmp_path / "m", with_default)
    np.testing.assert_array_equal(served(tmp_path, model, path, model__userplaceholders=given), two * np.float32(gain))


def test_value_for_an_image_with_a_default(tmp_path: Path, pair: Any) -> None:
    """The user gives its value, so that the other is the one that is fed."""

    def build() -> Any:
        offset = tf1.placeholder_with_default(tf.zeros([1, 1, 1, 2]), [*FREE, 2], "a_offset")
        x = tf1.placeholder(tf.float32, [*FREE, 2], "x")
        return {"a_offset": offset, "x": x}, {"y": x + offset}

    two, _, path, _ = pair
    model = save_graph(tmp_path / "m", build)
    out = served(tmp_path, model, path, model__userplaceholders="a_offset=(1, 2)")
    np.testing.assert_array_equal(out, two + np.array([1, 2], "float32"))
    with pytest.raises(ModelError, match=r"also needs x .*SOURCE2_IL.*MODEL_USERPLACEHOLDERS"):
        served(tmp_path, model, path)


def test_defaults_without_a_signature(tmp_path: Path, pair: Any) -> None:
    two, _, path, _ = pair
    model = save_graph(tmp_path / "m", with_default, signed=False)
    np.testing.assert_array_equal(served(tmp_path, model, path, output__names="y"), two * 2)


def test_signature_inputs_come_first(tmp_path: Path, pair: Any) -> None:
    """Those of the signature by their names there, then placeholders that only the graph knows."""

    def build() -> Any:
        more = tf1.placeholder(tf.float32, [*FREE, 3], "a_more")
        x = tf1.placeholder(tf.float32, [*FREE, 2], "zz")
        return {"x": x}, {"y": tf.concat([x, more], -1)}

    two, three, path, other = pair
    out = served(tmp_path, save_graph(tmp_path / "m", build), path, other)
    np.testing.assert_array_equal(out, np.concatenate([two, three], -1))


def test_two_inputs_from_one_node(tmp_path: Path, pair: Any) -> None:
    """As an iterator's: the signature names several outputs of one operation."""

    def build() -> Any:
        both = tf1.placeholder(tf.float32, [*FREE, 4], "both")
        b, a = tf.split(both, 2, axis=-1)
        return {"a": a, "b": b}, {"y": a - 10 * b}

    two, _, path, _ = pair
    other = write_at(tmp_path / "other.tif", two[::-1].copy())
    out = served(tmp_path, save_graph(tmp_path / "m", build), path, other)
    np.testing.assert_allclose(out, two - 10 * two[::-1], rtol=1e-6)


def test_names_of_an_input(tmp_path: Path, pair: Any) -> None:
    """That of the signature, and that of its tensor."""

    def build() -> Any:
        x = tf1.placeholder(tf.float32, [*FREE, 2], "x")
        return {"image": x}, {"y": 3 * x}

    two, _, path, _ = pair
    model = save_graph(tmp_path / "m", build)
    for name in ("", "image", "image:0", "x", "x:0"):
        np.testing.assert_array_equal(served(tmp_path, model, path, source1__placeholder=name), two * 3)


def test_flags_and_rates_are_no_images(tmp_path: Path, pair: Any) -> None:
    """Neither takes a source's place, and both are asked for."""

    def build() -> Any:
        flag = tf1.placeholder(tf.bool, None, "a_training")
        rate = tf1.placeholder(tf.float32, [], "b_rate")
        x = tf1.placeholder(tf.float32, [*FREE, 2], "x")
        return {"a_training": flag, "b_rate": rate, "x": x}, {"y": tf.where(flag, x * rate, x)}

    two, _, path, _ = pair
    model = save_graph(tmp_path / "m", build)
    with pytest.raises(ModelError, match=r"also needs a_training \(bool, unknown shape\), b_rate \(float32, scalar\)"):
        served(tmp_path, model, path)
    out = served(tmp_path, model, path, model__userplaceholders="a_training=true b_rate=0.5")
    np.testing.assert_array_equal(out, two / 2)


def test_output_of_no_image(tmp_path: Path, pair: Any) -> None:
    def build() -> Any:
        x = tf1.placeholder(tf.float32, [*FREE, 2], "x")
        z = tf1.placeholder(tf.float32, [*FREE, 2], "z")
        return {"x": x, "z": z}, {"constant": tf.ones([1, 8, 8, 1]), "y": x * 2}

    _, _, path, _ = pair
    model = save_graph(tmp_path / "m", build)
    with pytest.raises(ModelError, match="uses images of 0 sources, but 1 are given .none.: remove"):
        served(tmp_path, model, path)
    with pytest.raises(ModelError, match=r"also needs x"):
        served(tmp_path, model, path, output__names="y", source1__placeholder="z")
    with pytest.raises(
        ModelError, match=r"constant of the model .* does not depend on the images.*none of its inputs.*OUTPUT_NAMES"
    ):
        served(tmp_path, model, path, output__names="constant", source1__placeholder="z")


# ------------------------------------------------------------------ orders


def image(name: str, bands: int | None) -> Any:
    return tf.TensorSpec([*FREE, bands], tf.float32, name=name)


def test_only_order_that_fits(tmp_path: Path, pair: Any) -> None:
    two, three, path, other = pair
    model = save_function(tmp_path / "m", lambda a, b: {"y": tf.concat([a, 2 * b], -1)}, image("a", 3), image("b", 2))
    expected, log = np.concatenate([three, 2 * two], -1), Log()
    np.testing.assert_array_equal(served(tmp_path, model, path, other, log=log), expected)
    assert "b of 2 bands, a of 3 bands, in this order" in "\n".join(log.warnings)
    log = Log()
    np.testing.assert_array_equal(served(tmp_path, model, other, path, log=log), expected)
    assert not log.warnings


def test_named_sources_leave_the_others(tmp_path: Path, pair: Any) -> None:
    two, three, path, other = pair
    model = save_function(
        tmp_path / "m", lambda a, b: {"y": tf.concat([a, 2 * b], -1)}, image("a", None), image("b", None)
    )
    out = served(tmp_path, model, path, other, source1__placeholder="b")
    np.testing.assert_array_equal(out, np.concatenate([three, 2 * two], -1))


def test_several_orders_fit(tmp_path: Path, pair: Any) -> None:
    """Two inputs of two bands: which of them a source is meant for cannot be told."""
    _, _, path, other = pair
    model = save_function(
        tmp_path / "m", lambda a, b, c: {"y": a[..., :2] + b - c}, image("a", 3), image("b", 2), image("c", 2)
    )
    with pytest.raises(
        ModelError,
        match=r"a of the model expects 3 bands, but source 1 has 2 .*two.tif.* has the inputs a of 3 bands, b of 2 bands, "
        r"c of 2 bands, .*SOURCE1_PLACEHOLDER=a SOURCE2_PLACEHOLDER=b SOURCE3_PLACEHOLDER=c",
    ):
        served(tmp_path, model, path, path, other)
    with pytest.raises(ModelError, match="uses images of 3 sources, but 4 are given .a, b, c.: remove"):
        served(tmp_path, model, path, path, other, other)
