"""Strategies of tf.distribute: several GPUs of a machine, or several machines, that train one model.

The workers of `multiworker` find each other by TF_CONFIG, or by what SLURM tells the tasks that srun started.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from ..base.jsonvalues import OddJson, parse
from ..base.librarymessages import telling_line
from ..errors import EngineError, ParameterError

NAMES = ("none", "mirrored", "multiworker")

_PORTS = 12_000  # the first; the last lies below those that systems give out by themselves
_JOBS, _TASKS = 1_000, 16  # so many jobs, and tasks of a job, may share a node without sharing a port
_log = logging.getLogger(__name__)


def make_strategy(name: str) -> tf.distribute.Strategy:
    """Return a strategy. Make the model inside its `scope()`, and compile it there.

    `multiworker` must be asked for before TensorFlow has done anything else in this process, and waits for
    the other workers.

    Args:
        name: `none` for one device; `mirrored` for all GPUs of this machine (where there are none, for all
            logical CPUs that tf.config has been told of); `multiworker` for the processes, one per machine or
            GPU, that TF_CONFIG or SLURM names.

    Returns:
        The strategy; that of `none` is TensorFlow's default one.

    Raises:
        ParameterError: there is no such strategy; the cluster is not described, or wrongly; TensorFlow was used
            before.
        EngineError: this worker's server cannot be started.
    """
    if name not in NAMES:
        raise ParameterError("There is no strategy {name!r}. Known: {names}.", name=name, names=", ".join(NAMES))
    if name == "none":
        return tf.distribute.get_strategy()
    if name == "multiworker":
        return _multiworker()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
    _log.info("mirrored on %d devices: %s", len(devices), ", ".join(device.name for device in devices))
    return strategy


def is_multiworker(strategy: Any) -> bool:
    """Return whether a strategy's workers are processes."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def worker_of(strategy: Any) -> tuple[int, int]:
    """Return the number of this process among a strategy's workers, from 0 on, and how many there are."""
    resolver = getattr(strategy, "cluster_resolver", None)
    if resolver is None or resolver.task_type is None:
        return 0, 1
    cluster = resolver.cluster_spec()
    counts = {job: cluster.num_tasks(job) for job in ("chief", "worker") if job in cluster.jobs}
    before = counts.get("chief", 0) if resolver.task_type == "worker" else 0
    return before + resolver.task_id, sum(counts.values())


def is_chief(strategy: Any = None) -> bool:
    """Return whether this process writes and prints for all workers of a strategy; None has one worker."""
    return worker_of(strategy)[0] == 0


@contextlib.contextmanager
def out_of_scope() -> Iterator[None]:
    """Leave the scope of a strategy that the caller is in, if any.

    Whatever makes a variable in the scope of several workers waits for all of them, and Keras does so when it
    saves: there the chief, which writes alone, would wait for ever.
    """
    if not tf.distribute.has_strategy():
        yield
        return
    # Scopes belong to the graph that is the default one, when TensorFlow is eager too.
    with tf.Graph().as_default(), tf.__internal__.eager_context.eager_mode():
        yield


def _multiworker() -> tf.distribute.Strategy:
    resolver, address = _resolver()
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    except RuntimeError as error:
        if "program startup" not in str(error):
            raise
        raise ParameterError(
            "The strategy multiworker was asked for after TensorFlow had been used: make it first, before data sets, "
            "tensors and models."
        ) from error
    except tf.errors.OpError as error:
        raise EngineError(
            "This worker cannot serve the others at {address}: {reason}. Give it another port in TF_CONFIG, or end "
            "the process that has this one.",
            address=address,
            reason=telling_line(error),
        ) from error


def _resolver() -> tuple[Any, str]:
    """Return what describes the cluster, and the address of this worker."""
    if os.environ.get("TF_CONFIG"):
        return tf.distribute.cluster_resolver.TFConfigClusterResolver(), _checked(os.environ["TF_CONFIG"])
    if "SLURM_JOB_ID" in os.environ:
        addresses, number = _slurm_workers(os.environ)
        gpus = len(tf.config.list_physical_devices("GPU"))  # SLURM shows each task its own
        cluster = tf.train.ClusterSpec({"worker": addresses})
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            cluster, task_type="worker", task_id=number, num_accelerators={"GPU": gpus}, rpc_layer="grpc"
        )
        return resolver, addresses[number]
    raise ParameterError(
        "The strategy multiworker needs to know the workers: set TF_CONFIG in each, such as "
        '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}}, or start them '
        "with srun in a SLURM job."
    )


def _checked(text: str) -> str:
    """Return this worker's address from a TF_CONFIG that is right."""
    try:
        config = parse(text)
        cluster = {name: [item.text() for item in places.items()] for name, places in config["cluster"].fields()}
        kind, index = config["task"]["type"].text(), config["task"]["index"].value
    except OddJson as error:
        raise ParameterError(
            "TF_CONFIG is {text!r}, but must be JSON with a cluster (addresses of the workers) and a task (type and "
            "index of this one): {error}.",
            text=text[:300],
            error=error,
        ) from error
    if kind not in ("worker", "chief") or not isinstance(cluster.get(kind), list):
        raise ParameterError(
            "TF_CONFIG says that this is a {kind!r}, but must name a worker, or a chief, of its cluster: {cluster}.",
            kind=kind,
            cluster=", ".join(cluster),
        )
    if not isinstance(index, int) or not 0 <= index < len(cluster[kind]):
        raise ParameterError(
            "TF_CONFIG says that this is {kind} {index!r}, but its cluster has {kind_count}, counted from 0.",
            kind=kind,
            index=index,
            kind_count=len(cluster[kind]),
        )
    return str(cluster[kind][index])


def _slurm_workers(environment: Mapping[str, str]) -> tuple[list[str], int]:
    """Return the addresses of the tasks of this SLURM step by rank, and the rank of this one.

    TensorFlow's resolver reads the hosts. It also shares out each node's GPUs among the tasks: that is left to
    SLURM, for it fails where there are none or each task sees only its own. And it sorts n10 before n9, which are
    put right here.
    """
    base = _PORTS + int(environment["SLURM_JOB_ID"]) % _JOBS * _TASKS
    try:
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=base, gpus_per_node=_TASKS, gpus_per_task=1, auto_set_gpu=False
        )
        addresses = resolver.cluster_spec().job_tasks("worker")
    except (RuntimeError, ValueError) as error:
        raise ParameterError(
            "SLURM does not say which tasks train together: {error} Start the script with srun inside the job, with "
            "at most {tasks} tasks per node.",
            error=error,
            tasks=_TASKS,
        ) from error
    addresses.sort(
        key=lambda address: [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", address)]
    )
    rank = int(environment["SLURM_PROCID"])
    own, host = environment.get("SLURMD_NODENAME"), addresses[rank].rsplit(":", 1)[0]
    if own and own != host:
        raise ParameterError(
            "Task {rank} runs on the node {own}, where task ranks by nodes put it on {host}: start the tasks with "
            "srun --distribution=block.",
            rank=rank,
            own=own,
            host=host,
        )
    return addresses, rank
