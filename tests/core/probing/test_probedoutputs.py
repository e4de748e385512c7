"""The real values behind the number of a class, by which a model is probed in its place."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

from serving import Log, keras_file, served, texture, write_at  # noqa: E402

from otbtf_qgis.core.machine.devices import device_scope  # noqa: E402
from otbtf_qgis.core.models.loading import load_model  # noqa: E402
from otbtf_qgis.core.probing.geometryresolver import GeometryResolver  # noqa: E402
from otbtf_qgis.core.probing.probedoutputs import follow, tried_pixels  # noqa: E402
from otbtf_qgis.core.probing.sizelaw import Probe  # noqa: E402
from otbtf_qgis.core.probing.sources import assign_inputs, open_sources  # noqa: E402
from otbtf_qgis.core.probing.usersettings import SourceSettings, SourcesSettings  # noqa: E402

L = keras.layers


@pytest.fixture(autouse=True)
def seeded() -> None:
    keras.utils.set_random_seed(5)


def segmentation(ending: Any, classes: int = 4, shape: tuple[int | None, ...] = (None, None, 2)) -> Any:
    """Down by 4 and up again, so of stride 4; `ending` makes numbers of the probabilities, where there is one."""
    image = keras.Input(shape)
    x = L.Conv2D(6, 3, strides=2, padding="same", activation="relu")(image)
    x = L.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x)
    x = L.Conv2DTranspose(6, 4, strides=4, padding="same")(x)
    x = L.Conv2D(classes, 1, activation="softmax" if classes > 1 else "sigmoid", name="scores")(x)
    return keras.Model(image, L.Identity(name="numbers", dtype="int64")(ending(x)) if ending else x)


def probed_outputs(folder: Path, path: str, output: str) -> list[str]:
    image = write_at(folder / "image.tif", texture(80, 90, 2))
    settings = SourcesSettings((SourceSettings((image,)),))
    sources, model, scope = open_sources(settings), load_model(path), device_scope("cpu")
    inputs = assign_inputs(model, "", sources, [output])
    return GeometryResolver(model, inputs, [output], sources, scope).probed_outputs


def argmax(x: Any) -> Any:
    return keras.ops.argmax(x, axis=-1)


ENDINGS = {
    "argmax": (argmax, 4, True),
    "labels": (lambda x: keras.ops.take(keras.ops.array([7, 3, 40, 3]), argmax(x), axis=0), 4, True),
    "threshold": (lambda x: keras.ops.cast(x > 0.5, "int64"), 1, True),
    "smoothed": (
        lambda x: keras.ops.max_pool(keras.ops.cast(argmax(x), "int32")[..., None], 3, 1, padding="same"),
        4,
        False,
    ),
}


@pytest.mark.parametrize("size", [None, 64])
@pytest.mark.parametrize("name", ENDINGS)
def test_what_numbers_are_made_of(tmp_path: Path, name: str, size: int | None) -> None:
    """Only where each number follows from the values of the same pixel."""
    ending, classes, found = ENDINGS[name]
    path = keras_file(tmp_path, segmentation(ending, classes, (size, size, 2)))
    output = next(iter(load_model(path).outputs))
    assert probed_outputs(tmp_path, path, output) == ["scores" if found else output]


@pytest.mark.parametrize("kept", [True, False])
def test_another_output_of_a_saved_model(tmp_path: Path, kept: bool) -> None:
    network, folder = segmentation(None), str(tmp_path / "model")
    module = tf.Module()
    module.network = network

    def call(x: Any) -> dict[str, Any]:
        scores = network(x)
        return {"classes": tf.argmax(scores, axis=-1), "other": x, **({"scores": scores} if kept else {})}

    module.serve = tf.function(call, input_signature=[tf.TensorSpec((None, None, None, 2), name="x")])
    tf.saved_model.save(module, folder, module.serve)
    assert probed_outputs(tmp_path, folder, "classes") == ["scores" if kept else "classes"]


def test_strides_are_found_behind_a_number_that_is_always_the_same(tmp_path: Path) -> None:
    """One class wins everywhere but in the blocks that probing makes: the numbers hide the stride, their source does not."""
    network = segmentation(argmax)
    bias = network.get_layer("scores").bias
    bias.assign(bias + [3.0, 0.0, 0.0, 0.0])
    pixels, log = texture(80, 90, 2), Log()
    image = write_at(tmp_path / "image.tif", pixels)
    out = served(tmp_path, network, image, log=log, optim__tilesizex=20)
    assert (out == 0).all()
    assert "Tiles start at multiples of 4 pixels" in log.text


def test_numbers_of_a_network_for_many_dates_are_tried_on_few_pixels() -> None:
    """Of 68 dates a pixel may take a third of a megabyte; only where all numbers are the same are more pixels tried."""

    def sides(thresholds: tuple[float, ...], bands: int) -> tuple[set[int], bool]:
        called = set()

        def call(images: Sequence[np.ndarray]) -> list[np.ndarray]:
            (image,) = images
            called.add(image.shape[1])
            first = image[..., :1]
            return [np.digitize(first, thresholds), first]

        sample = np.linspace(0.0, 1.0, 320 * 320 * bands, dtype="float32").reshape(320, 320, bands)
        pixels = tried_pixels(Probe(call, [sample], [Fraction(1)], [(None, None)], ["numbers", "values"]))
        return called, follow(pixels)

    everywhere = tuple(np.linspace(-0.1, 1.1, 1200))
    assert sides(everywhere, 68) == ({8}, True)
    assert sides((1e9,), 68) == ({8, 16, 32}, False)
    assert sides(everywhere, 4) == ({64}, True)
