"""Masks of objects in files, one after the other, from which each is read by itself.

A mask takes 16 bytes and a bit for each pixel of the smallest upright rectangle around it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import ParameterError, VectorError, field
from .boxes import NO_MASK

_HEAD = np.dtype("<i4")
_NUMBERS = 4

_OPEN = 64
"""Files that are open at a time."""


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


def starts_of(paths: Sequence[Path]) -> list[int]:
    """Return where each of several files begins if they are one after the other.

    It is to be added to the places that its `MaskFile` returned, but for `NO_MASK`.

    Raises:
        VectorError: one cannot be read.
    """
    try:
        sizes = [path.stat().st_size for path in paths]
    except OSError as error:
        raise _unreadable(Path(error.filename)) from error
    return [int(start) for start in np.cumsum([0, *sizes[:-1]])]


class MaskFiles:
    """Reads the masks in one or several files, as if these were one. Used as a context manager, which closes them."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Take files that are finished.

        Raises:
            VectorError: one cannot be read.
        """
        self._paths, self._starts = paths, starts_of(paths)
        self._files: dict[int, BinaryIO] = {}

    def __enter__(self) -> MaskFiles:
        return self

    def __exit__(self, *_: object) -> None:
        while self._files:
            self._files.popitem()[1].close()

    def read(self, place: int) -> Mask:
        """Return the mask at a place.

        Raises:
            VectorError: it cannot be read, or is damaged.
        """
        number = bisect_right(self._starts, place) - 1
        try:
            file = self._opened(number)
            file.seek(place - self._starts[number])
            head = file.read(_NUMBERS * _HEAD.itemsize)
            y, x, height, width = np.frombuffer(head, _HEAD).tolist()
            bits = np.frombuffer(file.read(-(-height * width // 8)), "uint8")
            if min(height, width) < 1 or 8 * len(bits) < height * width:
                raise _unreadable(self._paths[number])
            pixels = np.unpackbits(bits, count=height * width).astype(bool).reshape(height, width)
        except (OSError, ValueError) as error:
            raise _unreadable(self._paths[number]) from error
        return Mask(y, x, pixels)

    def _opened(self, number: int) -> BinaryIO:
        """Return a file, of which some are open at a time: a process may have no more than some hundreds."""
        if number not in self._files:
            if len(self._files) >= _OPEN:
                self._files.pop(next(iter(self._files))).close()
            self._files[number] = self._paths[number].open("rb")
        return self._files[number]


def _unreadable(path: Path) -> VectorError:
    return VectorError(
        "The masks of objects in {path} cannot be read or are damaged: run again, in parts with {resume}.",
        path=path,
        resume=field("resume"),
    )
