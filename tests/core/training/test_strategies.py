"""Strategies by name, and how workers find each other."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any

import pytest

from otbtf_qgis.core.errors import ParameterError

tf = pytest.importorskip("tensorflow")

from otbtf_qgis.core.training import strategies  # noqa: E402
from otbtf_qgis.core.training.strategies import is_chief, make_strategy, out_of_scope, worker_of  # noqa: E402


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TF_CONFIG", "SLURM_JOB_ID", "SLURMD_NODENAME"):
        monkeypatch.delenv(name, raising=False)


def slurm(monkeypatch: pytest.MonkeyPatch, **values: str) -> tuple[list[str], int]:
    """What the strategies make of SLURM's variables: the addresses and the rank."""
    step = {"JOB_ID": "4002", "PROCID": "2", "STEP_NUM_TASKS": "4", "STEP_NODELIST": "n[9-10]"}
    for name, value in {**step, "STEP_TASKS_PER_NODE": "2(x2)", **values}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    return strategies._slurm_workers(os.environ)


def test_none_and_mirrored() -> None:
    assert make_strategy("none") is tf.distribute.get_strategy()
    mirrored = make_strategy("mirrored")
    assert isinstance(mirrored, tf.distribute.MirroredStrategy)
    assert mirrored.num_replicas_in_sync == len(tf.config.list_logical_devices())
    assert is_chief(None) and is_chief(mirrored) and worker_of(mirrored) == (0, 1)
    with pytest.raises(ParameterError, match="no strategy 'mirror'. Known: none, mirrored, multiworker"):
        make_strategy("mirror")


@pytest.mark.parametrize(
    ("kind", "number", "place"), [("chief", 0, (0, 3)), ("worker", 0, (1, 3)), ("worker", 1, (2, 3))]
)
def test_number_of_a_worker(kind: str, number: int, place: tuple[int, int]) -> None:
    cluster = tf.train.ClusterSpec({"chief": ["a:1"], "worker": ["b:1", "c:1"]})
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(cluster, task_type=kind, task_id=number)
    strategy = SimpleNamespace(cluster_resolver=resolver)
    assert worker_of(strategy) == place
    assert is_chief(strategy) == (kind == "chief")


def test_several_workers_need_a_cluster() -> None:
    with pytest.raises(ParameterError, match="needs to know the workers: set TF_CONFIG.*srun"):
        make_strategy("multiworker")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "TF_CONFIG is '{', but must be JSON"),
        ({"cluster": {"worker": ["a:1"]}}, "with a cluster .* and a task .*it has no task"),
        (
            {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}},
            "this is worker 1, .* has 1, counted",
        ),
        (
            {"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}},
            "this is a 'ps', but must name a worker",
        ),
        ({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": "0"}}, "this is worker '0'"),
    ],
)
def test_wrong_tf_config(monkeypatch: pytest.MonkeyPatch, config: Any, message: str) -> None:
    monkeypatch.setenv("TF_CONFIG", config if isinstance(config, str) else json.dumps(config))
    with pytest.raises(ParameterError, match=message):
        make_strategy("multiworker")


def test_several_workers_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    tf.constant(1)
    config = {"cluster": {"worker": ["127.0.0.1:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    with pytest.raises(ParameterError, match="after TensorFlow had been used: make it first"):
        make_strategy("multiworker")


def test_slurm_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """By rank, node by node as SLURM counts them (n9 before n10), whether or not there are GPUs."""
    monkeypatch.setenv("SLURMD_NODENAME", "n10")
    addresses, rank = slurm(monkeypatch)
    assert addresses == ["n9:12032", "n9:12033", "n10:12032", "n10:12033"]
    assert rank == 2


def test_slurm_jobs_do_not_share_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = (set(slurm(monkeypatch, JOB_ID=job)[0]) for job in ("4002", "4003"))
    assert not one & other


def test_wrong_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURMD_NODENAME", "n10")
    with pytest.raises(ParameterError, match="Task 1 runs on the node n10.*on n9.*--distribution=block"):
        slurm(monkeypatch, PROCID="1")
    with pytest.raises(ParameterError, match="at most 16 tasks per node"):
        slurm(monkeypatch, STEP_NUM_TASKS="40", STEP_TASKS_PER_NODE="20(x2)")
    monkeypatch.delenv("SLURM_STEP_NUM_TASKS")
    with pytest.raises(ParameterError, match="STEP_NUM_TASKS not found.*Start the script with srun"):
        make_strategy("multiworker")


def test_leaving_a_scope() -> None:
    with tf.distribute.MirroredStrategy(["cpu:0"]).scope():
        with out_of_scope():
            assert not tf.distribute.has_strategy()
            assert tf.executing_eagerly() and int(tf.constant(1) + 1) == 2
        assert tf.distribute.has_strategy()
