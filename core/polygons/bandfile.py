"""Records on disk, by the band of rows that they touch."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from .ranges import expanded


class BandFile:
    """A file of records of one type, from which those of one band of rows are read at once.

    Used as a context manager.
    """

    def __init__(self, path: Path, kind: np.dtype) -> None:
        """Create it.

        Args:
            path: the file.
            kind: type of the records.
        """
        self._kind = kind
        self._file = path.open("w+b")
        self._places: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        """For each band, where its records begin, and how many there are."""

    def __enter__(self) -> BandFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def bands(self) -> list[int]:
        """The bands that have records."""
        return sorted(self._places)

    def add(self, records: np.ndarray, firsts: np.ndarray, lasts: np.ndarray) -> None:
        """Add records.

        Args:
            records: of shape (n,).
            firsts: the first band that each touches.
            lasts: the last one.
        """
        which, band = expanded(firsts, lasts - firsts + 1)
        order = np.argsort(band, kind="stable")
        begins = np.flatnonzero(np.diff(band[order], prepend=-1))
        start = self._file.seek(0, 2)
        for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(order)]):
            part = order[begin:end]
            self._places[int(band[part[0]])].append((start + begin * self._kind.itemsize, len(part)))
            records[which[part]].tofile(self._file)

    def read(self, band: int) -> np.ndarray:
        """Return the records of a band, of shape (n,)."""
        parts = []
        for place, count in self._places.get(band, []):
            self._file.seek(place)
            parts.append(np.fromfile(self._file, self._kind, count))
        return np.concatenate(parts) if parts else np.empty(0, self._kind)
