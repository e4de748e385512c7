"""A run that computes some parts of a map or of a layer, which another run completes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsProcessingContext, QgsProcessingFeedback, QgsProcessingOutputLayerDefinition, QgsProject

from otbtf_qgis.provider import OtbtfProvider

OBJECTS = "detectobjects", "IL", "objects.gpkg"


@pytest.mark.parametrize("missing", [0, 3])
@pytest.mark.parametrize(("name", "images", "file"), [("tensorflowmodelserve", "SOURCE1_IL", "map.vrt"), OBJECTS])
def test_only_a_whole_output_is_loaded(
    engine: Any,
    provider: OtbtfProvider,
    context: QgsProcessingContext,
    make_raster: Callable[[str], str],
    tmp_path: Path,
    name: str,
    images: str,
    file: str,
    missing: int,
) -> None:
    out = str(tmp_path / file)
    engine.answer = lambda values, progress: {
        "out": None if missing else out,
        "parts.done": 1,
        "parts.missing": missing,
    }
    values = {images: [make_raster("a.tif")], "MODEL_DIR": str(tmp_path), "PART": "0/4"}
    values["OUT"] = QgsProcessingOutputLayerDefinition(out, QgsProject.instance())
    algorithm = provider.algorithm(name).create()
    results, ok = algorithm.run(values, context, QgsProcessingFeedback())
    assert ok and (results["PARTS_DONE"], results["PARTS_MISSING"]) == (1, missing)
    assert ("OUT" in results) is not bool(missing)
    assert list(context.layersToLoadOnCompletion()) == ([] if missing else [out])
    assert [values["part"] for _, values in engine.requests] == ["0/4"]
