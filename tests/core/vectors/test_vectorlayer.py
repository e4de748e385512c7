"""Features of a layer, read by chunks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled
from otbtf_qgis.core.vectors.vectorlayer import VectorLayer


class Asked(Progress):
    """Cancels when it is asked for the second time."""

    times = 0

    def cancelled(self) -> bool:
        self.times += 1
        return self.times > 1


def layer(folder: Path, values: list[int | None]) -> VectorLayer:
    features = [{"type": "Feature", "geometry": None, "properties": {"value": value}} for value in values]
    path = folder / "layer.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return VectorLayer(str(path))


@pytest.mark.parametrize("count", [0, 3, 4, 5])
def test_every_feature_is_taken_once(tmp_path: Path, count: int) -> None:
    values = [None, 11, 12, 13, 14][:count]
    found = layer(tmp_path, values) if count else layer(tmp_path, [1])
    if not count:
        found.layer.SetAttributeFilter("value = 2")
    get = found.getter(found.fields[0])
    assert [*found.taken(get, Progress(), 2)] == [values[start : start + 2] for start in range(0, count, 2)]
    assert [*found.taken(get, Progress())] == ([values] if count else [])  # from the first one again


def test_taking_features_can_be_cancelled(tmp_path: Path) -> None:
    found = layer(tmp_path, [1, 2, 3])
    parts = found.taken(found.getter(found.fields[0]), Asked(), 2)
    assert next(parts) == [1, 2]
    with pytest.raises(Cancelled):
        next(parts)
