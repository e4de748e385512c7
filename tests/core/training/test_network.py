"""The network that is trained: how far the means of its batch normalization reach back."""

from __future__ import annotations

import pytest

pytest.importorskip("tensorflow")

import keras

from otbtf_qgis.core.models.loading import KerasModel
from otbtf_qgis.core.templates import catalogue
from otbtf_qgis.core.training.network import Network


def momenta(model: keras.Model) -> list[float]:
    return [layer.momentum for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]


@pytest.mark.parametrize(("steps", "expected"), [(1, 0.5), (4, 0.75), (1000, 0.9)])
def test_batch_normalization_reaches_back_one_epoch_at_most(steps: int, expected: float) -> None:
    model = catalogue.create("maggiori", bands=(3,), classes=2, width=4)
    Network("maggiori", KerasModel("maggiori", model)).follow_each_epoch(steps)
    assert momenta(model) == [expected] * 3


@pytest.mark.parametrize("template", ["unet", "deeplabv3plus", "tempcnn", "ltae", "gap_filling", "time_series_vhr"])
def test_templates_do_not_wait_a_hundred_batches(template: str) -> None:
    bands = {"gap_filling": (4, 2, 1), "time_series_vhr": (4, 3)}.get(template, (4,))
    options = {} if template == "gap_filling" else {"classes": 2}
    found = momenta(catalogue.create(template, bands=bands, width=4, **options))
    assert found and set(found) == {0.9}
