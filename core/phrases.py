"""Texts for the user that can be said in another language: a template with its values.

    Phrase("The image {path} has {bands} bands.", path=path, bands=3)

is the English text, for Python, logs and files, and remembers the template and the values. Whoever shows it to a user of
another language translates the template, which is its key in the catalogue, and then fills it: see `translated`. What the
methods of `str` return is a plain text, and so is an f-string: put a phrase into another as a value, and join several by
`+` or `joined`.

Words that agree with a number stand in a placeholder of their own, first for one and then for several:

    Phrase("{count} {count:patch was|patches were} written.", count=1)
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Protocol

_PARTS = {"template", "values"}


class Language(Protocol):
    """What a phrase needs of a language."""

    def text(self, template: str) -> str:
        """Return the translation of a template; the template itself where there is none."""

    def number(self, value: float, form: str) -> str:
        """Return a number in the form of a format specification."""

    def is_one(self, value: float) -> bool:
        """Return whether words beside a number are in the singular."""


class Phrase(str):
    """An English text that remembers its template and its values.

    Attributes:
        template: text with `{name}` for each value, as `str.format` takes it. A literal in the code, which `make translate`
            finds.
        values: by name; numbers, texts and phrases, among these that of an exception or of what has a `phrase`. Anything
            else is kept as its text.
    """

    template: str
    values: dict[str, Any]

    def __new__(cls, template: str, /, **values: Any) -> Phrase:
        """Make the phrase of a template and its values."""
        kept = {name: _kept(value) for name, value in values.items()}
        text = _ENGLISH.format(template, **kept) if "|" in template else template.format(**kept)
        phrase = super().__new__(cls, text)
        phrase.template, phrase.values = template, kept
        return phrase

    def __reduce__(self) -> tuple[Any, ...]:
        return _phrase, (self.template, self.values)

    def __add__(self, other: str) -> Phrase:
        return Phrase("").join([self, other])

    def __radd__(self, other: str) -> Phrase:
        return Phrase("").join([other, self])

    def join(self, texts: Iterable[str]) -> Phrase:
        """Return texts and phrases one after the other, with this phrase between them: `Phrase(", ").join(names)`."""
        parts = {f"part{number}": text for number, text in enumerate(texts)}
        return Phrase("{between}".join(f"{{{name}}}" for name in parts), between=self, **parts)

    def with_texts(self, change: Callable[[str], str]) -> Phrase:
        """Return the phrase with `change` applied to each value that is a text or a phrase; without values, to its text."""
        if not self.values:
            return plain(change(str(self)))
        return Phrase(self.template, **{name: _changed(value, change) for name, value in self.values.items()})


def plain(text: str) -> Phrase:
    """Return a text that has no values as a phrase."""
    return text if isinstance(text, Phrase) else Phrase(text.replace("{", "{{").replace("}", "}}"))


def translated(phrase: str, language: Language) -> str:
    """Return a phrase in a language; a text that is no phrase stays as it is."""
    if not isinstance(phrase, Phrase):
        return phrase
    formatter = _Formatter(language)
    try:
        return formatter.format(language.text(phrase.template), **phrase.values)
    except (LookupError, ValueError, AttributeError, TypeError):  # the translation is damaged
        return formatter.format(phrase.template, **phrase.values)


def encoded(text: str) -> Any:
    """Return a text or phrase as JSON holds it: `decoded` makes it again, a phrase that is a mere literal as a text."""
    return str(text) if getattr(text, "template", text) == text else _encoded(text)


def _encoded(value: Any) -> Any:
    if isinstance(value, _Shown):
        return {"text": str(value), "representation": value.representation}
    if not isinstance(value, Phrase):
        return value
    return {"template": value.template, "values": {name: _encoded(part) for name, part in value.values.items()}}


def decoded(value: Any) -> str:
    """Return a text or phrase of JSON.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, str):
        return value
    if not (isinstance(value, Mapping) and set(value) == _PARTS):
        raise ValueError(f"no phrase: {str(value)[:100]!r}")
    template, values = value["template"], value["values"]
    if not (isinstance(template, str) and isinstance(values, Mapping)):
        raise ValueError(f"no phrase: {str(value)[:100]!r}")
    try:
        return Phrase(template, **{name: _decoded(part) for name, part in values.items()})
    except (LookupError, AttributeError, TypeError) as error:
        raise ValueError(f"no phrase: {template[:100]!r}") from error


def _decoded(value: Any) -> Any:
    if isinstance(value, Mapping) and set(value) == {"text", "representation"}:
        return _Shown(str(value["text"]), str(value["representation"]))
    return decoded(value) if isinstance(value, Mapping) else value


class _Formatter(string.Formatter):
    """Fills a template in a language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        """Return a value as text: phrases translated, numbers as the language writes them."""
        one, agreeing, several = format_spec.partition("|")
        if agreeing:
            return one if isinstance(value, (int, float)) and self._language.is_one(value) else several
        if isinstance(value, str):
            return format(translated(value, self._language), format_spec)
        if isinstance(value, (int, float)):
            return self._language.number(value, format_spec)
        return format(value, format_spec)


class _English:
    """English as it is, for the text that a phrase is."""

    def text(self, template: str) -> str:
        return template

    def number(self, value: float, form: str) -> str:
        return format(value, form)

    def is_one(self, value: float) -> bool:
        return value == 1


_ENGLISH = _Formatter(_English())


def _kept(value: Any) -> Any:
    """Return a value as a phrase keeps it: a number (of NumPy, too), or text."""
    if isinstance(value, Enum):  # before the numbers, which some are
        return str(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        number = value.item()
        return float(str(value)) if isinstance(number, float) else number  # 0.1, and not the digits of float32
    phrase = getattr(value, "phrase", None)
    if isinstance(value, BaseException) and len(value.args) == 1:
        phrase = phrase or value.args[0]
    if isinstance(phrase, Phrase):
        return phrase
    return _Shown(str(value), repr(value))


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    changed = change(value) if isinstance(value, str) else value
    return value if changed == value and not isinstance(value, Phrase) else changed


class _Shown(str):
    """The text of a value of another type; `{value!r}` is its representation, without quotation marks."""

    representation: str

    def __new__(cls, text: str, representation: str) -> _Shown:
        shown = super().__new__(cls, text)
        shown.representation = representation
        return shown

    def __reduce__(self) -> tuple[Any, ...]:
        return _Shown, (str(self), self.representation)

    def __repr__(self) -> str:
        return self.representation


def _phrase(template: str, values: Mapping[str, Any]) -> Phrase:
    return Phrase(template, **values)
