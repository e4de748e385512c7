"""Help as dialogs show it: with titles of algorithms and labels of parameters, where command lines have their names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from qgis.core import QgsApplication

from ..core.base.languages import quoted
from ..core.parameters.kinds import Key
from ..core.registry import declaration, names
from .translate import tr

_ALGORITHM = re.compile(r"\botbtf:([a-z]+)")
_PARAMETER = re.compile(r"\b[A-Z][A-Z0-9_]+\b")
_WORDS = ("GPU", "RAM")
"""Names of parameters that are words of any text."""


def titles_and_labels(keys: Iterable[Key]) -> Callable[[str], str]:
    """Return what makes help texts of an operation those for its reader: in qgis_process, what leaves them as they are.

    The texts are translated; they name algorithms as `otbtf:describemodel`, and parameters as `OUT_NODATA`.

    Args:
        keys: of the operation.
    """
    if QgsApplication.platform() != "desktop":
        return str
    labels = {key.parameter: quoted(tr(key.label)) for key in keys if key.parameter not in _WORDS}

    def told(text: str) -> str:
        text = _PARAMETER.sub(lambda found: labels.get(found[0], found[0]), text)
        return _ALGORITHM.sub(lambda found: _title(found[1]) or found[0], text)

    return told


def _title(name: str) -> str:
    title = _titles().get(name)
    return quoted(tr(title)) if title else ""


@lru_cache(maxsize=1)
def _titles() -> dict[str, str]:
    return {name.lower(): declaration(name).TITLE for name in names()}
