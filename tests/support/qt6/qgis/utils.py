"""What our modules take of qgis.utils."""

iface = None
"""None outside the application."""
