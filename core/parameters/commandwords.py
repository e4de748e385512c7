r"""A text of command lines, split into commands and words as a shell does.

Unlike in a shell, a backslash before a letter stays, as in C:\data, and nothing is expanded.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from ..errors import ParameterError

Words = list[str]

_PIECE = re.compile(
    r"""
      (?P<quoted> '[^']*' | "(?:\\.|[^"\\])*" )
    | (?P<continued> \\[ \t]*\r?(?:\n|\Z) )
    | (?P<path> \\(?=[\w.]) )             # as in C:\data: no shell script escapes a letter
    | (?P<escaped> \\. )
    | (?P<comment> (?<!\S)\#[^\n]* )
    | (?P<end> \n )
    | (?P<open> ['"] )
    | (?P<plain> [^\\'"\#\n]+ | \# )
    """,
    re.VERBOSE | re.DOTALL,
)

_VARIABLE = re.compile(r"\$(\w+|[{(][^)}\s]*[)}]?)")


def split_commands(text: str) -> Iterator[tuple[int, Words]]:
    """Yield each command's first line, counted from 1, and its words.

    Raises:
        ParameterError: a quote is open, or a shell's variable is used.
    """
    line, start, pending = 1, 1, ""
    for piece in _PIECE.finditer(text + "\n"):
        kind, found = piece.lastgroup, piece[0]
        if not pending.strip():
            start = line
        if kind == "open":
            raise ParameterError(
                "Line {line}: the quote {found} before {beginning!r} is not closed: add another {found} where the "
                "value ends.",
                line=line,
                found=found,
                beginning=_beginning(text[piece.end() :]),
            )
        if kind in ("plain", "quoted") and not found.startswith("'") and (variable := _VARIABLE.search(found)):
            raise ParameterError(
                "Line {line}: {variable} is a shell variable, but variables are not replaced here: write its value "
                "(or put '' around a file name with a $).",
                line=line,
                variable=variable[0],
            )
        if kind == "end":
            yield from ((start, words) for words in _separated(shlex.split(pending)))
            pending = ""
        elif kind == "path":
            pending += "\\" + found
        elif kind not in ("continued", "comment"):
            pending += found
        line += found.count("\n")


def _separated(words: Words) -> Iterator[Words]:
    """Yield the commands of one line, which `;` or `&&` separate."""
    command: Words = []
    for word in [*words, ";"]:
        if word not in (";", "&&"):
            command.append(word)
        elif command:
            yield command
            command = []


def _beginning(text: str) -> str:
    return text.strip().split("\n")[0][:30]
