"""A seed means the same wherever there is one: the same one, in another budget of memory too, gives the same result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import training_scene
from classifier_scene import HEIGHT, WIDTH, layer, pixels, train_deep
from marked_rasters import made
from osgeo import gdal, ogr
from points import write_points
from training_scene import Log

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import OtbtfError
from otbtf_qgis.core.parameters.parsing import keys
from otbtf_qgis.core.parameters.sharedkeys import DRAWN

pytest.importorskip("tensorflow")

NAMES = ("seed", "rand")

SEEDED = {name: key for name in registry.names() for key in keys(registry.declaration(name)) if key.name in NAMES}
"""The operations with a seed, and its key."""

NOT_RANDOM_WITHOUT = ("LabelImageSampleSelection", "PatchesMosaic")
"""Operations that draw nothing unless a seed is given."""

BY_OTHERS = ("LandCoverMap", "RegressionMap", "SearchSettings", "TrainModel")
"""Operations that hand their seed on to others."""

TRAINED = ("TensorflowModelTrain",)
"""Run with several seeds by training/test_kerastraining.py."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    import keras

    folder = tmp_path_factory.mktemp("scene")
    found = SimpleNamespace(polygons=layer(folder / "polygons.gpkg"))
    found.image = made(folder / "image.tif", pixels())
    labels = np.where(np.arange(WIDTH) < WIDTH // 2, 1, 2) * np.ones((HEIGHT, 1), int)
    found.labels = made(folder / "labels.tif", labels[..., None].astype("uint8"))
    random = np.random.default_rng(0)
    fields = {f"value_{band}": random.random(40).tolist() for band in range(2)}
    found.points = write_points(folder / "points.gpkg", [(0.0, 0.0)] * 40, **fields, **{"class": [1, 2] * 20})
    found.patches = training_scene.patches(folder, "patches", 24)
    inputs = keras.Input((None, None, 3), name="x")
    found.features = str(folder / "features.keras")
    keras.Model(inputs, keras.layers.Conv2D(2, 3, name="features")(inputs)).save(found.features)
    return found


def table(path: Path) -> list[Any]:
    dataset = ogr.Open(str(path))
    return [(f.geometry().ExportToWkt(), *f.items().values()) for f in dataset.GetLayer(0)]


def weights(path: Path) -> list[Any]:
    import keras

    return [weight.tolist() for weight in keras.saving.load_model(path, compile=False).get_weights()]


def trees(path: Path) -> list[Any]:
    from otbtf_qgis.core.classifiers.classifierfiles import load

    return [tree.tree_.threshold.tolist() for tree in load(str(path)).pipeline[-1].estimators_]


Case = Callable[[SimpleNamespace, Path, Log, dict[str, Any]], Any]


def selected(scene: SimpleNamespace, folder: Path, log: Log, more: dict[str, Any]) -> Any:
    chosen = {"strategy": "constant", "strategy.constant.nb": 9, "sampler": "random"}
    values = {"in": scene.image, "vec": scene.polygons, "field": "class", "out": str(folder / "s.gpkg")}
    registry.run("SampleSelection", {**values, **chosen, **more}, log)
    return table(folder / "s.gpkg")


def selected_labels(scene: SimpleNamespace, folder: Path, log: Log, more: dict[str, Any]) -> Any:
    chosen = {"strategy": "constant", "strategy.constant.nb": 9}
    values = {"inref": scene.labels, "outvec": str(folder / "s.gpkg")}
    registry.run("LabelImageSampleSelection", {**values, **chosen, **more}, log)
    return table(folder / "s.gpkg")


def selected_patches(scene: SimpleNamespace, folder: Path, log: Log, more: dict[str, Any]) -> Any:
    grid = {"grid.psize": 4, "grid.step": 4, "strategy": "split", "strategy.split.random": True}
    outs = {"outtrain": str(folder / "t.gpkg"), "outvalid": str(folder / "v.gpkg")}
    registry.run("PatchesSelection", {"in": scene.image, **grid, **outs, **more}, log)
    return table(folder / "t.gpkg")


def shown(scene: SimpleNamespace, folder: Path, log: Log, more: dict[str, Any]) -> Any:
    (image,), (labels,) = scene.patches.values()
    values = {"in": image, "labels": labels, "count": 6, "out": str(folder / "m.tif")}
    registry.run("PatchesMosaic", {**values, **more}, log)
    return gdal.Open(str(folder / "m.tif")).ReadAsArray().tolist()


def augmented(scene: SimpleNamespace, folder: Path, log: Log, more: dict[str, Any]) -> Any:
    values = {"in": scene.points, "field": "class", "samples": 5, "strategy": "jitter", "out": str(folder / "a.gpkg")}
    registry.run("SampleAugmentation", {**values, **more}, log)
    return table(folder / "a.gpkg")


def example(scene: SimpleNamespace, folder: Path, log: Log, more: dict[str, Any]) -> Any:
    registry.run("CreateExampleData", {"outdir": str(folder / "data"), "size": 256, **more}, log)
    return gdal.Open(str(folder / "data" / "xs_10m.tif")).ReadAsArray().tobytes()


def created(scene: SimpleNamespace, folder: Path, log: Log, more: dict[str, Any]) -> Any:
    values = {"template": "mlp", "bands": "3", "classes": 2, "out.keras": str(folder / "m.keras")}
    registry.run("CreateModel", {**values, **more}, log)
    return weights(folder / "m.keras")


def forest(scene: SimpleNamespace, folder: Path, log: Log, more: dict[str, Any]) -> Any:
    values = {"io.vd": [scene.points], "feat": "value_0 value_1", "cfield": "class", "io.out": str(folder / "f.skops")}
    small = {"classifier": "rf", "classifier.rf.nbtrees": 2}
    registry.run("TrainVectorClassifier", {**values, **small, **more}, log)
    return trees(folder / "f.skops")


def deep_forest(scene: SimpleNamespace, folder: Path, log: Log, more: dict[str, Any]) -> Any:
    given = {"rand": None, **more}
    results = train_deep(folder, scene.image, scene.features, scene.polygons, log, sample__mt=20, **given)
    return trees(Path(results["out"]))


def rate(scene: SimpleNamespace, folder: Path, log: Log, more: dict[str, Any]) -> Any:
    (images,), (labels,) = scene.patches.values()
    samples = {"training.source1.il": [images], "training.target.il": [labels], "training.batchsize": 2}
    values = {"model.dir": "cnn16_deep", "width": 4, "batches": 20, "out.curve": str(folder / "curve.csv")}
    registry.run("FindLearningRate", {**samples, **values, **more}, log)
    return (folder / "curve.csv").read_text()


CASES: dict[str, tuple[Case, dict[str, Any]]] = {
    "SampleSelection": (selected, {"ram": 16}),
    "LabelImageSampleSelection": (selected_labels, {}),
    "PatchesSelection": (selected_patches, {}),
    "PatchesMosaic": (shown, {}),
    "SampleAugmentation": (augmented, {}),
    "CreateExampleData": (example, {}),
    "CreateModel": (created, {}),
    "FindLearningRate": (rate, {"memory": 128}),
    "TrainVectorClassifier": (forest, {}),
    "TrainClassifierFromDeepFeatures": (deep_forest, {"memory": 64}),
}
"""Of each operation a small run that returns what was drawn, and keys with which the result must be the same."""


def test_every_operation_with_a_seed_is_run() -> None:
    assert set(SEEDED) == {*CASES, *BY_OTHERS, *TRAINED}


@pytest.mark.parametrize("name", SEEDED)
def test_a_seed_is_told_in_the_same_words(name: str) -> None:
    key = SEEDED[name]
    assert (key.label, key.minimum) == ("Random seed", 0)
    assert key.help.startswith("Random seed") and "a whole number from 0; the same seed reproduces a run." in key.help
    if name in NOT_RANDOM_WITHOUT:
        assert key.default is None and "Default: " in key.help
    else:
        assert key.default is not None or key.help.endswith(f"Default: {DRAWN}.")


@pytest.mark.parametrize("name", CASES)
def test_the_same_seed_gives_the_same_result(name: str, scene: SimpleNamespace, tmp_path: Path) -> None:
    case, otherwise = CASES[name]
    key = SEEDED[name].name
    found = []
    for number, more in enumerate(({key: 4}, {key: 4, **otherwise}, {key: 5})):
        (tmp_path / str(number)).mkdir()
        log = Log()
        found.append(case(scene, tmp_path / str(number), log, more))
        assert not any("was drawn" in line for line in log.lines)
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize("name", [name for name, key in SEEDED.items() if name in CASES and key.default is None])
def test_a_seed_that_was_drawn_is_logged_and_repeats_the_run(name: str, scene: SimpleNamespace, tmp_path: Path) -> None:
    case, _ = CASES[name]
    key = SEEDED[name].name
    log = Log()
    (tmp_path / "first").mkdir()
    first = case(scene, tmp_path / "first", log, {})
    drawn = [int(line.split("so ")[1].split()[0]) for line in log.lines if f"{key.upper()} was not set" in line]
    assert len(drawn) == (name not in NOT_RANDOM_WITHOUT)
    (tmp_path / "again").mkdir()
    assert case(scene, tmp_path / "again", Log(), {key: drawn[0]} if drawn else {}) == first


def test_the_other_name_is_told() -> None:
    with pytest.raises(OtbtfError, match=r"Unknown parameter seed\. Did you mean rand\?"):
        registry.run("SampleSelection", {"seed": 1})
    with pytest.raises(OtbtfError, match=r"Unknown parameter rand\. Did you mean seed\?"):
        registry.run("PatchesSelection", {"rand": 1})
