"""Outputs that are no maps: their fields do not offer to open them after the run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qgis.PyQt.QtWidgets import QCheckBox


def hide_loading(panel: Any, names: Iterable[str]) -> None:
    """Take the box "Open output file after running algorithm" from the fields of outputs.

    Args:
        panel: QGIS's widget with the parameters of the dialog, as `mainWidget()` returns it.
        names: of the outputs' parameters.
    """
    for name in names:
        if name in panel.wrappers:
            for box in panel.wrappers[name].wrappedWidget().findChildren(QCheckBox):
                box.setChecked(False)
                box.hide()
