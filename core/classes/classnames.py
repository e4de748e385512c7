"""Names of a map's classes, and the class of the map that a class of the reference means."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Union

from .. import errors
from ..base.jsonvalues import parse
from ..base.progress import Progress
from ..errors import ParameterError
from ..phrases import Phrase
from ..rasters.inmemory import name_of
from ..vectors.vectorlayer import TEXT, Field
from .classfield import class_number
from .legend import Legend, known_classes

Label = Union[int, str]
"""A class of the comparison: the value that it has in the map, or the name of one that the map does not know."""

_LISTED = 8


@dataclass(frozen=True)
class ReferenceClass:
    """A class of the reference.

    Attributes:
        number: where classes are numbers; None where they are names.
        names: what it is called, as far as that is known; the first one counts most.
    """

    number: int | None
    names: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return it in words."""
        if self.number is None:
            return self.names[0]
        other = next((name for name in self.names if name != str(self.number)), "")
        return f"{self.number} ({other})" if other else str(self.number)


def classes_of_field(texts: Sequence[str], field: Field, named: bool, legend: Legend) -> list[ReferenceClass]:
    """Return the classes of a field.

    Args:
        texts: the classes as they stand in the field.
        field: the field.
        named: whether its texts are names, as `classfield.holds_names` tells.
        legend: names by number.

    Raises:
        ParameterError: a number is not whole.
    """
    if named:
        return [ReferenceClass(None, (text,)) for text in texts]
    numbers = [_whole(text) for text in texts]
    if None in numbers:
        wrong = texts[numbers.index(None)]
        raise ParameterError(
            "{ref_vector_field} is {field}, which holds {wrong}, but classes must be whole numbers or texts.",
            ref_vector_field=errors.field("ref_vector_field"),
            field=field.name,
            wrong=wrong,
        )
    classes = classes_of_numbers((number for number in numbers if number is not None), legend)
    if field.kind != TEXT:
        return classes
    return [ReferenceClass(item.number, (text, *item.names)) for text, item in zip(texts, classes)]


def classes_of_numbers(numbers: Iterable[int], legend: Legend) -> list[ReferenceClass]:
    """Return the classes of a reference of numbers, with the names in its legend."""
    told = {number: (entry.name,) for number, entry in legend.items() if entry.name}
    return [ReferenceClass(number, told.get(number, ())) for number in numbers]


class ClassNames:
    """Names of the classes of a map; what is known first stays.

    Args:
        given: JSON, class to name; may be empty. Where the class is no number, it is a class of the reference, and the
            name is what it is called in the map.
        image: GDAL's dataset of the map.
    """

    def __init__(self, given: str, image: Any) -> None:
        """Read the names that are given, and those of the map.

        Raises:
            ParameterError: `given` is no JSON of that form.
        """
        names = _read(given)
        self._image = name_of(image)
        self._given = {int(text): name for text, name in names.items() if class_number(text) is not None}
        self._synonyms = {text: name for text, name in names.items() if class_number(text) is None}
        self._own = {value: entry.name for value, entry in known_classes(image).items() if entry.name}
        self._names = {**self._own, **self._given}
        self._values: defaultdict[str, set[int]] = defaultdict(set)
        for value, name in [*self._own.items(), *self._given.items()]:
            self._values[name.strip()].add(value)

    def add(self, legend: Legend) -> None:
        """Take names of classes that have none yet from the legend of the reference."""
        for number, entry in legend.items():
            if entry.name and number not in self._names:
                self._names[number] = entry.name

    def name(self, label: Label) -> str:
        """Return the name of a class; without one, its label."""
        return self._names.get(label, str(label)) if isinstance(label, int) else label

    def check_numbers(self, what: str, cure: str) -> None:
        """Refuse a reference of numbers without names where the map's names are other numbers than its values.

        Args:
            what: the reference, for the message.
            cure: what else can be done.

        Raises:
            ParameterError: it cannot be told whether the reference holds values or names.
        """
        wrong = self._renumbered()
        if wrong:
            told = Phrase(", ").join(
                Phrase("{value} is called {own!r}", value=value, own=self._own[value]) for value in wrong[:_LISTED]
            )
            sure = json.dumps({str(value): str(value) for value in wrong[:_LISTED]})
            raise ParameterError(
                "{what} holds whole numbers, but the names of the map's classes in {image} are other numbers "
                "({told}), so the numbers are ambiguous. {cure} If they are the map's values, set {class_names}, as "
                "in {sure}.",
                what=what,
                image=self._image,
                told=told,
                cure=cure,
                class_names=errors.field("class_names"),
                sure=sure,
            )

    def _renumbered(self) -> list[int]:
        """Return the map's values whose names are other numbers, unless they are given as their own names."""
        return [
            value
            for value, name in self._own.items()
            if class_number(name) not in (None, value) and self._given.get(value) != str(value)
        ]

    def labels(self, classes: Sequence[ReferenceClass], where: str) -> list[Label]:
        """Return the label that each class of a reference has in the comparison.

        A class is looked up by its name first, then by its number: unless the names have shown that map and reference
        are numbered otherwise, where it is a class of its own.

        Args:
            classes: of the reference.
            where: the parameter and the field or raster, for messages.

        Raises:
            ParameterError: no class is one of the map, or a name is that of several.
        """
        found = [self._by_name(item, where) for item in classes]
        alike = not self._renumbered() and all(
            value == item.number for item, value in zip(classes, found) if value is not None
        )
        labels: list[Label] = []
        for item, value in zip(classes, found):
            if value is None and item.number is not None and alike:
                value = item.number
            labels.append(item.describe() if value is None else value)
        if labels and all(isinstance(label, str) for label in labels):
            told = ", ".join(map(str, labels[:_LISTED]))
            raise ParameterError(
                "{where} holds the classes {told}, but the classes of the map {image} are called: {known}. Choose a "
                "field of numbers, or set {class_names}.",
                where=where,
                told=told,
                image=self._image,
                known=self._known(),
                class_names=errors.field("class_names"),
            )
        return labels

    def _by_name(self, item: ReferenceClass, where: str) -> int | None:
        for name in [other for own in item.names for other in (own, self._synonyms.get(own, "")) if other]:
            values = self._called(name.strip())
            if len(values) == 1:
                return next(iter(values))
            if values and item.number is None:
                raise ParameterError(
                    "{where} holds {name!r}, but several classes of the map {image} have this name: {values}. Give "
                    "each its own name with {class_names}, or choose a field of numbers.",
                    where=where,
                    name=name,
                    image=self._image,
                    values=", ".join(map(str, sorted(values))),
                    class_names=errors.field("class_names"),
                )
            if item.number in values:
                return item.number
        return None

    def _called(self, name: str) -> set[int]:
        """Return the map's classes of a name; the case of letters counts only between names that differ in it alone."""
        if name in self._values:
            return self._values[name]
        folded = name.casefold()
        return set().union(*(values for other, values in self._values.items() if other.casefold() == folded))

    def tell_strangers(self, reference: Iterable[Label], mapped: Iterable[int], progress: Progress) -> None:
        """Warn of classes of the reference that the map cannot have, and of classes of the map without reference data.

        Args:
            reference: labels of the reference.
            mapped: labels that occur in the map.
            progress: is told.
        """
        known = {*self._own, *mapped}
        have = set(reference)
        strange = [label for label in sorted(have, key=str) if label not in known]
        missing = [label for label in sorted(known) if label not in have]
        if strange:
            progress.warning(
                Phrase(
                    "These labels are not classes of the map ({listed}) and count as errors: {listed_strange}.",
                    listed=self._listed(sorted(known)),
                    listed_strange=self._listed(strange),
                )
            )
        if missing:
            progress.warning(
                Phrase(
                    "These classes of the map have no reference data, so their accuracy is unknown: {listed}.",
                    listed=self._listed(missing),
                )
            )

    def _listed(self, labels: Sequence[Label]) -> str:
        told = ", ".join(self.name(label) for label in labels[:_LISTED])
        return (
            Phrase("{told} and {labels_count} more", told=told, labels_count=len(labels) - _LISTED)
            if len(labels) > _LISTED
            else told or Phrase("none")
        )

    def _known(self) -> str:
        return ", ".join(list(dict.fromkeys([*self._own.values(), *self._given.values()]))) or Phrase("none")


def _read(given: str) -> dict[str, str]:
    if not given.strip():
        return {}
    try:
        return {label: str(name.value) for label, name in parse(given).fields() if name.value}
    except ValueError as error:
        raise ParameterError(
            '{class_names} is {given}, but must be JSON with the name of each class: {{"1": "water"}} ({error}).',
            class_names=errors.field("class_names"),
            given=given[:200],
            error=error,
        ) from error


def _whole(text: str) -> int | None:
    try:
        number = float(text)
        return int(text) if text.strip().lstrip("+-").isdigit() else int(number) if number.is_integer() else None
    except (ValueError, OverflowError):
        return None
