"""otbtf:detectobjects through qgis_process, and in a graphical model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import application
import pytest
from osgeo import gdal, osr

tensorflow = pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an image of 64 x 64 pixels, and a model that finds one object in it."""

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

    folder, model = tmp_path_factory.mktemp("scene"), Detector()
    tensorflow.saved_model.save(model, str(folder / "model"), signatures={"serving_default": model.__call__})
    made = gdal.GetDriverByName("GTiff").Create(str(folder / "image.tif"), 64, 64, 1)
    made.SetGeoTransform((500_000.0, 10, 0, 4_800_000.0, 0, -10))
    system = osr.SpatialReference()
    system.ImportFromEPSG(32631)
    made.SetProjection(system.ExportToWkt())
    made.GetRasterBand(1).Fill(204)
    made = None
    return folder


def test_objects_become_a_layer(qgis: Any, scene: Path, tmp_path: Path) -> None:
    values = {"IL": [scene / "image.tif"], "MODEL_DIR": scene / "model", "TILESIZE": 64}
    outs = {"OUT": tmp_path / "objects.gpkg", "OUT_REPORT": tmp_path / "report.html"}
    found = qgis.run("otbtf:detectobjects", {**values, **outs})
    assert (int(found["OBJECTS"]), int(found["CLASSES"])) == (1, 1)
    assert json.loads(found["LEGEND"]) == [{"value": 2}]
    objects = gdal.OpenEx(found["OUT"], gdal.OF_VECTOR)
    (feature,) = objects.GetLayer(0)
    assert feature.GetGeometryRef().GetEnvelope() == (500_320.0, 500_480.0, 4_799_680.0, 4_799_840.0)
    assert feature["score"] == pytest.approx(0.8)
    assert Path(found["OUT_REPORT"]).is_file()


MODEL = """
from qgis.core import QgsProcessingContext, QgsProcessingFeedback, QgsProcessingModelAlgorithm
sys.path.insert(0, given["support"])
from modelsteps import step

class Feedback(QgsProcessingFeedback):
    def setProgress(self, done):
        super().setProgress(done)
        told.append(done)

told = []
model = QgsProcessingModelAlgorithm("objects", "tests")
step(model, "detectobjects", **given["detect"])
step(model, "assessdetections", "OUT_ERRORS", IN=("detectobjects", "OUT"), **given["assess"])
assert model.validate() == (True, []) and model.toFile(given["file"])
loaded = QgsProcessingModelAlgorithm()
assert loaded.fromFile(given["file"])
results, worked = loaded.run({"assessdetections:assessdetections": given["out"]}, QgsProcessingContext(), Feedback())
assert worked, results
parts = [processing.run("otbtf:detectobjects", {**given["detect"], "OUT": given["parts"], "PART": f"{n}/2"}) for n in (1, 0)]
print("RESULTS", json.dumps([results["CHILD_RESULTS"], *parts]))
"""


def test_a_graphical_model_and_runs_that_share_the_parts(qgis: Any, scene: Path, tmp_path: Path) -> None:
    """Of four tiles; the reference has the object of the first one, and one that is not found."""
    images, model = [str(scene / "image.tif")], str(scene / "model")
    detect = {"IL": images, "MODEL_DIR": model, "TILESIZE": 48, "OVERLAP": 16}
    reference, places = tmp_path / "reference.geojson", [(500_240, 4_799_880), (500_000, 4_799_400)]
    squares = [[[x, y], [x + 120, y], [x + 120, y - 120], [x, y - 120], [x, y]] for x, y in places]
    shapes = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [s]}} for s in squares
    ]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32631"}}
    reference.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": shapes}))
    given = {
        "support": str(Path(application.__file__).parent),
        "detect": detect,
        "assess": {"REF": str(reference)},
        "file": str(tmp_path / "objects.model3"),
        "out": str(tmp_path / "errors.gpkg"),
        "parts": str(tmp_path / "objects.gpkg"),
    }
    printed = application.run(qgis.environment, MODEL, given)
    steps, first, last = json.loads(printed[printed.index("RESULTS") + len("RESULTS") :].strip().splitlines()[0])
    detected, assessed = steps["detectobjects"], steps["assessdetections"]
    assert (assessed["HITS"], assessed["MISSES"]) == (1, 1)
    assert assessed["FALSEALARMS"] == detected["OBJECTS"] - 1
    assert (tmp_path / "errors.gpkg").is_file()
    assert "OUT" not in first and "OBJECTS" not in first and first["PARTS_MISSING"] > 0
    assert (last["OUT"], last["PARTS_MISSING"]) == (given["parts"], 0)
    assert (last["OBJECTS"], last["LEGEND"]) == (detected["OBJECTS"], detected["LEGEND"])
