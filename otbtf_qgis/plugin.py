"""The plugin as QGIS loads it."""

from __future__ import annotations

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QCoreApplication

from .provider import OtbtfProvider


class OtbtfPlugin:
    """Adds the provider to Processing and, in the application, a menu.

    Args:
        iface: the application's interface; None in qgis_process.
    """

    def __init__(self, iface):
        self._iface = iface
        # Held here, since the registry's ownership does not keep the Python half of a provider alive.
        self.provider: OtbtfProvider | None = None
        self._menu = None

    def initProcessing(self):
        """Add the provider; qgis_process calls this and nothing else."""
        if self.provider is None:
            self.provider = OtbtfProvider()
            QgsApplication.processingRegistry().addProvider(self.provider)
            QCoreApplication.instance().aboutToQuit.connect(self.provider.stop_engine)

    def initGui(self):
        """Add the provider and the menu."""
        self.initProcessing()
        from .gui.menu import Menu

        self._menu = Menu(self._iface)

    def unload(self):
        """Remove what was added, and end the engine."""
        if self._menu is not None:
            self._menu.remove()
            self._menu = None
        if self.provider is not None:
            QCoreApplication.instance().aboutToQuit.disconnect(self.provider.stop_engine)
            QgsApplication.processingRegistry().removeProvider(self.provider)  # unloads and deletes it
            self.provider = None
