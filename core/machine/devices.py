"""Selection of the device that computes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ..errors import ParameterError, field
from ..phrases import Phrase

Scope = Callable[[], AbstractContextManager[Any]]


def device_scope(device: str) -> Scope:
    """Return a function that makes the scope in which a model is loaded and called.

    Args:
        device: `auto` (TensorFlow's own choice: a GPU where it sees one), `cpu`, or `gpu:N`.

    Raises:
        ParameterError: no such device; those that TensorFlow sees are listed.
    """
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except (RuntimeError, ValueError):  # already in use, or split into logical devices
            break
    word = device.strip().lower()
    if word in ("", "auto"):
        return nullcontext
    match = re.fullmatch(r"(cpu|gpu)(?::(\d+))?", word)
    seen = [(d.device_type.lower(), int(d.name.rsplit(":", 1)[1])) for d in tf.config.list_logical_devices()]
    if match is None or (match[1], int(match[2] or 0)) not in seen:
        names = ", ".join(["auto"] + [f"{kind}:{number}" for kind, number in seen if kind in ("cpu", "gpu")])
        raise ParameterError(
            "{device} is {device2!r}, but TensorFlow finds only: {names}.",
            device=field("device"),
            device2=device,
            names=names,
        )
    return lambda: tf.device(f"/{match[1].upper()}:{int(match[2] or 0)}")


def devices(device: str) -> list[str]:
    """Return the devices that a word stands for: all of a kind for `gpu:all`, else that one.

    Raises:
        ParameterError: TensorFlow finds none of that kind.
    """
    match = re.fullmatch(r"(cpu|gpu):all", device.strip().lower())
    if match is None:
        return [device]
    import tensorflow as tf

    found = [d.name.rsplit(":", 1)[1] for d in tf.config.list_logical_devices(match[1].upper())]
    if not found:
        raise ParameterError(
            "{device} is {device2!r}, but TensorFlow finds no GPU: set it to auto or cpu.",
            device=field("device"),
            device2=device,
        )
    return [f"{match[1]}:{number}" for number in found]


def on_gpu(device: str) -> bool:
    """Return whether a GPU computes: if TensorFlow finds one, unless the CPU is requested."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU")) and not device.strip().lower().startswith("cpu")


def computing(device: str) -> str:
    """Return the computing device, for the log. Measured: oneDNN's kernels are fastest, and XLA gains nothing."""
    import tensorflow as tf

    if on_gpu(device):
        return Phrase("a GPU ({device}), cuDNN", device=device)
    threads = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count()
    kernels = "Eigen" if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0" else "oneDNN"
    return Phrase("the CPU, {threads} threads, {kernels}, no XLA", threads=threads, kernels=kernels)
