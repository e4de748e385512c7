"""The language of a process, and its catalogue."""

from __future__ import annotations

import gettext
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from otbtf_qgis.core.base.languages import ENGLISH, Language, language_of, quoted, speak, spoken, tr
from otbtf_qgis.core.phrases import Phrase, translated

CATALOGUE = """
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\\n"

msgid "Epochs"
msgstr "Époques"

msgid "{share:.1%} of {count:,} pixels are above {level:g}"
msgstr "{share:.1%} des {count:,} pixels dépassent {level:g}"
"""


@pytest.fixture
def catalogues(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "fr.po").write_text(CATALOGUE, encoding="utf-8")
    subprocess.run(["msgfmt", "--output-file", tmp_path / "fr.mo", tmp_path / "fr.po"], check=True)
    yield tmp_path
    speak(ENGLISH)


@pytest.mark.parametrize("locale", ["fr", "fr_FR", "fr_CA.UTF-8", "FR", "fr-BE"])
def test_a_language_serves_its_countries(catalogues: Path, locale: str) -> None:
    assert language_of(locale, catalogues).text("Epochs") == "Époques"


@pytest.mark.parametrize("locale", ["", "en_US", "C", "de_DE", "../fr", "frs"])
def test_other_languages_are_english(catalogues: Path, locale: str) -> None:
    assert language_of(locale, catalogues) is ENGLISH


def test_numbers_for_reading_are_written_as_the_language_does(catalogues: Path) -> None:
    """What a parameter takes keeps its point."""
    phrase = Phrase("{share:.1%} of {count:,} pixels are above {level:g}", share=0.125, count=1200, level=0.5)
    french = language_of("fr", catalogues)
    assert translated(phrase, french) == "12,5\u00a0% des 1\u202f200 pixels dépassent 0.5"
    assert translated(phrase, ENGLISH) == phrase
    assert french.number(0.90838, ".4g") == "0,9084"


def test_a_process_speaks_english_unless_told(catalogues: Path) -> None:
    assert spoken() is ENGLISH
    assert tr("Epochs") == "Epochs"
    speak(language_of("fr", catalogues))
    assert tr("Epochs") == "Époques"
    assert tr(Phrase("Epochs")) == "Époques"
    assert tr("") == ""


def test_quotation_marks_and_numbers_of_the_language() -> None:
    assert quoted("Map") == "\u201cMap\u201d"
    speak(Language("fr", gettext.NullTranslations()))
    try:
        assert quoted("Carte") == "\u00ab\u00a0Carte\u00a0\u00bb"
        assert spoken().written("1,234.5") == "1\u202f234,5"
    finally:
        speak(ENGLISH)
