"""The pages that Help buttons open."""

from __future__ import annotations

import gettext
from pathlib import Path

import pytest
from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QUrl

from otbtf_qgis.algorithms import helppages
from otbtf_qgis.core.base import languages
from otbtf_qgis.provider import OtbtfProvider

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The help of a packaged plugin, in a folder whose name needs escapes in an address."""
    folder = tmp_path / "profil é 100%" / "help"
    (folder / "algorithms").mkdir(parents=True)
    monkeypatch.setattr(helppages, "PAGES", folder)
    monkeypatch.setattr(helppages, "_SOURCES", tmp_path / "docs")
    return folder


def test_every_algorithm_opens_its_page(provider: OtbtfProvider, packaged: Path) -> None:
    registry = QgsApplication.processingRegistry()
    for algorithm in provider.algorithms():
        page = packaged / "algorithms" / f"{algorithm.name()}.html"
        page.write_text("", encoding="utf-8")
        for shown in (algorithm, registry.createAlgorithmById(algorithm.id())):
            assert QUrl(shown.helpUrl()).isLocalFile() and shown.helpUrl().isascii()
            assert QUrl(shown.helpUrl()).toLocalFile() == str(page)


def test_the_first_page(packaged: Path) -> None:
    assert helppages.start_page() == ""
    page = packaged / "start-here.html"
    page.write_text("", encoding="utf-8")
    assert QUrl(helppages.start_page()).toLocalFile() == str(page)


def test_the_first_page_in_the_language_of_the_user(packaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    english, french = packaged / "start-here.html", packaged / "start-here.fr.html"
    english.write_text("", encoding="utf-8")
    monkeypatch.setattr(helppages, "spoken", lambda: languages.Language("fr", gettext.NullTranslations()))
    assert QUrl(helppages.start_page()).toLocalFile() == str(english)
    french.write_text("", encoding="utf-8")
    assert QUrl(helppages.start_page()).toLocalFile() == str(french)


def test_a_tree_of_links_opens_the_markdown_page(provider: OtbtfProvider, packaged: Path) -> None:
    assert Path(helppages.__file__).resolve().parents[1] == TOP  # the links lead there, and `docs` lies beside
    page = packaged.parents[1] / "docs" / "algorithms" / "landcovermap.md"
    page.parent.mkdir(parents=True)
    page.write_text("", encoding="utf-8")
    assert QUrl(provider.algorithm("landcovermap").helpUrl()).toLocalFile() == str(page)


def test_without_pages_there_is_no_address(provider: OtbtfProvider, packaged: Path) -> None:
    assert provider.algorithm("landcovermap").helpUrl() == ""
