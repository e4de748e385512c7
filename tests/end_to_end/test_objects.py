"""otbtf:detectobjects through qgis_process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from osgeo import gdal, osr

tensorflow = pytest.importorskip("tensorflow")


def test_objects_become_a_layer(qgis: Any, tmp_path: Path) -> None:
    class Detector(tensorflow.Module):
        @tensorflow.function(input_signature=[tensorflow.TensorSpec([1, None, None, 1], tensorflow.uint8, "image")])
        def __call__(self, image: Any) -> dict[str, Any]:
            score = tensorflow.cast(tensorflow.reduce_max(image), tensorflow.float32) / 255
            return {
                "detection_boxes": tensorflow.constant([[[0.25, 0.5, 0.5, 0.75]]]),
                "detection_scores": score[None, None],
                "detection_classes": tensorflow.constant([[2.0]]),
                "num_detections": tensorflow.constant([1.0]),
            }

    model = Detector()
    tensorflow.saved_model.save(model, str(tmp_path / "model"), signatures={"serving_default": model.__call__})
    made = gdal.GetDriverByName("GTiff").Create(str(tmp_path / "image.tif"), 64, 64, 1)
    made.SetGeoTransform((500_000.0, 10, 0, 4_800_000.0, 0, -10))
    system = osr.SpatialReference()
    system.ImportFromEPSG(32631)
    made.SetProjection(system.ExportToWkt())
    made.GetRasterBand(1).Fill(204)
    made = None
    values = {"IL": [tmp_path / "image.tif"], "MODEL_DIR": tmp_path / "model", "TILESIZE": 64}
    outs = {"OUT": tmp_path / "objects.gpkg", "OUT_REPORT": tmp_path / "report.html"}
    found = qgis.run("otbtf:detectobjects", {**values, **outs})
    assert (int(found["OBJECTS"]), int(found["CLASSES"])) == (1, 1)
    assert json.loads(found["LEGEND"]) == [{"value": 2}]
    objects = gdal.OpenEx(found["OUT"], gdal.OF_VECTOR)
    (feature,) = objects.GetLayer(0)
    assert feature.GetGeometryRef().GetEnvelope() == (500_320.0, 500_480.0, 4_799_680.0, 4_799_840.0)
    assert feature["score"] == pytest.approx(0.8)
    assert Path(found["OUT_REPORT"]).is_file()
