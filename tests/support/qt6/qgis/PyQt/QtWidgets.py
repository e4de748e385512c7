from PyQt6.QtGui import QAction, QActionGroup, QShortcut  # noqa: F401 (moved by Qt 6; QGIS lists them here too)
from PyQt6.QtWidgets import *  # noqa: F403
