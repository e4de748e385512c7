"""How an operation tells how far it is, and learns that it shall stop."""

from __future__ import annotations

from .errors import Cancelled


class Progress:
    """Receives what an operation reports. This one is silent and never cancels.

    Subclasses show it: in QGIS's dialog, as events on the engine's pipe, or on a terminal.
    Methods may be called from any thread.
    """

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
