"""What docstrings and comments of core name in full is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parents[3] / "core"

NAMED = re.compile(r"`core\.((?:[a-z]\w*\.)*[a-z]\w*)(?:\.([A-Z_]\w*|[a-z_]\w*))?(?:\.\w+)?`")


def references() -> list[tuple[str, str]]:
    """Each name in backticks that begins with `core.`, with the file that holds it."""
    return sorted(
        {
            (str(path.relative_to(CORE)), match[0].strip("`"))
            for path in CORE.rglob("*.py")
            for match in NAMED.finditer(path.read_text(encoding="utf-8"))
        }
    )


def names_in(path: Path) -> set[str]:
    """What a module defines or imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update(target.id for target in targets if isinstance(target, ast.Name))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update(alias.asname or alias.name for alias in node.names)
    return found


def exists(dotted: str) -> bool:
    """Whether a name such as core.rasters.rasterstack.Stack.read leads somewhere; core's own names are lazy."""
    parts = dotted.split(".")[1:]
    place = CORE
    for number, part in enumerate(parts):
        if (place / f"{part}.py").is_file():
            rest = parts[number + 1 :]
            return not rest or rest[0] in names_in(place / f"{part}.py")
        if (place / part / "__init__.py").is_file():
            place = place / part
            continue
        return place == CORE or part in names_in(place / "__init__.py")
    return True


@pytest.mark.parametrize(("path", "name"), references())
def test_a_name_in_backticks_is_there(path: str, name: str) -> None:
    assert exists(name), f"{path} names {name}"


def test_a_name_that_is_gone_is_noticed() -> None:
    assert not exists("core.rasters.opening.Stack") and not exists("core.rasters.rasterstack.Gone")
