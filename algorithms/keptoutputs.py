"""Where outputs that later runs need, as trained models, are kept: outside temporary folders, each in a place of its own."""

from __future__ import annotations

import os
from pathlib import Path

from qgis.core import QgsProject
from qgis.PyQt.QtCore import QStandardPaths

_suggested: set[str] = set()
"""Places that dialogs of this session were given, none of which existed then."""


def suggested_place(name: str) -> str | None:
    """Return a path that does not exist yet, for dialogs: in the folder of the project, else in the user's documents.

    Args:
        name: of the file or folder; a number is added where it is taken.

    Returns:
        None where neither folder can be written to.
    """
    folder = _folder()
    if not folder:
        return None
    path = free(os.path.join(folder, name))
    _suggested.add(path)
    return path


def unused(path: str) -> str:
    """Return where to write what is to be kept at `path`: a dialog that runs twice does not replace its first output."""
    return free(path) if path in _suggested else path


def free(path: str) -> str:
    """Return `path`, or the first of `NAME_2`, `NAME_3` and so on, that does not exist."""
    stem, extension = os.path.splitext(path)
    number, found = 2, path
    while os.path.lexists(found):
        found, number = f"{stem}_{number}{extension}", number + 1
    return found


def _folder() -> str:
    documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
    for folder in (QgsProject.instance().absolutePath(), documents, str(Path.home())):
        if folder and os.path.isdir(folder) and os.access(folder, os.W_OK):
            return folder
    return ""
