"""Readable names of what a training measures."""

from __future__ import annotations

import pytest

from otbtf_qgis.core.accuracy.quantitynames import readable


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("loss", "loss"),
        ("val_sparse_categorical_accuracy", "accuracy on validation data"),
        ("mean_absolute_error", "mean absolute error"),
        ("crop_root_mean_squared_error", "RMSE of crop"),
        ("val_crop_loss", "loss of crop on validation data"),
        ("my_{own}", "my_{own}"),
    ],
)
def test_names_of_keras_in_words(name: str, words: str) -> None:
    assert readable(name) == words
