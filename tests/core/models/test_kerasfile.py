"""A `.keras` file is looked into before Keras loads it; files that run code on loading are refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from otbtf_qgis.core.errors import ModelError
from otbtf_qgis.core.models.kerasfile import check_keras_file

keras = pytest.importorskip("keras")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with layers, operations, an initialiser, a compiled loss and a nested model."""
    inner = keras.Sequential([keras.Input((6, 6, 4)), keras.layers.Conv2D(2, 3, kernel_regularizer="l2")])
    inputs = keras.Input((6, 6, 4))
    net = keras.ops.relu(inner(inputs)) + 1.0
    model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax", name="last")(net))
    model.compile("adam", "mse", metrics=["mae"])
    path = tmp_path_factory.mktemp("keras") / "model.keras"
    model.save(path)
    return path


def described(kind: str, module: str, config: Any) -> dict[str, Any]:
    return {"class_name": kind, "module": module, "config": config, "registered_name": None}


def with_activation(saved: Path, path: Path, activation: Any) -> str:
    """Copy the model with another activation in its last layer."""
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                configuration = json.loads(content)
                layers = configuration["config"]["layers"]
                next(layer for layer in layers if layer["name"] == "last")["config"]["activation"] = activation
                content = json.dumps(configuration).encode()
            target.writestr(name, content)
    return str(path)


def test_ordinary_model_passes(saved: Path) -> None:
    check_keras_file(str(saved))


def test_lookup_with_its_vocabulary_inside_passes(tmp_path: Path) -> None:
    inputs = keras.Input((), dtype="string")
    path = tmp_path / "words.keras"
    keras.Model(inputs, keras.layers.StringLookup(vocabulary=["a", "b"])(inputs)).save(path)
    check_keras_file(str(path))


def test_lambda_layer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lambda.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)]).save(path)
    with pytest.raises(ModelError, match=r"Lambda \(Python code\).*TRUST_MODEL"):
        check_keras_file(str(path))


@pytest.mark.parametrize("module, name", [("keras.utils", "plot_model"), ("keras.datasets.mnist", "load_data")])
def test_function_that_is_no_part_of_a_model_is_refused(saved: Path, tmp_path: Path, module: str, name: str) -> None:
    path = with_activation(saved, tmp_path / "evil.keras", described("function", module, name))
    with pytest.raises(ModelError, match=f"{module}.{name} .no part of a model."):
        check_keras_file(path)


@pytest.mark.parametrize(
    "described_object, named",
    [
        (described("TFSMLayer", "keras.layers", {"filepath": "/tmp/other"}), "TFSMLayer"),
        (described("TorchModuleWrapper", "keras.layers", {"module": "gASV"}), "TorchModuleWrapper"),
        (described("StringLookup", "keras.layers", {"vocabulary": "/etc/passwd"}), "reads /etc/passwd"),
        (described("CSVLogger", "keras.callbacks", {"filename": "/tmp/x"}), "keras.callbacks.CSVLogger"),
        ([[described("__lambda__", "builtins", {"code": "4wE="})]], "__lambda__"),
    ],
    ids=["model", "torch", "vocabulary", "callback", "nested lambda"],
)
def test_object_that_does_more_is_refused(saved: Path, tmp_path: Path, described_object: Any, named: str) -> None:
    path = with_activation(saved, tmp_path / "evil.keras", described_object)
    with pytest.raises(ModelError, match=named):
        check_keras_file(path)


def test_detector_of_another_package_is_exported_with_its_decoder(saved: Path, tmp_path: Path) -> None:
    path, module = tmp_path / "detector.keras", "keras_hub.src.models.retinanet.retinanet_object_detector"
    decoder = described("NonMaxSuppression", "keras_hub.src.layers.modeling.non_max_supression", {})
    detector = described("RetinaNetObjectDetector", module, {"prediction_decoder": decoder})
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(name, json.dumps(detector) if name == "config.json" else source.read(name))
    with pytest.raises(ModelError, match="a detector of the package keras_hub .*SavedModel .*decode_predictions"):
        check_keras_file(str(path))


@pytest.mark.parametrize("name", ["m.h5", "m.HDF5"])
def test_hdf5_is_refused_with_the_way_out(name: str) -> None:
    with pytest.raises(ModelError, match=r"keras\.models\.load_model\('m\..*model\.keras.*TRUST_MODEL"):
        check_keras_file(f"/somewhere/{name}")


@pytest.mark.parametrize("suffix", ["pkl", "pickle", "joblib", "pt", "pth"])
def test_pickle_is_refused(suffix: str) -> None:
    with pytest.raises(ModelError, match="is a pickle.*Export the model"):
        check_keras_file(f"/somewhere/m.{suffix}")


def test_other_file_is_refused() -> None:
    with pytest.raises(ModelError, match=r"m\.onnx is not a supported model file"):
        check_keras_file("/somewhere/m.onnx")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        check_keras_file(str(tmp_path / "none.keras"))


@pytest.mark.parametrize("part", ["config.json", "metadata.json", "model.weights.h5"])
def test_zip_that_lacks_a_part(saved: Path, tmp_path: Path, part: str) -> None:
    path = tmp_path / "part.keras"
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            if name != part:
                target.writestr(name, source.read(name))
    with pytest.raises(ModelError, match=f"lacks {part}"):
        check_keras_file(str(path))


@pytest.mark.parametrize("damage", ["cut", "no zip", "no JSON", "deep", "bits", "bzip2"])
def test_damaged_file(saved: Path, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "damaged.keras"
    content = bytearray(saved.read_bytes())
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "no zip":
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    elif damage == "bits":
        start = content.index(b"class_name")
        content[start] ^= 0xFF
        path.write_bytes(content)
    elif damage == "bzip2":
        with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
            for name in ("config.json", "metadata.json", "model.weights.h5"):
                archive.writestr(name, source.read(name))
        content = bytearray(path.read_bytes())
        content[60:200] = b"\xaa" * 140
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "{" if damage == "no JSON" else "[" * 200_000)
            archive.writestr("metadata.json", "{}")
            archive.writestr("model.weights.h5", b"")
    with pytest.raises(ModelError, match=r"damaged\.keras is not a \.keras file, or is damaged"):
        check_keras_file(str(path))
