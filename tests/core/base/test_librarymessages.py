"""The line that tells the cause, of errors as TensorFlow 2.21 and Keras 3 raise them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from otbtf_qgis.core.base.librarymessages import telling_line


def raised(call) -> str:
    """Return the telling line of what a call raises."""
    with pytest.raises((ValueError, tf.errors.OpError)) as error:
        call()
    return telling_line(error.value)


def test_the_cause_in_a_graph_stands_before_the_node_and_behind_the_traceback() -> None:
    inputs = keras.Input((8,))
    model = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    said = raised(lambda: model.fit(np.zeros((4, 8), "float32"), np.array([0, 1, 2, 7]), verbose=0))
    assert said.startswith("Received a label value of 7 which is outside the valid range of [0, 3)"), said


def test_a_layer_is_named_with_its_cause_and_without_colours() -> None:
    inputs = keras.Input((None, None, 2))
    model = keras.Model(inputs, keras.layers.Reshape((4,))(keras.layers.Conv2D(3, 5)(inputs)))
    said = raised(lambda: model.predict(np.zeros((1, 9, 9, 2), "float32"), verbose=0))
    assert said == (
        "Reshape.call(): The total size of the tensor must be unchanged. Received: input_shape=(5, 5, 3), "
        "target_shape=(4,)"
    )


@pytest.mark.parametrize(
    ("call", "cause"),
    [
        (
            lambda: tf.function(lambda x: tf.reshape(x, (4, 7)))(tf.zeros(3)),
            "Cannot reshape a tensor with 3 elements to shape [4,7] (28 elements)",
        ),
        (
            lambda: tf.function(lambda x: tf.reshape(x, (4, 7)), [tf.TensorSpec([None])])(tf.zeros(3)),
            "Input to reshape is a tensor with 3 values, but the requested shape has 28",
        ),
        (
            lambda: tf.raw_ops.MatMul(a=tf.zeros((2, 3)), b=tf.zeros((2, 3))),
            "Matrix size-incompatible: In[0]: [2,3], In[1]: [2,3]",
        ),
    ],
)
def test_names_of_functions_and_operations_are_left_out(call, cause: str) -> None:
    assert raised(call).startswith(cause)


NODE = "\t [[{{node net/conv/Relu}}]] [Op:__inference_serve_221]"
REASON = "Computed output size would be negative: -3 [input_size: 1, effective_filter_size: 5, stride: 1]"
SEVERAL = (
    f"2 root error(s) found.\n  (0) INVALID_ARGUMENT:  {REASON}\n{NODE}\n  (1) INVALID_ARGUMENT:  {REASON}\n{NODE}"
)


@pytest.mark.parametrize("message", [SEVERAL, f"Graph execution error:\n\n{SEVERAL}", f"{REASON}\nmore"])
def test_several_causes_and_lines_behind_the_cause(message: str) -> None:
    assert telling_line(tf.errors.InvalidArgumentError(None, None, message)) == REASON


def test_an_error_without_words_has_the_name_of_its_kind() -> None:
    assert telling_line(ValueError()) == "ValueError"
    assert telling_line(ValueError("abcdef"), 3) == "abc"
