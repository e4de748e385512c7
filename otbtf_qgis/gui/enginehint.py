"""The message bar that offers to install the engine, where there is none that this version of the plugin can use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from qgis.core import Qgis, QgsSettings
from qgis.PyQt import sip
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QPushButton

from ..algorithms.translate import tr
from ..engine.interpreter import State
from .menu import NAME, open_dialog

HIDDEN = "otbtf/engine_hint_hidden"
"""The setting that keeps the bar away."""


class EngineHint:
    """Shows the bar once a session, when the application has started, until it is told not to.

    Args:
        iface: the application's interface.
        provider: the plugin's provider.
    """

    def __init__(self, iface: Any, provider: Any) -> None:
        self._iface, self._provider = iface, provider
        self._item: Any = None
        # The bar that is shown while QGIS starts is soon covered; a plugin that is enabled later comes after the start.
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.show)
        self._timer.start(0)

    def remove(self) -> None:
        """Take the bar away."""
        self._timer.stop()
        item, self._item = self._item, None
        if item is not None and not sip.isdeleted(item):
            self._iface.messageBar().popWidget(item)

    def show(self) -> None:
        """Show the bar, if it has something to say."""
        state, text = self._provider.engine_state()
        if state is State.READY or QgsSettings().value(HIDDEN, False, type=bool):
            return
        bar = self._iface.messageBar()
        item = bar.createMessage(NAME, self._text(state, text))
        item.setToolTip(self._place())
        if state is not State.MISNAMED and self._can_install():  # else installing would change nothing
            label = tr("Update engine…") if state is State.OUTDATED else tr("Install engine…")
            self._add_button(item, label, self._install)
        self._add_button(item, tr("Do not show again"), self._hide)
        self._item = bar.pushWidget(item, Qgis.MessageLevel.Info)

    def _text(self, state: State, text: str) -> str:
        """Return a line, which is all that a bar shows of a text."""
        if state is State.MISNAMED:
            return text
        if not self._can_install():
            return tr("Models need TensorFlow, and the profile cannot be written: set an interpreter in the options.")
        if state is State.OUTDATED:
            return tr("This version of the plugin needs more packages than the engine has.")
        if state is State.INCOMPLETE:
            return tr("The installation of the engine was interrupted.")
        return tr("Models need TensorFlow: 0.4 GB to download, 2 GB of disk, a few minutes.")

    def _add_button(self, item: Any, text: str, work: Any) -> None:
        button = QPushButton(text, item)
        button.clicked.connect(lambda: work())
        item.layout().addWidget(button)

    def _place(self) -> str:
        folder = self._provider.engine_folder()
        return tr("The engine, a separate Python, goes to {}. QGIS's own Python does not change.").format(folder)

    def _can_install(self) -> bool:
        """Return whether the engine's folder, or the nearest one above it that exists, can be written."""
        folder = Path(self._provider.engine_folder())
        there = next(path for path in (folder, *folder.parents) if path.exists())
        return os.access(there, os.W_OK)

    def _install(self) -> None:
        open_dialog("otbtf:installengine")  # returns when the dialog is closed
        if self._provider.engine_state()[0] is State.READY:
            self.remove()

    def _hide(self) -> None:
        QgsSettings().setValue(HIDDEN, True)
        self.remove()
