"""Training Keras models: what is learned, scored and written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_scene as scene
from osgeo import gdal

from otbtf_qgis.core import registry
from otbtf_qgis.core.dataset import DatasetFromPatchesImages
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.models.sidecar import read_sidecar


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def data(folder: Path) -> dict[str, Any]:
    """Patches of classes called 3, 7 and 200 for training and validation; the labels have names and colours."""
    rows = [{"value": 3, "name": "Water", "color": "#0000ff"}, {"value": 7, "name": "Wood"}]
    found = {}
    for what, count in (("training", 45), ("validation", 24)):
        sources = scene.patches(folder, what, count, seed=count, labels=(3, 7, 200))
        scene.describe(sources["source2.il"][0], content="labels", classes=rows)
        found.update(scene.keyed(what, sources))
    return found


@pytest.fixture(scope="module")
def network(folder: Path) -> str:
    return scene.classifier(folder / "net.keras")


@pytest.fixture(scope="module")
def trained(data: dict[str, Any], network: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A training with all outputs."""
    out = tmp_path_factory.mktemp("trained")
    log = scene.Log()
    test = {key.replace("validation", "test"): paths for key, paths in data.items() if key.startswith("validation")}
    results = scene.train(
        log,
        **data,
        **test,
        model__dir=network,
        remap_labels=True,
        training__batchsize=10,
        training__epochs=6,
        learning_rate=0.05,
        metrics="accuracy mean_iou",
        validation__mode="class",
        validation__step=4,
        tensorboard_dir=str(out / "logs"),
        model__saveto=str(out / "model"),
        out__keras=str(out / "net.keras"),
        out__history=str(out / "history.csv"),
        out__report=str(out / "report.html"),
    )
    return {"folder": out, "results": results, "log": log.lines}


def test_what_is_learned_is_scored(trained: dict[str, Any]) -> None:
    results = trained["results"]
    assert results["overall_accuracy"] > 0.9 and results["kappa"] > 0.85 and results["f1_macro"] > 0.9
    assert (results["epochs_run"], results["samples_per_epoch"]) == (6, 45)
    assert "rmse" not in results
    log = "\n".join(trained["log"])
    assert "Classes and their labels for training: Water: 15, Wood: 15, 200: 15." in log
    assert log.count("Scores on data for validation") == 2, "after epochs 4 and 6"
    assert "Final scores on data for test: " in log


def test_what_is_written(trained: dict[str, Any]) -> None:
    folder = trained["folder"]
    assert sorted(os.listdir(folder)) == [
        "history.csv",
        "logs",
        "model",
        "net.keras",
        "net.keras.json",
        "report.html",
    ], "and nothing of the checkpoints"
    rows = scene.history(folder / "history.csv")
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert {"loss", "val_loss", "accuracy", "val_mean_iou", "learning_rate"} <= set(rows[0])
    assert [("val_kappa" in row, "kappa" in row) for row in rows] == [(number in (4, 6),) * 2 for number in range(1, 7)]
    page = (folder / "report.html").read_text(encoding="utf-8")
    for part in ("Scores on validation data", "Scores on test data", "Wood", "TRAINING_BATCHSIZE", "data:image/png"):
        assert part in page
    assert list((folder / "logs").rglob("events.*"))


def test_the_model_serves_labels_with_their_names(trained: dict[str, Any], tmp_path: Path) -> None:
    pixels = np.zeros((3, 8, 8), "uint16")
    pixels[1] = 200
    image = gdal.GetDriverByName("GTiff").Create(str(tmp_path / "image.tif"), 8, 8, 3, gdal.GDT_UInt16)
    image.WriteArray(pixels)
    image = None
    for name in ("model", "net.keras"):
        sidecar = read_sidecar(str(trained["folder"] / name))
        assert sidecar is not None
        assert [item.value for item in sidecar.classes_of(["classes"])] == [3, 7, 200]
        out = registry.run(
            "TensorflowModelServe",
            {
                "source1.il": [str(tmp_path / "image.tif")],
                "model.dir": str(trained["folder"] / name),
                "out": str(tmp_path / "map.tif"),
            },
        )
        assert [(row["name"], row.get("color", "")) for row in out["classes"][:2]] == [
            ("Water", "#0000ff"),
            ("Wood", "#009e73"),
        ]
        served = gdal.Open(str(tmp_path / "map.tif"))
        assert served.ReadAsArray().ravel().tolist() == [7]
        assert served.GetRasterBand(1).DataType == gdal.GDT_Byte
    import tensorflow as tf

    signature = tf.saved_model.load(str(trained["folder"] / "model")).signatures["serving_default"]
    assert sorted(signature.structured_outputs) == ["classes", "features", "predictions"]


def test_a_trained_model_is_trained_again(data: dict[str, Any], trained: dict[str, Any], tmp_path: Path) -> None:
    log = scene.Log()
    results = scene.train(
        log,
        **data,
        model__dir=str(trained["folder"] / "model"),
        remap_labels=True,
        training__epochs=2,
        freeze="conv nor*",
        patience=1,
        learning_rate=1e-4,
        out__keras=str(tmp_path / "again.keras"),
    )
    assert results["overall_accuracy"] > 0.9, "it begins with what it knew"
    assert "Frozen layers: conv, norm." in log.lines
    old, new = (scene.weights(str(path)) for path in (trained["folder"] / "net.keras", tmp_path / "again.keras"))
    assert [np.array_equal(a, b) for a, b in zip(old, new)] == [True] * 6 + [False] * 2
    import keras

    loaded = keras.models.load_model(tmp_path / "again.keras", compile=False)
    assert all(layer.trainable for layer in loaded.layers), "freezing is for one run"
    assert sorted(loaded.output_names) == ["classes", "predictions"]


def test_the_same_seed_repeats_a_run(data: dict[str, Any], tmp_path: Path) -> None:
    rows = []
    for seed in (4, 4, 5):
        scene.train(
            **data,
            model__dir=scene.classifier(tmp_path / "net.keras", dropout=0.2),
            remap_labels=True,
            training__epochs=2,
            training__batchsize=16,
            seed=seed,
            augmentation="flips",
            out__history=str(tmp_path / "history.csv"),
        )
        rows.append(scene.history(tmp_path / "history.csv"))
    assert rows[0] == rows[1] != rows[2]


@pytest.mark.parametrize("loss", ["auto", "focal", "dice"])
def test_label_tiles_with_pixels_that_do_not_count(folder: Path, tmp_path: Path, loss: str) -> None:
    log = scene.Log()
    results = scene.train(
        log,
        **scene.keyed("training", scene.tiles(folder, "tiles", 30)),
        model__dir=scene.pixelwise(tmp_path / "net.keras"),
        training__epochs=8,
        training__batchsize=5,
        learning_rate=0.05,
        ignored_label=9,
        loss=loss,
        metrics="accuracy mean_iou",
        class_weights="none" if loss == "dice" else "balanced",
        out__history=str(tmp_path / "history.csv"),
    )
    assert results["kappa"] > 0.8
    last = scene.history(tmp_path / "history.csv")[-1]
    assert last["accuracy"] > 0.8 and last["mean_iou"] > 0.7, "as if the pixels were not there"


def test_values(folder: Path, tmp_path: Path) -> None:
    results = scene.train(
        **scene.keyed("training", scene.values(folder, "values", 200)),
        validation__share=0.2,
        model__dir="mlp",
        training__epochs=20,
        training__batchsize=20,
        learning_rate=0.01,
        out__keras=str(tmp_path / "mlp.keras"),
        out__report=str(tmp_path / "report.html"),
    )
    assert results["r2"] > 0.9 and results["rmse"] < 0.2 and results["mae"] < 0.2
    assert "kappa" not in results
    assert "RMSE" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_template_and_a_folder_of_its_name(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    values = {**scene.keyed("training", scene.values(folder, "values", 40)), "training__epochs": 1}
    scene.train(**values, model__dir="template:mlp", out__keras="one.keras", model__saveto="mlp")
    for name, warned in (("mlp", True), ("./mlp", True), ("template:mlp", False)):
        log = scene.Log()
        scene.train(log, **values, model__dir=name, out__keras="two.keras")
        told = [message for message in log.lines if "For the template write template:mlp." in message]
        assert bool(told) == warned
        if warned:
            assert str(tmp_path / "mlp") in told[0]
    with pytest.raises(ParameterError, match="MODEL_DIR is template:mlpp, which does not exist: .* templates cnn16"):
        scene.train(**values, model__dir="template:mlpp", out__keras="three.keras")


def test_two_inputs_by_name_and_as_tfrecords(folder: Path, tmp_path: Path) -> None:
    sources = scene.patches(folder, "two", 23)
    image, labels = sources["source1.il"], sources["source2.il"]
    model = scene.classifier(tmp_path / "two.keras", inputs=2)
    named = {
        "training.source1.il": labels,
        "training.source1.placeholder": "predictions",
        "training.source2.il": image,
        "training.source2.placeholder": "image2",
        "training.source3.il": image,
    }
    fitted = {"model.dir": model, "training.epochs": 2, "training.batchsize": 23, "learning_rate": 0.01}
    one = scene.train(**named, **fitted, out__history=str(tmp_path / "one.csv"))
    assert one["samples_per_epoch"] == 23
    samples = DatasetFromPatchesImages({"l": labels, "b": image, "a": image}, use_streaming=True)
    samples.to_tfrecords(str(tmp_path / "records"), n_samples_per_shard=7, drop_remainder=False)
    records = {
        "training.tfrecords": str(tmp_path / "records"),
        "training.source1.placeholder": "predictions",
        "training.source2.placeholder": "image2",
    }
    other = scene.train(**records, **fitted, out__history=str(tmp_path / "other.csv"))
    assert other["samples_per_epoch"] == 23
    first, second = (scene.history(tmp_path / f"{name}.csv") for name in ("one", "other"))
    assert first[0]["loss"] == pytest.approx(second[0]["loss"], rel=1e-5), "one batch: in whatever order"


def test_mixed_precision_trains_a_copy_under_a_strategy_too(data: dict[str, Any], network: str, tmp_path: Path) -> None:
    results = scene.train(
        **data,
        model__dir=network,
        remap_labels=True,
        training__epochs=6,
        training__batchsize=10,
        learning_rate=0.05,
        mixed_precision=True,
        strategy="mirrored",  # on the devices that there are
        model__restorefrom=network,
        out__keras=str(tmp_path / "net.keras"),
    )
    assert results["kappa"] > 0.8
    import keras

    loaded = keras.models.load_model(tmp_path / "net.keras", compile=False)
    assert {layer.compute_dtype for layer in loaded.layers} == {"float32"}
    assert not np.array_equal(loaded.get_weights()[0], scene.weights(network)[0])


def test_training_ends_early_with_the_best_weights(data: dict[str, Any], network: str, tmp_path: Path) -> None:
    log = scene.Log()
    results = scene.train(
        log,
        **data,
        model__dir=network,
        remap_labels=True,
        training__epochs=40,
        optimizer="sgd",
        learning_rate=1e-12,  # too little to change anything, so the first epoch stays the best
        freeze="norm",
        patience=2,
        out__history=str(tmp_path / "history.csv"),
        checkpoints=str(tmp_path / "kept"),
    )
    rows = scene.history(tmp_path / "history.csv")
    assert results["epochs_run"] == len(rows) == 3
    assert "No better loss on validation data for 2 epochs (PATIENCE): training ends." in log.lines
    assert any("The weights are those of epoch 1, " in line for line in log.lines)
    with np.load(tmp_path / "kept" / "checkpoint.npz") as content:
        assert json.loads(str(content["state"]))["state"]["best_epoch"] == 1


def test_a_trusted_model_with_python_code_is_trained_and_kept(data: dict[str, Any], tmp_path: Path) -> None:
    import keras

    image = keras.Input((8, 8, 3), name="image")
    scaled = keras.layers.Lambda(lambda pixels: pixels * 0.01, output_shape=(8, 8, 3))(image)
    features = keras.layers.GlobalAveragePooling2D()(scaled)
    keras.Model(image, keras.layers.Dense(3, activation="softmax", name="p")(features)).save(tmp_path / "net.keras")
    kept = str(tmp_path / "kept.keras")
    given = {**data, "model__dir": str(tmp_path / "net.keras"), "trust_model": True, "remap_labels": True}
    given["training__epochs"] = 1
    scene.train(**given, out__keras=kept)
    assert read_sidecar(kept) is not None
    again = str(tmp_path / "again.keras")
    scene.train(**given, model__restorefrom=kept, out__keras=again)
    assert read_sidecar(again) is not None


def test_width_and_depth_of_a_template(tmp_path: Path) -> None:
    sources = scene.keyed("training", scene.values(tmp_path, "values", 20))
    out = str(tmp_path / "net.keras")
    scene.train(**sources, model__dir="mlp", width=5, depth=3, training__epochs=1, out__keras=out)
    shapes = [weight.shape for weight in scene.weights(out) if weight.ndim == 2]
    assert shapes == [(3, 5), (5, 5), (5, 5), (5, 2)]
