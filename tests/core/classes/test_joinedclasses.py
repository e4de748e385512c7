"""Files of separate runs, which number their classes differently, train together by the names of the classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from classifier_scene import run
from osgeo import gdal, ogr
from points import write_points
from polygon_scene import layer, point, raster
from training_scene import Log, train

from otbtf_qgis.core import registry
from otbtf_qgis.core.classes.joinedclasses import joined
from otbtf_qgis.core.classes.legend import ClassEntry
from otbtf_qgis.core.classifiers.classifierfiles import load
from otbtf_qgis.core.models.sidecar import read_sidecar

SIDE, SIZE = 4, 40
BRIGHT = {"forest": 0, "water": 1, "crop": 2}
"""The band in which a class is brightest."""


def names_of(legend: dict[int, Any]) -> dict[int, str]:
    return {value: entry.name for value, entry in legend.items()}


def legend(**names: str) -> dict[int, ClassEntry]:
    return {int(key.strip("_")): ClassEntry(name) for key, name in names.items()}


def test_a_name_is_one_class() -> None:
    together, changes = joined([legend(_0="forest", _1="water"), legend(_0="crop", _1="forest", _2="water")])
    assert names_of(together) == {0: "forest", 1: "water", 2: "crop"}
    assert changes == [{}, {0: 2, 1: 0, 2: 1}]
    together, changes = joined([legend(_3="a"), legend(_3="b", _4=""), legend(_9="b")], used=[5])
    assert names_of(together) == {3: "a", 4: "", 6: "b"}, "4 is a class without a name, 5 is taken"
    assert changes == [{}, {3: 6}, {9: 6}]
    assert joined([legend(_1="a"), legend(_1="a", _2="b")])[1] == [{}, {}]
    assert joined([legend(_1="Forest"), legend(_1="forest")])[1] == [{}, {}]
    assert joined([legend(_1="crop", _2="Crop"), legend(_1="Crop")])[1] == [{}, {1: 2}]
    together, changes = joined([legend(_1="crop"), legend(_0="Crop", _1="crop")])
    assert names_of(together) == {0: "Crop", 1: "crop"} and changes == [{}, {}]


def extract(folder: Path, name: str, classes: list[str], **more: str) -> dict[str, Any]:
    """Patches of a place where each class is bright in its band, with a text for each; the results of the run."""
    random = np.random.default_rng(len(name))
    places = [(6 * (at % 6) + 4, 6 * (at // 6) + 4) for at in range(36)]
    pixels = random.integers(0, 60, (3, SIZE, SIZE))
    features = []
    for at, (column, row) in enumerate(places):
        text = classes[at % len(classes)]
        pixels[BRIGHT[text], row - 3 : row + 3, column - 3 : column + 3] += 120
        features.append((text, point(column + 0.5, row + 0.5)))
    values = {
        "source1.il": [raster(folder / f"{name}.tif", pixels)],
        "source1.patchsizex": SIDE,
        "source1.patchsizey": SIDE,
        "source1.out": str(folder / f"{name}_patches.tif"),
        "outlabels": str(folder / f"{name}_labels.tif"),
        "vec": layer(folder / f"{name}.gpkg", features, ogr.OFTString),
        "field": "class",
        **more,
    }
    return registry.run("PatchesExtraction", values)


def network(path: Path, classes: int) -> str:
    """What is learned by hand: the class is the brightest band."""
    import keras

    image = keras.Input((SIDE, SIDE, 3), name="image")
    mean = keras.layers.GlobalAveragePooling2D()(image)
    keras.Model(image, keras.layers.Dense(classes, activation="softmax", name="p")(mean)).save(path)
    return str(path)


def keyed(what: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{what}.source1.il": [part["source1.out"] for part in parts],
        f"{what}.source2.il": [part["outlabels"] for part in parts],
    }


@pytest.mark.parametrize("streaming", [False, True])
def test_patches_of_two_runs(tmp_path: Path, streaming: bool) -> None:
    one = extract(tmp_path, "one", ["forest", "water"])
    two = extract(tmp_path, "two", ["water", "forest", "crop"])
    assert set(np.unique(gdal.Open(two["outlabels"]).ReadAsArray())) == {0, 1, 2}
    log, model = Log(), str(tmp_path / "out.keras")
    values = {**keyed("training", one, two), **keyed("validation", two), "validation.mode": "class"}
    results = train(
        log,
        **{
            **values,
            "model.dir": network(tmp_path / "net.keras", 3),
            "training.epochs": 30,
            "training.usestreaming": streaming,
            "learning_rate": 0.05,
            "out.keras": model,
        },
    )
    sidecar = read_sidecar(model)
    assert sidecar is not None
    assert {item.value: item.name for item in sidecar.classes["classes"]} == {0: "forest", 1: "water", 2: "crop"}
    assert any("joined by the names of their classes: forest is 0, water is 1, crop is 2" in line for line in log.lines)
    told = next(line for line in log.lines if line.startswith("Classes and their labels for training"))
    assert told.endswith("forest: 30, water: 30, crop: 12."), "18 + 12 of each, as they were written"
    assert results["overall_accuracy"] > 0.9, "the same names have the same pixels"


def test_records_of_another_run_validate(tmp_path: Path) -> None:
    one = extract(tmp_path, "one", ["forest", "water"], **{"out.tfrecords": str(tmp_path / "records_one")})
    two = extract(tmp_path, "two", ["water", "forest", "crop"], **{"out.tfrecords": str(tmp_path / "records_two")})
    log = Log()
    results = train(
        log,
        **{
            "model.dir": network(tmp_path / "net.keras", 3),
            "training.tfrecords": one["out.tfrecords"],
            "validation.tfrecords": two["out.tfrecords"],
            "validation.mode": "class",
            "training.epochs": 30,
            "learning_rate": 0.05,
            "out.keras": str(tmp_path / "out.keras"),
        },
    )
    assert results["overall_accuracy"] == pytest.approx(2 / 3, abs=0.1), "crop was never seen, the others are known"
    assert any("No training sample has the labels 2 (crop)" in line for line in log.lines)
    assert json.loads((tmp_path / "records_one" / "classes.json").read_text())["classes"][0]["name"] == "forest"
    extract(tmp_path, "one", ["forest", "water"], **{"out.tfrecords": str(tmp_path / "records_one")})  # replaces it


def samples(folder: Path, name: str, numbers: list[int], names: dict[int, str]) -> str:
    """A table of whole-number classes whose names are beside it; the attribute tells the name."""
    known = sorted(set(names.values()) | {"crop", "forest", "water"})
    values = [100.0 * known.index(names[number]) + at % 3 for at, number in enumerate(numbers)]
    path = write_points(folder / name, [(0.0, 0.0)] * len(numbers), value_0=values, **{"class": numbers})
    rows = [{"value": value, "name": text} for value, text in names.items()]
    Path(f"{path}.json").write_text(json.dumps({"classes": rows}))
    return path


def test_samples_of_two_runs(tmp_path: Path) -> None:
    one = samples(tmp_path, "one.gpkg", [1, 2] * 9, {1: "forest", 2: "water"})
    two = samples(tmp_path, "two.gpkg", [1, 2] * 9, {1: "water", 2: "crop"})
    out = str(tmp_path / "c.skops")
    given = {"io__vd": [one], "valid__vd": [two], "feat": "value_0", "cfield": "class", "io__out": out, "rand": 1}
    log = Log()
    results = run("TrainVectorClassifier", log, classifier="knn", classifier__knn__k=1, **given)
    assert any(line.endswith("count as errors: crop.") for line in log.lines)
    assert any(line.endswith("their accuracy is unknown: forest.") for line in log.lines)
    assert results["overall_accuracy"] == pytest.approx(0.5), "all water is found, crop was never seen"
    run("TrainVectorClassifier", classifier="knn", classifier__knn__k=1, **{**given, "io__vd": [one, two]})
    assert {item.value: item.name for item in load(out).classes} == {1: "forest", 2: "water", 3: "crop"}
