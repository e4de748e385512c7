"""Docstrings, section by section, as Markdown; what the generated pages have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MADE = "<!-- Made by `make docs` from the docstrings and declarations; do not edit. -->"


def sections(item: Any, summary: bool = True) -> list[str]:
    """Return the docstring of a griffe object; without its text if `summary` is False."""
    lines: list[str] = []
    for section in item.docstring.parsed if item.docstring else []:
        kind = section.kind.value
        if kind == "text":
            lines += [section.value, ""] if summary else []
        elif kind in ("parameters", "attributes"):
            title = "Arguments" if kind == "parameters" else "Attributes"
            lines += [
                f"**{title}**",
                "",
                *(list_item(f"`{entry.name}`", entry.description) for entry in section.value),
                "",
            ]
        elif kind in ("returns", "yields"):
            lines += [f"**{kind.capitalize()}**", "", *map(_returned, section.value), ""]
        elif kind == "raises":
            named = [(str(entry.annotation).strip("()"), entry.description) for entry in section.value]
            lines += ["**Raises**", "", *(list_item(f"`{name}`", description) for name, description in named), ""]
        else:
            raise ValueError(f"{item.path}: a section {kind!r} of its docstring has no place on a page.")
    return lines


def _returned(entry: Any) -> str:
    """Return the text about what is returned; the parser takes words before a colon for a type."""
    words = f"{entry.annotation}: " if isinstance(entry.annotation, str) else ""
    return " ".join(f"{words}{entry.description}".split())


def list_item(name: str, description: str) -> str:
    """Return an item of a list: a name and what it is."""
    return f"- {name}: {' '.join(description.split())}"


def joined(lines: Iterable[str]) -> str:
    """Return a page of its lines, with at most one empty line between two."""
    text = "\n".join(line.rstrip() for part in lines for line in part.split("\n"))
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip() + "\n"
