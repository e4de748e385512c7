"""What our modules take of qgis.gui."""

from PyQt6.QtWidgets import QGroupBox


class QgsCollapsibleGroupBoxBasic(QGroupBox):
    """A box that collapses."""
