"""Whether the classes of a field are numbers or names: one rule for all class fields.

A field of numbers holds numbers. A field of texts holds numbers where every text that is not empty is a whole number
of 32 bits as Python writes it: then the numbers are kept, and the texts are the classes' names. One other text
(`01`, `forest`) makes all of them names, so that `01` and `1` stay two classes. Empty texts are no class.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..base.progress import Progress
from ..errors import ParameterError
from ..vectors.texts import field_text
from ..vectors.vectorlayer import TEXT, Field, VectorLayer

_LOWEST, _HIGHEST = -(2**31), 2**31 - 1
_LONGEST = len(str(_LOWEST))
_CHUNK = 1024  # features read before the first text is looked at: one name is enough


def class_number(text: str) -> int | None:
    """Return the whole number of 32 bits that a text is, written as Python writes it; None where it is none."""
    if not 0 < len(text) <= _LONGEST:
        return None
    try:
        number = int(text)
    except ValueError:
        return None
    return number if str(number) == text and _LOWEST <= number <= _HIGHEST else None


def are_names(texts: Iterable[str]) -> bool:
    """Return whether the texts of a class field are names, and no numbers; empty ones do not count."""
    return any(text and class_number(text) is None for text in texts)


def numbers_of(texts: Iterable[str], named: bool) -> dict[str, int]:
    """Return the number of each class of a text field.

    Args:
        texts: the classes.
        named: whether they are names, as `holds_names` tells of the whole field: these are numbered from 0 in
            alphabetical order.
    """
    classes = sorted({text for text in texts if text})
    return {text: place if named else int(text) for place, text in enumerate(classes)}


def holds_names(layers: Sequence[tuple[VectorLayer, Field]], progress: Progress) -> bool:
    """Return whether a class field holds names in one of the layers of a run.

    Args:
        layers: all layers of the run, for training and for validation, each with its class field.
        progress: may ask to stop.

    Raises:
        ParameterError: it holds numbers in one layer and names in another.
        VectorError: a layer cannot be read.
        Cancelled: `progress` asked to stop.
    """
    named = next(
        (layer for layer, field in layers if field.kind == TEXT and are_names(_texts(layer, field, progress))), None
    )
    numeric = next(((layer, field) for layer, field in layers if field.kind != TEXT), None)
    if named is not None and numeric is not None:
        raise ParameterError(
            "The class field {numeric} holds numbers in {numeric2}, but names in {named}: choose layers whose "
            "classes are all numbers, or all names.",
            numeric=numeric[1].name,
            numeric2=numeric[0].path,
            named=named.path,
        )
    return named is not None


def _texts(layer: VectorLayer, field: Field, progress: Progress) -> Iterator[str]:
    """Yield each text of a field once."""
    seen = {""}
    layer.ignore_others((field.index,), geometry=False)
    try:
        for texts in layer.taken(lambda feature: field_text(feature, field.index, layer.path), progress, _CHUNK):
            fresh = dict.fromkeys(text for text in texts if text not in seen)
            seen.update(fresh)
            yield from fresh
    finally:
        layer.layer.SetIgnoredFields([])
        layer.layer.ResetReading()
