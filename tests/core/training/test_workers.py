"""Training by two processes on this machine, and on two devices of one: the same as by one with the whole batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import otbtf_qgis
from otbtf_qgis import core

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

import distributed_training as training  # noqa: E402

PROGRAM = Path(training.__file__)
SAMPLES, IN_A_FILE = 64, 8
NAMES = ("plain", "resumed", "normalized", "mixed")


def start(what: str, records: Path, out: Path, **environment: str) -> subprocess.Popen[str]:
    tree = Path(otbtf_qgis.__path__[0]).parent
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), what, str(records), str(out)],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(processes: list[subprocess.Popen[str]]) -> None:
    """Wait for all; one that fails ends the others, which would wait for it."""
    try:
        errors = [process.communicate(timeout=training.LIMIT)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * len(processes), "\n".join(errors)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    for name, size, in_a_file in (
        ("full", SAMPLES, IN_A_FILE),
        ("few", 16, 16),
        ("uneven", 24, 8),
        ("validation", 25, 6),
    ):
        core.TFRecords(folder / name).ds2tfrecord(training.Samples(size), in_a_file, drop_remainder=False)
    return folder


@pytest.fixture(scope="module")
def runs(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """What two workers, and two devices, have found and written."""
    out = tmp_path_factory.mktemp("out")
    cluster = {"worker": [f"127.0.0.1:{port}" for port in training.free_ports(2)]}
    configs = [{"cluster": cluster, "task": {"type": "worker", "index": index}} for index in (0, 1)]
    finish([start("workers", records, out, TF_CONFIG=json.dumps(config)) for config in configs])
    finish([start("mirrored", records, out)])
    found = {name: json.loads((out / name / "found.json").read_text()) for name in ("0", "1", "mirrored")}
    return SimpleNamespace(out=out, workers=[found["0"], found["1"]], mirrored=found["mirrored"])


def weights(folder: Path, name: str) -> list[np.ndarray]:
    return list(np.load(folder / f"{name}.npz").values())


def fitted(records: Path, order: list[int] | None) -> Any:
    """A model, and its history, that one process fits on whole batches of the samples in this order."""
    data = training.read(records / "full")
    if order is not None:
        samples = {int(inputs["image"][0, 0, 0]): (inputs, targets) for inputs, targets in data.unbatch()}
        inputs = {"image": np.stack([samples[number][0]["image"] for number in order])}
        targets = {"class": np.stack([samples[number][1]["class"] for number in order])}
        data = tf.data.Dataset.from_tensor_slices((inputs, targets)).batch(training.BATCH, drop_remainder=True)
    validation = training.read(records / "validation", drop_remainder=False)
    model = training.compiled(tf.distribute.get_strategy(), training.Net, data.element_spec)
    fitting = {"epochs": training.EPOCHS, "validation_data": validation, "class_weight": {0: 2.0}, "verbose": 0}
    return SimpleNamespace(weights=model.get_weights, history=model.fit(data, **fitting).history)


@pytest.mark.parametrize("name", NAMES)
def test_workers_have_the_same_weights(runs: Any, name: str) -> None:
    for one, other in zip(weights(runs.out / "0", name), weights(runs.out / "1", name)):
        assert np.isfinite(one).all()
        np.testing.assert_array_equal(one, other)


def test_workers_do_what_one_does_with_the_doubled_batch(runs: Any, records: Path) -> None:
    order = [number for steps in zip(*(found["file"] for found in runs.workers)) for step in steps for number in step]
    alone = fitted(records, order)
    for one, many in zip(alone.weights(), weights(runs.out / "0", "plain")):
        np.testing.assert_allclose(many, one, atol=1e-5)
    for found in runs.workers:
        assert sorted(found["history"]) == sorted(alone.history)
        for key, values in alone.history.items():
            np.testing.assert_allclose(found["history"][key], values, atol=1e-5, err_msg=key)
        last = {key: alone.history[f"val_{key}"][-1] for key in found["evaluation"]}
        assert found["evaluation"] == pytest.approx(last, abs=1e-5)
    assert runs.workers[0]["optimizer"] == "LossScaleOptimizer"


def test_devices_do_what_one_does_with_the_doubled_batch(runs: Any, records: Path) -> None:
    assert runs.mirrored["replicas"] == 2
    alone = fitted(records, None)
    for one, many in zip(alone.weights(), weights(runs.out / "mirrored", "plain")):
        np.testing.assert_allclose(many, one, atol=1e-5)
    np.testing.assert_allclose(runs.mirrored["history"]["loss"], alone.history["loss"], atol=1e-5)
    assert runs.mirrored["trained"] == ["loss", "recall"]


def test_only_the_chief_writes(runs: Any) -> None:
    assert sorted(path.name for path in (runs.out / "1").iterdir()) == [
        "found.json",
        *sorted(f"{name}.npz" for name in NAMES),
    ]
    written = runs.out / "0" / "written"
    assert sorted(path.name for path in written.iterdir()) == ["backup", "best.keras", "board", "log.csv"]
    saved = keras.saving.load_model(runs.out / "0" / "saved.keras", compile=False)
    for one, other in zip(saved.get_weights(), weights(runs.out / "0", "plain")):
        np.testing.assert_array_equal(one, other)
    assert (runs.out / "0" / "saved" / "saved_model.pb").is_file()


@pytest.mark.parametrize(("policy", "count"), [("file", SAMPLES), ("data", SAMPLES), ("patches", 32)])
def test_each_record_is_used_by_one_worker(runs: Any, policy: str, count: int) -> None:
    one, other = (sum(found[policy], []) for found in runs.workers)
    assert len(one) == len(other) == count // 2
    assert sorted(one + other) == list(range(count))


def test_each_epoch_has_another_order_of_the_same_files(runs: Any) -> None:
    for found in runs.workers:
        first, second = (sum(epoch, []) for epoch in found["shuffled"])
        assert first != second and sorted(first) == sorted(second) == sorted(sum(found["file"], []))


def test_bad_data_is_explained_to_all(runs: Any) -> None:
    for number, found in enumerate(runs.workers):
        assert found["few"].startswith(f"ParameterError: Worker {number} of 2 gets no full batch. Files of records are")
        assert "8 samples altogether" in found["few"] and "smaller n_samples_per_shard" in found["few"]
    for found in (*runs.workers, runs.mirrored):
        assert "ParameterError" in found["uneven"] and "drop_remainder=True" in found["uneven"]


def test_workers_stop_together(runs: Any) -> None:
    """Where one is asked to stop, or has no data left."""
    for found in runs.workers:
        assert (found["stopped"], found["batches"]) == (1, 2)
        assert found["uneven_files"] == 2, "one worker has two files, the other one"
        assert found["endless"] == 2
        assert found["resumed"] == [training.EPOCHS]


def test_a_worker_that_is_gone(runs: Any) -> None:
    assert runs.workers[0]["lost"].startswith("TrainingError: Another worker has stopped or cannot be reached")
