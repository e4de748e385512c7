"""What the error of a library says: the one line, of all that TensorFlow and Keras write around it, that tells the cause."""

from __future__ import annotations

import re

_LONGEST = 300

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_FUNCTION = re.compile(r"\{\{function_node [^}]*\}\}\s*")
"""Where TensorFlow names the function before what went wrong in it."""
_OPERATION = re.compile(r"\s*\[Op:[^\]]*\](?: name:.*)?$")
_NUMBERED = re.compile(r"^\(\d+\) [A-Z_]+:\s*")
"""How TensorFlow begins one of several causes."""
_OF_LAYER = re.compile(r"Exception encountered when calling (\S+?)\.?\s+(?=\S)(.*)", re.DOTALL)
_OF_PYTHON = re.compile(r"^(?:[A-Za-z_.]*\.)?[A-Za-z]+(?:Error|Exception): (.+)")
"""The last line of a traceback, of which TensorFlow copies the text into its own."""


def telling_line(error: BaseException, longest: int = _LONGEST) -> str:
    """Return the cause that an error names, without a full stop; the name of its type where it has no text.

    Args:
        error: of a library.
        longest: number of characters to keep.
    """
    text = _COLOURS.sub("", str(getattr(error, "message", None) or error))
    layer = _OF_LAYER.search(text)
    cause = _cause(layer[2] if layer else text)
    if layer and cause:
        cause = f"{layer[1]}: {cause}"
    return (cause or type(error).__name__)[:longest].rstrip(".")


def _cause(text: str) -> str:
    lines = [line for line in (_FUNCTION.sub("", each.strip()) for each in text.splitlines()) if line]
    if not lines:
        return ""
    # TensorFlow puts the node in double brackets below the cause, and where the node was defined above it.
    node = next((number for number, line in enumerate(lines) if number and line.startswith("[[")), None)
    if node is not None:
        line = _NUMBERED.sub("", lines[node - 1])
        raised_by_python = _OF_PYTHON.match(line)  # in a function that TensorFlow calls, as that of an ONNX model
        return raised_by_python[1] if raised_by_python else line
    if lines[0] == "in user code:":
        raised = [found[1] for line in lines if (found := _OF_PYTHON.match(line))]
        return raised[-1] if raised else lines[-1]
    if lines[0] == "Graph execution error:":
        return _OPERATION.sub("", lines[-1])
    return _OPERATION.sub("", lines[0])
