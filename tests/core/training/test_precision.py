"""Copies of models that compute with 16 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from otbtf_qgis.core.layers import PixelShuffle  # noqa: E402
from otbtf_qgis.core.models.tracedlayer import trace  # noqa: E402
from otbtf_qgis.core.templates import catalogue  # noqa: E402
from otbtf_qgis.core.training.precision import mixed_copy  # noqa: E402

POLICIES = ("mixed_bfloat16", "mixed_float16")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", ["tempcnn", "gru", "ltae", "time_series_transformer", "utae"])
def test_a_network_for_time_series_computes_about_the_same(name: str, policy: str) -> None:
    keras.utils.set_random_seed(1)
    times = (tuple(np.arange(6) * 20.0),)
    model = catalogue.create(name, bands=(6,), classes=3, width=8, times=times)
    copy = mixed_copy(model, policy)
    image = np.random.default_rng(0).random((1, 8, 8, 6)).astype("float32")
    np.testing.assert_allclose(copy([image]), model([image]), atol=0.05)
    for training in (False, True):  # with dropout, too, which moves the means of batch normalization
        found = copy([image], training=training)
        assert found.dtype == "float32" and np.isfinite(found).all()


@pytest.mark.parametrize("policy", POLICIES)
def test_layers_that_take_values_as_they_are_keep_their_precision(policy: str) -> None:
    """Also behind weights."""
    image: Any = keras.Input((None, None, 3))
    features = keras.layers.Conv2D(4, 1, name="features")(image)
    finer = PixelShuffle(2, name="finer")(features)
    model = keras.Model(image, keras.layers.Conv2D(1, 1, name="end")(finer))
    copy = mixed_copy(model, policy)
    policies = {layer.name: layer.dtype_policy.name for layer in copy.layers}
    assert (policies["features"], policies["finer"], policies["end"]) == (policy, "float32", "float32")
    values = np.random.default_rng(0).random((1, 4, 4, 3)).astype("float32")
    np.testing.assert_allclose(copy(values), model(values), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("policy", POLICIES)
def test_plain_tensorflow_behind_weights(policy: str) -> None:
    """Its graph was traced with the dtypes of the model that is copied."""
    image = keras.Input((None, None, 3))
    squares = trace(tf.square, [keras.layers.Conv2D(2, 1)(image)], "squares")
    model = keras.Model(image, keras.layers.Conv2D(1, 1)(squares))
    values = np.random.default_rng(0).random((1, 4, 4, 3)).astype("float32")
    np.testing.assert_allclose(mixed_copy(model, policy)(values), model(values), rtol=0.05, atol=0.05)
