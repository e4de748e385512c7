"""ModelBase: OTBTF's way to write a model, trained, saved, probed and served."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from api_helpers import patches, write
from serving import read, served, texture
from serving import write_at as write_image

import otbtf_qgis
from otbtf_qgis.core.errors import ModelError, ParameterError

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
pytest.importorskip("osgeo")

from otbtf_qgis import core as otbtf  # noqa: E402
from otbtf_qgis.core.model import ModelBase, cropped_tensor_name  # noqa: E402
from otbtf_qgis.core.models.loading import load_model  # noqa: E402


class FCNN(ModelBase):
    """OTBTF's example, smaller: two strided convolutions, two transposed ones with a skip."""

    def normalize_inputs(self, inputs: dict) -> dict:
        return {"xs": tf.cast(inputs["xs"], tf.float32) * 0.01}

    def get_outputs(self, normalized_inputs: dict) -> dict:
        net = normalized_inputs["xs"]
        one = keras.layers.Conv2D(4, 3, strides=2, activation="relu", padding="same")(net)
        two = keras.layers.Conv2D(6, 3, strides=2, activation="relu", padding="same")(one)
        up = keras.layers.Conv2DTranspose(4, 3, strides=2, activation="relu", padding="same")(two) + one
        logits = keras.layers.Conv2DTranspose(2, 3, strides=2, padding="same")(up)
        return {"predictions": keras.layers.Softmax(name="softmax")(logits)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Batches of patches of 16 x 16 with 4 bands."""
    folder = tmp_path_factory.mktemp("data")
    images = patches(12, 16, 4)
    labels = (images[..., :1] > 100).astype("uint8")
    files = {"xs": [write(folder / "xs.tif", images)], "labels": [write(folder / "labels.tif", labels)]}

    def prepare(sample: dict) -> dict:
        return {"xs": sample["xs"], "predictions": otbtf.ops.one_hot(sample["labels"], nb_classes=2)}

    dataset = otbtf.DatasetFromPatchesImages(filenames_dict=files)
    dataset.to_tfrecords(str(folder / "records"), n_samples_per_shard=4)
    made = dataset.get_tf_dataset(batch_size=4, preprocessing_fn=prepare, targets_keys=["predictions"])
    records = otbtf.TFRecords(str(folder / "records")).read(4, ["predictions"], preprocessing_fn=prepare)
    return SimpleNamespace(patches=made, records=records)


@pytest.fixture(scope="module")
def trained(data: Any) -> FCNN:
    keras.utils.set_random_seed(0)
    model = FCNN(dataset_element_spec=data.patches.element_spec, inference_cropping=[4, 8, 16])
    model.compile(
        loss={"predictions": keras.losses.CategoricalCrossentropy()},
        optimizer=keras.optimizers.Adam(learning_rate=0.02),
        metrics={"predictions": [keras.metrics.Precision(class_id=1)]},
    )
    history = model.fit(data.patches, epochs=12, validation_data=data.records, verbose=0).history
    model.fit(data.records, epochs=3, verbose=0)
    assert history["loss"][-1] < history["loss"][0]
    return model


def test_outputs_and_crops(data: Any) -> None:
    model = FCNN(data.patches.element_spec)
    assert model.inference_cropping == [16, 32, 64, 96, 128]
    keys = ["predictions", *(cropped_tensor_name("predictions", crop) for crop in (16, 32, 64, 96, 128))]
    assert sorted(model.output) == sorted(keys)
    assert [tuple(tensor.shape) for tensor in model.inputs] == [(None, None, None, 4)]
    image = np.random.default_rng(0).integers(0, 255, (1, 64, 80, 4)).astype("float32")
    found = model({"xs": image})  # through to the Keras model
    np.testing.assert_array_equal(found["predictions_crop16"], found["predictions"][:, 16:-16, 16:-16])
    assert model.name == "FCNN"
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = model.no_such_thing


def test_plain_tensorflow_normalises(trained: FCNN) -> None:
    image = np.random.default_rng(0).integers(0, 255, (1, 32, 32, 4)).astype("float32")
    layer = next(layer for layer in trained.layers if layer.name == "FCNN_normalize_inputs")
    np.testing.assert_allclose(layer([image])[0], image * 0.01, rtol=1e-6)


def test_keras_normalisation_and_own_outputs(data: Any) -> None:
    class Own(FCNN):
        def normalize_inputs(self, inputs: dict) -> dict:
            return {"xs": keras.layers.Rescaling(0.01, name="rescaled")(inputs["xs"])}

        def postprocess_outputs(self, outputs: dict, inputs: Any = None, normalized_inputs: Any = None) -> dict:
            further = super().postprocess_outputs(outputs, inputs, normalized_inputs)
            further["classes"] = tf.argmax(outputs["predictions"], axis=-1, output_type=tf.int32)
            further["bright"] = tf.cast(inputs["xs"] > 100.0, tf.uint8)
            return further

    model = Own(data.patches.element_spec, inference_cropping=[4])
    assert "rescaled" in [layer.name for layer in model.layers]
    image = np.random.default_rng(0).integers(0, 255, (1, 32, 32, 4)).astype("float32")
    found = model({"xs": image})
    np.testing.assert_array_equal(found["classes"], np.argmax(found["predictions"], -1))
    np.testing.assert_array_equal(found["bright"], image > 100)
    np.testing.assert_array_equal(found["predictions_crop4"], found["predictions"][:, 4:-4, 4:-4])


def test_loss_without_names_and_an_output_without_target(data: Any) -> None:
    class Classes(FCNN):
        def get_outputs(self, normalized_inputs: dict) -> dict:
            outputs = super().get_outputs(normalized_inputs)
            return {**outputs, "classes": otbtf.layers.Argmax(name="classes")(outputs["predictions"])}

    model = Classes(data.patches.element_spec)
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    assert {"loss", "accuracy"} <= set(model.fit(data.patches, verbose=0).history)
    assert len(model.evaluate(data.records, verbose=0)) == 2
    assert "classes_crop16" in model.output


def test_error_in_a_method_is_not_hidden(data: Any) -> None:
    class Wrong(FCNN):
        def normalize_inputs(self, inputs: dict) -> dict:
            return {"xs": tf.cast(inputs["xs"], tf.float32) + tf.ones([3, 7])}

    with pytest.raises(ValueError, match="Dimensions must be equal"):
        Wrong(data.patches.element_spec)


def test_smallest_exact_crop(data: Any) -> None:
    """By hand: 3-convolutions of stride 2, twice, and back, see 8 pixels at most beyond a tile's edge."""
    model = FCNN(data.patches.element_spec)
    # Weights that are all positive and small: no unit is dead and no softmax saturated, so that nothing hides an edge.
    random = np.random.default_rng(1)
    model.model.set_weights([random.uniform(0.01, 0.03, weight.shape) for weight in model.model.get_weights()])
    crop = model.smallest_exact_crop()
    assert 4 <= crop <= 8
    image = np.random.default_rng(3).integers(0, 255, (1, 128, 128, 4)).astype("float32")
    whole = np.asarray(model({"xs": image})["predictions"])
    part = np.asarray(model({"xs": image[:, 32:96, 32:96]})["predictions"])
    inner = slice(crop, -crop)
    np.testing.assert_allclose(part[:, inner, inner], whole[:, 32:96, 32:96][:, inner, inner], atol=1e-6)
    less = slice(crop - 1, -crop + 1)
    assert np.abs(part[:, less, less] - whole[:, 32:96, 32:96][:, less, less]).max() > 1e-6
    assert model.smallest_exact_crop("predictions", images={"xs": image[0]}) == crop
    with pytest.raises(ParameterError, match="no output 'labels'.*predictions"):
        model.smallest_exact_crop("labels")


def test_no_crop_is_exact_for_a_model_that_sees_everything(data: Any) -> None:
    class Global(FCNN):
        def get_outputs(self, normalized_inputs: dict) -> dict:
            net = keras.layers.Conv2D(2, 3, padding="same")(normalized_inputs["xs"])
            return {"predictions": net * keras.layers.GlobalAveragePooling2D(keepdims=True)(net)}

    with pytest.raises(ModelError, match="depend on the whole image"):
        Global(data.patches.element_spec).smallest_exact_crop()


def test_saved_and_served_without_seams(trained: FCNN, tmp_path: Path) -> None:
    """Serving picks the smallest crop that is exact, from the .keras file and the SavedModels alike."""
    image = write_image(tmp_path / "image.tif", texture(96, 112, 4) * 200)
    trained.save(tmp_path / "net.keras")
    trained.save(str(tmp_path / "saved"))
    trained.export(str(tmp_path / "exported"), verbose=False)
    names = {"net.keras": "softmax", "saved": "softmax", "exported": "predictions"}
    array = read(image)[None]
    expected = np.asarray(trained({"xs": array})["predictions"])[0]
    for model, name in names.items():
        found = load_model(str(tmp_path / model))
        assert sorted(found.outputs) == sorted([name, *(f"{name}_crop{crop}" for crop in (4, 8, 16))])
        tiles = {"optim__tilesizex": 32, "optim__tilesizey": 32}
        tiled = served(tmp_path, str(tmp_path / model), image, **tiles)
        whole = served(tmp_path, str(tmp_path / model), image, optim__disabletiling=True)
        rows, columns = tiled.shape[:2]
        assert rows < 96 and columns < 112, "a crop was picked"
        np.testing.assert_allclose(tiled, whole[:rows, :columns], atol=1e-5)
        edge = (96 - rows) // 2
        inner = expected[edge : edge + rows, edge : edge + columns]
        np.testing.assert_allclose(tiled[:72, :72], inner[:72, :72], atol=1e-5)


def test_bad_input_is_explained(data: Any) -> None:
    inputs, targets = data.patches.element_spec
    with pytest.raises(ParameterError, match="input_keys names other.*: xs"):
        FCNN(data.patches.element_spec, input_keys=["xs", "other"])
    with pytest.raises(ParameterError, match="tuples .inputs, targets."):
        FCNN(inputs)
    with pytest.raises(ModelError, match="FCNN returns predictions.*targets are labels"):
        FCNN((inputs, {"labels": targets["predictions"]}))
    with pytest.raises(ParameterError, match=r"inference_cropping is \[0\]"):
        FCNN(data.patches.element_spec, inference_cropping=[0])


def test_only_the_chief_prints(trained: FCNN, capsys: pytest.CaptureFixture[str]) -> None:
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": ["a:1", "b:1"]}), task_type="worker", task_id=1
    )
    trained.summary(SimpleNamespace(cluster_resolver=resolver))
    assert capsys.readouterr().out == ""
    trained.summary()
    assert "softmax" in capsys.readouterr().out


def test_without_gdal_records_and_models_still_work() -> None:
    program = """
import sys
sys.modules["osgeo"] = None
from otbtf_qgis import core
print(core.TFRecords.__name__, core.ModelBase.__name__, core.layers.Argmax.__name__, core.ops.one_hot.__name__)
try:
    core.gdal_open("x.tif")
except core.errors.EngineError as error:
    print(error)
"""
    tree = Path(otbtf_qgis.__path__[0]).parent
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False, timeout=240)
    assert done.stdout.splitlines()[0] == "TFRecords ModelBase Argmax one_hot", done.stderr
    assert "GDAL's Python bindings are missing" in done.stdout


def test_names_at_the_top() -> None:
    for name in set(otbtf.__all__) - {"CheckpointToSavedModel", "CreateSavedModel"}:  # older names of functions
        assert getattr(otbtf, name).__name__.split(".")[-1] == name
    assert otbtf.run.__module__ == "otbtf_qgis.core.registry.running"
    with pytest.raises(AttributeError, match="no_such"):
        _ = otbtf.no_such
