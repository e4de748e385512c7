"""Translation of the texts that QGIS shows."""

from __future__ import annotations

from qgis.PyQt.QtCore import QCoreApplication


def tr(text: str) -> str:
    """Return `text` in the user's language."""
    return QCoreApplication.translate("otbtf", text)
