"""TrainClassifierFromDeepFeatures over several scenes."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import classifier_scene as scene
import numpy as np
import pytest
import serving
from osgeo import gdal

from otbtf_qgis.core.accuracy.scores import class_scores
from otbtf_qgis.core.errors import OtbtfError

ALL = {"sample__bm": 0, "sample__mt": -1, "sample__mv": -1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images by one rule, one with other bands, and a network that makes features of them."""
    folder = tmp_path_factory.mktemp("scenes")
    serving.write(folder / "first.tif", scene.pixels(1))
    serving.write(folder / "second.tif", scene.pixels(2))
    serving.write(folder / "other.tif", scene.pixels(bands=4))
    serving.convolutions(folder / "net", 3, outputs=3)
    scene.layer(folder / "labels.gpkg")
    scene.layer(folder / "half.gpkg", [*scene.QUARTERS[:3], (scene.box(34, 28, 36, 30), 20)])
    return folder


def train(folder: Path, out: Path, row: dict[str, str], **more: Any) -> dict[str, Any]:
    with open(folder / "scenes.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)
    image, model, labels = (str(folder / name) for name in ("first.tif", "net", "labels.gpkg"))
    found: dict[str, Any] = scene.train_deep(out, image, model, labels, scenes=str(folder / "scenes.csv"), **more)
    return found


def test_scores_are_those_of_the_scene_held_back(folder: Path, tmp_path: Path) -> None:
    """They follow from the map of that scene under its polygons."""
    report, log = tmp_path / "report.html", serving.Log()
    row = {"source1_il": "second.tif", "held_back": "yes"}
    results = train(folder, tmp_path, row, progress=log, out__report=str(report), **ALL)
    assert any("second, which is held back, shows ground of first" in line for line in log.warnings)
    assert (results["training.samples"], results["validation.samples"]) == (4 * 216, 4 * 216)
    values = {"source1__il": [str(folder / "second.tif")], "deepmodel__dir": str(folder / "net"), "nodatalabel": 255}
    out = str(tmp_path / "map.tif")
    scene.run("ImageClassifierFromDeepFeatures", serving.Log(), model=results["out"], out=out, **values)
    found = gdal.Open(out).ReadAsArray()
    known = np.zeros((scene.HEIGHT, scene.WIDTH), int)
    for rows, columns, label in ((8, 8, 3), (8, 34, 4), (28, 8, 9), (28, 34, 20)):
        known[rows : rows + 12, columns : columns + 18] = label
    crop = (known.shape[0] - found.shape[0]) // 2  # what the network crops
    known = known[crop : known.shape[0] - crop, crop : known.shape[1] - crop]
    scores = class_scores(known[known > 0], found[known > 0])
    assert results["overall_accuracy"] == pytest.approx(scores.overall_accuracy)
    assert results["kappa"] == pytest.approx(scores.kappa)
    assert "the scenes held back (second)" in report.read_text(encoding="utf-8")


def test_each_scene_gives_the_same_number_as_far_as_it_has_them(folder: Path, tmp_path: Path) -> None:
    row = {"source1_il": "second.tif", "vd": "half.gpkg"}
    results = train(folder, tmp_path, row, sample__bm=0, sample__mt=100, sample__mv=0, sample__vtr=0)
    assert results["training.samples"] == 4 * 100
    results = train(folder, tmp_path, row, sample__bm=0, sample__mt=-1, sample__mv=0, sample__vtr=0)
    assert results["training.samples"] == 4 * 216 + 3 * 216 + 4


@pytest.mark.parametrize(
    ("row", "more", "told"),
    [
        ({"source1_il": "other.tif"}, {}, "other"),
        ({"source1_il": "second.tif", "out": "x.skops"}, {}, "column out is nothing that a scene"),
        (
            {"source1_il": "second.tif", "held_back": "yes"},
            {"valid": "labels.gpkg"},
            "VALID is given, but the scenes second",
        ),
        ({"vd": "half.gpkg"}, {}, "SOURCE1_IL is missing"),
    ],
)
def test_bad_input(folder: Path, row: dict[str, str], more: dict[str, str], told: str, tmp_path: Path) -> None:
    given = {name: str(folder / path) for name, path in more.items()}
    with pytest.raises(OtbtfError, match=told):
        train(folder, tmp_path, row, **given)
    assert not list(tmp_path.iterdir())
