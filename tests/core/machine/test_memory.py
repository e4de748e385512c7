"""The memory that a piece of work takes."""

from __future__ import annotations

import pytest

tf = pytest.importorskip("tensorflow")

from otbtf_qgis.core.machine.memory import MB, peak_growth  # noqa: E402


def test_tensors_count_although_they_fit_into_memory_that_tensorflow_kept() -> None:
    try:
        tf.config.experimental.get_memory_info("CPU:0")
    except ValueError:
        pytest.skip("this TensorFlow does not tell")

    def work() -> None:
        tf.reduce_sum(tf.ones((64, MB // 4)) + 1.0).numpy()

    first, again = peak_growth(work), peak_growth(work)
    assert 60 * MB < again < 200 * MB and first >= again - MB
