"""The classes of a vector layer, with the names and colours that are kept beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..base.progress import Progress
from ..vectors.vectorlayer import INTEGER, TEXT, Field, VectorLayer
from .classfield import holds_names, numbers_of
from .legend import as_rows, of_texts, read_legend, read_texts


def class_rows(layer: VectorLayer, field: Field, classes: Iterable[Any], progress: Progress) -> list[dict[str, Any]]:
    """Return the classes of a layer as they are written to JSON: value, name and colour, without unknown ones.

    Args:
        layer: the layer.
        field: its class field. Texts that are numbers have these as their values; names are their own values.
        classes: as the field holds them; those of a whole-number field may be texts.
        progress: may ask to stop.

    Raises:
        VectorError: the layer cannot be read.
        Cancelled: `progress` asked to stop.
    """
    if field.kind == INTEGER:
        return as_rows(map(int, classes), read_legend(layer.source, field.name))
    if field.kind != TEXT:
        return [{"value": value} for value in classes]
    known = read_texts(layer.source, field.name)
    texts = [str(text) for text in classes if text]
    if not holds_names([(layer, field)], progress):
        numbers = numbers_of(texts, named=False)
        return as_rows(sorted(numbers.values()), of_texts(numbers, False, known))
    colors = ((text, known[text].color if text in known else "") for text in texts)
    return [{"value": text, **({"color": color} if color else {})} for text, color in colors]
