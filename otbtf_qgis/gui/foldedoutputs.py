"""Outputs under Advanced: their fields ask for a file to write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qgis.gui import QgsFileWidget


def let_write(panel: Any, names: Iterable[str]) -> None:
    """Have the fields of outputs choose files that do not exist yet; QGIS takes them for those of inputs.

    Args:
        panel: QGIS's widget with the parameters of the dialog, as `mainWidget()` returns it.
        names: of the outputs' parameters.
    """
    for name in names:
        field = panel.wrappers[name].wrappedWidget() if name in panel.wrappers else None
        if isinstance(field, QgsFileWidget) and field.storageMode() == QgsFileWidget.StorageMode.GetFile:
            field.setStorageMode(QgsFileWidget.StorageMode.SaveFile)
