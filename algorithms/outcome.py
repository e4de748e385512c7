"""One line of the log that says what a run has made, and where it is kept."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from qgis.core import QgsProcessingUtils

from ..core.parameters.kinds import Key
from .translate import tr


def outcome(keys: Iterable[Key], results: Mapping[str, Any]) -> str:
    """Return what was made, by the labels of the outputs, with its paths; empty where nothing was.

    Args:
        keys: the operation's.
        results: the algorithm's, by names of parameters.
    """
    made = [(key, results.get(key.parameter)) for key in keys if key.kind.is_output]
    parts = [tr("{} in {}").format(tr(key.label), _told(str(path))) for key, path in made if path]
    return tr("Written: {}").format("; ".join(parts)) if parts else ""


def _told(path: str) -> str:
    folder = os.path.normpath(QgsProcessingUtils.tempFolder())
    if os.path.normpath(path).startswith(folder + os.sep):
        return tr("{} (temporary: removed when QGIS closes)").format(path)
    return path
