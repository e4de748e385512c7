"""Keys of OTB's applications without a parameter here: which are ignored, and which values of others are refused."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..errors import ParameterError
from ..phrases import Phrase

_BY_GRID = Phrase("images are georeferenced by their grid")
_LEFT_OUT = {
    "elev.dem": _BY_GRID,
    "elev.geoid": _BY_GRID,
    "elev.default": _BY_GRID,
    "lms": Phrase("the position of each pixel is computed exactly"),
}

_ONLY = {
    "mode": (("default",), Phrase("images are georeferenced by their grid, not by a sensor model. Remove it")),
    "interpolator.bco.radius": (("2",), Phrase("bicubic interpolation uses 4 x 4 pixels. Remove it")),
    "incontext": ((), Phrase("write the constants into the expression")),
    "outcontext": ((), Phrase("the statistics are not written to a file. Remove it")),
}
"""The values that have the same meaning as the plugin's behaviour, and why no others are possible."""


def why_left_out(name: str, words: Sequence[str], known: Collection[str]) -> str | None:
    """Return why a key of OTB is left out of a command line.

    Args:
        name: the key, which the application does not have here.
        words: its values.
        known: the keys that the application has here.

    Returns:
        The reason; empty where the value means what is done here anyway; None for a key that OTB does not have either.

    Raises:
        ParameterError: leaving it out would change the result.
    """
    if name in _LEFT_OUT:
        return _LEFT_OUT[name]
    if name not in _ONLY or not {"inr", "exp"} & set(known):
        return None
    possible, why = _ONLY[name]
    if " ".join(words) in possible:
        return ""
    raise ParameterError("-{name} {words} is not supported: {why}.", name=name, words=" ".join(words), why=why)
