"""Telling which file pip downloads, how much of it there is, and at what rate it comes."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..base.progress import Progress
from ..phrases import Phrase

EVERY = 3.0
"""Seconds between two lines about a download; a shorter one gets none."""


class Downloads:
    """Follows pip's downloads, one after the other.

    Args:
        progress: gets the lines.
        clock: seconds from any start.
    """

    def __init__(self, progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress, self._clock = progress, clock
        self._name = ""
        self._started = self._told = clock()  # when the file was, and when a line last was
        self._bytes = self._bytes_told = self._before = 0  # of the file, when told, and of the files before it

    def begin(self, name: str) -> None:
        """A file begins, of the package `name`."""
        self._before += self._bytes
        self._name, self._bytes, self._bytes_told = name, 0, 0
        self._told = self._clock()

    def advance(self, done: int, size: int) -> None:
        """So many bytes of the file are there, of `size`."""
        self._bytes = done
        now = self._clock()
        if now - self._told < EVERY:
            return
        rate = (done - self._bytes_told) / (now - self._told)
        self._progress.info(
            Phrase(
                "Downloading {package}: {done:.1f} of {size:.1f} MB, {rate:.1f} MB/s",
                package=self._name,
                done=done / 1e6,
                size=size / 1e6,
                rate=rate / 1e6,
            )
        )
        self._told, self._bytes_told = now, done

    def end(self) -> None:
        """There are no more files."""
        total = self._before + self._bytes
        if total:
            self._progress.info(
                Phrase(
                    "Downloaded {size:.1f} MB in {seconds:.0f} s. Now the packages are installed.",
                    size=total / 1e6,
                    seconds=self._clock() - self._started,
                )
            )
