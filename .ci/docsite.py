"""Build the documentation site as BUILD/docs/html from docs/, and check that it works offline.

    BUILD/docs-venv/bin/python .ci/docsite.py [--build build]

Warnings of Sphinx (a broken link, a page in no table of contents) are errors. The zip of the plugin has the site as
`help`, which QGIS's Help buttons open: no page may load anything from elsewhere.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]

UNNEEDED = ("*.map", ".buildinfo", "objects.inv", "_sources")
"""What Sphinx and its theme write for others than readers."""

LOADED = {
    "script": ("src",),
    "link": ("href",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "iframe": ("src",),
    "video": ("src", "poster"),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
}
"""Attributes that a browser loads, or whose scripts it runs, by element."""

ELSEWHERE = re.compile(r"(https?:)?//", re.IGNORECASE)
IN_STYLES = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])((?:https?:)?//[^"')\s]*)""", re.IGNORECASE)
IN_SCRIPTS = re.compile(r"""(?:fetch|import|importScripts)\(\s*["'`]((?:https?:)?//[^"'`]*)""", re.IGNORECASE)


def html_folder(build: Path) -> Path:
    """Return the folder that the site is built in."""
    return build / "docs" / "html"


def build_site(build: Path) -> Path:
    """Build the site with this Python's Sphinx, and return its folder.

    Raises:
        CalledProcessError: Sphinx has ended with an error or a warning.
    """
    pages = html_folder(build)
    shutil.rmtree(pages, ignore_errors=True)
    # A fresh environment: Sphinx warns of a page only when it reads it.
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--fresh-env", "--quiet", "--builder", "html"]
    command += ["--doctree-dir", str(build / "docs" / "doctrees"), str(TOP / "docs"), str(pages)]
    subprocess.run(command, check=True)
    for pattern in UNNEEDED:
        for path in list(pages.rglob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return pages


class _Loads(HTMLParser):
    """Collects what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if value and name in LOADED.get(tag, ())]
        self.found += [
            address for name, value in attrs if name == "style" for address in IN_STYLES.findall(value or "")
        ]


def loads_from_elsewhere(pages: Path) -> Iterator[str]:
    """Yield, for each file of the site, what it would load over a network."""
    for path in sorted(pages.rglob("*")):
        if path.suffix == ".html":
            parser = _Loads()
            text = path.read_text(encoding="utf-8")
            parser.feed(text)
            found = [address for address in parser.found if ELSEWHERE.match(address)]
            found += IN_STYLES.findall(text) + IN_SCRIPTS.findall(text)
        elif path.suffix == ".css":
            found = IN_STYLES.findall(path.read_text(encoding="utf-8"))
        elif path.suffix == ".js":
            found = IN_SCRIPTS.findall(path.read_text(encoding="utf-8"))
        else:
            continue
        yield from (f"{path.relative_to(pages)} loads {address}" for address in dict.fromkeys(found))


def size(pages: Path) -> int:
    """Return the bytes of all files of the site."""
    return sum(path.stat().st_size for path in pages.rglob("*") if path.is_file())


def main() -> int:
    """Build and check the site; return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=TOP / "build")
    try:
        pages = build_site(parser.parse_args().build)
    except subprocess.CalledProcessError as error:
        return int(error.returncode)
    complaints = list(loads_from_elsewhere(pages))
    for complaint in complaints:
        print(f"docs: {complaint}", file=sys.stderr)
    print(f"{pages / 'index.html'}: {size(pages) / 1e6:.2f} MB")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
