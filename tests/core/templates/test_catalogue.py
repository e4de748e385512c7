from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import serving
from template_models import DATES, create, patches

from otbtf_qgis.core.errors import ModelError, ParameterError
from otbtf_qgis.core.models.loading import load_model
from otbtf_qgis.core.models.sidecar import read_sidecar
from otbtf_qgis.core.parameters.templatedescription import CLASSIFICATION, DETECTION, FEATURES, FIXED
from otbtf_qgis.core.parameters.templatenames import NAMES, TEMPLATES
from otbtf_qgis.core.templates import catalogue
from otbtf_qgis.core.templates.normalization import Scaling
from otbtf_qgis.core.training.detectionloss import DetectionLoss
from otbtf_qgis.core.training.losses import TanimotoLoss

TOP = Path(__file__).parents[3]

# Bands, the sides of training patches, and the target's side; narrow networks, since no geometry depends on the width.
SIX = " ".join(DATES.split()[:6])
CASES = {
    "cnn16": ("4", (16,), 1, {"width": 3}),
    "cnn16_deep": ("4", (16,), 1, {"width": 3}),
    "fcnn": ("4", (32,), 32, {"width": 3}),
    "unet": ("3", (32,), 32, {"width": 2}),
    "deeplabv3plus": ("3", (32,), 32, {"width": 1, "depth": 1}),
    "segformer_b0": ("4", (32,), 32, {"width": 1, "depth": 1}),
    "maggiori": ("3", (80,), 16, {"width": 4}),
    "pan_xs": ("1 4", (32, 8), 1, {"width": 3}),
    "two_resolution": ("4 6", (16, 8), 1, {"width": 3}),
    "time_series_vhr": ("6 3", (1, 25), 1, {"width": 4, "dates": "3"}),
    "tempcnn": ("12", (2,), 2, {"width": 3, "dates": SIX, "nodata": -1}),
    "gru": ("12 3", (2, 2), 2, {"width": 3, "dates": f"{SIX}; 3", "dates.order": "band-major"}),
    "ltae": ("12", (2,), 2, {"width": 16, "dates": DATES, "step": 12}),
    "time_series_transformer": ("12", (2,), 2, {"width": 4, "depth": 1, "dates": SIX}),
    "utae": ("12", (16,), 16, {"width": 8, "dates": SIX}),
    "detector": ("3", (32,), 8, {"width": 2, "classes": 2}),
    "super_resolution": ("3", (6,), 12, {"width": 3, "depth": 1}),
    "gap_filling": ("3 2 1", (16, 16, 16), 16, {"width": 2}),
    "field_boundaries": ("3", (16,), 16, {"width": 2}),
    "mlp": ("4", (1,), 1, {"width": 5, "classes": 2}),
    "scalar_product": ("3 3", (2, 2), 2, {}),
    "norm": ("3", (2,), 2, {}),
    "band_arithmetic": ("2 1", (2, 2), 2, {"expression": "im1b1 + im2b1; im1b2 > 0.5 ? 1 : 0"}),
    "harmonic": ("12", (2,), 2, {"dates": DATES}),
}
SPACINGS = {"pan_xs": (2.5, 10.0), "two_resolution": (10.0, 20.0)}
BACKBONES = [name for name in NAMES if TEMPLATES[name].task == FEATURES]
TRAINED = [name for name in CASES if TEMPLATES[name].loss]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Returns the results for a template of `CASES`, created once in both forms."""

    @functools.cache
    def result(name):
        folder = tmp_path_factory.mktemp(name)
        bands, _, _, more = CASES[name]
        return create(folder, name, bands=bands, **more, **{"out.savedmodel": str(folder / "saved")})

    return result


def loaded(path):
    """Load a .keras file as Keras, checked and in safe mode."""
    return load_model(path)._keras


def images(name, count=2):
    bands, sides, _, _ = CASES[name]
    generator = np.random.default_rng(0)
    shapes = [(count, side, side, int(number)) for side, number in zip(sides, bands.split())]
    return {f"source{k}": generator.random(shape, "float32") for k, shape in enumerate(shapes, 1)}


def test_every_template_has_a_case():
    assert sorted([*CASES, *BACKBONES]) == sorted(NAMES)


# ------------------------------------------------------------- each template


@pytest.mark.parametrize("name", CASES)
def test_its_geometry_is_what_its_help_says(made, name):
    told, found = TEMPLATES[name].geometry, made(name)
    numbers = dict(word.split("=") for word in found["geometry"].split())
    fields = [value for key, value in numbers.items() if re.fullmatch(r"SOURCE\d_RFIELDX", key)]
    assert [int(field) for field in fields][: len(told.rfields)] == list(told.rfields)
    assert int(numbers["OUTPUT_EFIELDX"]) == told.efield
    assert float(numbers["OUTPUT_SPCSCALE"]) == float(told.scale)
    assert found["verdict"] == told.verdict


@pytest.mark.parametrize("name", CASES)
def test_its_names_and_numbers(made, name):
    template, found = TEMPLATES[name], made(name)
    assert found["inputs"].split() == [f"source{k}" for k in range(1, len(CASES[name][0].split()) + 1)]
    assert found["outputs"] == {FIXED: "values", DETECTION: "detection_maps"}.get(template.task, "predictions")
    model = loaded(found["out.keras"])
    assert found["parameters"] == model.count_params()
    assert (found["parameters"] == 0) == (template.task == FIXED) == (not template.loss)
    if template.task == CLASSIFICATION:
        assert "features" in [layer.name for layer in model.layers]
        probabilities = model.predict(images(name), verbose=0)
        np.testing.assert_allclose(probabilities.sum(axis=-1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("patch", [1, 3, 8])
def test_cnn16_deep_sees_other_patches(patch):
    model = catalogue.create("cnn16_deep", bands=(3,), classes=4, width=2, patch=patch)
    assert model([np.zeros((2, patch, patch, 3), "float32")]).shape == (2, 1, 1, 4)
    assert model([np.zeros((1, patch + 5, patch, 3), "float32")]).shape == (1, 6, 1, 4)


@pytest.mark.parametrize("name", TRAINED)
def test_it_takes_a_step(made, name):
    model = loaded(made(name)["out.keras"])
    side = CASES[name][2]
    classes = model.output.shape[-1]
    generator = np.random.default_rng(1)
    if TEMPLATES[name].task == CLASSIFICATION:
        target = generator.integers(0, classes, (2, side, side, 1))
    elif TEMPLATES[name].task == DETECTION:
        target = generator.random((2, side, side, classes + 1), "float32")
    else:
        target = generator.random((2, side, side, classes), "float32")
    ours = {loss.name: loss for loss in (DetectionLoss(), TanimotoLoss())}
    model.compile(optimizer="sgd", loss=ours.get(TEMPLATES[name].loss, TEMPLATES[name].loss))
    before = [weight.numpy() for weight in model.trainable_weights]
    history = model.fit(images(name), target, batch_size=2, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert any((one != two.numpy()).any() for one, two in zip(before, model.trainable_weights))


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("time_series_vhr", "detector")])
def test_it_serves_as_a_saved_model(made, tmp_path, name):
    bands, sides, side, _ = CASES[name]
    found, arrays = made(name), images(name, 1)
    assert read_sidecar(found["out.savedmodel"]).geometries.keys() == {found["outputs"]}
    spacings = SPACINGS.get(name, (10.0,) * len(sides))
    paths = [
        serving.write_at(tmp_path / f"{key}.tif", array[0], spacing)
        for (key, array), spacing in zip(arrays.items(), spacings)
    ]
    served = serving.served(tmp_path, found["out.savedmodel"], *paths)
    expected = loaded(found["out.keras"]).predict(arrays, verbose=0)[0]
    assert expected.shape[:2] == (side, side)
    # The network takes every fourth size; serving covers what is left of a region of another with a further tile.
    assert served.shape[:2] == ((17, 17) if name == "maggiori" else (side, side))
    np.testing.assert_allclose(served[:side, :side], expected, rtol=1e-4, atol=1e-5)


def test_a_time_series_with_its_patches_serves(made, tmp_path):
    found = made("time_series_vhr")
    series, image = serving.texture(10, 10, 6), serving.texture(50, 50, 3)
    paths = [serving.write_at(tmp_path / "series.tif", series), serving.write_at(tmp_path / "vhr.tif", image, 2.0)]
    served = serving.served(tmp_path, found["out.savedmodel"], *paths)
    # The first output is centred 12.5 pixels of 2 m into the image and half a pixel of 10 m further: at 29 m.
    assert served.shape == (5, 5, 3)
    feeds = {"source1": series[None, 2:3, 2:3], "source2": image[None, 2:27, 2:27]}
    expected = loaded(found["out.keras"]).predict(feeds, verbose=0)[0]
    np.testing.assert_allclose(served[:1, :1], expected, rtol=1e-4, atol=1e-5)


def test_a_detector_is_not_served_as_a_map(made, tmp_path):
    image = serving.write_at(tmp_path / "image.tif", serving.texture(32, 32, 3))
    with pytest.raises(ModelError, match="otbtf:detectobjects"):
        serving.served(tmp_path, made("detector")["out.savedmodel"], image)


def test_the_cells_of_a_detector(tmp_path):
    found = create(tmp_path, "detector", bands="2", classes=1, width=2, depth=1, stride=2)
    assert "SOURCE1_RFIELDX=8 " in found["geometry"] and "OUTPUT_SPCSCALE=2 " in found["geometry"]
    assert found["loss"] == "centernet"
    with pytest.raises(ParameterError, match="must be one of: 1, 2, 4, 8"):
        create(tmp_path, "detector", bands="2", classes=1, stride=3)


def test_formulas(made):
    def compute(name):
        arrays = images(name)
        return loaded(made(name)["out.keras"]).predict(arrays, verbose=0), *arrays.values()

    found, one, two = compute("scalar_product")
    np.testing.assert_allclose(found, (one * two).sum(axis=-1, keepdims=True), rtol=1e-5)
    found, image = compute("norm")
    np.testing.assert_allclose(found, np.linalg.norm(image, axis=-1, keepdims=True), rtol=1e-5)
    found, one, two = compute("band_arithmetic")
    np.testing.assert_allclose(found[..., :1], one[..., :1] + two, rtol=1e-5)
    np.testing.assert_array_equal(found[..., 1], one[..., 1] > 0.5)


# ------------------------------------------------------------- options


def test_the_seed_repeats_the_weights(tmp_path):
    first, again, other = (
        loaded(
            create(tmp_path, "cnn16", bands="2", width=2, seed=seed, out__keras=f"{tmp_path}/{name}.keras")["out.keras"]
        )
        for name, seed in (("a", 7), ("b", 7), ("c", 8))
    )
    kernel = [model.weights[0].numpy() for model in (first, again, other)]
    np.testing.assert_array_equal(kernel[0], kernel[1])
    assert (kernel[0] != kernel[2]).any()


def test_image_pooling_sees_the_whole_image():
    plain, pooling = (
        catalogue.create("deeplabv3plus", bands=(2,), classes=2, width=1, depth=1, image_pooling=asked)
        for asked in (None, True)
    )
    one = np.random.default_rng(0).random((1, 1024, 16, 2), "float32")
    two = one.copy()
    two[:, -16:] += 5
    same = [np.array_equal(model([one])[:, :16], model([two])[:, :16]) for model in (plain, pooling)]
    assert same == [True, False]


def test_the_depth_of_a_unet(tmp_path):
    found = create(tmp_path, "unet", bands="2", width=2, depth=1)
    assert "SOURCE1_RFIELDX=2 " in found["geometry"]


def test_the_factor_of_super_resolution(tmp_path):
    found = create(tmp_path, "super_resolution", bands="2", width=2, depth=1, factor=4)
    assert "OUTPUT_SPCSCALE=0.25 " in found["geometry"]


def scaled(result, image):
    """What the model makes of an image of source 1 before its first convolution."""
    import keras

    model = loaded(result["out.keras"])
    return keras.Model(model.inputs, model.get_layer("source1_scaled").output).predict(image, verbose=0)


def test_bands_classes_and_statistics_of_patches(tmp_path):
    path = patches(
        tmp_path,
        "p.tif",
        2,
        [{"value": 0}, {"value": 1}, {"value": 2}],
        max=[8.0, 50.0],
        mean=[4.0, 10.0],
        std=[2.0, 5.0],
    )
    values = {"source1.il": [path], "classes": None, "width": 2}
    image = np.full((1, 16, 16, 2), 20.0, "float32")
    found = create(tmp_path, "cnn16", normalization="standard", **values)
    assert loaded(found["out.keras"]).output.shape == (None, None, None, 3)
    np.testing.assert_allclose(scaled(found, image)[0, 0, 0], [8.0, 2.0])
    found = create(tmp_path, "cnn16", normalization="maximum", **values)
    np.testing.assert_allclose(scaled(found, image)[0, 0, 0], [2.5, 0.4])
    found = create(tmp_path, "cnn16", normalization="scale", scale=0.01, **values)
    np.testing.assert_allclose(scaled(found, image)[0, 0, 0], [0.2, 0.2])


def test_statistics_of_rasters_without_a_description(tmp_path):
    array = serving.texture(40, 30, 2)
    array[:5] = -1.0
    found = create(
        tmp_path,
        "fcnn",
        normalization="standard",
        width=2,
        **{"source1.il": [serving.write_at(tmp_path / "image.tif", array, nodata=-1.0)]},
    )
    known = array[5:].reshape(-1, 2)
    image = np.full((1, 16, 16, 2), 0.5, "float32")
    expected = (0.5 - known.mean(axis=0)) / known.std(axis=0)
    np.testing.assert_allclose(scaled(found, image)[0, 0, 0], expected, rtol=1e-4)


def test_a_band_of_one_value_stays_finite(tmp_path):
    path = patches(tmp_path, "p.tif", 1, max=[0.0], mean=[3.0], std=[0.0])
    found = create(tmp_path, "cnn16", normalization="standard", width=2, **{"source1.il": [path]})
    np.testing.assert_allclose(scaled(found, np.full((1, 16, 16, 1), 5.0))[0, 0, 0], [2.0])


def test_predicted_images_are_in_the_units_of_the_source():
    from otbtf_qgis.core.templates.catalogue import create as make

    scaling = Scaling((100.0, 200.0), (10.0, 20.0))
    model = make("super_resolution", bands=(2,), scalings=(scaling,), width=2, depth=1)
    for weight in model.trainable_weights:
        weight.assign(np.zeros(weight.shape))
    found = model.predict(np.ones((1, 4, 4, 2)), verbose=0)
    np.testing.assert_allclose(found[0, 0, 0], [100.0, 200.0])


def test_mixed_precision_keeps_inputs_and_probabilities_exact():
    import keras

    from otbtf_qgis.core.templates.catalogue import create as make

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = make("cnn16", bands=(1,), classes=3, width=2, scalings=(Scaling((0.0,), (1e5,)),))
    finally:
        keras.config.set_dtype_policy(before)
    assert np.isfinite(model([np.full((1, 16, 16, 1), 1e5, "float32")])).all()  # more than float16 holds
    assert model.output.dtype == "float32"


# ------------------------------------------------------------- harmonic


def test_harmonic_finds_the_waves_of_a_series_with_gaps(tmp_path):
    days = np.arange(0, 900, 23.0)
    wave = 2 * np.pi * days / 365.25
    years = (days - days[-1] / 2) / 365.25
    series = 5 + 2 * years + 3 * np.cos(wave) - np.sin(wave) + 0.5 * np.cos(2 * wave) + 0.25 * np.sin(2 * wave)
    image = np.broadcast_to(series.astype("float32"), (6, 5, len(days))).copy()
    image[0, 0, ::3] = -32768.0
    image[0, 1, :12] = np.nan
    image[0, 2, 5:] = -32768.0  # fewer values than unknowns
    path = serving.write_at(tmp_path / "series.tif", image, nodata=-32768.0)
    dates = [str(np.datetime64("1970-01-01") + int(day)) for day in days]
    found = create(tmp_path, "harmonic", dates=" ".join(dates), **{"source1.il": [path]})
    served = serving.served(tmp_path, found["out.keras"], path)
    np.testing.assert_array_equal(served[0, 2], np.nan)
    served[0, 2] = served[0, 3]
    np.testing.assert_allclose(served, np.broadcast_to([5, 2, 3, -1, 0.5, 0.25, 0], (6, 5, 7)), atol=2e-3)


def test_dates_come_from_the_bands_names(tmp_path):
    from osgeo import gdal

    path = serving.write_at(tmp_path / "series.tif", serving.texture(4, 4, 4))
    dataset = gdal.Open(path, gdal.GA_Update)
    for band, date in enumerate(("20200110", "ndvi 2020-04-10", "2020-07-10", "2020-10-10"), 1):
        dataset.GetRasterBand(band).SetDescription(date)
    del dataset
    found = create(tmp_path, "harmonic", harmonics=1, **{"source1.il": [path]})
    layer = loaded(found["out.keras"]).get_layer("values")
    assert np.diff(layer.times).tolist() == [91.0, 91.0, 92.0]


def test_harmonic_on_the_real_series(shared, tmp_path):
    path = str(shared / "data" / "ndvi_series" / "ndvi.tif")
    found = create(tmp_path, "harmonic", harmonics=1, **{"source1.il": [path]})
    served = serving.served(tmp_path, found["out.keras"], path, output__bv=-99999)
    known = served[np.isfinite(served[..., 0]) & (served[..., 0] != -99999)]
    assert len(known) > 0.9 * served[..., 0].size
    assert 0 < np.median(known[:, 0]) < 10000  # NDVI x 10000
    assert np.median(known[:, -1]) < 3000


# ------------------------------------------------------------- backbones

EARLY = {
    "backbone_efficientnetv2b0": ("block2b_add", 4, 32),
    "backbone_resnet50v2": ("conv2_block1_out", 4, 256),
    "backbone_convnext_tiny": ("convnext_tiny_stage_0_block_0_identity", 4, 96),
}


@pytest.mark.parametrize("name", EARLY)
def test_a_backbone_cut_early(tmp_path, name):
    layer, stride, bands = EARLY[name]
    saved = str(tmp_path / "saved")
    found = create(tmp_path, name, bands="5", layer=layer, out__savedmodel=saved)
    assert found["outputs"] == "features" and f"OUTPUT_SPCSCALE={stride} " in found["geometry"]
    image = serving.texture(64, 64, 5)
    served = serving.served(tmp_path, saved, serving.write_at(tmp_path / "image.tif", image))
    assert served.shape[2] == bands
    expected = loaded(found["out.keras"]).predict(image[None], verbose=0)[0]
    assert expected.shape == (64 // stride, 64 // stride, bands)
    inner = slice(4, 10)
    np.testing.assert_allclose(served[inner, inner], expected[inner, inner], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", sorted({*BACKBONES} - {"backbone_efficientnetv2s"}))  # it is like b0, and slow
def test_a_whole_backbone_gives_what_its_help_says(name):
    from otbtf_qgis.core.templates.catalogue import create as make

    told = TEMPLATES[name].geometry
    model = make(name, bands=(2,))
    for side in (told.rfields[0], told.rfields[0] + int(told.scale)):
        shape = model.compute_output_shape((1, side, side, 2))
        assert shape[1:3] == ((side - told.rfields[0]) // told.scale + told.efield,) * 2


def test_a_backbone_for_patches_with_classes(tmp_path):
    found = create(tmp_path, "backbone_efficientnetv2b0", bands="2", patchsize=16, classes=3, layer="block2b_add")
    assert found["outputs"] == "predictions" and found["verdict"] == "patches of 16 x 16"
    model = loaded(found["out.keras"])
    assert model.output.shape == (None, 1, 1, 3) and model.get_layer("features").output.shape == (None, 1, 1, 32)


def test_weights_from_a_file_are_adapted_to_the_bands(tmp_path):
    import keras

    from otbtf_qgis.core.templates.catalogue import create as make

    source = keras.applications.ConvNeXtTiny(
        include_top=False, weights=None, input_shape=(None, None, 3), include_preprocessing=False
    )
    file = str(tmp_path / "net.weights.h5")
    source.save_weights(file)
    model = make("backbone_convnext_tiny", bands=(5,), weights="file", weights_file=file)
    found, kernel = (net.get_layer("convnext_tiny_stem").layers[0].kernel.numpy() for net in (model, source))
    np.testing.assert_allclose(found, np.repeat(kernel.mean(axis=2, keepdims=True), 5, axis=2) * 3 / 5, rtol=1e-5)
    for found, weight in zip(model.weights[1:], source.weights[1:]):
        np.testing.assert_array_equal(found.numpy(), weight.numpy())


def test_imagenet_weights_that_cannot_be_downloaded(tmp_path, monkeypatch):
    import keras

    def fail(weights, **_):
        if weights == "imagenet":
            raise Exception("URL fetch failure on https://storage.googleapis.com: Name or service not known")
        return original(weights=weights, **_)

    original = keras.applications.ResNet50V2
    monkeypatch.setattr(keras.applications, "ResNet50V2", fail)
    with pytest.raises(ModelError, match=r"could not be downloaded \(URL fetch failure.*WEIGHTS_FILE"):
        create(tmp_path, "backbone_resnet50v2", bands="4", weights="imagenet")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------- documentation


def test_the_documentation_tells_each_template():
    text = (TOP / "docs" / "templates.md").read_text(encoding="utf-8")
    for template in TEMPLATES.values():
        row = next((line for line in text.splitlines() if line.startswith(f"| `{template.name}` |")), "")
        texts = (template.use, template.geometry.describe(), template.training or "", template.origin)
        assert all(text in row for text in texts), template.name
