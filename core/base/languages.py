"""The language in which this process speaks to its user: English, or one of the catalogues that the plugin brings.

QGIS's process and the engine that it starts use the language of QGIS; scripts and command lines stay in English. Errors and
lines of the log are phrases in any process (`core.phrases`); only what shows them translates them.
"""

from __future__ import annotations

import gettext
import re
from pathlib import Path

from ..phrases import Phrase, translated

CATALOGUES = Path(__file__).parents[2] / "i18n"
"""Where `.ci/tree.py` puts a compiled catalogue for each language, such as `fr.mo`."""

_MARKS = {"fr": {".": ",", ",": "\u202f", "%": "\u00a0%"}}
"""How a language writes the marks of a number, where it differs from English."""

_QUOTES = {"fr": "\u00ab\u00a0{}\u00a0\u00bb"}
"""Quotation marks around a text, where they differ from those of English."""

_SEVERAL = {"fr": 2}
"""The least number with words in the plural, of languages where it is not any number but 1."""

_FOR_READING = re.compile(r"[,f%]|\.[2-6]g")
"""Format specifications of numbers that are only read: with thousands, decimals, or a few digits. Others, and none, show what
a parameter takes."""


class Language:
    """A language with its catalogue.

    Attributes:
        name: its code, such as `fr`.
    """

    def __init__(self, name: str, catalogue: gettext.NullTranslations) -> None:
        """Make a language of its code and its catalogue."""
        self.name, self._catalogue = name, catalogue

    def text(self, template: str) -> str:
        """Return the translation of a template; the template itself where there is none."""
        return self._catalogue.gettext(template) if template else ""

    def number(self, value: float, form: str) -> str:
        """Return a number in the form of a format specification, as the language writes numbers."""
        text = format(value, form)
        return self.written(text) if _FOR_READING.search(form) else text

    def written(self, number: str) -> str:
        """Return a number of English text, such as `1,234.5`, with the marks that the language has in numbers."""
        marks = _MARKS.get(self.name, {})
        return "".join(marks.get(mark, mark) for mark in number)

    def is_one(self, value: float) -> bool:
        """Return whether words beside a number are in the singular: in French those of 0 and of 1.5, too."""
        return abs(value) < _SEVERAL[self.name] if self.name in _SEVERAL else value == 1


ENGLISH = Language("en", gettext.NullTranslations())


def language_of(locale: str, catalogues: Path = CATALOGUES) -> Language:
    """Return the language of a locale such as `fr_CA`; English where there is no catalogue for it."""
    name = re.split("[_.@-]", locale)[0].lower()
    path = catalogues / f"{name}.mo"
    if not (name.isalpha() and path.is_file()):
        return ENGLISH
    with path.open("rb") as opened:
        return Language(name, gettext.GNUTranslations(opened))


class _Spoken:
    language = ENGLISH


def speak(language: Language) -> None:
    """Let this process speak a language."""
    _Spoken.language = language


def spoken() -> Language:
    """Return the language of this process."""
    return _Spoken.language


def tr(text: str) -> str:
    """Return a text for the user in the language of this process: a phrase, or a literal without values."""
    return translated(text, spoken()) if isinstance(text, Phrase) else spoken().text(text)


def quoted(text: str) -> str:
    """Return a text in the quotation marks of this process's language."""
    return _QUOTES.get(spoken().name, "\u201c{}\u201d").format(text)
