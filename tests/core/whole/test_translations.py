"""The texts in the sources and the catalogues of resources/i18n agree."""

from __future__ import annotations

import ast
import re
import string
import subprocess
from pathlib import Path

import pytest
import translations

CATALOGUES = sorted(translations.CATALOGUES.glob("*.po"))


@pytest.fixture(scope="module")
def texts() -> set[str]:
    return set(translations.extracted())


@pytest.fixture(params=CATALOGUES, ids=lambda path: path.stem)
def catalogue(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_there_is_a_catalogue() -> None:
    assert [path.stem for path in CATALOGUES] == ["fr"]


@pytest.mark.parametrize(
    "text",
    [
        "{key} is missing: {help}",  # an error's template
        "a number",  # a phrase in a helper
        "Cancelled.",  # of QGIS's side
        "Source {number}: {label}",  # composed in a declaration
        "images",  # its part
        "Serve a model (apply it to images)",  # a title
        "Images of the same area, on one grid; their bands are stacked.",  # of a graphical model
        "Web layers: extent",  # of a key that QGIS adds
    ],
)
def test_texts_of_every_kind_are_found(texts: set[str], text: str) -> None:
    assert text in texts


def test_every_text_is_in_the_catalogue(texts: set[str], catalogue: Path) -> None:
    """If it is not: make translate."""
    assert texts == set(translations.entries(catalogue))


def test_every_text_is_translated(catalogue: Path) -> None:
    missing = [text for text, translation in translations.entries(catalogue).items() if not translation]
    assert not missing, f"{len(missing)} texts, such as {missing[:5]}"


def test_translations_keep_the_placeholders(catalogue: Path) -> None:
    for text, translation in translations.entries(catalogue).items():
        if translation:
            assert placeholders(translation) == placeholders(text), text


def test_a_lost_placeholder_is_noticed() -> None:
    assert placeholders("{path} has {count:,} bands") != placeholders("{path} a {count} bandes")
    assert placeholders("{path} has {count:,} bands") == placeholders("{count:,} bandes : {path}")


def placeholders(text: str) -> list[tuple[str | None, str | None, str | None]]:
    try:
        found = [part[1:] for part in string.Formatter().parse(text) if part[1] is not None]
        found = [part for part in found if "|" not in (part[1] or "")]  # words, as many as the language needs
    except ValueError:  # no template, but a text with braces
        found = [(brace, None, None) for brace in re.findall("[{}]", text)]
    return sorted(found, key=str)


def test_catalogues_compile(catalogue: Path, tmp_path: Path) -> None:
    """With gettext's own checks of formats."""
    line = ["msgfmt", "--check-format", "--output-file", tmp_path / "made.mo", catalogue]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_is_extracted_is_what_calls_hold() -> None:
    source = "raise ModelError('a {b}', b=1)\nprogress.info(Phrase('c'))\nself._progress.warning('d')\n_log.info('e')\ntr('f')"
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    lines = {translations.literal(call.args[0]) for call in calls if translations.is_line(call)}
    assert lines == {"", "d"}
