"""What the classes of a map are called, and which class a name of the reference means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ParameterError
from ..jsonvalues import parse
from ..progress import Progress
from ..vectors.opening import TEXT, Field
from ..vectors.source import LayerSource
from .legend import Legend, raster_legend, read_legend


class ClassNames:
    """Names of classes; what is known first stays.

    Args:
        given: JSON, class to name; may be empty.
        image: GDAL's dataset of the map.
    """

    def __init__(self, given: str, image: Any) -> None:
        """Read the names that are given, and those of the map.

        Raises:
            ParameterError: `given` is no JSON of that form.
        """
        self._names: dict[int, str] = {}
        if given.strip():
            try:
                self._names = {int(label): str(name.value) for label, name in parse(given).fields() if name.value}
            except ValueError as error:
                raise ParameterError(
                    f'CLASS_NAMES is {given[:200]}, but must be JSON with the name of each class: {{"1": "water"}} ({error}).'
                ) from error
        self._image = image.GetDescription()
        self.add_raster(image)
        self._of_map = dict(self._names)

    def add_raster(self, dataset: Any) -> None:
        """Take names from a raster, or from the JSON beside it."""
        self._add(raster_legend(dataset))
        self._add(read_legend(dataset.GetDescription()))

    def add_vector(self, source: LayerSource) -> None:
        """Take names from the JSON beside a vector layer."""
        self._add(read_legend(source))

    def _add(self, legend: Legend) -> None:
        for label, entry in legend.items():
            if entry.name:
                self._names.setdefault(label, entry.name)

    def name(self, label: Any) -> str:
        """Return the name of a class; without one, its label."""
        return self._names.get(label, str(label))

    def values(self, texts: Sequence[str], field: Field, progress: Progress) -> list[Any]:
        """Return the label that each class of a reference has in the map.

        Args:
            texts: the classes as they stand in the field.
            field: numbers are labels; texts are names of the map's classes, unless all of them are numbers.
            progress: warned of a text that is no class of the map: it stays a class of its own, never found.

        Raises:
            ParameterError: a number is not whole, or no text is the name of a class.
        """
        numbers = [_whole(text) for text in texts]
        if None not in numbers:
            return numbers
        if field.kind != TEXT:
            wrong = texts[numbers.index(None)]
            raise ParameterError(
                f"REF_VECTOR_FIELD is {field.name}, which holds {wrong}, but classes are whole numbers, or texts."
            )
        labels = {name.casefold(): label for label, name in self._of_map.items()}
        found = [labels.get(text.strip().casefold(), text) for text in texts]
        strange = [text for text, value in zip(texts, found) if value is text]
        known = ", ".join(self._of_map.values()) or "none"
        if len(strange) == len(texts):
            raise ParameterError(
                f"REF_VECTOR_FIELD is {field.name}, which holds the texts {', '.join(texts[:8])}, but the classes of the "
                f"map {self._image} are called: {known}. Choose a field of numbers, or give CLASS_NAMES."
            )
        if strange:
            progress.warning(
                f"Not among the classes of the map ({known}), so that they count as errors: {', '.join(strange)}."
            )
        return found


def _whole(text: str) -> int | None:
    try:
        number = float(text)
        return int(text) if text.strip().lstrip("+-").isdigit() else int(number) if number.is_integer() else None
    except (ValueError, OverflowError):
        return None
