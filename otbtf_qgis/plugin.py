"""The plugin as QGIS loads it."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsApplication
from qgis.PyQt import sip

from .algorithms.translate import speak_as_qgis
from .gui.failures import report
from .provider import OtbtfProvider


class LateDialogs:
    """Makes dialogs for algorithms; loads the modules for that with the first one, not at the start of QGIS.

    Args:
        provider: whose algorithms they are.
        window: the application's window.
    """

    def __init__(self, provider: OtbtfProvider, window: Any) -> None:
        self._provider, self._window = provider, window
        self._dialogs: Any = None

    def make(self, algorithm: Any, parent: Any) -> Any:
        """Return a dialog as `Dialogs.make` does; None where it cannot be loaded."""
        try:
            if self._dialogs is None:
                from .gui.dialogs import Dialogs

                self._dialogs = Dialogs(self._provider, self._window)
        except Exception as error:  # noqa: BLE001 (QGIS's own dialog opens)
            report(error)
            return None
        return self._dialogs.make(algorithm, parent)


class OtbtfPlugin:
    """Adds the provider to Processing and, in the application, a menu.

    Args:
        iface: the application's interface; None in qgis_process.
    """

    def __init__(self, iface):
        self._iface = iface
        # Held here, since the registry's ownership does not keep the Python half of a provider alive.
        self.provider: OtbtfProvider | None = None
        self._parts: list[Any] = []  # of the application's windows

    def initProcessing(self):
        """Add the provider; qgis_process calls this and nothing else."""
        if self.provider is None:
            speak_as_qgis()
            provider = OtbtfProvider()
            if QgsApplication.processingRegistry().addProvider(provider):  # else it has deleted it
                self.provider = provider

    def initGui(self):
        """Add the provider, the menu, the toolbox's entry for models and the offer to install the engine."""
        self.initProcessing()
        if self.provider is None:
            return
        from .gui.enginehint import EngineHint
        from .gui.menu import Menu
        from .gui.modelaction import EditCopy

        self.provider.use_dialogs(LateDialogs(self.provider, self._iface.mainWindow()).make)
        self._parts = [
            Menu(self._iface, self.provider),
            EditCopy(self._iface.messageBar()),
            EngineHint(self._iface, self.provider),
        ]

    def unload(self):
        """Remove what was added, and end the engine.

        Never raises: QGIS takes itself down in an order that differs between its versions, and an exception then
        aborts it. Its registry, and with it the provider, may be gone already.
        """
        parts, self._parts = self._parts, []
        for part in parts:
            part.remove()
        provider, self.provider = self.provider, None
        if provider is None or sip.isdeleted(provider):
            return
        registry = QgsApplication.processingRegistry()
        if registry is not None:
            registry.removeProvider(provider)  # unloads and deletes it
        else:
            provider.unload()
