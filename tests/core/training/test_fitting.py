"""Fitting in this process: class weights, batches that cannot be shared, training in one call."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from otbtf_qgis import core
from otbtf_qgis.core.errors import ParameterError

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from otbtf_qgis.core.training import fitting, workers  # noqa: E402
from otbtf_qgis.core.training.classweights import weighted  # noqa: E402
from otbtf_qgis.core.training.precision import precision  # noqa: E402

CLASSES = 3
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(24, 5)).astype("float32")
Y = RANDOM.integers(0, CLASSES, 24).astype("uint8")
ONE_HOT = np.eye(CLASSES, dtype="float32")[Y]


class Dense(core.ModelBase):
    """A model of one layer."""

    def normalize_inputs(self, inputs: dict) -> dict:
        return inputs

    def get_outputs(self, normalized_inputs: dict) -> dict:
        return {"y": keras.layers.Dense(CLASSES, "softmax", name="last")(normalized_inputs["x"])}


def batches(size: int = 8, drop_remainder: bool = True) -> Any:
    """Tuples of dictionaries, for Dense."""
    return tf.data.Dataset.from_tensor_slices(({"x": X}, {"y": ONE_HOT})).batch(size, drop_remainder)


def dense() -> Any:
    """The same Keras model on every call, compiled."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(CLASSES, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def test_class_weights_are_those_of_keras() -> None:
    weights = {0: 3.0, 2: 0.5}
    ours, keras_own = dense(), dense()
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)
    history = fitting.fit(ours, data, epochs=2, class_weight=weights)
    keras_own.fit(data, epochs=2, class_weight=weights, verbose=0, shuffle=False)
    np.testing.assert_allclose(history.history["loss"], keras_own.history.history["loss"], rtol=1e-6)
    np.testing.assert_allclose(ours.get_weights()[0], keras_own.get_weights()[0], atol=1e-7)


@pytest.mark.parametrize("band", [(), (1,)])
def test_class_weights_of_pixels(band: tuple[int, ...]) -> None:
    labels = RANDOM.integers(0, CLASSES, (2, 4, 4, *band))
    labels[0, 0, 0] = 200  # what a loss may ignore
    table = np.array([2, 1, 0.25])
    expected = np.where(labels == 200, 1, table[np.minimum(labels, 2)]).reshape(2, 4, 4)
    data = tf.data.Dataset.from_tensor_slices(({"x": np.zeros((2, 4, 4, 1))}, {"y": labels})).batch(2)
    [(_, _, weights)] = weighted(data, {0: 2.0, 2: 0.25})
    np.testing.assert_allclose(weights["y"], expected)


def test_class_weights_of_one_hot_pixels() -> None:
    one_hot = np.eye(CLASSES)[[[0, 1], [2, 2]]]
    one_hot[0, 1] = 0  # no class
    data = tf.data.Dataset.from_tensors((np.zeros(1), one_hot[None]))
    [(_, _, weights)] = weighted(data, {0: 2.0, 1: 5.0, 2: 0.25})
    np.testing.assert_allclose(weights, [[[2, 1], [0.25, 0.25]]])


def test_wrong_class_weights() -> None:
    with pytest.raises(ParameterError, match="class_weight holds -1: 2, 1: -3, but must give classes"):
        weighted(batches(), {-1: 2, 0: 1, 1: -3})
    two = tf.data.Dataset.from_tensors((X, {"y": Y, "z": Y}))
    with pytest.raises(ParameterError, match="with one target and no weights"):
        weighted(two, {0: 1})


def test_fit_as_keras_does() -> None:
    """Epochs, validation and history; arrays too."""
    model = Dense(batches().element_spec)
    model.compile(optimizer="sgd", loss="categorical_crossentropy", metrics=["accuracy"])
    data = batches(drop_remainder=False)
    history = model.fit(data, epochs=5, initial_epoch=2, validation_data=data, validation_freq=3, verbose=0)
    assert history.epoch == [2, 3, 4]
    assert {name: len(values) for name, values in history.history.items()} == {
        "loss": 3,
        "accuracy": 3,
        "val_loss": 1,
        "val_accuracy": 1,
    }
    arrays = model.fit({"x": X}, {"y": ONE_HOT}, batch_size=6, verbose=0, validation_split=0.25)
    assert arrays.params["steps"] == 3 and "val_loss" in arrays.history
    found = model.evaluate({"x": X}, {"y": ONE_HOT}, verbose=0)
    np.testing.assert_allclose(found, model.evaluate(data, batch_size=8, verbose=0), rtol=1e-5)


def test_batches_that_replicas_cannot_share() -> None:
    strategy = SimpleNamespace(num_replicas_in_sync=3)
    fitting.check_batches(batches(6), strategy)
    fitting.check_batches(batches(8), SimpleNamespace(num_replicas_in_sync=1))
    with pytest.raises(ParameterError, match="has 8 samples, which 3 replicas.*multiple of 3, such as 9"):
        fitting.check_batches(batches(8), strategy)
    with pytest.raises(ParameterError, match=r"shape \(None, 5\).*3 replicas.*drop_remainder=True"):
        fitting.check_batches(batches(6, drop_remainder=False), strategy)
    numbers = tf.data.Dataset.range(6)
    with pytest.raises(ParameterError, match=r"tensors of shape \(\), which cannot be shared among 3.*batch it"):
        fitting.check_batches(numbers, strategy)
    unknown = numbers.batch(3).map(lambda n: tf.ensure_shape(tf.py_function(lambda m: m, [n], tf.int64), None))
    with pytest.raises(ParameterError, match="tensors of shape <unknown>.*ensure_shape"):
        fitting.check_batches(unknown, strategy)


def test_what_several_workers_cannot_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "is_multiworker", lambda strategy: True)
    monkeypatch.setattr(workers, "fit", lambda *arguments, **more: more)
    model, data = dense(), tf.data.Dataset.from_tensor_slices((X, Y)).batch(8, True)
    assert fitting.fit(model, data, epochs=3, batch_size=8, shuffle=True)["epochs"] == 3
    with pytest.raises(ParameterError, match="The data is a ndarray, but several workers"):
        fitting.fit(model, X, y=Y)
    with pytest.raises(ParameterError, match="The validation_data is a tuple"):
        fitting.fit(model, data, validation_data=(X, Y))
    with pytest.raises(ParameterError, match="validation_split cannot be given"):
        fitting.fit(model, data, validation_split=0.2)


def test_train_in_one_call(tmp_path: Path) -> None:
    data = batches()
    history = core.train(
        lambda: Dense(data.element_spec),
        data,
        loss="categorical_crossentropy",
        optimizer=keras.optimizers.SGD(0.5),
        metrics=["accuracy"],
        validation_data=data,
        epochs=3,
        mixed_precision=True,
        checkpoints=tmp_path / "new" / "checkpoints",
        verbose=0,
    )
    assert len(history.history["val_accuracy"]) == 3
    layer = history.model.get_layer("last")
    assert layer.compute_dtype.endswith("16") and layer.dtype_policy.name.startswith("mixed_")
    assert layer.kernel.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"
    best = keras.saving.load_model(tmp_path / "new" / "checkpoints" / "best.keras")
    assert best.evaluate(data, verbose=0)[0] == pytest.approx(min(history.history["val_loss"]), rel=1e-2)


def test_mixed_precision_does_not_round_what_is_served() -> None:
    class Pixels(core.ModelBase):
        def normalize_inputs(self, inputs: dict) -> dict:
            return {"x": tf.cast(inputs["x"], tf.float32) * 0.01}

        def get_outputs(self, normalized_inputs: dict) -> dict:
            net = keras.layers.Conv2D(2, 1)(normalized_inputs["x"])
            return {"y": keras.layers.Softmax(name="softmax", dtype="float32")(net)}

        def postprocess_outputs(self, outputs: dict, inputs: Any = None, normalized_inputs: Any = None) -> dict:
            half = tf.identity(outputs["y"][..., :1])
            return {**super().postprocess_outputs(outputs, inputs, normalized_inputs), "half": half}

    with precision(mixed=True):
        model = Pixels(({"x": tf.TensorSpec((4, 64, 64, 1), tf.uint8)}, {}), inference_cropping=[16])
    found = model({"x": np.arange(64 * 64).reshape(1, 64, 64, 1) % 251})
    assert found["y"].dtype == found["y_crop16"].dtype == found["half"].dtype == "float32"
    np.testing.assert_array_equal(found["y_crop16"], found["y"][:, 16:-16, 16:-16])
    np.testing.assert_array_equal(found["half"], found["y"][..., :1])


def test_train_a_model_that_exists(tmp_path: Path) -> None:
    data = batches()
    model = Dense(data.element_spec)
    history = core.train(model, data, loss="categorical_crossentropy", class_weight={0: 2.0}, verbose=0)
    assert history.model is model.model
    with pytest.raises(ParameterError, match="was made before.*lambda"):
        core.train(model, data, loss="mse", mixed_precision=True)
    with pytest.raises(ParameterError, match="was made before.*lambda"):
        core.train(model, data, loss="mse", strategy="mirrored")
    with pytest.raises(ParameterError, match="neither a Keras model nor a ModelBase"):
        core.train(lambda: "network", data, loss="mse")
