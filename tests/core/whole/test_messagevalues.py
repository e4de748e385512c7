"""The values of messages hold no English: a word as a value is a phrase, or the message stays half English in French."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
import translations

from otbtf_qgis.core import registry
from otbtf_qgis.core.parameters.parsing import keys

NAMES = {"Eigen", "HTTP", "TensorFlow", "binary_crossentropy", "msk", "oneDNN"}
"""Names of things, which are the same in any language."""


def choices() -> set[str]:
    """The words of all parameters that take one of several; they are typed as they are in any language."""
    return {word for name in registry.names() for key in keys(registry.declaration(name)) for word in key.choices}


def english_values(tree: ast.Module, errors: set[str]) -> Iterator[str]:
    """Yield `name=text` for each literal that a value of a message may be, seen from within its function."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        known = assigned(function)
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and translations.called(call) in errors | {"Phrase"}:
                for value in call.keywords:
                    yield from (f"{value.arg}={text}" for text in literals(value.value, known))


def assigned(function: ast.FunctionDef) -> dict[str, list[ast.expr]]:
    """Return what a function assigns to its names, defaults included."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                found.setdefault(target.id, []).append(value)
    given = function.args
    plain = [*given.posonlyargs, *given.args]
    for argument, default in [*zip(plain[::-1], given.defaults[::-1]), *zip(given.kwonlyargs, given.kw_defaults)]:
        if default is not None:
            found.setdefault(argument.arg, []).append(default)
    return found


def literals(value: ast.expr, known: dict[str, list[ast.expr]]) -> Iterator[str]:
    """Yield the texts that an expression may be: itself, one of several, or what a name stands for."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value
    elif isinstance(value, ast.JoinedStr):
        yield "".join(str(part.value) for part in value.values if isinstance(part, ast.Constant))
    elif isinstance(value, ast.IfExp):
        yield from (text for part in (value.body, value.orelse) for text in literals(part, known))
    elif isinstance(value, ast.BoolOp):
        yield from (text for part in value.values for text in literals(part, known))
    elif isinstance(value, ast.Call) and translations.called(value) == "get":
        yield from (text for part in value.args[1:] for text in literals(part, known))
    elif isinstance(value, ast.Name):
        yield from (text for each in known.get(value.id, []) for text in literals(each, {}))


def test_values_are_phrases() -> None:
    """Not `ModelError("... {what} ...", what="output")`, but `what=Phrase("output")`."""
    every = list(translations.trees())
    errors = translations.errors_of(tree for _, tree in every)
    same = choices() | NAMES
    found = {f"{place}: {text}" for place, tree in every for text in english_values(tree, errors)}
    assert not {text for text in found if re.search("[A-Za-z]{2}", words(text)) and words(text) not in same}


def words(found: str) -> str:
    """Return the text of what is found, without the marks around it."""
    return found.partition("=")[2].strip(" ().,;:")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ('raise ModelError("{a}", a="output")', ["a=output"]),
        ('raise ModelError("{a}", a=Phrase("output"))', []),
        ('Phrase("{a}", a="yes" if x else "no")', ["a=yes", "a=no"]),
        ('Phrase("{a}", a=", ".join(x) or "none")', ["a=none"]),
        ('Phrase("{a}", a=x.get(b, "nothing"))', ["a=nothing"]),
        ('Phrase("{a}", a=f"{x} bands")', ["a= bands"]),
        ('b = "which" if x else Phrase("c")\n Phrase("{a}", a=b)', ["a=which"]),
        ('Phrase("{a}", a=why)', ["a=it is so"]),
        ('other("{a}", a="output")', []),
    ],
)
def test_english_values_are_seen(body: str, found: list[str]) -> None:
    tree = ast.parse(f'def f(x, why="it is so"):\n {body}')
    assert list(english_values(tree, {"ModelError"})) == found
