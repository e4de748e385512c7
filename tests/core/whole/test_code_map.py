"""The map of the code names what is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from rooms import ROOMS

TOP = Path(__file__).resolve().parents[3]
MAP = (TOP / "docs" / "code-map.md").read_text(encoding="utf-8")
DEVELOPMENT = (TOP / "docs" / "development.md").read_text(encoding="utf-8")

STOPS = re.findall(r"`((?:core|algorithms)/[\w/]+\.(?:py|txt))(?::(\w+))?`", MAP)
WALK = re.search(r"^## A run of Serve\n(.*?)^## ", DEVELOPMENT, re.MULTILINE | re.DOTALL)


def defined_in(path: Path) -> set[str]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assigned = [node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None) for node in body]
    return {getattr(node, "name", "") for node in body} | {getattr(target, "id", "") for target in assigned}


@pytest.mark.parametrize(("path", "name"), STOPS)
def test_a_stop_of_the_map_exists(path: str, name: str) -> None:
    assert (TOP / path).is_file()
    assert not name or name in defined_in(TOP / path)


def test_a_stop_of_serve_exists() -> None:
    assert WALK is not None
    stops = re.findall(r"`([\w/]+\.py)(?::(\w+)(?:\.\w+)?)?`", WALK[1])
    assert len(stops) >= 8
    for path, name in stops:
        place = TOP / path if (TOP / path).is_file() else TOP / "core" / path
        assert place.is_file(), path
        assert not name or name in defined_in(place), name


def test_the_table_of_rooms_is_the_rule() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \| ?([\w, ]*?) ?\|$", MAP, re.MULTILINE)
    told = {room: {word for word in re.split(r"[, ]+", names) if word} for room, names in rows}
    below = {"phrases", "errors"}  # files that every room may import
    rule = {room: set(names.split()) - below for room, names in ROOMS.items() if room not in below}
    assert told == rule
