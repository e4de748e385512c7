"""Outputs that are one map with several crops: which of them is served where none is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from graph_models import save_function, save_graph  # noqa: E402
from serving import Log, served, texture, write_at  # noqa: E402

tf1 = tf.compat.v1
FREE = [None, None, None]
TILES = {"optim.tilesizex": 32, "optim.tilesizey": 24}


def smoothed(x: Any, size: int) -> Any:
    """The mean of squares of `size` pixels, with zeros around: its edge is wrong by size // 2 pixels."""
    return tf.nn.conv2d(x, tf.ones([size, size, 1, 1]) / size**2, 1, "SAME")


def without(y: Any, crop: int) -> Any:
    return y[:, crop:-crop, crop:-crop]


def means(pixels: np.ndarray, size: int) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(pixels[..., 0].astype("float64"), (size, size))
    return windows.mean((2, 3))


def graph(size: int, name: str) -> Any:
    """Crops of 8, 16 and 32, as SR4RS (`output_16`) and decloud (`s2_pad16`) call them."""

    def build() -> Any:
        x = tf1.placeholder(tf.float32, [*FREE, 1], "x")
        y = smoothed(x, size)
        outputs = {name.format(crop): without(y, crop) for crop in (8, 16, 32)}
        return {"x": x}, {**outputs, "z_other": tf.square(x)}

    return build


@pytest.mark.parametrize("name", ["output_{}", "s2_pad{}", "a_crop{}"])
@pytest.mark.parametrize(("size", "crop"), [(5, 8), (17, 8), (19, 16), (35, 32)])
def test_smallest_exact_crop_of_a_graph(tmp_path: Path, name: str, size: int, crop: int) -> None:
    """By hand: the edge of a map is wrong by half the square."""
    pixels, log = texture(96, 100, 1), Log()
    out = served(
        tmp_path, save_graph(tmp_path / "m", graph(size, name)), write_at(tmp_path / "i.tif", pixels), log=log, **TILES
    )
    assert f": {name.format(crop)} from x" in log.text
    half = crop - size // 2
    expected = means(pixels, size)
    expected = expected[half:-half, half:-half] if half else expected
    np.testing.assert_allclose(out[..., 0], expected, rtol=1e-4)


@pytest.mark.parametrize("crop", [8, 16, 32])
def test_fields_that_are_given_tell_the_crop(tmp_path: Path, crop: int) -> None:
    """As command lines of OTBTF give them, of one of the outputs; the means need no more than the crop of 8."""
    pixels, log = texture(96, 100, 1), Log()
    given = {f"source1.rfield{axis}": 80 for axis in "xy"} | {f"output.efield{axis}": 80 - 2 * crop for axis in "xy"}
    model = save_graph(tmp_path / "m", graph(5, "output_{}"))
    out = served(tmp_path, model, write_at(tmp_path / "i.tif", pixels), log=log, **given)
    assert f": output_{crop} from x" in log.text
    np.testing.assert_allclose(out[..., 0], means(pixels, 5)[crop - 2 : 2 - crop, crop - 2 : 2 - crop], rtol=1e-4)


def test_the_whole_map_where_nothing_is_wrong(tmp_path: Path) -> None:
    model = save_function(
        tmp_path / "m",
        lambda x: {"y": 2 * x, "y_crop8": without(2 * x, 8)},
        tf.TensorSpec([*FREE, 1], tf.float32, name="x"),
    )
    pixels = texture(40, 44, 1)
    np.testing.assert_array_equal(served(tmp_path, model, write_at(tmp_path / "i.tif", pixels), **TILES), 2 * pixels)


def test_crops_of_another_map_are_no_crops(tmp_path: Path) -> None:
    """The names are those of crops, the values are not."""
    model = save_function(
        tmp_path / "m",
        lambda x: {"y": smoothed(x, 5), "y_crop8": without(tf.square(x), 8), "z": smoothed(x, 7)},
        tf.TensorSpec([*FREE, 1], tf.float32, name="x"),
    )
    pixels, log = texture(40, 44, 1), Log()
    out = served(tmp_path, model, write_at(tmp_path / "i.tif", pixels), log=log, **TILES)
    assert ": y from x" in log.text and out.shape == (40, 44, 1)


@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_other_scales_are_told(tmp_path: Path, dtype: str) -> None:
    """As decloud's: the cropped outputs are 10000 times the other, and may be rounded."""

    def body(x: Any) -> Any:
        y = smoothed(x, 5)
        return {
            "y": y,
            "y_pad16": tf.cast(without(10000 * y, 16), dtype),
            "y_pad32": tf.cast(without(10000 * y, 32), dtype),
        }

    model = save_function(tmp_path / "m", body, tf.TensorSpec([*FREE, 1], tf.float32, name="x"))
    pixels, log = texture(96, 100, 1), Log()
    out = served(tmp_path, model, write_at(tmp_path / "i.tif", pixels), log=log, **TILES)
    assert "y on another scale: y_pad16 (10000 times), y_pad32 (10000 times)" in log.text
    np.testing.assert_allclose(out[2:-2, 2:-2, 0], means(pixels, 5), rtol=1e-4)


def test_outputs_of_other_inputs_are_left_alone(tmp_path: Path) -> None:
    """A loss needs labels that nobody feeds here."""

    def build() -> Any:
        x, labels = (tf1.placeholder(tf.float32, [*FREE, 1], name) for name in ("x", "labels"))
        return {"x": x, "labels": labels}, {"y": x + 1, "z_loss": tf.square(x - labels)}

    pixels = texture(20, 24, 1)
    out = served(tmp_path, save_graph(tmp_path / "m", build), write_at(tmp_path / "i.tif", pixels))
    np.testing.assert_array_equal(out, pixels + 1)
