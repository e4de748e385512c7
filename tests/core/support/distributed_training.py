"""What the tests of distributed training run in processes of their own.

    python distributed_training.py workers|mirrored RECORDS OUT

Each process writes what it found into OUT/<number of the worker>.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from otbtf_qgis import core
from otbtf_qgis.core.errors import OtbtfError
from otbtf_qgis.core.training.strategies import worker_of

BATCH, EPOCHS, CLASSES = 8, 3, 3
LIMIT = 500  # seconds, for a machine that is busy


def free_ports(count: int) -> list[int]:
    """Ports of this machine, one after the other, that nobody listens on and that the system gives nobody by itself."""
    random = np.random.default_rng()
    while True:
        first = int(random.integers(28_000, 32_000))
        ports = list(range(first, first + count))
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in ports:
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return ports


class Samples:
    """Samples for TFRecords: patches of 8 x 8 with 2 bands, a class, and the sample's number in the corner."""

    output_types = {"image": tf.float32, "label": tf.uint8}
    output_shapes = {"image": (8, 8, 2), "label": (1,)}

    def __init__(self, size: int) -> None:
        self.size = size
        self._next = iter(range(size))

    def read_one_sample(self) -> dict[str, np.ndarray]:
        number = next(self._next)
        random = np.random.default_rng(number)
        image = random.normal(number % CLASSES - 1, 1, (8, 8, 2)).astype("float32")
        image[0, 0] = number
        return {"image": image, "label": np.array([number % CLASSES], "uint8")}


class Reader(core.PatchesReaderBase):
    """The same samples for a Dataset."""

    def __init__(self, size: int) -> None:
        samples = Samples(size)
        self._samples = [samples.read_one_sample() for _ in range(size)]

    def get_sample(self, index: int) -> dict[str, np.ndarray]:
        return self._samples[index]

    def get_size(self) -> int:
        return len(self._samples)

    def get_stats(self) -> Any:
        return {}


class Net(core.ModelBase):
    """A small network without anything random."""

    def normalize_inputs(self, inputs: dict) -> dict:
        return {"image": inputs["image"][:, 1:, :] * 0.5}  # the number is left out

    def get_outputs(self, normalized_inputs: dict) -> dict:
        net = keras.layers.Conv2D(4, 3, activation="relu")(normalized_inputs["image"])
        net = self.further(net)
        net = keras.layers.GlobalAveragePooling2D()(net)
        return {"class": keras.layers.Dense(CLASSES, activation="softmax", name="softmax", dtype="float32")(net)}

    def postprocess_outputs(self, outputs: dict, inputs: Any = None, normalized_inputs: Any = None) -> dict:
        return {}

    def further(self, net: Any) -> Any:
        return net


class NormalizedNet(Net):
    """Has means that each worker takes over its own batches."""

    def further(self, net: Any) -> Any:
        return keras.layers.BatchNormalization(momentum=0.5)(net)


class StopAfter(keras.callbacks.Callback):
    """Asks to stop after a batch of the first epoch."""

    def __init__(self, batch: int) -> None:
        super().__init__()
        self.batch = batch
        self.seen = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen += 1
        if batch == self.batch:
            self.model.stop_training = True


def prepare(sample: dict) -> dict:
    return {"image": sample["image"], "class": core.ops.one_hot(sample["label"], nb_classes=CLASSES)}


def read(records: Path, **options: Any) -> tf.data.Dataset:
    return core.TFRecords(records).read(BATCH, ["class"], preprocessing_fn=prepare, **options)


def compiled(strategy: tf.distribute.Strategy, kind: type[Net], spec: Any) -> Net:
    """A model with the same first weights on every call."""
    with strategy.scope():
        keras.utils.set_random_seed(5)
        model = kind(spec)
        metrics = ["accuracy", keras.metrics.Precision(name="precision")]
        model.compile(optimizer=keras.optimizers.Adam(0.01), loss="categorical_crossentropy", metrics=metrics)
    return model


def numbers(strategy: tf.distribute.Strategy, data: tf.data.Dataset) -> list[list[int]]:
    """The numbers of the samples that this worker gets, by step."""
    batches = strategy.experimental_distribute_dataset(data)
    local = strategy.experimental_local_results
    return [[int(v) for part in local(x["image"]) for v in part.numpy()[:, 0, 0, 0]] for x, _ in batches]


def message(function: Any) -> str:
    """The error that the function ends with."""
    try:
        function()
    except OtbtfError as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def keep(out: Path, name: str, model: Any) -> None:
    np.savez(out / f"{name}.npz", *model.get_weights())


def workers(records: Path, folder: Path) -> None:
    """Run as one of the workers that TF_CONFIG names."""
    strategy = core.make_strategy("multiworker")
    worker = worker_of(strategy)[0]
    out = folder / str(worker)
    out.mkdir()
    policies = tf.data.experimental.AutoShardPolicy
    full, few = records / "full", records / "few"
    data, validation = read(full, n_workers=2), read(records / "validation", drop_remainder=False)
    found: dict[str, Any] = {
        "file": numbers(strategy, data),
        "shuffled": [numbers(strategy, read(full, shuffle_buffer_size=64)) for _ in range(2)],
        "data": numbers(strategy, read(full, shard_policy=policies.DATA, shuffle_buffer_size=64)),
        "patches": numbers(strategy, core.Dataset(Reader(32), seed=3).get_tf_dataset(BATCH, targets_keys=["label"])),
    }

    model = compiled(strategy, Net, data.element_spec)
    found["few"] = message(lambda: model.fit(read(few), verbose=0))
    found["uneven"] = message(lambda: model.fit(read(full, drop_remainder=False), verbose=0))
    writing = out / "written"
    callbacks = [
        keras.callbacks.BackupAndRestore(writing / "backup", delete_checkpoint=False),
        keras.callbacks.ModelCheckpoint(writing / "best.keras", monitor="val_loss", save_best_only=True),
        keras.callbacks.CSVLogger(writing / "log.csv"),
        keras.callbacks.TensorBoard(writing / "board", update_freq=1),
    ]
    if worker == 0:
        writing.mkdir()
    fitted = {"epochs": EPOCHS, "validation_data": validation, "class_weight": {0: 2.0}, "verbose": 0}
    with strategy.scope():  # where scripts written for Keras 2 do all
        found["history"] = model.fit(data, callbacks=callbacks, **fitted).history
        found["evaluation"] = model.evaluate(validation, verbose=0, return_dict=True)
        model.save(out / "saved.keras")
        model.save(out / "saved")
    keep(out, "plain", model)

    # As after an interruption: the chief's backup brings all to where they were.
    again = compiled(strategy, Net, data.element_spec)
    found["resumed"] = again.fit(data, callbacks=callbacks[:1], epochs=EPOCHS + 1, verbose=0).epoch
    keep(out, "resumed", again)

    normalized = compiled(strategy, NormalizedNet, data.element_spec)
    normalized.fit(data, epochs=2, verbose=0)
    keep(out, "normalized", normalized)

    stopping = StopAfter(1 if worker else 100)
    found["stopped"] = len(model.fit(data, callbacks=[stopping], epochs=5, verbose=0).epoch)
    found["batches"] = stopping.seen
    uneven = StopAfter(100)
    model.fit(read(records / "uneven"), callbacks=[uneven], verbose=0)
    found["uneven_files"] = uneven.seen
    found["endless"] = len(model.fit(data, steps_per_epoch=7, epochs=2, verbose=0).epoch)

    keras.config.set_dtype_policy("mixed_float16")
    mixed = compiled(strategy, Net, data.element_spec)
    mixed.fit(data, epochs=2, verbose=0)
    keep(out, "mixed", mixed)
    found["optimizer"] = type(mixed.optimizer).__name__
    if worker == 0:
        found["lost"] = message(lambda: model.fit(data, verbose=0))
    (out / "found.json").write_text(json.dumps(found))
    os._exit(0)  # the second is gone while the chief trains on, and TensorFlow's own end would wait for it


def mirrored(records: Path, folder: Path) -> None:
    """Run on two logical devices."""
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = core.make_strategy("mirrored")
    out = folder / "mirrored"
    out.mkdir()
    data, validation = read(records / "full"), read(records / "validation", drop_remainder=False)
    model = compiled(strategy, Net, data.element_spec)
    found: dict[str, Any] = {"replicas": strategy.num_replicas_in_sync}
    found["uneven"] = message(lambda: model.fit(read(records / "full", drop_remainder=False), verbose=0))
    history = model.fit(data, epochs=EPOCHS, validation_data=validation, class_weight={0: 2.0}, verbose=0)
    found["history"] = history.history
    keep(out, "plain", model)
    history = core.train(
        lambda: Net(data.element_spec),
        data,
        loss="categorical_crossentropy",
        optimizer=keras.optimizers.SGD(0.1),
        metrics=[keras.metrics.Recall(name="recall")],
        strategy=strategy,
        mixed_precision=True,
        verbose=0,
    )
    found["trained"] = sorted(history.history)
    (out / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    {"workers": workers, "mirrored": mirrored}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
