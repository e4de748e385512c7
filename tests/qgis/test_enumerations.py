"""Every value of an enumeration is named in full, `Class.Enumeration.Value`: Qt 6 knows no other form.

What is a value, and of what enumeration, this QGIS says itself. Loading with PyQt6 is in tests/core/whole/test_qt6.py.
"""

from __future__ import annotations

import ast
import enum
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qgis.PyQt.QtCore import Qt

TOP = Path(__file__).resolve().parents[2]
ENUMERATION = (enum.EnumMeta, type(Qt.AlignmentFlag))
"""The kinds of enumerations: those of Python, and those of PyQt5."""
FILES = sorted(path for part in ("otbtf_qgis", "algorithms") for path in (TOP / part).rglob("*.py"))


def names_of_qgis(tree: ast.AST) -> dict[str, Any]:
    """Return what a module imports from QGIS, and what it calls by another name, by name."""
    found: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "qgis" and not node.level:
            module = importlib.import_module(node.module)
            found.update({alias.asname or alias.name: getattr(module, alias.name) for alias in node.names})
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            chain = parts(node.value)
            if len(chain) > 1 and chain[0] in found:
                value = found[chain[0]]
                for name in chain[1:]:
                    value = getattr(value, name)
                found[node.targets[0].id] = value
    return found


def parts(node: ast.AST) -> list[str]:
    """Return `a.b.c` as its names; empty for anything else."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        before = parts(node.value)
        return [*before, node.attr] if before else []
    return []


def unscoped(source: str) -> Iterator[str]:
    """Yield the values of enumerations that are found in the class instead of the enumeration."""
    tree = ast.parse(source)
    known = names_of_qgis(tree)
    for node in ast.walk(tree):
        chain = parts(node)
        if isinstance(node, ast.Attribute) and chain and chain[0] in known:
            holder = known[chain[0]]
            for name in chain[1:-1]:
                holder = getattr(holder, name)
            value = getattr(holder, chain[-1])
            is_value = isinstance(type(value), ENUMERATION)
            if is_value and not (isinstance(holder, type) and isinstance(value, holder)):
                yield f"line {node.lineno}: {'.'.join(chain)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TOP)))
def test_values_are_named_in_full(path: Path) -> None:
    assert list(unscoped(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("QgsProcessingParameterDefinition.FlagHidden", 1),
        ("QgsProcessingParameterDefinition.Flag.FlagHidden", 0),
        ("QgsProcessing.TypeRaster | 0", 1),
        ("QgsProcessing.SourceType.TypeRaster", 0),
        ("_Number = QgsProcessingParameterNumber.Type\nx = _Number.Integer", 0),
        ("x = QgsProcessingParameterNumber.Integer", 1),
        ("Qt.AlignLeft", 1),
        ("Qt.AlignmentFlag.AlignLeft", 0),
    ],
)
def test_a_short_name_is_found(line: str, count: int) -> None:
    imports = "from qgis.core import QgsProcessing, QgsProcessingParameterDefinition, QgsProcessingParameterNumber\n"
    assert len(list(unscoped(f"{imports}from qgis.PyQt.QtCore import Qt\n{line}\n"))) == count
