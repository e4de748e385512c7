"""What our modules take of qgis.gui."""

from PyQt6.QtWidgets import QGroupBox, QWidget


class QgsCollapsibleGroupBoxBasic(QGroupBox):
    """A box that collapses."""


class QgsFileWidget(QWidget):
    """A field of a file."""
