"""The plugin's own entries in QGIS's windows."""
