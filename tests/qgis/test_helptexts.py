"""Help in dialogs names algorithms and parameters as dialogs do."""

from __future__ import annotations

from typing import Any

import pytest
from qgis.core import QgsApplication

from otbtf_qgis.algorithms import helptexts
from otbtf_qgis.core import registry
from otbtf_qgis.provider import OtbtfProvider

NAMES = [name.lower() for name in registry.names()]


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QgsApplication, "platform", lambda: "desktop")


@pytest.mark.parametrize("name", NAMES)
def test_no_name_of_an_algorithm_is_left(provider: OtbtfProvider, desktop: Any, name: str) -> None:
    algorithm = provider.algorithm(name).create()
    texts = [algorithm.shortHelpString(), algorithm.shortDescription()]
    texts += [parameter.help() for parameter in algorithm.parameterDefinitions()]
    assert [text for text in texts if "otbtf:" in text] == []


def test_titles_and_labels_stand_in_their_place(provider: OtbtfProvider, desktop: Any) -> None:
    model = provider.algorithm("createmodel").create()
    assert "to train with “Train a model”" in model.shortHelpString()
    told = model.parameterDefinition("SCALE").help()
    assert told == "For “Normalization”=scale; 0.0001 suits reflectances stored times 10000."
    assert told in model.shortHelpString()
    memory = provider.algorithm("landcovermap").create().shortHelpString()
    assert "RAM" not in memory or "“Available RAM”" not in memory


def test_qgis_process_keeps_the_names(provider: OtbtfProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QgsApplication, "platform", lambda: "qgis_process")
    model = provider.algorithm("createmodel").create()
    assert "otbtf:trainmodel" in model.shortHelpString()
    assert model.parameterDefinition("SCALE").help().startswith("For NORMALIZATION=scale;")


def test_each_label_is_looked_up_once(provider: OtbtfProvider, desktop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """QGIS describes all algorithms when it starts."""
    looked_up = []
    monkeypatch.setattr(helptexts, "quoted", lambda text: looked_up.append(text) or text)
    algorithm = provider.algorithm("tensorflowmodelserve").create()
    assert 0 < len(looked_up) <= 2 * len(algorithm.parameterDefinitions())
