"""CALIBRATE: the temperature, the models that hold it, sidecar and report, against NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_scene as scene
from api_helpers import write
from osgeo import gdal

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.models.loading import load_model
from otbtf_qgis.core.models.sidecar import read_sidecar
from otbtf_qgis.core.training.calibrating import FittedTemperature


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def noisy(folder: Path, name: str, count: int, labels: tuple[int, ...]) -> dict[str, list[str]]:
    """Patches of which a quarter has another label than its own, so that a sure network is wrong at times."""
    found = scene.patches(folder, name, count, seed=count, labels=labels)
    values = np.array(labels)[np.arange(count) % len(labels)]
    values[::4] = np.roll(values, 1)[::4]
    write(Path(found["source2.il"][0]), values.reshape(-1, 1, 1, 1).astype("uint8"))
    return found


def pixels_of(path: str, side: int = 8) -> np.ndarray:
    bands = gdal.Open(path).ReadAsArray()
    return np.moveaxis(bands, 0, -1).reshape(-1, side, side, len(bands)).astype("float32")


def values(path: Path, output: str, images: np.ndarray) -> np.ndarray:
    """What a model returns."""
    model = load_model(str(path))
    (name,) = model.inputs
    (found,) = model.function([name], [output])({name: images})
    return np.asarray(found)


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def brute_force(logits: np.ndarray, numbers: np.ndarray) -> float:
    """The temperature with the least negative log-likelihood, of 4000 that are tried."""
    tried = np.geomspace(0.05, 20, 4000)
    rows = np.arange(len(numbers))
    losses = [-np.log(softmax(logits.astype(float) / each)[rows, numbers]).mean() for each in tried]
    return float(tried[np.argmin(losses)])


def calibration_error(probabilities: np.ndarray, numbers: np.ndarray) -> float:
    """The expected calibration error, in a loop."""
    total = 0.0
    for low in range(15):
        inside = [i for i, p in enumerate(probabilities.max(axis=-1)) if low / 15 < p <= (low + 1) / 15]
        if inside:
            right = np.mean([probabilities[i].argmax() == numbers[i] for i in inside])
            total += len(inside) * abs(right - np.mean([probabilities[i].max() for i in inside]))
    return total / len(numbers)


LABELS = (3, 7, 200)
OUTPUTS = {"classes", "features", "predictions"}


@pytest.fixture(scope="module")
def data(folder: Path) -> dict[str, Any]:
    found = scene.keyed("training", scene.patches(folder, "training", 45, labels=LABELS))
    for role, count in (("validation", 180), ("test", 240)):
        found.update(scene.keyed(role, noisy(folder, role, count, LABELS)))
    return found


@pytest.fixture(scope="module")
def trained(folder: Path, data: dict[str, Any]) -> dict[str, Any]:
    """A training with CALIBRATE, and what the model returns without the last layer."""
    import keras

    given = {
        **data,
        "model__dir": scene.classifier(folder / "net.keras"),
        "remap_labels": True,
        "training__batchsize": 10,
        "training__epochs": 6,
        "learning_rate": 0.05,
        "validation__mode": "class",
    }
    log, out = scene.Log(), folder / "trained"
    out.mkdir()
    results = scene.train(
        log,
        **given,
        calibrate=True,
        out__keras=str(out / "net.keras"),
        model__saveto=str(out / "model"),
        out__report=str(out / "report.html"),
    )
    whole = keras.models.load_model(out / "net.keras", compile=False)
    tensors = [whole.get_layer(name).output for name in ("predictions_uncalibrated", "classes")]
    keras.Model(whole.inputs, tensors).save(out / "plain.keras")
    return {"folder": out, "results": results, "log": "\n".join(log.lines)}


def samples(data: dict[str, Any], role: str) -> tuple[np.ndarray, np.ndarray]:
    labels = gdal.Open(data[f"{role}.source2.il"][0]).ReadAsArray().ravel()
    return pixels_of(data[f"{role}.source1.il"][0]), np.searchsorted(LABELS, labels)


def test_temperature_and_error_are_those_of_numpy(trained: dict[str, Any], data: dict[str, Any]) -> None:
    images, numbers = samples(data, "validation")
    plain = trained["folder"] / "plain.keras"
    temperature = brute_force(np.log(values(plain, "predictions_uncalibrated", images)), numbers)
    found = trained["results"]["temperature"]
    assert found == pytest.approx(temperature, rel=2e-3) and found > 1.2, "a quarter of the labels is wrong"
    images, numbers = samples(data, "test")
    probabilities = values(plain, "predictions_uncalibrated", images)
    before = calibration_error(probabilities, numbers)
    after = calibration_error(softmax(np.log(probabilities.astype(float)) / found), numbers)
    assert trained["results"]["calibration_error"] == pytest.approx(after, abs=1e-5)
    for name in ("net.keras", "model"):
        sidecar = read_sidecar(str(trained["folder"] / name))
        assert sidecar is not None and sidecar.calibration is not None
        told = sidecar.calibration
        assert (told.output, told.temperature, told.samples, told.measured_on) == ("predictions", found, 180, "test")
        assert (told.error_before, told.error_after) == pytest.approx((before, after), abs=1e-5)
    assert f"Temperature {found:.4g}, fitted to 180 validation labels" in trained["log"]
    assert f"on data for test: {before:.4g} before, {after:.4g} after" in trained["log"]


@pytest.mark.parametrize("name", ["net.keras", "model"])
def test_the_models_return_softmax_of_logits_by_temperature(
    trained: dict[str, Any], data: dict[str, Any], name: str
) -> None:
    images, _ = samples(data, "test")
    plain = trained["folder"] / "plain.keras"
    logits = np.log(values(plain, "predictions_uncalibrated", images).astype(float))
    found = values(trained["folder"] / name, "predictions", images)
    np.testing.assert_allclose(found, softmax(logits / trained["results"]["temperature"]), atol=1e-5)
    np.testing.assert_array_equal(values(trained["folder"] / name, "classes", images), values(plain, "classes", images))
    assert {"classes", "predictions"} <= set(load_model(str(trained["folder"] / name)).outputs) <= OUTPUTS


def test_serving_gives_the_confidence_and_the_same_map(trained: dict[str, Any], tmp_path: Path) -> None:
    bands = np.random.default_rng(5).integers(0, 200, (3, 12, 14)).astype("uint16")
    image = gdal.GetDriverByName("GTiff").Create(str(tmp_path / "image.tif"), 14, 12, 3, gdal.GDT_UInt16)
    image.WriteArray(bands)
    image = None
    windows = np.lib.stride_tricks.sliding_window_view(bands, (8, 8), axis=(1, 2))  # bands, rows, columns, 8, 8
    patches = windows.transpose(1, 2, 3, 4, 0).reshape(-1, 8, 8, 3).astype("float32")
    plain = trained["folder"] / "plain.keras"
    logits = np.log(values(plain, "predictions_uncalibrated", patches).astype(float))
    expected = softmax(logits / trained["results"]["temperature"]).max(axis=-1).reshape(5, 7)
    maps = {}
    for name in ("plain.keras", "net.keras", "model"):
        out, confidence = str(tmp_path / f"{name}.tif"), str(tmp_path / f"{name}_confidence.tif")
        registry.run(
            "TensorflowModelServe",
            {
                "source1.il": [str(tmp_path / "image.tif")],
                "model.dir": str(trained["folder"] / name),
                "source1.rfieldx": 8,
                "source1.rfieldy": 8,
                "output.spcscale": 1,
                "model.fullyconv": False,
                "out": out,
                "out.confidence": confidence,
            },
        )
        maps[name] = gdal.Open(out).ReadAsArray()
        if name != "plain.keras":
            np.testing.assert_allclose(gdal.Open(confidence).ReadAsArray(), expected, atol=1e-5)
            np.testing.assert_array_equal(maps[name], maps["plain.keras"])


def at_temperature_2(trained: dict[str, Any], path: Path) -> Path:
    """Save the calibrated network with another temperature."""
    import keras

    network = keras.models.load_model(trained["folder"] / "net.keras", compile=False)
    network.get_layer("predictions").temperature = 2.0
    network.save(path)
    return path


def test_averages_and_parts_are_those_of_the_calibrated_probabilities(trained: dict[str, Any], tmp_path: Path) -> None:
    """The mean of a calibrated model and the same one at temperature 2, in four positions, equals that of NumPy."""
    bands = np.random.default_rng(6).integers(0, 200, (3, 12, 15)).astype("uint16")
    image = gdal.GetDriverByName("GTiff").Create(str(tmp_path / "image.tif"), 15, 12, 3, gdal.GDT_UInt16)
    image.WriteArray(bands)
    image = None
    plain, sums = trained["folder"] / "plain.keras", []
    for axes in ((), (3,), (4,), (3, 4)):
        windows = np.lib.stride_tricks.sliding_window_view(bands, (8, 8), axis=(1, 2))
        patches = np.flip(windows, axes).transpose(1, 2, 3, 4, 0).reshape(-1, 8, 8, 3).astype("float32")
        logits = np.log(values(plain, "predictions_uncalibrated", patches).astype(float))
        sums.append((softmax(logits / trained["results"]["temperature"]) + softmax(logits / 2)) / 2)
    expected = np.mean(sums, axis=0).max(axis=-1).reshape(5, 8)
    given = {
        "source1.il": [str(tmp_path / "image.tif")],
        "model.dir": str(trained["folder"] / "net.keras"),
        "model.more": [str(at_temperature_2(trained, tmp_path / "net2.keras"))],
        "output.names": ["predictions"],
        "augment.serve": "flips",
        "source1.rfieldx": 8,
        "source1.rfieldy": 8,
        "output.spcscale": 1,
        "model.fullyconv": False,
        "out": str(tmp_path / "map.vrt"),
        "out.confidence": str(tmp_path / "confidence.vrt"),
    }
    for part in ("0/2", "1/2"):
        registry.run("TensorflowModelServe", {**given, "part": part})
    np.testing.assert_allclose(gdal.Open(str(tmp_path / "confidence.vrt")).ReadAsArray(), expected, atol=1e-5)


def test_the_report_says_on_which_data_the_errors_are(trained: dict[str, Any]) -> None:
    page = (trained["folder"] / "report.html").read_text(encoding="utf-8")
    part = page[page.index("Calibration of the class probabilities") :]
    assert "The diagrams show the test data, which had no part in the fit." in part
    assert "Interval of 95 % confidence" in part and "No validation label is of" not in part
    assert part.count("<img src=") == 1 and "sum over 15 bins" in part


def test_label_tiles_with_ignored_pixels_and_a_softmax_layer(folder: Path, tmp_path: Path) -> None:
    import keras

    image = keras.Input((None, None, 3), name="image")
    keras.utils.set_random_seed(1)
    hidden = keras.layers.Conv2D(3, 1, name="scores")(keras.layers.Rescaling(0.05)(image))
    keras.Model(image, keras.layers.Softmax(name="predictions")(hidden)).save(tmp_path / "net.keras")
    validation = scene.tiles(folder, "other_tiles", 12, seed=3)
    labels = gdal.Open(validation["source2.il"][0]).ReadAsArray().reshape(12, 8, 8, 1)
    labels[:, 4:, ::3][labels[:, 4:, ::3] == 2] = 1  # so that a sure network is wrong at times
    write(Path(validation["source2.il"][0]), labels)
    given = {
        **scene.keyed("training", scene.tiles(folder, "tiles", 20)),
        **scene.keyed("validation", validation),
        "model__dir": str(tmp_path / "net.keras"),
        "ignored_label": 9,
        "class_weights": "balanced",
        "training__epochs": 3,
        "training__batchsize": 4,
        "learning_rate": 0.05,
        "loss": "focal",
    }
    log = scene.Log()
    results = scene.train(
        log, **given, calibrate=True, out__keras=str(tmp_path / "out.keras"), out__report=str(tmp_path / "report.html")
    )
    images = pixels_of(given["validation.source1.il"][0])
    labels = labels.ravel()
    counts = labels != 9
    logits = values(tmp_path / "out.keras", "scores", images).reshape(-1, 3)
    assert results["temperature"] == pytest.approx(brute_force(logits[counts], labels[counts]), rel=2e-3)
    found = values(tmp_path / "out.keras", "predictions", images).reshape(-1, 3)
    np.testing.assert_allclose(found, softmax(logits / results["temperature"]), atol=1e-6)
    error = calibration_error(softmax(logits / results["temperature"])[counts], labels[counts])
    assert results["calibration_error"] == pytest.approx(error, abs=1e-4)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "they are no independent evidence" in page


def test_a_sigmoid_in_the_last_layer_is_divided_before_it_saturates(folder: Path, tmp_path: Path) -> None:
    training = scene.patches(folder, "two_training", 40, labels=(0, 1))
    validation = noisy(folder, "two_validation", 60, (0, 1))
    results = scene.train(
        **scene.keyed("training", training),
        **scene.keyed("validation", validation),
        model__dir=scene.classifier(tmp_path / "net.keras", classes=1),
        validation__mode="class",
        training__epochs=4,
        learning_rate=0.1,
        calibrate=True,
        out__keras=str(tmp_path / "out.keras"),
        model__saveto=str(tmp_path / "model"),
    )
    images = pixels_of(validation["source1.il"][0])
    numbers = gdal.Open(validation["source2.il"][0]).ReadAsArray().ravel()
    logits = values(tmp_path / "out.keras", "predictions_logits", images)
    both = np.concatenate([np.zeros_like(logits), logits], axis=1)
    assert results["temperature"] == pytest.approx(brute_force(both, numbers), rel=2e-3)
    far = np.concatenate([images, 40 * images])  # logits beyond what probabilities can tell
    logits = values(tmp_path / "out.keras", "predictions_logits", far).astype(float)
    assert abs(logits).max() > 20
    for name in ("out.keras", "model"):
        found = values(tmp_path / name, "predictions", far)
        np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits / results["temperature"])), atol=1e-6)
        np.testing.assert_array_equal(values(tmp_path / name, "classes", far), logits > 0)
    assert sorted(load_model(str(tmp_path / "out.keras")).outputs) == ["classes", "predictions"]


def test_further_training_begins_uncalibrated(trained: dict[str, Any], data: dict[str, Any], tmp_path: Path) -> None:
    log = scene.Log()
    scene.train(
        log,
        **data,
        model__dir=str(trained["folder"] / "model"),
        remap_labels=True,
        training__epochs=1,
        learning_rate=1e-9,
        out__keras=str(tmp_path / "again.keras"),
    )
    images, _ = samples(data, "test")
    found = values(tmp_path / "again.keras", "predictions", images)
    before = values(trained["folder"] / "net.keras", "predictions_uncalibrated", images)
    np.testing.assert_allclose(found, before, atol=1e-2)
    assert any("the trained model is not calibrated. Set CALIBRATE" in line for line in log.lines)
    sidecar = read_sidecar(str(tmp_path / "again.keras"))
    assert sidecar is not None and sidecar.calibration is None
    assert sorted(load_model(str(tmp_path / "again.keras")).outputs) == ["classes", "predictions"]


def test_only_a_model_that_is_written_is_told_to_be_uncalibrated(
    trained: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    """A test of learning rates keeps no model, and a trial of a search neither; one with further classes is a new network."""
    more = scene.patches(folder, "more", 12, labels=(3, 7, 9))
    common = {"model.dir": str(trained["folder"] / "net.keras"), "extend_classes": True}
    log = scene.Log()
    samples = {"training.source1.il": more["source1.il"], "training.target.il": more["source2.il"]}
    registry.run("FindLearningRate", {**common, **samples, "batches": 20}, log)
    training = {**common, **scene.keyed("training", more), "training.epochs": 1}
    registry.run("TensorflowModelTrain", {**training, "checkpoints": str(tmp_path / "trial")}, log)
    assert not any("CALIBRATE" in line for line in log.lines)
    registry.run("TensorflowModelTrain", {**training, "out.keras": str(tmp_path / "more.keras")}, log)
    assert any("the trained model is not calibrated. Set CALIBRATE" in line for line in log.lines)


def test_describing_and_exporting_keep_the_calibration(trained: dict[str, Any], tmp_path: Path) -> None:
    own = read_sidecar(str(trained["folder"] / "net.keras"))
    assert own is not None
    page = tmp_path / "page.html"
    registry.run(
        "DescribeModel",
        {"model.dir": str(trained["folder"] / "net.keras"), "sidecar": True, "probing": "fast", "out.html": str(page)},
    )
    assert "Calibrated class probabilities" in page.read_text(encoding="utf-8")
    values = {"model.dir": str(trained["folder"] / "net.keras"), "out": str(tmp_path / "model")}
    registry.run("ExportSavedModel", values)
    for path in (trained["folder"] / "net.keras", tmp_path / "model"):
        sidecar = read_sidecar(str(path))
        assert sidecar is not None and sidecar.calibration == own.calibration


def test_the_output_that_is_trained_is_calibrated_alone(folder: Path, data: dict[str, Any], tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 3), name="image")
    means = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(0.01)(image))
    probabilities = keras.layers.Dense(3, activation="softmax", name="predictions")(means)
    percent = keras.layers.Rescaling(100.0, name="percent")(probabilities)
    keras.Model(image, [probabilities, percent]).save(tmp_path / "net.keras")
    results = scene.train(
        **data,
        model__dir=str(tmp_path / "net.keras"),
        training__source2__placeholder="predictions",
        remap_labels=True,
        training__epochs=3,
        training__batchsize=5,
        learning_rate=0.1,
        calibrate=True,
        out__keras=str(tmp_path / "out.keras"),
    )
    images, _ = samples(data, "test")
    plain = values(tmp_path / "out.keras", "percent", images) / 100
    np.testing.assert_allclose(plain.sum(axis=-1), 1, atol=1e-5)
    expected = softmax(np.log(plain.astype(float)) / results["temperature"])
    np.testing.assert_allclose(values(tmp_path / "out.keras", "predictions", images), expected, atol=1e-5)


def test_samples_that_are_all_right_leave_the_probabilities_as_they_are(
    trained: dict[str, Any], data: dict[str, Any], folder: Path, tmp_path: Path
) -> None:
    log = scene.Log()
    easy = scene.patches(folder, "easy", 12, seed=4)
    found = values(trained["folder"] / "net.keras", "classes", pixels_of(easy["source1.il"][0]))
    write(Path(easy["source2.il"][0]), found.reshape(-1, 1, 1, 1).astype("uint8"))
    results = scene.train(
        log,
        **{key: paths for key, paths in data.items() if key.startswith("training")},
        **scene.keyed("validation", easy),
        model__dir=str(trained["folder"] / "net.keras"),
        remap_labels=True,
        training__epochs=1,
        learning_rate=1e-9,
        validation__mode="class",
        calibrate=True,
        out__keras=str(tmp_path / "out.keras"),
        out__report=str(tmp_path / "report.html"),
    )
    assert results["overall_accuracy"] == 1 and "temperature" not in results
    assert any("not calibrated: all samples are classified right" in line for line in log.lines)
    sidecar = read_sidecar(str(tmp_path / "out.keras"))
    assert sidecar is not None and sidecar.calibration is None
    assert "all samples are classified right" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_temperature_of_few_labels_of_some_classes_is_doubted() -> None:
    sure = FittedTemperature("p", 2.0, 400, {}, interval=(1.8, 2.2))
    assert sure.doubts == []
    doubted = FittedTemperature("p", 2.0, 5, {}, interval=(0.5, 8.0), lacking=("wood", "water"))
    told = "\n".join(map(str, doubted.doubts))
    assert "No validation label is of wood, water" in told and "as well be 0.5 or 8 (95 % confidence)" in told


def test_what_cannot_be_calibrated_is_refused_before_training(
    folder: Path, data: dict[str, Any], tmp_path: Path
) -> None:
    network = scene.classifier(tmp_path / "net.keras")
    training = {key: paths for key, paths in data.items() if key.startswith("training")}
    linear = scene.pixelwise(tmp_path / "linear.keras", 3, "linear")
    two = scene.pixelwise(tmp_path / "two.keras", 2, "linear")
    tiles = (
        scene.keyed("training", scene.tiles(folder, "few", 6)),
        scene.keyed("validation", scene.tiles(folder, "few2", 6)),
    )
    pairs = (
        scene.keyed("training", scene.values(folder, "v", 8)),
        scene.keyed("validation", scene.values(folder, "w", 8)),
    )
    alone = scene.patches(folder, "alone", 6, labels=(9, 9))
    ignored = {**scene.keyed("training", scene.patches(folder, "p", 9)), **scene.keyed("validation", alone)}
    cases: list[tuple[dict[str, Any], str]] = [
        ({**training, "model__dir": network}, "CALIBRATE is on, but there are no validation samples.*VALIDATION_SHARE"),
        ({**data, "model__dir": network, "validation__mode": "rmse"}, "VALIDATION_MODE is rmse"),
        ({**pairs[0], **pairs[1], "model__dir": two}, "the target holds values"),
        ({**tiles[0], **tiles[1], "model__dir": linear, "ignored_label": 9}, "predictions .* no class probabilities"),
        ({**ignored, "model__dir": network, "ignored_label": 9}, "no validation sample has a label that counts"),
    ]
    for given, message in cases:
        log = scene.Log()
        with pytest.raises(ParameterError, match=message):
            scene.train(log, **given, calibrate=True, training__epochs=1, out__keras=str(tmp_path / "out.keras"))
        assert not any(line.startswith("Epoch") for line in log.lines)
