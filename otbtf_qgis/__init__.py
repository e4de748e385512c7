"""OTBTF for QGIS: deep learning on remote sensing images, with TensorFlow beside QGIS.

Importing this package needs neither QGIS nor TensorFlow.
"""

from __future__ import annotations

__version__ = "0.1.0"  # the same as in metadata.txt; a test compares them


def classFactory(iface):
    """Return the plugin; QGIS calls this when it loads it."""
    from .plugin import OtbtfPlugin

    return OtbtfPlugin(iface)
