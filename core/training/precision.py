"""Mixed precision: fast arithmetic in 16 bits, weights in 32."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf


@contextlib.contextmanager
def precision(mixed: bool) -> Iterator[None]:
    """Make models inside this context compute in mixed precision, if `mixed`.

    On GPUs that is float16, with a loss that Keras scales so that small gradients do not vanish; elsewhere
    bfloat16, which has float32's range and needs no scaling. A network's last layer should be float32
    (`dtype="float32"`).
    """
    before = keras.config.dtype_policy()
    if mixed:
        keras.config.set_dtype_policy(mixed_policy())
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def mixed_policy() -> str:
    """Return Keras's name of the policy that suits this machine."""
    return "mixed_float16" if tf.config.list_physical_devices("GPU") else "mixed_bfloat16"
