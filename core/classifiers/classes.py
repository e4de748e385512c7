"""Classes as the field of a layer names them, and as the whole numbers that a map holds."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..errors import ParameterError
from ..jsonvalues import OddJson, parse
from ..rasters.types import written_type
from ..sampling.legend import ClassEntry, Legend, from_rows, read_legend
from ..vectors.opening import TEXT, Field
from ..vectors.source import LayerSource

_LABEL_TYPES = ("uint8", "int16", "uint16", "int32", "uint32")


class Coding:
    """Turns the values of class fields into whole numbers; texts are numbered from 0 in alphabetical order.

    Attributes:
        texts: the texts in the order of their numbers; empty where classes are numbers.
    """

    def __init__(self, field: Field, training: Iterable[str]) -> None:
        """Take the classes of the training samples, as texts, from a field."""
        self._field = field
        self.texts = sorted(set(training)) if field.kind == TEXT else []

    def numbers(self, values: Iterable[object]) -> np.ndarray:
        """Return the classes as int64; texts that are new here are numbered on.

        Raises:
            ParameterError: a number is not whole, or too large.
        """
        if self._field.kind == TEXT:
            given = [str(value) for value in values]
            self.texts += sorted(set(given) - set(self.texts))
            places = {text: number for number, text in enumerate(self.texts)}
            return np.array([places[text] for text in given], np.int64)
        try:
            exact = np.array([float(value) for value in values], np.float64)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise ParameterError(
                f"The class field {self._field.name} holds numbers in one layer and texts in another: choose layers alike."
            ) from None
        wrong = exact[(exact != np.floor(exact)) | (np.abs(exact) > 2**31)]
        if len(wrong):
            raise ParameterError(
                f"The class field {self._field.name} holds {wrong[0]:g}, but a class is a whole number of at most 32 bits, or "
                "a text: choose another field."
            )
        return exact.astype(np.int64)

    def legend(self, source: LayerSource, given: str) -> Legend:
        """Return what is known of the classes: what is given, else what lies beside a layer, or the texts themselves.

        Args:
            source: the layer.
            given: JSON, as the output LEGEND of other algorithms; may be empty.

        Raises:
            ParameterError: what is given cannot be read.
        """
        rows = _rows(given)
        if not self.texts:
            return {**read_legend(source), **from_rows(row for row in rows if _is_whole(row["value"]))}
        colors = {str(row.get("value")): str(row.get("color", "")) for row in rows}
        return {number: ClassEntry(text, colors.get(text, "")) for number, text in enumerate(self.texts)}


def _rows(given: str) -> list[dict[str, object]]:
    if not given:
        return []
    try:
        rows = [dict(row.fields()) for row in parse(given).items()]
        if any("value" not in row for row in rows):
            raise OddJson("a class has no value")
        plain = [{name: part.value for name, part in row.items()} for row in rows]
        return [row for row in plain if row["value"] is not None]
    except OddJson as error:
        raise ParameterError(
            f'LEGEND is {given[:80]!r}, but must be a list such as [{{"value": 1, "name": "Forest", "color": "#105c26"}}], '
            f"as the output LEGEND of other algorithms: {error}."
        ) from error


def _is_whole(value: object) -> bool:
    """Return whether a class of the legend is a number; others, such as that of all other values, are no class here."""
    try:
        int(str(value))
    except ValueError:
        return False
    return True


def label_type(labels: Iterable[int], word: str, key: str) -> np.dtype:
    """Return the pixel type of a map of labels: the one asked for, else the smallest that holds them all.

    Raises:
        ParameterError: it does not hold one of them.
    """
    values = list(labels)
    for dtype in (np.dtype(name) for name in (_LABEL_TYPES if word == "auto" else (written_type("", word).name,))):
        if dtype.kind == "f" or np.iinfo(dtype).min <= min(values) <= max(values) <= np.iinfo(dtype).max:
            return dtype
    raise ParameterError(
        f"The labels go from {min(values)} to {max(values)}, which the pixel type {dtype.name} cannot hold: set {key} to "
        "auto, or to a larger one."
    )
