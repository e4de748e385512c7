"""A further training keeps the classes of its model, and adds new ones where that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_scene as scene
from api_helpers import write

from otbtf_qgis.core.classes.legend import ClassEntry
from otbtf_qgis.core.classes.modelclasses import ModelClass
from otbtf_qgis.core.errors import OtbtfError
from otbtf_qgis.core.models.loading import KerasModel
from otbtf_qgis.core.models.sidecar import read_sidecar
from otbtf_qgis.core.training.classgrowth import with_more_classes
from otbtf_qgis.core.training.knownclasses import joined_legend
from otbtf_qgis.core.training.network import Network, load_network

BRIGHT = {3: (60, 0, 0), 7: (0, 60, 0), 9: (50, 50, 0), 200: (0, 0, 60)}
"""Of each label, what its patches have more in each band."""


def patches(folder: Path, labels: tuple[int, ...], what: str = "training", **names: str) -> dict[str, Any]:
    random = np.random.default_rng(len(labels))
    values = np.resize(labels, 48)
    pixels = random.integers(0, 60, (48, 8, 8, 3)) + np.array([BRIGHT[value] for value in values])[:, None, None]
    image = write(folder / "p.tif", pixels.astype("uint16"))
    target = write(folder / "l.tif", values.reshape(-1, 1, 1, 1).astype("uint8"))
    rows = [{"value": int(value[1:]), "name": name} for value, name in names.items()]
    scene.describe(target, content="labels", classes=rows)
    return scene.keyed(what, {"source1.il": [image], "source2.il": [target]})


FEW: dict[str, Any] = {"training__epochs": 8, "training__batchsize": 8, "learning_rate": 0.05, "seed": 1}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model for the labels 3 (water), 7 (wood) and 200."""
    folder = tmp_path_factory.mktemp("base")
    samples = patches(folder, (3, 7, 200), _3="Water", _7="Wood")
    given = {"model__dir": scene.classifier(folder / "net.keras"), "remap_labels": True}
    results = scene.train(**samples, **given, **FEW, out__keras=str(folder / "base.keras"))
    assert results["kappa"] > 0.9
    return str(folder / "base.keras")


def classes(path: Any) -> list[tuple[int, str]]:
    sidecar = read_sidecar(str(path))
    assert sidecar is not None
    return [(each.value, each.name) for each in sidecar.classes["classes"]]


def test_old_classes_keep_their_weights(base: str) -> None:
    """Softmax over the old classes alone is what the old model returns."""
    old = load_network(base, False)
    new = with_more_classes(old, "predictions", (3, 7, 200), (1, 3, 7, 9, 200))
    pixels = np.random.default_rng(0).random((5, 8, 8, 3)).astype("float32") * 100
    before, after = (np.asarray(network.whole({"image1": pixels})["predictions"]) for network in (old, new))
    assert after.shape == (5, 5)
    kept = after[:, [1, 2, 4]]
    assert kept / kept.sum(axis=1, keepdims=True) == pytest.approx(before, abs=1e-5)
    assert (after[:, [0, 3]] > 0).all()


def test_a_class_is_added_with_the_encoder_frozen(base: str, tmp_path: Path) -> None:
    log = scene.Log()
    given = {"model__dir": base, "extend_classes": True, "freeze": "conv norm", "model__saveto": str(tmp_path / "new")}
    results = scene.train(
        log, **patches(tmp_path, (3, 7, 9, 200)), **given, **FEW, out__keras=str(tmp_path / "new.keras")
    )
    assert results["kappa"] > 0.5
    assert "Classes added to the 3 of the model: 9." in log.lines
    assert classes(tmp_path / "new.keras") == [(3, "Water"), (7, "Wood"), (9, "9"), (200, "200")]
    assert classes(tmp_path / "new") == classes(tmp_path / "new.keras")
    before, after = scene.weights(base), scene.weights(str(tmp_path / "new.keras"))
    assert all((one == other).all() for one, other in zip(before[:6], after[:6]))
    assert after[-1].shape == (4,)


def test_samples_of_some_classes_leave_the_others(base: str, tmp_path: Path) -> None:
    """The label 7 is the first one here, but stays the second class."""
    given = {"model__dir": base, "remap_labels": True, "freeze": "conv norm", "training__epochs": 1}
    log = scene.Log()
    results = scene.train(
        log, **patches(tmp_path, (7, 200)), **given, learning_rate=1e-9, out__keras=str(tmp_path / "new.keras")
    )
    assert results["overall_accuracy"] > 0.9  # of what the model had learned
    assert classes(tmp_path / "new.keras") == [(3, "Water"), (7, "Wood"), (200, "200")]
    assert any("No training sample has the labels 3 (Water)" in line for line in log.lines)


def test_other_classes_are_warned_about(base: str, tmp_path: Path) -> None:
    log = scene.Log()
    given = {"model__dir": base, "remap_labels": True, "training__epochs": 1, "out__keras": str(tmp_path / "n.keras")}
    scene.train(log, **patches(tmp_path, (3, 9)), **given)
    warning = next(line for line in log.lines if "The classes of the model are" in line)
    assert "3, 7, 200, but the samples also have the labels 9" in warning and "set EXTEND_CLASSES" in warning


def test_a_label_with_two_names_is_warned_about() -> None:
    log = scene.Log()
    known = (ModelClass(1, "Water", "#0000ff"), ModelClass(2, "Wood"), ModelClass(3))
    legend = {1: ClassEntry("water"), 2: ClassEntry("Town", "#ff0000")}
    assert joined_legend(known, legend, log) == legend
    assert log.lines == [
        "Warning: Label 2 is called Town in the samples, but Wood in the model: if these are different classes, change the "
        "labels of the samples."
    ]
    assert joined_legend(known, {}, log) == {1: ClassEntry("Water", "#0000ff"), 2: ClassEntry("Wood")}


def test_what_cannot_get_more_classes_is_refused(tmp_path: Path) -> None:
    samples = patches(tmp_path, (3, 7, 9))
    given: dict[str, Any] = {"extend_classes": True, "training__epochs": 1, "out__keras": str(tmp_path / "n.keras")}
    with pytest.raises(OtbtfError, match="MODEL_DIR is cnn16, a template"):
        scene.train(**samples, **given, model__dir="cnn16")
    with pytest.raises(
        OtbtfError, match="does not end with a layer Dense or Conv2D with a unit for each of its 1 classes"
    ):
        scene.train(**samples, **given, model__dir=scene.classifier(tmp_path / "one.keras", classes=1))
    values = scene.keyed("training", scene.values(tmp_path, "values", 9))
    with pytest.raises(OtbtfError, match="EXTEND_CLASSES"):
        scene.train(
            **values, **given, validation__mode="rmse", model__dir=scene.pixelwise(tmp_path / "two.keras", 2, "linear")
        )


def test_a_layer_made_for_the_old_classes_is_named() -> None:
    """What Keras says comes in one line, without the rest of its message."""
    import keras

    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Dense(3, name="scores")(keras.layers.GlobalAveragePooling2D()(image))
    out = keras.layers.Softmax(name="classes")(keras.layers.Reshape((1, 1, 3))(x))
    network = Network("three.keras", KerasModel("three.keras", keras.Model(image, out)))
    with pytest.raises(OtbtfError) as refused:
        with_more_classes(network, network.outputs[0], (0, 1, 2), (0, 1, 2, 3))
    assert "a layer after scores that is made for its 3 classes (" in str(refused.value)
    assert str(refused.value).endswith("): choose another model, or switch EXTEND_CLASSES off.")
    assert "\n" not in str(refused.value)
