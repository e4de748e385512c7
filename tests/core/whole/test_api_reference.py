"""The API reference: as committed it says what the docstrings say now, and it leaves nothing out."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from otbtf_qgis import core
from otbtf_qgis.core import registry
from otbtf_qgis.core.parameters.parsing import keys

pytest.importorskip("griffe")
pytest.importorskip("osgeo")

DOCS = Path(__file__).resolve().parents[3] / "docs"


def script(name: str) -> ModuleType:
    if str(DOCS) not in sys.path:
        sys.path.append(str(DOCS))
    return importlib.import_module(name)


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    made: dict[str, str] = script("make_api").pages()
    return made


def test_the_pages_say_what_the_docstrings_say(pages: dict[str, str]) -> None:
    paths = [*DOCS.glob("api/*.md"), *DOCS.glob("algorithms/*.md")]
    committed = {path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    assert sorted(committed) == sorted(pages), "run make docs"
    assert [name for name in pages if committed[name] != pages[name]] == [], "run make docs"


def test_every_name_of_the_api_has_its_place(pages: dict[str, str]) -> None:
    headings = {line.lstrip("#").strip() for text in pages.values() for line in text.splitlines() if line[:1] == "#"}
    older = {"CheckpointToSavedModel", "CreateSavedModel"}  # names of functions that have a place under a newer one
    assert [name for name in {*core.__all__} - older if name not in headings and f"core.{name}" not in headings] == []


def test_every_key_of_every_operation_is_on_its_page(pages: dict[str, str]) -> None:
    for name in registry.names():
        text = pages[f"algorithms/{name.lower()}.md"]
        for key in keys(registry.declaration(name)):
            assert key.group or f"<br>`{key.parameter}`<br>`{key.name}` |" in text
            assert key.help.replace("|", "\\|") in text
        assert [each.name for each in registry.declaration(name).RESULTS if f"<br>`{each.name}` |" not in text] == []


def test_every_algorithm_has_a_guide_or_is_for_command_lines(pages: dict[str, str]) -> None:
    algorithms = [name for name in pages if name.startswith("algorithms/") and name != "algorithms/index.md"]
    without = [name for name in algorithms if "Its use: [" not in pages[name]]
    assert [name for name in without if script("make_algorithms").HIDDEN not in pages[name]] == []


def test_what_is_read_is_written_out(tmp_path: Path) -> None:
    """A package of one module: what of a docstring reaches the page."""
    griffe = pytest.importorskip("griffe")
    (tmp_path / "small.py").write_text(
        '''
"""A module."""
import os

def scaled(image, factor: float = 2.0, *, clip: bool = False) -> "np.ndarray":
    """Scale an image.

    Args:
        image: float32, of shape (rows, columns, bands).
        factor: no unit.
        clip: cut off
            at 1.

    Returns:
        Of the same shape: float32.

    Raises:
        ValueError, TypeError: bad input.
    """

def _hidden():
    """Not shown."""
'''
    )
    package = griffe.load(
        "small",
        search_paths=[str(tmp_path)],
        docstring_parser="google",
        docstring_options=script("make_api").DOCSTRINGS,
    )
    text = "\n".join(
        line for item in script("make_api")._public(package) for line in script("make_api")._described(item)
    )
    assert "scaled(image, factor: float = 2.0, *, clip: bool = False) -> np.ndarray" in text
    for line in (
        "- `image`: float32, of shape (rows, columns, bands).",
        "- `clip`: cut off at 1.",
        "Of the same shape: float32.",
        "- `ValueError, TypeError`: bad input.",
    ):
        assert line in text.splitlines()
    assert "hidden" not in text and "os" not in text.split("\n")[0]
