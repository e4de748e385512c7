"""What is wrong with samples, model or parameters is said, before training where it can be; nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_scene as scene
from api_helpers import write

from otbtf_qgis.core.dataset import DatasetFromPatchesImages
from otbtf_qgis.core.errors import ModelError, OtbtfError, ParameterError, RasterError, RecordsError, TrainingError


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Patches, labels and models, by name."""
    folder = tmp_path_factory.mktemp("files")
    good = scene.patches(folder, "good", 12)
    found = {"folder": folder, "image": good["source1.il"], "labels": good["source2.il"]}
    found["small"] = scene.patches(folder, "small", 12, side=6)["source1.il"]
    found["ten"] = scene.patches(folder, "ten", 10)["source2.il"]
    found["odd"] = scene.patches(folder, "odd", 12, labels=(-5, 0, 255))["source2.il"]
    found["values"] = [write(folder / "values.tif", np.full((12, 1, 1, 1), 0.5, "float32"))]
    found["two_bands"] = [write(folder / "two_bands.tif", np.ones((12, 1, 1, 2), "uint8"))]
    found["tiles"] = [write(folder / "tiles.tif", np.ones((12, 4, 4, 1), "uint8"))]
    found["wide"] = [write(folder / "wide.tif", np.ones((12, 2, 8, 3), "uint8"))]
    scene.describe(found["wide"][0], patch_height=2, patch_width=8)
    found["huge"] = [write(folder / "huge.tif", np.full((12, 8, 8, 3), 3e38, "float32"))]
    found["images"] = [write(folder / "images.tif", np.ones((12, 8, 8, 2), "float32"))]
    found["net"] = scene.classifier(folder / "net.keras")
    found["two"] = scene.classifier(folder / "two.keras", inputs=2)
    found["sigmoid"] = scene.classifier(folder / "sigmoid.keras", classes=1)
    found["pixelwise"] = scene.pixelwise(folder / "pixelwise.keras")
    found["linear"] = scene.pixelwise(folder / "linear.keras", 2, "linear")
    return found


CASES: list[tuple[dict[str, Any], type[OtbtfError], str]] = [
    (
        {"labels": "odd"},
        ParameterError,
        r"0 to 2, because the model distinguishes 3 classes, but there are: -5 \(4 times\), 255 \(4.*REMAP_LABELS",
    ),
    ({"labels": "odd", "model.dir": "cnn16"}, ParameterError, r"0 or more, but there are: -5 \(4 times\)\. Set REMAP"),
    ({"labels": "ten"}, RasterError, r"good\.tif.*holds 12 patches.*ten_labels\.tif.*holds 10"),
    ({"labels": "two_bands"}, ParameterError, "TRAINING_SOURCE2_IL has 2 bands, but labels have one"),
    ({"labels": "values", "loss": "focal"}, ParameterError, "holds 0.5, but labels must be whole numbers"),
    (
        {"labels": "tiles"},
        ParameterError,
        r"does not have the size of a sample's labels.* 4 x 4 x 1: extract targets of 1 x 1 pixels",
    ),
    ({"image": "small"}, ParameterError, r"patches of 6 x 6 x 3 .* input image1 of the model .* takes 8 x 8 x 3"),
    ({"image": "small", "model": "cnn16"}, ParameterError, r"cnn16 cannot be applied to patches of 6 x 6 x 3"),
    ({"model": "two"}, ParameterError, r"2 inputs \(image1, image2\), so 3 sources are needed.*source 2 feeds image2"),
    ({"training.source2.placeholder": "lables"}, ParameterError, "'lables', but the model has the inputs image1"),
    (
        {"loss": "mse"},
        ParameterError,
        "LOSS is mse, but the model's output predictions .3 for each sample. and the target",
    ),
    (
        {"loss": "binary_crossentropy"},
        ParameterError,
        "has 3 bands, one for each class: choose categorical_crossentropy",
    ),
    (
        {"model": "sigmoid", "loss": "dice", "labels": "zeros"},
        ParameterError,
        "LOSS is dice, .* has 1 band: choose binary_crossentropy",
    ),
    ({"loss": "mae", "validation.mode": "class"}, ParameterError, "LOSS is mae, but the target holds classes"),
    (
        {"model": "linear", "labels": "two_bands", "remap_labels": True},
        ParameterError,
        "for classes, but the target holds val",
    ),
    ({"loss": "dice", "class_weights": "balanced"}, ParameterError, "CLASS_WEIGHTS is balanced, but the loss dice"),
    ({"metrics": "accuracy rmse"}, ParameterError, "METRICS names rmse, which does not fit .* accuracy, mean_iou"),
    ({"metrics": "kappa"}, ParameterError, "METRICS names kappa, which is not known"),
    ({"freeze": "konv*"}, ParameterError, "FREEZE names konv.*, but no layer .* conv, norm, predictions"),
    ({"freeze": "*"}, ParameterError, "leaves no weights to train"),
    (
        {"image": "wide", "model": "pixelwise", "augmentation": "flips_turns"},
        ParameterError,
        "8 x 2 pixels and cannot",
    ),
    ({"training.source1.patchsizex": 16}, ParameterError, "PATCHSIZEX is 16, but .* 8 pixels wide"),
    ({"training.source1.patchsizey": 7}, RasterError, "not a multiple of a patch of 7 rows"),
    ({"ignored_label": 0, "labels": "zeros"}, ParameterError, "All labels for training are 0, which is IGNORED_LABEL"),
    ({"model": "net61"}, ParameterError, "MODEL_DIR is net61, which does not exist: .* templates cnn16"),
    ({"model": "norm"}, ParameterError, "a template without weights to train"),
    ({"training.targetnodes": "optimizer"}, ParameterError, "TRAINING_TARGETNODES is 'optimizer', but .* Keras model"),
    ({"model.restorefrom": "two"}, ParameterError, "MODEL_RESTOREFROM is .*two.keras, which does not fit"),
    ({"device": "cpu", "strategy": "mirrored"}, ParameterError, "DEVICE is cpu, but STRATEGY is mirrored"),
    ({"validation.share": 0.3, "validation.groups": "zeros"}, ParameterError, "All samples are in one group"),
    (
        {"validation.share": 0.3, "validation.groups": "ten"},
        ParameterError,
        "holds 10 values, but there are 12 samples",
    ),
    ({"out.keras": "/nowhere/net.keras"}, OtbtfError, "/nowhere"),
    ({"checkpoints": "/nowhere/kept"}, ParameterError, "CHECKPOINTS is /nowhere/kept, which cannot be written to"),
    ({"model.saveto": "full"}, ParameterError, "MODEL_SAVETO is .*full, which holds other files"),
]


@pytest.mark.parametrize(("wrong", "kind", "message"), CASES, ids=[str(number) for number in range(len(CASES))])
def test_it_is_said_before_training(
    files: dict[str, Any], tmp_path: Path, wrong: dict[str, Any], kind: type[Exception], message: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    zeros = [write(tmp_path / "zeros.tif", np.zeros((12, 1, 1, 1), "uint8"))]
    known = {**files, "zeros": zeros, "full": str(tmp_path / "full")}
    wrong = {key: known.get(str(value), value) for key, value in wrong.items()}
    values = {
        "model.dir": wrong.pop("model", files["net"]),
        "training.source1.il": wrong.pop("image", files["image"]),
        "training.source2.il": wrong.pop("labels", files["labels"]),
        "training.epochs": 1,
    }
    log = scene.Log()
    with pytest.raises(kind, match=message):
        scene.train(log, **{**values, **wrong})
    assert not any(line.startswith("Epoch") for line in log.lines)
    assert sorted(os.listdir(tmp_path)) == ["full", "zeros.tif"]


def test_parameters_that_contradict_each_other(files: dict[str, Any]) -> None:
    image = {"training.source1.il": files["image"]}
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "TRAINING_SOURCE1_IL is missing"),
        ({"training.source1.placeholder": "x"}, "TRAINING_SOURCE1_IL is missing"),
        ({**image, "training.tfrecords": "records"}, "TRAINING_TFRECORDS and TRAINING_SOURCE1_IL are both given"),
        ({**image, "validation.share": 0.2, "validation.tfrecords": "records"}, "VALIDATION_SHARE is 0.2, but"),
        ({**image, "memory": 100, "ram": 200}, "MEMORY is 100 and RAM is 200"),
        ({**image, "training.source3.il": files["image"]}, "nothing for TRAINING_SOURCE2"),
    ]
    for values, message in cases:
        with pytest.raises(ParameterError, match=message):
            scene.train(**{"model.dir": "cnn16", **values})


def test_samples_for_validation_like_those_for_training(files: dict[str, Any]) -> None:
    training = {"model__dir": files["net"], "training__epochs": 1}
    sources = {"training.source1.il": files["image"], "training.source2.il": files["labels"]}
    with pytest.raises(ParameterError, match="1 sources for validation, but 2 for training"):
        scene.train(**training, **sources, **{"validation.source1.il": files["image"]})
    with pytest.raises(ParameterError, match=r"VALIDATION_SOURCE1_IL has patches of 6 x 6 x 3 .* of 8 x 8 x 3"):
        scene.train(
            **training, **sources, **{"validation.source1.il": files["small"], "validation.source2.il": files["labels"]}
        )
    with pytest.raises(ParameterError, match="VALIDATION_SOURCE2_NAME is 'labels', but the model has"):
        scene.train(
            **training,
            **sources,
            **{
                f"validation.{key}": value
                for key, value in (("source1.il", files["image"]), ("source2.il", files["labels"]))
            },
            **{"validation.source2.name": "labels"},
        )


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_weights(files: dict[str, Any], tmp_path: Path) -> None:
    good = {"training.source1.il": files["image"], "training.source2.il": files["images"], "model.dir": files["linear"]}
    fitting = {"training.batchsize": 4, "checkpoints": str(tmp_path / "kept"), "out.keras": str(tmp_path / "net.keras")}
    (tmp_path / "net.keras").write_bytes(b"older")
    with pytest.raises(
        TrainingError, match=r"became inf at step 1 \(epoch 1, .* learning rate of 0\.001; no epoch ended well"
    ):
        scene.train(**{**good, **fitting, "training.source1.il": files["huge"]})
    scene.train(**{**good, "training.batchsize": 4, "training.epochs": 2, "checkpoints": str(tmp_path / "kept")})
    kept = scene.weights(str(tmp_path / "kept" / "best.keras"))
    with pytest.raises(
        TrainingError, match=r"at step 7 \(epoch 3.*the weights of epoch \d.* are kept in .*best\.keras"
    ):
        scene.train(**{**good, **fitting, "training.source1.il": files["huge"], "training.epochs": 3, "resume": True})
    for before, after in zip(kept, scene.weights(str(tmp_path / "kept" / "best.keras"))):
        np.testing.assert_array_equal(before, after)
    assert (tmp_path / "net.keras").read_bytes() == b"older"
    assert sorted(os.listdir(tmp_path)) == ["kept", "net.keras"]


def test_damaged_tfrecords_are_named(files: dict[str, Any], tmp_path: Path) -> None:
    samples = DatasetFromPatchesImages({"a": files["image"], "b": files["labels"]}, use_streaming=True)
    samples.to_tfrecords(str(tmp_path), n_samples_per_shard=6)
    record = tmp_path / "1.records"
    content = bytearray(record.read_bytes())
    content[len(content) // 2 + 40] ^= 255
    record.write_bytes(content)
    with pytest.raises(RecordsError, match=r"1\.records is damaged at its record \d"):
        scene.train(**{"training.tfrecords": str(tmp_path), "model.dir": files["net"]})


def test_a_model_that_is_no_keras_model(tmp_path: Path, files: dict[str, Any]) -> None:
    (tmp_path / "net.keras").write_bytes(b"nothing")
    sources = {"training.source1.il": files["image"], "training.source2.il": files["labels"]}
    with pytest.raises(ModelError, match="is not a .keras file, or is damaged"):
        scene.train(**sources, **{"model.dir": str(tmp_path / "net.keras")})


def test_weights_that_the_last_step_destroys_are_not_kept(files: dict[str, Any], tmp_path: Path) -> None:
    """The loss of the only batch is that before the step."""
    good = {"training.source1.il": files["image"], "training.source2.il": files["images"], "model.dir": files["linear"]}
    wild = {"training.batchsize": 1000, "training.usestreaming": False, "optimizer": "sgd", "learning_rate": 1e39}
    with pytest.raises(TrainingError, match=r"not finite after epoch 1, .*; no epoch ended well"):
        scene.train(**good, **wild, **{"training.epochs": 1, "out.keras": str(tmp_path / "net.keras")})
    assert not (tmp_path / "net.keras").exists()


def test_weights_so_large_that_predictions_are_none(files: dict[str, Any], tmp_path: Path) -> None:
    """The weights are finite, and an argmax of NaN is a class."""
    good = {"training.source1.il": files["image"], "training.source2.il": files["images"], "model.dir": files["linear"]}
    wild = {"training.batchsize": 1000, "training.usestreaming": False, "optimizer": "sgd", "learning_rate": 1e36}
    with pytest.raises(
        TrainingError, match=r"returns NaN or infinite values for \d+ of \d+ labels, .* Lower LEARNING_RATE"
    ):
        scene.train(**good, **wild, **{"training.epochs": 1, "out.keras": str(tmp_path / "net.keras")})
