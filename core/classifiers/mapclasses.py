"""Classes: the values of a class field, and the whole numbers in a map."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..base.jsonvalues import Json, OddJson, parse
from ..base.progress import Progress
from ..classes.classfield import class_number, numbers_of
from ..classes.joinedclasses import joined
from ..classes.legend import ClassEntry, Legend, TextLegend, of_texts, read_legend, read_texts, texts_in
from ..errors import ParameterError
from ..errors import field as mention
from ..phrases import Phrase
from ..rasters.pixeltypes import written_type
from ..vectors.vectorlayer import TEXT, Field, VectorLayer

_LABEL_TYPES = ("uint8", "int16", "uint16", "int32", "uint32")


class ClassCoding:
    """Turns the values of class fields into whole numbers.

    Texts that are numbers are these; names are numbered from 0 in alphabetical order, those of the training samples
    before others.
    """

    def __init__(self, field: Field, named: bool, training: Iterable[object]) -> None:
        """Take the classes of the training samples.

        Args:
            field: of the training layer.
            named: whether it holds names, as `holds_names` tells of all layers of the run.
            training: the classes of the training samples.
        """
        self._field, self._named = field, named
        self._texts = numbers_of(map(str, training), named=True) if named else {}

    def numbers(self, values: Iterable[object]) -> np.ndarray:
        """Return the classes as int64; names that are new here are numbered on.

        Raises:
            ParameterError: a number is not whole, or too large.
        """
        given = list(values)
        if self._named:
            for text in sorted({str(value) for value in given} - set(self._texts)):
                self._texts[text] = len(self._texts)
            return np.array([self._texts[str(value)] for value in given], np.int64)
        exact = np.array([float(value) for value in given], np.float64)  # type: ignore[arg-type]
        wrong = exact[(exact != np.floor(exact)) | (np.abs(exact) > 2**31)]
        if len(wrong):
            raise ParameterError(
                "The class field {field} holds {wrong:g}, but a class is a whole number of at most 32 bits, or a "
                "text: choose another field.",
                field=self._field.name,
                wrong=wrong[0],
            )
        numbers = exact.astype(np.int64)
        if self._field.kind == TEXT:
            self._texts.update({str(number): int(number) for number in np.unique(numbers)})
        return numbers

    def legend(self, known: TextLegend, given: str) -> Legend:
        """Return the legend of the classes: the given one, else that beside the layers, or the texts themselves.

        Args:
            known: what lies beside the layers, by the class as text.
            given: JSON, as the output LEGEND of other algorithms; may be empty.

        Raises:
            ParameterError: what is given cannot be read.
        """
        found = {**known, **_given(given)}
        if self._field.kind == TEXT:
            return of_texts(self._texts, self._named, found)
        numbers = ((class_number(text), entry) for text, entry in found.items())
        return {number: entry for number, entry in numbers if number is not None}


Layers = Sequence[tuple[VectorLayer, Field]]
"""Layers of a run, each with its class field."""


def join_layers(layers: Layers, parts: Sequence[list[Any]]) -> tuple[list[list[Any]], TextLegend]:
    """Return the classes of several layers numbered alike, where they are numbers that the layers name differently.

    Args:
        layers: the layers.
        parts: of each the classes of its samples, as its field holds them.

    Returns:
        The classes of each, and what lies beside the layers of names and colours, by the class as text.
    """
    changes, known = renumbering(layers)
    return [[change.get(value, value) for value in part] for part, change in zip(parts, changes)], known


def renumbering(layers: Layers) -> tuple[list[dict[Any, int]], TextLegend]:
    """Return the new numbers of classes, by layer, so that one number has one name in all; see `join_layers`."""
    if any(field.kind == TEXT for _, field in layers):
        known: dict[str, ClassEntry] = {}
        for layer, field in layers:
            known = {**read_texts(layer.source, field.name), **known}
        return [{} for _ in layers], known
    together, changes = joined([read_legend(layer.source, field.name) for layer, field in layers])
    return [dict(change) for change in changes], {str(number): entry for number, entry in together.items()}


def warn_of_unknown_classes(legend: Legend, training: np.ndarray, validation: np.ndarray, progress: Progress) -> None:
    """Warn of classes that have only training samples or only validation samples.

    Args:
        legend: names by number.
        training, validation: the samples' classes; shape (n,) each.
        progress: is told.
    """
    learned, tested = (set(np.unique(labels).tolist()) for labels in (training, validation))
    for numbers, why in (
        (tested - learned, Phrase("These classes have no training sample and count as errors")),
        (learned - tested, Phrase("These classes have no validation sample; their accuracy is unknown")),
    ):
        names = [legend[number].name if number in legend else "" for number in sorted(numbers)]
        if tested and numbers:
            shown = ", ".join(name or str(number) for name, number in zip(names, sorted(numbers)))
            progress.warning(Phrase("{why}: {shown}.", why=why, shown=shown))


def _given(given: str) -> dict[str, ClassEntry]:
    """Return the entries of a legend in JSON, by the class as text; a row whose value is null is not a class."""
    if not given:
        return {}
    try:
        rows = parse(given).items()
        if any("value" not in dict(row.fields()) for row in rows):
            raise OddJson(Phrase("a class has no value"))
        return texts_in(Json([row.value for row in rows if row.has("value")], mention("legend")))
    except OddJson as error:
        raise ParameterError(
            '{mention} is {given!r}, but must be a list such as [{{"value": 1, "name": "Forest", "color": '
            '"#105c26"}}], as other algorithms return it: {error}.',
            mention=mention("legend"),
            given=given[:80],
            error=error,
        ) from error


def label_type(labels: Iterable[int], word: str, name: str) -> np.dtype:
    """Return the pixel type of a map of labels: the one asked for, else the smallest that holds them all.

    Args:
        labels: values in the map.
        word: pixel type, or auto.
        name: mention of its parameter.

    Raises:
        ParameterError: it does not hold one of them.
    """
    values = list(labels)
    for dtype in (np.dtype(name) for name in (_LABEL_TYPES if word == "auto" else (written_type("", word).name,))):
        if dtype.kind == "f" or np.iinfo(dtype).min <= min(values) <= max(values) <= np.iinfo(dtype).max:
            return dtype
    raise ParameterError(
        "The labels range from {values} to {values2}, but the pixel type {dtype} cannot hold them: set {name} to "
        "auto, or to a larger type.",
        values=min(values),
        values2=max(values),
        dtype=dtype.name,
        name=name,
    )
