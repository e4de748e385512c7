"""The models that OTBTF's talks and papers show, served and compared with NumPy or the bare model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

from osgeo import gdal  # noqa: E402
from serving import Log, keras_file, read, served, texture, write_at  # noqa: E402

L = keras.layers
tf1 = tf.compat.v1
TILES = {"optim.tilesizex": 13, "optim.tilesizey": 7}


def export(folder: Path, body: Any, *specs: Any) -> str:
    """Save a function of tensors as a SavedModel; a dictionary of outputs is its result."""
    module = tf.Module()
    module.call = tf.function(body, input_signature=specs, autograph=False)
    tf.saved_model.save(module, str(folder), signatures=module.call)
    return str(folder)


def images(name: str, bands: int | None = None) -> Any:
    return tf.TensorSpec([None, None, None, bands], tf.float32, name=name)


# ------------------------------------------------------------------ pixel by pixel


@pytest.fixture
def pair(tmp_path: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    one, two = texture(31, 29, 3), texture(31, 29, 3, seed=1)
    return one, two, [write_at(tmp_path / "one.tif", one), write_at(tmp_path / "two.tif", two)]


def test_scalar_product(tmp_path: Path, pair: Any) -> None:
    one, two, paths = pair
    model = export(
        tmp_path / "m", lambda a, b: {"y": tf.reduce_sum(a * b, axis=-1, keepdims=True)}, images("a"), images("b")
    )
    np.testing.assert_allclose(served(tmp_path, model, *paths, **TILES)[..., 0], (one * two).sum(axis=2), rtol=1e-5)


def test_norm(tmp_path: Path, pair: Any) -> None:
    one, _, paths = pair
    model = export(tmp_path / "m", lambda a: {"y": tf.norm(a, axis=-1)}, images("a"))
    np.testing.assert_allclose(
        served(tmp_path, model, paths[0], **TILES)[..., 0], np.linalg.norm(one, axis=2), rtol=1e-5
    )


def test_vector_constant_and_user_placeholders(tmp_path: Path, pair: Any) -> None:
    """A constant of the graph, a vector and a scalar that the user gives."""
    one, _, paths = pair
    vector, scalar = tf.TensorSpec([3], tf.float32, name="vector"), tf.TensorSpec([], tf.float32, name="scalar")
    model = export(
        tmp_path / "m",
        lambda a, vector, scalar: {"y": (a + tf.constant([1.0, 2.0, 3.0]) + vector) * scalar},
        images("a"),
        vector,
        scalar,
    )
    given = {"model.userplaceholders": "vector=(0.5, -1, 2) scalar=1e-1"}
    expected = (one + np.array([1.5, 1.0, 5.0])) * 0.1
    np.testing.assert_allclose(served(tmp_path, model, paths[0], **given, **TILES), expected, rtol=1e-5)


def test_outer_product(tmp_path: Path, pair: Any) -> None:
    """The outer product of a pixel and ones, as many bands as both have together."""
    one, _, paths = pair
    model = export(
        tmp_path / "m",
        lambda a: {"y": tf.reshape(a[..., None] * tf.ones([1, 1, 1, 1, 4]), tf.concat([tf.shape(a)[:3], [12]], 0))},
        images("a", 3),
    )
    expected = (one[..., None] * np.ones(4)).reshape(31, 29, 12)
    np.testing.assert_allclose(served(tmp_path, model, paths[0], **TILES), expected, rtol=1e-6)


# ------------------------------------------------------------------ harmonic regression

CLOUD, FEWEST, YEAR = -32768.0, 30, 365.25


def harmonics(days: Any, library: Any) -> Any:
    """Five regressors per date: constant, and two harmonics of a year."""
    angle = days * (2 * np.pi / YEAR)
    columns = [library.ones_like(angle), *(f(k * angle) for k in (1, 2) for f in (library.cos, library.sin))]
    return library.stack(columns, axis=-1)


class TensorFlow:
    """TensorFlow's functions under NumPy's names."""

    ones_like, cos, sin, stack = tf.ones_like, tf.cos, tf.sin, tf.stack


def regression(ndvi: Any, dates: Any) -> dict[str, Any]:
    """Weighted normal equations per pixel; too few clear dates give -1."""
    regressors = harmonics(tf.cast(dates, tf.float64), TensorFlow)
    clear = tf.cast(tf.not_equal(ndvi, CLOUD), tf.float64)
    values = tf.cast(ndvi, tf.float64) * clear * 1e-4
    normal = tf.einsum("bhwt,ti,tj->bhwij", clear, regressors, regressors)
    right = tf.einsum("bhwt,ti->bhwi", values, regressors)
    enough = tf.reduce_sum(clear, axis=-1) >= FEWEST
    safe = tf.where(enough[..., None, None], normal, tf.eye(5, dtype=tf.float64))
    found = tf.linalg.solve(safe, right[..., None])[..., 0]
    return {"coefficients": tf.cast(tf.where(enough[..., None], found, -1.0), tf.float32)}


def test_harmonic_regression_of_a_real_series(tmp_path: Path, shared: Path) -> None:
    folder = shared / "data" / "ndvi_series"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/ndvi_series")
    dates = np.array(json.loads((folder / "dates.json").read_text()), "datetime64[D]")
    days = (dates - dates[0]).astype(int)
    path = str(tmp_path / "ndvi.tif")
    gdal.Translate(path, str(folder / "ndvi.tif"), srcWin=[20, 15, 40, 50])
    ndvi = read(path).astype("float64")
    assert ndvi.shape[2] == len(days) == 68

    spec = tf.TensorSpec([None, None, None, 68], tf.float32, name="ndvi")
    model = export(tmp_path / "m", regression, spec, tf.TensorSpec([68], tf.float32, name="dates"))
    given = {"model.userplaceholders": f"dates=({', '.join(map(str, days))})", "source1.placeholder": "ndvi"}
    out = served(tmp_path, model, path, nodata_from_layer=False, **given, **TILES)

    regressors = harmonics(days.astype(float), np)
    expected = np.full((*ndvi.shape[:2], 5), -1.0)
    for row, column in np.ndindex(*ndvi.shape[:2]):
        clear = ndvi[row, column] != CLOUD
        if clear.sum() >= FEWEST:
            expected[row, column] = np.linalg.lstsq(regressors[clear], ndvi[row, column, clear] * 1e-4, rcond=None)[0]
    fitted = (expected != -1).any(axis=2)
    assert fitted.any()
    assert (ndvi == CLOUD).any()
    np.testing.assert_allclose(out, expected, atol=1e-4)


# ------------------------------------------------------------------ several sources


def test_two_resolutions(tmp_path: Path) -> None:
    """A source at 10 m and one at 20 m, which is brought up inside the model."""
    keras.utils.set_random_seed(2)
    ten, twenty = keras.Input((None, None, 4), name="ten"), keras.Input((None, None, 6), name="twenty")
    fine = L.Conv2D(5, 3, padding="same", activation="relu")(ten)
    coarse = L.UpSampling2D(2)(L.Conv2D(5, 3, padding="same", activation="relu")(twenty))
    model = keras.Model([ten, twenty], L.Conv2D(3, 1)(L.Concatenate()([fine, coarse])))
    first, second = texture(46, 62, 4), texture(23, 31, 6, seed=1)
    paths = write_at(tmp_path / "ten.tif", first, 10), write_at(tmp_path / "twenty.tif", second, 20)
    out = served(tmp_path, model, *paths, **TILES)
    np.testing.assert_allclose(out, np.asarray(model([first[None], second[None]]))[0], rtol=1e-4, atol=1e-5)


def sar_optical_elevation(side: int | None) -> Any:
    """Crops the clouds' hole filler of OTBTF's papers in small: SAR and optical at 10 m, elevation at 20 m."""
    sar = keras.Input((side, side, 2), name="a_sar")
    optical = keras.Input((side, side, 4), name="b_optical")
    elevation = keras.Input((side and side // 2, side and side // 2, 1), name="c_elevation")

    def down(x: Any) -> Any:
        return L.Conv2D(6, 3, strides=2, padding="same", activation="relu")(x)

    half = L.Concatenate()([down(sar), down(optical), L.Conv2D(3, 3, padding="same", activation="relu")(elevation)])
    deep = L.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu")(down(half))
    full = L.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu")(L.Concatenate()([half, deep]))
    return keras.Model([sar, optical, elevation], L.Conv2D(4, 3, padding="same")(L.Concatenate()([full, optical])))


FIELDS = {f"source{k}.rfield{a}": size for k, size in ((1, 256), (2, 256), (3, 128)) for a in "xy"}


@pytest.mark.parametrize("given", [{}, FIELDS])
def test_sar_optical_elevation(tmp_path: Path, given: dict[str, int]) -> None:
    """With OTBTF's receptive fields of 256, 256 and 128 pixels, and without."""
    keras.utils.set_random_seed(2)
    model = sar_optical_elevation(None)
    pixels = [texture(280, 300, 2), texture(280, 300, 4, 1), texture(140, 150, 1, 2)]
    paths = [write_at(tmp_path / f"{k}.tif", array, 20 if k == 2 else 10) for k, array in enumerate(pixels)]
    out = served(tmp_path, model, *paths, **given, **{"optim.tilesizex": 91, "optim.tilesizey": 130})
    bare = np.asarray(model([array[None] for array in pixels]))[0]
    np.testing.assert_allclose(out, bare, rtol=1e-4, atol=1e-5)


def test_sar_optical_elevation_of_one_size(tmp_path: Path) -> None:
    """Inputs of 64, 64 and 32 pixels only."""
    keras.utils.set_random_seed(2)
    model = sar_optical_elevation(64)
    pixels = [texture(120, 140, 2), texture(120, 140, 4, 1), texture(60, 70, 1, 2)]
    paths = [write_at(tmp_path / f"{k}.tif", array, 20 if k == 2 else 10) for k, array in enumerate(pixels)]
    log = Log()
    out = served(tmp_path, model, *paths, log=log)
    assert "SOURCE3_RFIELDX=32" in log.text
    free = sar_optical_elevation(None)
    free.set_weights(model.get_weights())
    bare = np.asarray(free([array[None] for array in pixels]))[0]
    assert out.shape == bare.shape
    np.testing.assert_allclose(out[:100, :120], bare[:100, :120], rtol=1e-4, atol=1e-5)


def test_super_resolution(tmp_path: Path) -> None:
    """Pixels of a quarter of the size."""
    keras.utils.set_random_seed(2)
    image = keras.Input((None, None, 3))
    x = L.Conv2D(8, 3, padding="same", activation="relu")(image)
    x = L.Conv2DTranspose(6, 4, strides=2, padding="same", activation="relu")(x)
    model = keras.Model(image, L.Conv2DTranspose(3, 4, strides=2, padding="same")(x))
    pixels = texture(23, 19, 3)
    path, out = write_at(tmp_path / "image.tif", pixels), str(tmp_path / "fine.tif")
    bare = np.asarray(model(pixels[None]))[0]
    for given in ({}, {"output.spcscale": 0.25}):
        np.testing.assert_allclose(served(tmp_path, model, path, out=out, **given, **TILES), bare, rtol=1e-4, atol=1e-6)
    assert gdal.Open(out).GetGeoTransform() == (500000.0, 2.5, 0.0, 4800000.0, 0.0, -2.5)


# ------------------------------------------------------------------ crops, and a graph of TensorFlow 1


def unet_with_crops(kernel: int) -> Any:
    keras.utils.set_random_seed(2)
    image = keras.Input((None, None, 2))
    down = L.Conv2D(4, 3, padding="same", activation="relu")(image)
    deep = L.Conv2D(6, kernel, padding="same", activation="relu")(L.MaxPooling2D(4)(down))
    up = L.Concatenate()([L.UpSampling2D(4)(deep), down])
    predictions = L.Conv2D(3, 1, activation="softmax", name="predictions")(up)
    outputs = {"predictions": predictions}
    for crop in (4, 8, 16, 32):
        outputs[f"predictions_crop{crop}"] = L.Cropping2D(crop, name=f"predictions_crop{crop}")(predictions)
    return keras.Model(image, outputs)


@pytest.mark.parametrize(("kernel", "crop"), [(1, 4), (3, 8), (5, 16), (13, 32)])
def test_smallest_exact_crop_is_chosen(tmp_path: Path, kernel: int, crop: int) -> None:
    """By hand: (kernel - 1) / 2 pixels of 4, and 1 for the first convolution, which reaches one pixel of 4 further."""
    model, log = unet_with_crops(kernel), Log()
    pixels = texture(100, 100, 2)
    out = served(tmp_path, model, write_at(tmp_path / "image.tif", pixels), log=log, **TILES)
    assert f"predictions_crop{crop} from" in log.text
    bare = np.asarray(model(pixels[None])[f"predictions_crop{crop}"])[0]
    np.testing.assert_allclose(out, bare, rtol=1e-4, atol=1e-6)


def test_an_output_that_is_asked_for_is_served(tmp_path: Path) -> None:
    model, pixels = unet_with_crops(3), texture(80, 84, 2)
    path = write_at(tmp_path / "image.tif", pixels)
    out = served(tmp_path, keras_file(tmp_path, model), path, output__names="predictions", **TILES)
    np.testing.assert_allclose(out, np.asarray(model(pixels[None])["predictions"])[0], rtol=1e-4, atol=1e-6)


def test_graph_of_tensorflow_1(tmp_path: Path) -> None:
    """x, y and lr are placeholders; `prediction` needs x alone."""
    folder = str(tmp_path / "tf1")
    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(3, 3, 2, 4)).astype("float32")
    with tf1.Graph().as_default(), tf1.Session() as session:
        x = tf1.placeholder(tf.float32, [None, None, None, 2], "x")
        y = tf1.placeholder(tf.int32, [None, None, None, 1], "y")
        rate = tf1.placeholder_with_default(1e-3, [], "lr")
        weights = tf1.get_variable("kernel", initializer=kernel, use_resource=True)
        scores = tf.nn.conv2d(x, weights, 1, "VALID")
        prediction = tf.identity(tf.argmax(scores, axis=-1), name="prediction")
        loss = tf1.losses.sparse_softmax_cross_entropy(tf.squeeze(y, -1), scores)
        tf1.train.GradientDescentOptimizer(rate).minimize(loss, name="optimizer")
        session.run(tf1.global_variables_initializer())
        builder = tf1.saved_model.Builder(folder)
        signature = tf1.saved_model.predict_signature_def({"x": x, "y": y, "lr": rate}, {"prediction": prediction})
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()
    pixels = texture(31, 27, 2)
    path = write_at(tmp_path / "image.tif", pixels)
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (3, 3), axis=(0, 1))
    expected = np.einsum("hwcij,ijck->hwk", windows, kernel).argmax(axis=2)
    for given in ({"output.names": "prediction", "source1.placeholder": "x"}, {"source1.placeholder": "x"}, {}):
        np.testing.assert_array_equal(served(tmp_path, folder, path, **given, **TILES)[..., 0], expected)
