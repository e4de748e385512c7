"""The pages that Help buttons and the menu open: files of the plugin, so that they need no network."""

from __future__ import annotations

from pathlib import Path

from qgis.PyQt.QtCore import QUrl

from ..core.base.languages import spoken

PAGES = Path(__file__).parents[1] / "help"
"""The documentation as a site, in the plugin as it is packaged."""

_SOURCES = Path(__file__).resolve().parents[1] / "docs"
"""The site's Markdown pages, in a tree of links to the repository."""


def algorithm_page(name: str) -> str:
    """Return the address of an algorithm's page, by the algorithm's name; empty without pages."""
    return _address(PAGES / "algorithms" / f"{name}.html", _SOURCES / "algorithms" / f"{name}.md")


def start_page() -> str:
    """Return the address of the page of the first steps, in the user's language if there is one; empty without pages."""
    names = (f"start-here.{spoken().name}", "start-here")
    return _address(*(PAGES / f"{name}.html" for name in names), *(_SOURCES / f"{name}.md" for name in names))


def _address(*pages: Path) -> str:
    """Return the address of the first of the pages that exists."""
    found = next((page for page in pages if page.is_file()), None)
    return bytes(QUrl.fromLocalFile(str(found)).toEncoded()).decode("ascii") if found else ""
