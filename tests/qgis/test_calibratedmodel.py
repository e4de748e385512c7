"""A graphical model that finds a learning rate, trains with it, calibrates, and maps: saved to a file and run from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelsteps import step
from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
)


def test_a_rate_a_calibrated_training_and_scenes(
    engine: Any, make_raster: Callable[[str], str], tmp_path: Path
) -> None:
    image, values = make_raster("image.tif"), make_raster("values.tif")
    scenes = tmp_path / "scenes.csv"
    scenes.write_text(f"name,in\neast,{image}\n")
    samples = {"TRAINING_SOURCE1_IL": [image], "TRAINING_TARGET_IL": [values], "MODEL_DIR": "template:cnn16"}
    engine.answer = lambda given, progress: {"learning_rate": 0.0125} if "batches" in given else {}
    model = QgsProcessingModelAlgorithm("calibrated", "tests")
    step(model, "findlearningrate", BATCHES=20, **samples)
    rate = {"LEARNING_RATE": ("findlearningrate", "LEARNING_RATE"), "VALIDATION_SHARE": 0.25}
    step(model, "trainmodel", "MODEL_SAVETO", CALIBRATE=True, **rate, **samples)
    step(model, "searchsettings", "OUT", CALIBRATE=True, VALIDATION_SHARE=0.25, **samples)
    mapped = {"IN": [image], "LABELS_RASTER": values, "SCENES": str(scenes), "CALIBRATE": True}
    step(model, "landcovermap", "OUT", AUGMENT_SERVE="flips", **mapped)
    sure = str(tmp_path / "sure.tif")
    whole = {"MODEL_DIR": "net", "MODEL_MORE": ["other"], "MODEL_CONTEXT": 32, "MASK": values, "OUT_CONFIDENCE": sure}
    step(model, "tensorflowmodelserve", "OUT", SOURCE1_IL=[image], **whole)
    assert model.validate() == (True, [])
    file = str(tmp_path / "calibrated.model3")
    assert model.toFile(file)

    loaded = QgsProcessingModelAlgorithm()
    assert loaded.fromFile(file)
    outs = {
        "trainmodel": "model",
        "searchsettings": "trials.json",
        "landcovermap": "map.tif",
        "tensorflowmodelserve": "served.tif",
    }
    given = {f"{name}:{name}": str(tmp_path / path) for name, path in outs.items()}
    feedback = QgsProcessingFeedback()
    _, worked = loaded.run(given, QgsProcessingContext(), feedback)
    assert worked, feedback.textLog()
    asked = {name.lower(): values for name, values in engine.requests}
    assert asked["trainmodel"]["learning_rate"] == 0.0125
    assert all(asked[name]["calibrate"] is True for name in ("trainmodel", "searchsettings", "landcovermap"))
    served = asked["tensorflowmodelserve"]
    assert (served["model.more"], served["model.context"], served["out.confidence"]) == (["other"], 32, sure)
    assert served["mask"] == values
    assert (asked["landcovermap"]["scenes"], asked["landcovermap"]["augment.serve"]) == (str(scenes), "flips")
