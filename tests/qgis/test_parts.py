"""A run that computes some parts of a map, which another run completes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsProcessingContext, QgsProcessingFeedback, QgsProcessingOutputLayerDefinition, QgsProject

from otbtf_qgis.provider import OtbtfProvider


@pytest.mark.parametrize("missing", [0, 3])
def test_only_a_whole_map_is_loaded(
    engine: Any,
    provider: OtbtfProvider,
    context: QgsProcessingContext,
    make_raster: Callable[[str], str],
    tmp_path: Path,
    missing: int,
) -> None:
    out = str(tmp_path / "map.vrt")
    engine.answer = lambda values, progress: {
        "out": None if missing else out,
        "parts.done": 1,
        "parts.missing": missing,
    }
    values = {"SOURCE1_IL": [make_raster("a.tif")], "MODEL_DIR": str(tmp_path), "PART": "0/4"}
    values["OUT"] = QgsProcessingOutputLayerDefinition(out, QgsProject.instance())
    algorithm = provider.algorithm("tensorflowmodelserve").create()
    results, ok = algorithm.run(values, context, QgsProcessingFeedback())
    assert ok and (results["PARTS_DONE"], results["PARTS_MISSING"]) == (1, missing)
    assert ("OUT" in results) is not bool(missing)
    assert list(context.layersToLoadOnCompletion()) == ([] if missing else [out])
    assert [values["part"] for _, values in engine.requests] == ["0/4"]
