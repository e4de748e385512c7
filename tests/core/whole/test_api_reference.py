"""The API reference: as committed it says what the docstrings say now, and it leaves nothing out."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from otbtf_qgis import core
from otbtf_qgis.core import registry
from otbtf_qgis.core.parameters.parsing import keys

pytest.importorskip("griffe")
pytest.importorskip("osgeo")

DOCS = Path(__file__).resolve().parents[3] / "docs"


def script() -> ModuleType:
    specification = importlib.util.spec_from_file_location("make_api", DOCS / "make_api.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    made: dict[str, str] = script().pages()
    return made


def test_the_pages_say_what_the_docstrings_say(pages: dict[str, str]) -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "api").glob("*.md")}
    assert sorted(committed) == sorted(pages), "run make docs"
    assert [name for name in pages if committed[name] != pages[name]] == [], "run make docs"


def test_every_name_of_the_api_has_its_place(pages: dict[str, str]) -> None:
    headings = {line.lstrip("#").strip() for text in pages.values() for line in text.splitlines() if line[:1] == "#"}
    older = {"CheckpointToSavedModel", "CreateSavedModel"}  # names of functions that have a place under a newer one
    assert [name for name in {*core.__all__} - older if name not in headings and f"core.{name}" not in headings] == []


def test_every_key_of_every_operation_is_listed(pages: dict[str, str]) -> None:
    text = pages["operations.md"]
    for name in registry.names():
        section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        for key in keys(registry.declaration(name)):
            assert key.group or f"| `{key.name}` |" in section
            assert key.help.replace("|", "\\|") in section


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
        "small", search_paths=[str(tmp_path)], docstring_parser="google", docstring_options=script().DOCSTRINGS
    )
    text = "\n".join(line for item in script()._public(package) for line in script()._described(item))
    assert "scaled(image, factor: float = 2.0, *, clip: bool = False) -> np.ndarray" in text
    for line in (
        "- `image`: float32, of shape (rows, columns, bands).",
        "- `clip`: cut off at 1.",
        "Of the same shape: float32.",
        "- `ValueError, TypeError`: bad input.",
    ):
        assert line in text.splitlines()
    assert "hidden" not in text and "os" not in text.split("\n")[0]
