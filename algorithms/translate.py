"""Translation of the texts that QGIS shows: our own, and the phrases of core."""

from __future__ import annotations

from qgis.core import QgsApplication

from ..core.base.languages import language_of, speak, tr

__all__ = ["speak_as_qgis", "tr"]


def speak_as_qgis() -> None:
    """Speak the language that the user has chosen for QGIS, in this process and in the engine."""
    speak(language_of(str(QgsApplication.locale())))
