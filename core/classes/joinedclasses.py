"""Classes of files that were made by separate runs, which may number them differently: joined by their names."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..phrases import Phrase
from .legend import ClassEntry, Legend

Renumbering = Mapping[int, int]
"""Number of a class in a file to its number in all of them; empty where a file's numbers stay."""


def joined(legends: Sequence[Legend], used: Iterable[int] = ()) -> tuple[Legend, list[Renumbering]]:
    """Return the classes of all files together, and how each file's are renumbered.

    The first file's numbers stay. A class whose name was seen before gets the number that it had there; one that is new
    keeps its own where that is free, and else gets the next that is. Classes without a name go by their numbers. The case
    of letters counts only between names of a file that differ in it alone.

    Args:
        legends: of the files.
        used: numbers that are taken already, such as that of labels that do not count.
    """
    together: Legend = {}
    numbers: dict[str, int] = {}
    taken = {*used, *(value for legend in legends for value, entry in legend.items() if not entry.name)}
    renumberings: list[Renumbering] = []
    for legend in legends:
        renumbering = {}
        folded = Counter(entry.name.casefold() for entry in legend.values())
        for value, entry in sorted(legend.items()):
            keys = [entry.name, *([entry.name.casefold()] if folded[entry.name.casefold()] == 1 else [])]
            number = next((numbers[key] for key in keys if key in numbers), value) if entry.name else value
            other = together.get(number, ClassEntry()).name
            if entry.name and other and other.casefold() not in keys and other != entry.name:
                number = next(free for free in itertools.count(max(together) + 1) if free not in taken)
            if entry.name:
                numbers.update({key: numbers.get(key, number) for key in keys})
            known = together.get(number, ClassEntry())
            together[number] = ClassEntry(known.name or entry.name, known.color or entry.color)
            if number != value:
                renumbering[value] = number
        renumberings.append(renumbering)
    return together, renumberings


def renumbered(labels: np.ndarray, renumbering: Renumbering, dtype: np.dtype) -> np.ndarray:
    """Return labels of a file with the numbers of all files; an array of its own, of the type `dtype`."""
    found = labels.astype(dtype)
    for value, number in renumbering.items():
        found[labels == value] = number
    return found


def wide_enough(dtype: np.dtype, renumberings: Iterable[Renumbering]) -> np.dtype:
    """Return the type of labels once they are renumbered: their own, or int32 where that does not hold the numbers."""
    numbers = [number for renumbering in renumberings for number in renumbering.values()]
    if dtype.kind == "f" or all(np.iinfo(dtype).min <= number <= np.iinfo(dtype).max for number in numbers):
        return dtype
    return np.dtype("int32")


def told(legend: Legend, renumberings: Iterable[Renumbering]) -> str:
    """Return in words which classes have other numbers than in their file; empty if none has."""
    numbers = sorted({number for renumbering in renumberings for number in renumbering.values()})
    return Phrase(", ").join(
        Phrase("{number} is {number2}", number=legend[number].name or number, number2=number) for number in numbers
    )
