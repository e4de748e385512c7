"""Why every output of a model depends on the whole image, in phrases that outlast the file that keeps them.

A sidecar holds the English text, for whoever reads it, and beside it the kind of reason and its number, from which the phrase
is made again. Other texts, those of older sidecars too, stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..base.jsonvalues import Json
from ..phrases import Phrase


def too_large(side: int) -> Phrase:
    """Return that the memory does not hold a square of `side` pixels, in which a smaller dependence might be seen."""
    return Phrase("a square of {side} pixels is too large for the memory", side=side)


def beyond(pixels: int) -> Phrase:
    """Return that an output depends on more than so many pixels around it."""
    return Phrase("every output depends on more than {side} pixels around it", side=pixels)


def no_stride(steps: int) -> Phrase:
    """Return that values change whatever a region is moved by, up to `steps` pixels."""
    return Phrase("no shift up to {steps} pixels gives the same values, shifted", steps=steps)


def differing(difference: float) -> Phrase:
    """Return by how much values differ, relative to their range."""
    return Phrase("values differ by {difference:.2g} when the surrounding pixels change", difference=difference)


def wide_edge(margin: int) -> Phrase:
    """Return that outputs up to `margin` pixels from an edge depend on what lies outside."""
    return Phrase("outputs up to {margin_x} pixels from an edge depend on pixels outside", margin_x=margin)


_KINDS: dict[str, Callable[[Any], Phrase]] = {
    "memory": too_large,
    "beyond": beyond,
    "stride": no_stride,
    "difference": differing,
    "edge": wide_edge,
}
_LARGEST = 1e18

_OF_TEMPLATE = {make(0).template: kind for kind, make in _KINDS.items()}


def reason_as_json(reason: str) -> dict[str, Any]:
    """Return a reason as it stands in a sidecar."""
    kind = _OF_TEMPLATE.get(getattr(reason, "template", ""))
    if kind is None or not isinstance(reason, Phrase):
        return {"reason": str(reason)}
    return {"reason": str(reason), "reason_kind": kind, "reason_number": next(iter(reason.values.values()))}


def reason_from_json(content: Json) -> str:
    """Return a reason as it was before it was written; its text where that was changed, or is of an older version.

    Raises:
        OddJson: it is none.
    """
    written, kind, number = (content.get(name) for name in ("reason", "reason_kind", "reason_number"))
    text = written.text() if written else ""
    make = _KINDS.get(kind.text()) if kind else None
    if make is None or number is None:
        return text
    value = number.number(0, _LARGEST)
    told = (make(each) for each in (int(value), value))
    return next((phrase for phrase in told if phrase == text), text)
