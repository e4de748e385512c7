"""PyQt6 under the names that QGIS gives it."""
