"""The check that the documentation site, which the plugin carries, loads nothing over a network."""

from __future__ import annotations

from pathlib import Path

import docsite
import pytest


@pytest.mark.parametrize(
    "line",
    [
        '<script src="https://example.org/a.js"></script>',
        '<script src="//example.org/a.js"></script>',
        '<LINK rel="stylesheet" href="HTTP://example.org/a.css">',
        '<img alt="" src="https://example.org/a.png">',
        '<p style="background: url(https://example.org/a.png)">',
        "<style>@import 'https://example.org/a.css';</style>",
        '<script>fetch("https://example.org/a.json")</script>',
    ],
)
def test_what_a_page_loads_from_elsewhere_is_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "page.html").write_text(f"<!doctype html><p>{line}")
    (found,) = docsite.loads_from_elsewhere(tmp_path)
    assert found.lower().startswith("page.html loads ") and "//example.org/a." in found


def test_styles_and_scripts_are_searched(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text('@font-face { src: url("https://example.org/a.woff2") }')
    (tmp_path / "b.js").write_text("import('https://example.org/b.js')")
    found = list(docsite.loads_from_elsewhere(tmp_path))
    assert found == ["a.css loads https://example.org/a.woff2", "b.js loads https://example.org/b.js"]


def test_links_and_own_files_are_no_loads(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        '<link rel="stylesheet" href="_static/a.css?v=1"><script src="a.js"></script>'
        '<a href="https://example.org/">elsewhere</a> <img src="data:image/png;base64,AA//BB">'
    )
    (tmp_path / "a.css").write_text("a { background: url('data:image/svg+xml;http://www.w3.org/2000/svg') }")
    assert list(docsite.loads_from_elsewhere(tmp_path)) == []
