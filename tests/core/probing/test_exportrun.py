from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import small_models
from described_models import add_classes, describe, serve

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import ModelError, OtbtfError, ParameterError
from otbtf_qgis.core.models import savedmodelexport
from otbtf_qgis.core.models.loading import load_model
from otbtf_qgis.core.models.sidecar import read_sidecar


def export(model_path, out, **more):
    return registry.run("ExportSavedModel", {"model.dir": model_path, "out": str(out), **more})


def served(model_path, images, folder, **more):
    return small_models.read(serve(model_path, images, folder, **more)["out"])


@pytest.fixture(scope="module")
def unet(tmp_path_factory):
    """A U-Net as a .keras file and as a SavedModel with crops and a layer's output, and an image."""
    folder = tmp_path_factory.mktemp("unet")
    keras_file = small_models.save(small_models.unet(), folder)
    names = {"output.names": "predictions two", "crops": "4 8"}
    return keras_file, export(keras_file, folder / "exported", **names), small_models.image(folder)


def test_its_outputs_and_inputs(unet):
    _, results, _ = unet
    expected = ["predictions", "predictions_crop4", "predictions_crop8", "two", "two_crop4", "two_crop8"]
    model = load_model(results["out"])  # which refuses what is not safe
    assert list(model.outputs) == results["outputs"].split() == expected
    assert {name: info.shape for name, info in model.inputs.items()} == {"x": (None, None, None, 3)}


@pytest.mark.parametrize("name", ["predictions", "two"])
def test_the_map_is_that_of_the_keras_file(unet, tmp_path, name):
    keras_file, results, image = unet
    expected = served(keras_file, [image], tmp_path, **{"output.names": name})
    found = served(results["out"], [image], tmp_path, **{"output.names": name})
    assert expected.shape[1:] == ((60, 72) if name == "predictions" else (30, 36))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_a_crop_is_the_inner_part(unet, tmp_path):
    keras_file, results, image = unet
    whole = served(keras_file, [image], tmp_path)
    cropped = served(results["out"], [image], tmp_path, **{"output.names": "predictions_crop8"})
    assert cropped.shape == (4, 60 - 16, 72 - 16)
    np.testing.assert_allclose(cropped, whole[:, 8:-8, 8:-8], rtol=1e-5, atol=1e-7)


def test_serve_takes_the_smallest_exact_crop_by_itself(unet, tmp_path):
    keras_file, results, image = unet
    whole = served(keras_file, [image], tmp_path)
    chosen = served(results["out"], [image], tmp_path)
    np.testing.assert_allclose(chosen, whole[:, 8:-8, 8:-8], rtol=1e-5, atol=1e-7)


def test_the_sidecar_tells_every_output(unet):
    _, results, _ = unet
    sidecar = read_sidecar(results["out"])
    assert sorted(sidecar.geometries) == results["outputs"].split()
    crop = sidecar.geometries["predictions_crop8"]
    assert crop.x.rfield - crop.x.efield * crop.x.scale == 16
    assert crop.surroundings.margin_x == (0, 0)
    assert results["sidecar.path"].endswith("exported/mlm.json")


def test_classes_are_taken_over(tmp_path):
    path = small_models.save(small_models.labels(), tmp_path)
    describe(path)
    add_classes(path)
    results = export(path, tmp_path / "exported", crops="2")
    classes = read_sidecar(results["out"]).classes
    assert [item.name for item in classes["label"]] == ["open water", "forêt", "crops"]
    assert classes["label_crop2"] == classes["label"]


def test_several_inputs_with_names_that_tensorflow_does_not_allow(tmp_path):
    import keras

    one, two = keras.Input((None, None, 3), name="1 st-image"), keras.Input((None, None, 3), name="2nd")
    path = small_models.save(keras.Model([two, one], keras.layers.Subtract(name="y")([two, one])), tmp_path)
    results = export(path, tmp_path / "exported")
    assert list(load_model(results["out"]).inputs) == ["input_1_st_image", "input_2nd"]
    images = [small_models.image(tmp_path, "one"), small_models.image(tmp_path, "two")]
    values = {"source1.placeholder": "input_1_st_image", "source2.placeholder": "input_2nd"}
    plain = {"source1.placeholder": "1 st-image", "source2.placeholder": "2nd"}
    expected = served(path, images, tmp_path, **plain)
    np.testing.assert_allclose(served(results["out"], images, tmp_path, **values), expected, atol=1e-7)


def test_the_output_of_a_model_inside_a_model(tmp_path):
    import keras

    layers = keras.layers
    inner = keras.Sequential([keras.Input((None, None, 3)), layers.Conv2D(4, 3, name="deep")], name="encoder")
    outer = keras.Sequential([keras.Input((None, None, 3), name="x"), inner, layers.Conv2D(2, 1, name="y")])
    path = small_models.save(outer, tmp_path)
    results = export(path, tmp_path / "exported", **{"output.names": "encoder"})
    image = small_models.image(tmp_path)
    expected = inner.predict(np.moveaxis(small_models.read(image), 0, -1)[None], verbose=0)[0]
    found = served(results["out"], [image], tmp_path)
    np.testing.assert_allclose(np.moveaxis(found, 0, -1), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crops": "0"}, "CROPS holds '0', but must be whole numbers"),
        ({"crops": "16 x"}, "CROPS holds 'x'"),
        ({"crops": "-4"}, "CROPS holds '-4'"),
        ({"output.names": "onne"}, "Did you mean one?"),
    ],
)
def test_bad_parameters(unet, tmp_path, values, message):
    with pytest.raises(OtbtfError) as caught:
        export(unet[0], tmp_path / "exported", **values)
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_image_cannot_be_cropped(tmp_path):
    path = small_models.save(small_models.classifier(), tmp_path)
    with pytest.raises(ModelError, match="classes .* is not an image, so it cannot be cropped"):
        export(path, tmp_path / "exported", crops="4")


def test_nothing_is_left_of_a_fixed_size(tmp_path):
    import keras

    x = keras.Input((16, 16, 3), name="x")
    path = small_models.save(keras.Model(x, keras.layers.Conv2D(1, 1, name="y")(x)), tmp_path)
    with pytest.raises(ModelError, match="16 pixels, so cropping 8 from each side leaves nothing"):
        export(path, tmp_path / "exported", crops="8")


def test_a_saved_model_is_refused(unet, tmp_path):
    with pytest.raises(ParameterError, match="is already a SavedModel"):
        export(unet[1]["out"], tmp_path / "exported")


def test_other_files_are_not_replaced(unet, tmp_path):
    (tmp_path / "thesis.odt").write_text("years of work", encoding="utf-8")
    with pytest.raises(ParameterError, match="holds other files"):
        export(unet[0], tmp_path)
    assert (tmp_path / "thesis.odt").read_text(encoding="utf-8") == "years of work"


def test_an_older_savedmodel_is_replaced_only_by_a_whole_one(tmp_path, monkeypatch):
    path = small_models.save(small_models.pixelwise(), tmp_path)
    export(path, tmp_path / "exported")
    before = (tmp_path / "exported" / "saved_model.pb").read_bytes()

    def fail(model, outputs, crops, folder):
        folder.mkdir()
        (folder / "saved_model.pb").write_bytes(b"half")
        raise ModelError("the disk is full")

    monkeypatch.setattr("otbtf_qgis.core.probing.exportrun.export_saved_model", fail)
    with pytest.raises(ModelError, match="the disk is full"):
        export(path, tmp_path / "exported", **{"output.names": "y"})
    assert (tmp_path / "exported" / "saved_model.pb").read_bytes() == before
    assert sorted(item.name for item in tmp_path.iterdir()) == ["exported", "net.keras"]
    monkeypatch.setattr("otbtf_qgis.core.probing.exportrun.export_saved_model", savedmodelexport.export_saved_model)
    results = export(path, tmp_path / "exported", crops="3")
    assert results["outputs"] == "y y_crop3" and list(load_model(results["out"]).outputs) == ["y", "y_crop3"]
