"""Stands for the bindings of a QGIS built with Qt 6: `qgis.PyQt` is PyQt6, `qgis.core` a stub; see core.py."""
