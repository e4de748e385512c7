"""Graphical models that carry the keys of time series and of quantities, saved to a file and run from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelsteps import Source, step
from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelParameter,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
)

DATES = "2015-07-11 2015-07-21"
FILLED = {
    "NODATA_FILL": "value",
    "NODATA_FILL_VALUE": 0.25,
    "NODATA_FILL_MASK": True,
    "DATES_ORDER": "band-major",
}
SERIES = {**FILLED, "DATES": Source.fromModelParameter("dates"), "STEP": Source.fromExpression("@step * 2")}
RULE = {"NODATA_RULE": Source.fromModelParameter("rule")}
PIXELS = {"NODATA_PIXELS": 0.75}


def test_every_key_of_series_and_quantities_comes_through_a_file(
    engine: Any, make_raster: Callable[[str], str], tmp_path: Path
) -> None:
    """As a value, from an input of the model, and from an expression."""
    model = QgsProcessingModelAlgorithm("series", "tests")
    for definition in (
        QgsProcessingParameterString("dates", "Dates"),
        QgsProcessingParameterString("rule", "Rule"),
        QgsProcessingParameterNumber("step", "Step"),
    ):
        model.addModelParameter(definition, QgsProcessingModelParameter(definition.name()))
    image, values = make_raster("image.tif"), make_raster("values.tif")
    quantity = {
        "TEMPLATE": "mlp",
        "VALUES_NODATA": 7,
        "SAMPLES": 40,
        "VALIDATION_SHARE": 0.5,
        "VALIDATION_BLOCKSIZE": 3,
        "BASELINE": True,
        "NODATA": -1,
    }
    keys = {**SERIES, **RULE}
    step(model, "createmodel", TEMPLATE="tempcnn", SOURCE1_IL=[image], OUT_KERAS=str(tmp_path / "net.keras"), **SERIES)
    step(model, "landcovermap", "OUT", IN=[image], LABELS_RASTER=values, TEMPLATE="ltae", **keys, **PIXELS)
    step(model, "regressionmap", "OUT", IN=[image], VALUES_RASTER=values, **quantity, **keys)
    served = {"SOURCE1_IL": Source.fromChildOutput("regressionmap", "OUT"), "MODEL_DIR": "net"}
    step(model, "tensorflowmodelserve", "OUT", **served, **RULE, **PIXELS)
    assert model.validate() == (True, [])
    file = str(tmp_path / "series.model3")
    assert model.toFile(file)

    loaded = QgsProcessingModelAlgorithm()
    assert loaded.fromFile(file)
    outs = {name: str(tmp_path / f"{name}.tif") for name in ("landcovermap", "regressionmap", "tensorflowmodelserve")}
    given = {"dates": DATES, "rule": "0.3", "step": 4, **{f"{name}:{name}": path for name, path in outs.items()}}
    feedback = QgsProcessingFeedback()
    _, worked = loaded.run(given, QgsProcessingContext(), feedback)
    assert worked, feedback.textLog()

    asked = {name.lower(): values for name, values in engine.requests}
    filled = {"nodata_fill": "value", "nodata_fill.value": 0.25, "nodata_fill.mask": True, "dates.order": "band-major"}
    series = {**filled, "dates": DATES, "step": 8}
    expected = {
        "createmodel": {**series, "template": "tempcnn"},
        "landcovermap": {**series, "template": "ltae", "nodata_rule": "0.3", "nodata_pixels": 0.75},
        "regressionmap": {
            **series,
            **{key.lower().replace("_", "."): value for key, value in quantity.items()},
            "nodata_rule": "0.3",
            "values.raster": values,
            "out": outs["regressionmap"],
        },
        "tensorflowmodelserve": {
            "nodata_rule": "0.3",
            "nodata_pixels": 0.75,
            "source1.il": [outs["regressionmap"]],
        },
    }
    found = {name: {key: asked[name].get(key) for key in keys} for name, keys in expected.items()}
    assert found == expected
