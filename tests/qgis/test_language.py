"""French, from core to what QGIS shows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsApplication, QgsProcessingContext, QgsProcessingException, QgsProcessingFeedback

from otbtf_qgis.algorithms.base import _explained
from otbtf_qgis.algorithms.feedback import FeedbackProgress
from otbtf_qgis.algorithms.translate import speak_as_qgis
from otbtf_qgis.broughtmodels import brought_models
from otbtf_qgis.core.base.languages import ENGLISH, language_of, speak, spoken
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.phrases import Phrase
from otbtf_qgis.core.registry import declaration
from otbtf_qgis.engine.client import Engine
from otbtf_qgis.provider import OtbtfProvider


@pytest.fixture
def french() -> Iterator[None]:
    language = language_of("fr_FR")
    assert language.name == "fr", "the catalogues are not compiled: make tree"
    speak(language)
    yield
    speak(ENGLISH)


@pytest.fixture
def interpreter() -> str:
    """The engine's Python, that of the suite."""
    return os.environ["OTBTF_PYTHON"]


def test_the_language_is_that_of_qgis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QgsApplication, "locale", staticmethod(lambda: "fr_CA"))
    try:
        speak_as_qgis()
        assert spoken().name == "fr"
        monkeypatch.setattr(QgsApplication, "locale", staticmethod(lambda: "xx"))
        speak_as_qgis()
        assert spoken() is ENGLISH
    finally:
        speak(ENGLISH)


def test_titles_and_labels(french: None, provider: OtbtfProvider) -> None:
    algorithm = provider.algorithm("tensorflowmodelserve").create()
    assert algorithm.displayName() == "Appliquer un modèle à des images"
    assert algorithm.parameterDefinition("SOURCE1_IL").description() == "Source 1 : images"


def test_a_graphical_model(french: None) -> None:
    """Its texts follow the language, its names stay; so does what QGIS makes of it for a run."""
    model = next(each for each in brought_models() if each.name() == "landcovermodel").create()
    assert model.parameterDefinition("images").description() == "Images"
    assert model.parameterDefinition("labels").description() == "Étiquettes (raster)"
    assert model.parameterDefinition("map:Map").description() == "Carte"
    assert model.shortHelpString().count("Nombre d'imagettes par classe") == 1
    assert "Raster with" not in model.shortHelpString()


def test_an_error_of_the_check(french: None, engine: Any, provider: OtbtfProvider) -> None:
    """Its values are the label, translated too, and the help."""
    usable, said = provider.algorithm("tensorflowmodelserve").checkParameterValues({}, QgsProcessingContext())
    assert not usable
    assert said.startswith("SOURCE1_IL n'est pas renseigné : ")


def test_an_error_of_the_engine(french: None, interpreter: str) -> None:
    """Through the real pipe, as a template and its values."""
    operation, engine = declaration("DescribeModel"), Engine(lambda: Path(interpreter))
    try:
        with pytest.raises(QgsProcessingException) as raised, _explained(operation):
            engine.run("DescribeModel", {}, Progress())
    finally:
        engine.stop()
    assert str(raised.value).startswith("MODEL_DIR n'est pas renseigné : ")


def test_a_line_of_the_log(french: None) -> None:
    feedback = QgsProcessingFeedback(False)
    progress = FeedbackProgress(feedback, declaration("DescribeModel"))
    progress.info(
        Phrase(
            "The engine was killed by SIGKILL, perhaps for lack of memory. {cure}", cure=Phrase("Close other programs.")
        )
    )
    progress.warning("GDAL has reported no error.")
    assert feedback.textLog().splitlines() == [
        "Le moteur a été arrêté par SIGKILL, peut-être par manque de mémoire. Fermez d'autres programmes.",
        "GDAL has reported no error.",
    ]
