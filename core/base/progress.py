"""Progress and cancellation of an operation."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import Cancelled


class Progress:
    """Receives what an operation reports. This one is silent and never cancels.

    Subclasses show it: in QGIS's dialog, as events on the engine's pipe, or on a terminal.
    Methods may be called from any thread.

    Attributes:
        keeps_mentions: whether lines reach it with mentions of parameters (`core.errors.field`), which it puts into words
            itself; otherwise they have keys.
    """

    keeps_mentions = False

    def fraction(self, done: float) -> None:
        """Take the share of the work that is done, from 0 to 1."""

    def info(self, message: str) -> None:
        """Take a line for the log."""

    def warning(self, message: str) -> None:
        """Take a line for the log that the user should see."""

    def temporary(self, path: str) -> None:
        """Take the path of a file or folder to remove if this process dies before it ends."""

    def cancelled(self) -> bool:
        """Return True once the user has asked to stop."""
        return False

    def check(self) -> None:
        """Raise Cancelled once the user has asked to stop; call it between blocks."""
        if self.cancelled():
            raise Cancelled


class Passed(Progress):
    """Passes everything on to another progress; derived classes change some of it."""

    def __init__(self, to: Progress) -> None:
        """Pass on to the progress `to`."""
        self._to = to
        self.keeps_mentions = to.keeps_mentions

    def fraction(self, done: float) -> None:
        """Pass on the share of the work that is done."""
        self._to.fraction(done)

    def info(self, message: str) -> None:
        """Pass a line on."""
        self._to.info(message)

    def warning(self, message: str) -> None:
        """Pass a line on."""
        self._to.warning(message)

    def temporary(self, path: str) -> None:
        """Pass a path on."""
        self._to.temporary(path)

    def cancelled(self) -> bool:
        """Return True once the user has asked to stop."""
        return self._to.cancelled()


class Reworded(Passed):
    """Passes everything on, lines in other words."""

    def __init__(self, to: Progress, words: Callable[[str], str]) -> None:
        """Pass on to the progress `to`; `words` makes the line that it gets."""
        super().__init__(to)
        self._words = words

    def info(self, message: str) -> None:
        """Pass a line on."""
        super().info(self._words(message))

    def warning(self, message: str) -> None:
        """Pass a line on."""
        super().warning(self._words(message))


class Quiet(Passed):
    """Passes everything on but lines of information, as for a step whose details help nobody; warnings stay."""

    def info(self, message: str) -> None:
        """Drop a line."""


class Part(Passed):
    """The progress of one step of several, passed on as its part of the whole."""

    def __init__(self, whole: Progress, start: float, end: float) -> None:
        """Take the part of the work from the share `start` to the share `end`, each from 0 to 1."""
        super().__init__(whole)
        self._start, self._end = start, end

    def fraction(self, done: float) -> None:
        """Pass on how far the whole is."""
        super().fraction(self._start + (self._end - self._start) * done)
