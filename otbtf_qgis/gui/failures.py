"""Failures of what decorates QGIS's dialogs: the dialog goes on without, and the log says why."""

from __future__ import annotations

import traceback

from qgis.core import Qgis, QgsMessageLog

from ..algorithms.translate import tr


def report(error: Exception) -> None:
    """Log why a dialog shows less than it could."""
    lines = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    QgsMessageLog.logMessage(
        tr("The dialog opens without what OTBTF adds to it: {}").format(lines), "OTBTF", Qgis.MessageLevel.Warning
    )
