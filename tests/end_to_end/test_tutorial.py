"""OTBTF's tutorial through qgis_process: labels, samples, patches, a CNN and a random forest, maps, and how good they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def tutorial(qgis: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The numbers of each step."""
    folder = tmp_path_factory.mktemp("tutorial")
    qgis.run("otbtf:createexampledata", {"OUTDIR": folder, "SIZE": 640})
    image = folder / "xs_10m.tif"
    for side in "AB":
        points = folder / f"points_{side}.gpkg"
        truth = folder / f"terrain_truth_{side}.tif"
        qgis.run(
            "otbtf:labelimagesampleselection",
            {"INREF": truth, "STRATEGY_CONSTANT_NB": 400, "PAD": 8, "SEED": 1, "OUTVEC": points},
        )
        patches = {"SOURCE1_PATCHSIZEX": 16, "SOURCE1_PATCHSIZEY": 16, "SOURCE1_OUT": folder / f"patches_{side}.tif"}
        labels = {"VEC": points, "FIELD": "class", "OUTLABELS": folder / f"labels_{side}.tif"}
        qgis.run("otbtf:patchesextraction", {"SOURCE1_IL": image, **patches, **labels})
        pixels = {"IN": image, "VEC": points, "FIELD": "class", "OUT": folder / f"pixels_{side}.gpkg"}
        qgis.run("otbtf:sampleextraction", pixels)
    found = {"folder": folder}
    found["cnn"] = qgis.run(
        "otbtf:tensorflowmodeltrain",
        {
            "MODEL_DIR": "cnn16",
            "TRAINING_SOURCE1_IL": folder / "patches_A.tif",
            "TRAINING_SOURCE2_IL": folder / "labels_A.tif",
            "VALIDATION_MODE": "class",
            "VALIDATION_SOURCE1_IL": folder / "patches_B.tif",
            "VALIDATION_SOURCE2_IL": folder / "labels_B.tif",
            "VALIDATION_STEP": 100,
            "TRAINING_BATCHSIZE": 50,
            "TRAINING_EPOCHS": 15,
            "SEED": 1,
            "MODEL_SAVETO": folder / "cnn",
            "OUT_REPORT": folder / "report.html",
        },
    )
    qgis.run(
        "otbtf:tensorflowmodelserve", {"SOURCE1_IL": image, "MODEL_DIR": folder / "cnn", "OUT": folder / "map.tif"}
    )
    found["map"] = qgis.run(
        "otbtf:computeconfusionmatrix",
        {
            "IN": folder / "map.tif",
            "REF": "vector",
            "REF_VECTOR_IN": folder / "points_B.gpkg",
            "REF_VECTOR_FIELD": "class",
            "OUT": folder / "matrix.csv",
        },
    )
    found["forest"] = qgis.run(
        "otbtf:trainvectorclassifier",
        {
            "IO_VD": folder / "pixels_A.gpkg",
            "VALID_VD": folder / "pixels_B.gpkg",
            "FEAT": ["value_0", "value_1", "value_2", "value_3"],
            "CFIELD": "class",
            "CLASSIFIER": "rf",
            "RAND": 1,
            "IO_OUT": folder / "forest.skops",
        },
    )
    return found


def test_the_cnn_is_better_than_a_random_forest_on_pixels(tutorial: dict[str, Any]) -> None:
    """By 0.2 in kappa at least: OTBTF's tutorial found 0.7 against 0.5."""
    assert tutorial["cnn"]["KAPPA"] > 0.7
    assert tutorial["cnn"]["KAPPA"] >= tutorial["forest"]["KAPPA"] + 0.2


def test_the_map_is_as_good_as_validation_said(tutorial: dict[str, Any]) -> None:
    assert abs(tutorial["map"]["KAPPA"] - tutorial["cnn"]["KAPPA"]) <= 0.1


def test_the_report_tells_it(tutorial: dict[str, Any]) -> None:
    page = (Path(tutorial["folder"]) / "report.html").read_text(encoding="utf-8")
    assert "Scores on validation data" in page and "Golf course" in page and "data:image/png;base64," in page
