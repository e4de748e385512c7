"""What is told where a model refuses images."""

from __future__ import annotations

import pytest
import tensorflow as tf

from otbtf_qgis.core.probing.compute import _short

NODE = "\t [[{{node net/conv/Relu}}]] [Op:__inference_serve_221]"
REASON = "Computed output size would be negative: -3 [input_size: 1, effective_filter_size: 5, stride: 1]"
IN_GRAPH = (
    f"Graph execution error:\n\nDetected at node net defined at (most recent call last):\n<stack>\n{REASON}\n{NODE}"
)
SEVERAL = (
    f"2 root error(s) found.\n  (0) INVALID_ARGUMENT:  {REASON}\n{NODE}\n  (1) INVALID_ARGUMENT:  {REASON}\n{NODE}"
)


@pytest.mark.parametrize("message", [IN_GRAPH, SEVERAL, f"{REASON}\nmore"])
def test_the_reason_is_told_and_not_where_tensorflow_found_it(message: str) -> None:
    assert _short(tf.errors.InvalidArgumentError(None, None, message)) == f"{REASON}."


def test_an_error_without_words_has_the_name_of_its_kind() -> None:
    assert _short(ValueError()) == "ValueError."
