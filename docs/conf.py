"""How Sphinx makes the documentation site of these pages; `make docs` runs it."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

TOP = Path(__file__).resolve().parents[1]
ALGORITHM = re.compile(r"otbtf:([a-z0-9]+)")

_metadata = configparser.ConfigParser(interpolation=None)
_metadata.read(TOP / "metadata.txt", encoding="utf-8")

project = "OTBTF for QGIS"
author = "The otbtf_qgis contributors"
project_copyright = author
version = release = _metadata["general"]["version"]

extensions = ["myst_parser"]
myst_heading_anchors = 4
smartquotes = False  # they change -- and quotes in what readers type
highlight_language = "none"  # most indented blocks are commands

html_theme = "furo"
html_title = f"{project} {version}"
html_logo = html_favicon = str(TOP / "resources" / "icons" / "icon.svg")
html_copy_source = html_show_sourcelink = False
html_use_index = False
html_show_search_summary = False  # a browser reads no other files for a page that is itself a file
html_last_updated_fmt = None  # the same pages, the same bytes


def link_algorithms(application: Sphinx, document: nodes.document) -> None:
    """Make the id of an algorithm, written as code, a link to its page; the sidecar has keys of the same form."""
    here = application.env.current_document.docname
    for literal in list(document.findall(nodes.literal)):
        found = ALGORITHM.fullmatch(literal.astext())
        page = f"algorithms/{found[1]}" if found else here
        in_link = isinstance(literal.parent, (nodes.reference, nodes.title))
        if page == here or page not in application.env.found_docs or in_link:
            continue
        link = pending_xref(refdomain="std", reftype="doc", reftarget=f"/{page}", refexplicit=True, refdoc=here)
        literal.replace_self(link)
        link += literal


def setup(application: Sphinx) -> dict[str, Any]:
    """Register what this file adds to Sphinx."""
    application.connect("doctree-read", link_algorithms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
