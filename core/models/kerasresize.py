"""A repair of Keras 3.14 and 3.15, in which images of unknown size cannot be resized.

There `keras.ops.image.resize` compares the wanted size with 0, which it cannot do while a model is traced for images of
any size: `UpSampling2D` with bilinear or bicubic interpolation, and layers that resize to the size of another tensor,
fail in training and export (3.13 and 3.16 do not compare).
"""

from __future__ import annotations

import functools
import importlib
import inspect
from typing import Any


@functools.cache
def repair() -> bool:
    """Make Keras resize to sizes that are not known yet, where it does not; return whether it did not.

    Call it before a model is built, loaded or exported; only the first call does anything.
    """
    import keras
    import tensorflow as tf

    def resize() -> None:
        # In a graph of its own: strategies of several machines must come before anything else is computed.
        with tf.Graph().as_default():
            image = tf.compat.v1.placeholder("float32", (1, None, None, 1))
            keras.ops.image.resize(image, (2 * tf.shape(image)[1], 2 * tf.shape(image)[2]))

    try:
        resize()
    except tf.errors.OperatorNotAllowedInGraphError:
        _replace_resize()
        resize()  # fails here where Keras has changed
        return True
    return False


def _replace_resize() -> None:
    inner = importlib.import_module("keras.src.ops.image")
    checked = inner.resize

    signature = inspect.signature(checked)

    @functools.wraps(checked)
    def resize(*arguments: Any, **options: Any) -> Any:
        given = signature.bind(*arguments, **options).arguments
        known = all(hasattr(side, "__index__") or not hasattr(side, "dtype") for side in given["size"])
        # What the function does once it has compared; its own operation is for Keras's tensors, of which sizes are numbers.
        return checked(*arguments, **options) if known else inner._resize(**given)

    for name in ("keras.src.ops.image", "keras.ops.image"):
        importlib.import_module(name).resize = resize  # type: ignore[attr-defined]
