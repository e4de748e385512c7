"""The maps of several scenes: QGIS loads those of the further ones as that of the first."""

from __future__ import annotations

import json
from typing import Any

from qgis.core import QgsProcessingContext

from ..core.parameters.kinds import parameter_name


def load_scene_maps(results: dict[str, Any], context: QgsProcessingContext) -> list[tuple[str, str]]:
    """Have QGIS load the maps of further scenes where it loads those of the first; return output and path of each.

    Args:
        results: of the algorithm; MAPS has name and outputs of each scene, the first one first.
        context: of the run.
    """
    loaded = []
    for scene in json.loads(results.get("MAPS") or "[]")[1:]:
        for key, path in scene.items():
            output = parameter_name(key)
            first = results.get(output)
            if not isinstance(first, str) or not context.willLoadLayerOnCompletion(first):
                continue
            details = context.layerToLoadOnCompletionDetails(first)
            name = f"{details.name or output} ({scene['scene']})"
            own = QgsProcessingContext.LayerDetails(name, details.project, output)
            context.addLayerToLoadOnCompletion(path, own)
            loaded.append((output, path))
    return loaded
