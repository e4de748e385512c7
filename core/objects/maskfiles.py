"""Masks of objects in files, one after the other, from which each is read by itself.

A mask takes 16 bytes and a bit for each pixel of the smallest upright rectangle around it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ParameterError, field
from .boxes import NO_MASK

_HEAD = np.dtype("<i4")
_NUMBERS = 4


@dataclass(frozen=True)
class Mask:
    """The pixels of an object.

    Attributes:
        y, x: row and column, in the image, of the first one.
        pixels: which pixels from there on belong to it, bool of shape (height, width); without any for an empty mask.
    """

    y: int
    x: int
    pixels: np.ndarray

    def trimmed(self) -> Mask:
        """Return it without rows and columns at its edges that have no pixel of it."""
        rows, columns = np.flatnonzero(self.pixels.any(axis=1)), np.flatnonzero(self.pixels.any(axis=0))
        if not len(rows):
            return Mask(self.y, self.x, self.pixels[:0, :0])
        pixels = self.pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return Mask(self.y + int(rows[0]), self.x + int(columns[0]), pixels)


class MaskFile:
    """A file to which masks are added, in one thread.

    Used as a context manager, which closes it, and raises ParameterError where the rest cannot be written.
    """

    def __init__(self, path: Path) -> None:
        """Create it.

        Raises:
            ParameterError: it cannot be written.
        """
        self.path, self._end = path, 0
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise self._unwritable(error) from error

    def __enter__(self) -> MaskFile:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise self._unwritable(error) from error

    def add(self, masks: Iterable[Mask]) -> np.ndarray:
        """Add masks, and return where each begins in the file, int64 of shape (n,); `NO_MASK` for an empty one.

        Raises:
            ParameterError: they cannot be written, for instance because the disk is full.
        """
        places = []
        try:
            for mask in masks:
                kept = mask.trimmed()
                if not kept.pixels.size:
                    places.append(NO_MASK)
                    continue
                record = (
                    np.array([kept.y, kept.x, *kept.pixels.shape], _HEAD).tobytes() + np.packbits(kept.pixels).tobytes()
                )
                self._file.write(record)
                places.append(self._end)
                self._end += len(record)
        except OSError as error:
            raise self._unwritable(error) from error
        return np.array(places, "int64")

    def _unwritable(self, error: OSError) -> ParameterError:
        return ParameterError(
            "Masks of objects cannot be written to {path}: {reason}. Free some space, or choose another place for {out}.",
            path=self.path.parent,
            reason=error.strerror,
            out=field("out"),
        )


class MaskFiles:
    """Reads the masks in one or several files, as if these were one. Used as a context manager, which closes them.

    Attributes:
        starts: where each file begins: to be added to the places that its `MaskFile` returned, but for `NO_MASK`.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Open files that are finished.

        Raises:
            OSError: one cannot be read.
        """
        sizes = [path.stat().st_size for path in paths]
        self.starts = tuple(int(start) for start in np.cumsum([0, *sizes[:-1]]))
        with ExitStack() as stack:
            self._files = [stack.enter_context(path.open("rb")) for path in paths]
            self._stack = stack.pop_all()

    def __enter__(self) -> MaskFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def read(self, place: int) -> Mask:
        """Return the mask at a place."""
        number = bisect_right(self.starts, place) - 1
        file = self._files[number]
        file.seek(place - self.starts[number])
        y, x, height, width = np.frombuffer(file.read(_NUMBERS * _HEAD.itemsize), _HEAD).tolist()
        bits = np.frombuffer(file.read(-(-height * width // 8)), "uint8")
        return Mask(y, x, np.unpackbits(bits, count=height * width).astype(bool).reshape(height, width))
