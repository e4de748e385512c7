"""A context of fixed size: windows of one size, blended, equal a reference in NumPy and do not depend on tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
keras = pytest.importorskip("keras")

from blending import blended  # noqa: E402
from serving import Log, keras_file, read, save, serve, served, texture, write_at  # noqa: E402

from otbtf_qgis.core.errors import ModelError, ParameterError  # noqa: E402
from otbtf_qgis.core.models.keraslayers import ClassValues  # noqa: E402

L = keras.layers
SIDE = 16


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    """Networks whose outputs all depend on the whole of what they are shown, and one without."""
    keras.utils.set_random_seed(3)
    image = keras.Input((None, None, 2), name="image")
    same = L.Conv2D(3, 3, padding="same")(image)
    coarse = L.AveragePooling2D(4)(L.Conv2D(4, 3, padding="same")(image))
    small = keras.Input((None, None, 1), name="small")
    fixed = keras.Input((SIDE, SIDE, 2), name="image")
    mixed = L.Concatenate()([same, L.UpSampling2D(2)(L.Conv2D(2, 3, padding="same")(small))])
    found = {
        "same": (image, _modulated(same)),
        "valid": (image, _modulated(L.Conv2D(3, 5)(image))),
        "coarse": (image, _modulated(coarse)),
        "two": ([image, small], _modulated(mixed)),
        "fixed": (fixed, _modulated(L.Conv2D(3, 3, padding="same")(fixed))),
        "patch": (image, L.GlobalAveragePooling2D()(same)),
    }
    built = {name: keras.Model(taken, output, name=name) for name, (taken, output) in found.items()}
    for source, taken in (("same", image), ("fixed", fixed)):
        scores = L.Softmax(name="scores")(built[source].output)
        outputs = {"scores": scores, "classes": ClassValues([3, 7, 40], name="classes")(scores)}
        built[f"{source}_classes"] = keras.Model(taken, outputs, name=f"{source}_classes")
    return built


def _modulated(values: Any) -> Any:
    mean = L.GlobalAveragePooling2D(keepdims=True)(values)
    return L.Add()([L.Activation("tanh")(values), L.Activation("tanh")(L.Rescaling(5.0)(mean))])


def tiled(width: int, height: int) -> dict[str, int]:
    return {"optim.tilesizex": width, "optim.tilesizey": height}


def close(one: np.ndarray, two: np.ndarray) -> bool:
    assert one.shape == two.shape
    return float(np.abs(one - two).max()) <= 1e-5 * float(np.abs(two).max())


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Pixels whose mean differs from place to place, so that each window is another."""
    return texture(43, 57, 2) * np.linspace(0.2, 2.0, 57)[None, :, None].astype("float32")


@pytest.mark.parametrize(("name", "scale", "crop"), [("same", 1, 0), ("valid", 1, 4), ("coarse", 4, 0)])
def test_the_map_equals_windows_blended_in_numpy_for_any_tiles(
    tmp_path: Path, models: dict[str, Any], pixels: np.ndarray, name: str, scale: int, crop: int
) -> None:
    image, log = write_at(tmp_path / "image.tif", pixels), Log()
    at_once = served(tmp_path, models[name], image, log=log, model__context=SIDE + crop)
    assert close(at_once, blended(models[name], [pixels], SIDE + crop, scale, crop=crop))
    assert f"windows of {SIDE + crop} x {SIDE + crop} pixels of source 1, every {SIDE // 2} pixels" in log.text
    for size in ((5, 9), (64, 16)):
        tiles = served(tmp_path, models[name], image, model__context=SIDE + crop, **tiled(*size))
        np.testing.assert_array_equal(tiles, at_once)


def test_a_part_of_the_map_is_that_of_the_whole(tmp_path: Path, models: dict[str, Any], pixels: np.ndarray) -> None:
    image = write_at(tmp_path / "image.tif", pixels)
    whole = served(tmp_path, models["same"], image, model__context=SIDE)
    part = served(tmp_path, models["same"], image, model__context=SIDE, out__box="11:5:30:20")
    np.testing.assert_array_equal(part, whole[5:25, 11:41])


def test_flips_are_averaged_within_each_window(tmp_path: Path, models: dict[str, Any], pixels: np.ndarray) -> None:
    image = write_at(tmp_path / "image.tif", pixels)

    def flipped(window: Any) -> np.ndarray:
        ways = [(np.s_[:, ::down, ::across]) for down in (1, -1) for across in (1, -1)]
        return np.mean([np.asarray(models["same"](window[way]))[way] for way in ways], axis=0)

    found = served(tmp_path, models["same"], image, model__context=SIDE, augment__serve="flips", **tiled(20, 20))
    assert close(found, blended(flipped, [pixels], SIDE))


def test_sources_of_two_pixel_sizes(tmp_path: Path, models: dict[str, Any]) -> None:
    fine, coarse = texture(44, 56, 2), texture(22, 28, 1, seed=1)
    images = write_at(tmp_path / "fine.tif", fine), write_at(tmp_path / "coarse.tif", coarse, 20.0)
    found = served(tmp_path, models["two"], *images, model__context=SIDE, **tiled(13, 13))
    assert close(found, blended(models["two"], [fine, coarse], SIDE, ratios=(1, 2)))


@pytest.mark.parametrize("name", ["same_classes", "fixed_classes"])
def test_classes_are_those_of_the_blended_scores(
    tmp_path: Path, models: dict[str, Any], pixels: np.ndarray, name: str
) -> None:
    image = write_at(tmp_path / "image.tif", pixels)
    expected = blended(lambda window: models[name](window)["scores"], [pixels], SIDE)
    classes = np.array([3, 7, 40])[expected.argmax(axis=2)]
    found = served(tmp_path, models[name], image, model__context=SIDE, output__names="classes", **tiled(20, 20))
    both = served(tmp_path, models[name], image, model__context=SIDE, output__names="scores classes")
    np.testing.assert_array_equal(found[..., 0], classes)
    np.testing.assert_array_equal(both[..., 3], classes)
    assert close(both[..., :3], expected)
    assert len(np.unique(classes)) > 1


def test_outputs_without_data_are_the_background(tmp_path: Path, models: dict[str, Any], pixels: np.ndarray) -> None:
    holed = pixels.copy()
    holed[10:20, 20:50] = -1
    image = write_at(tmp_path / "image.tif", holed, nodata=-1)
    found = served(tmp_path, models["same"], image, model__context=SIDE, output__bv=-9, **tiled(16, 10))
    expected = blended(models["same"], [holed], SIDE)
    expected[10:20, 20:50] = -9
    assert close(found, expected)


def test_a_model_of_one_size_is_blended_too(tmp_path: Path, models: dict[str, Any], pixels: np.ndarray) -> None:
    image, log = write_at(tmp_path / "image.tif", pixels), Log()
    found = served(tmp_path, models["fixed"], image, model__context=SIDE)
    assert close(found, blended(models["fixed"], [pixels], SIDE))
    served(tmp_path, models["fixed"], image, log=log)
    assert f"To blend overlapping regions, set MODEL_CONTEXT={SIDE}." in "\n".join(log.warnings)


def test_parts_in_a_folder_make_the_same_map(tmp_path: Path, models: dict[str, Any], pixels: np.ndarray) -> None:
    image = write_at(tmp_path / "image.tif", pixels)
    whole = served(tmp_path, models["same_classes"], image, model__context=SIDE)
    out = str(tmp_path / "parts.vrt")
    model = keras_file(tmp_path, models["same_classes"])
    for part in ("0/2", "1/2"):
        serve(model_dir=model, source1_il=[image], model_context=SIDE, part=part, out=out)
    np.testing.assert_array_equal(read(out), whole)


@pytest.mark.parametrize(
    ("name", "side", "more", "cure"),
    [
        ("same", 64, {}, "has 64 x 64 pixels of source 1, but the image has only 57 x 43"),
        ("same", 15, {}, "half a window must be whole outputs and whole pixels of each source: choose 14 or 16"),
        ("coarse", 14, {}, "in steps of 4: choose 8 or 16"),
        ("fixed", 32, {}, "takes only 16 x 16 pixels: set MODEL_CONTEXT=16"),
        ("same", 16, {"source1.rfieldx": 32}, "but SOURCE1_RFIELDX is 32"),
        ("patch", 16, {}, "Set MODEL_CONTEXT=0"),
        ("same", 16, {"model.fullyconv": "off"}, "Set MODEL_CONTEXT=0"),
    ],
)
def test_windows_that_cannot_be(
    tmp_path: Path, models: dict[str, Any], pixels: np.ndarray, name: str, side: int, more: dict[str, Any], cure: str
) -> None:
    image = write_at(tmp_path / "image.tif", pixels)
    with pytest.raises((ModelError, ParameterError), match="^MODEL_CONTEXT is") as error:
        served(tmp_path, models[name], image, model__context=side, **more)
    assert cure in str(error.value)


def test_classes_of_a_model_without_variables(tmp_path: Path, pixels: np.ndarray) -> None:
    """Its graph calls a function, in which the classes are computed."""
    weights = np.random.default_rng(4).normal(size=(1, 1, 2, 3)).astype("float32") * 9

    def body(image: Any) -> dict[str, Any]:
        centred = image - tf.reduce_mean(image, [1, 2], keepdims=True)
        scores = tf.nn.softmax(tf.nn.conv2d(centred, weights, 1, "SAME"))
        return {"scores": scores, "classes": tf.argmax(scores, -1)[..., None]}

    model = save(tmp_path / "model", body, image=([None, None, None, 2], "float32"))
    image = write_at(tmp_path / "image.tif", pixels)
    found = served(tmp_path, model, image, model__context=SIDE, output__names="classes", **tiled(20, 20))
    expected = blended(lambda window: body(window)["scores"], [pixels], SIDE).argmax(axis=2)
    np.testing.assert_array_equal(found[..., 0], expected)
    assert len(np.unique(expected)) > 1


def test_whole_numbers_of_unknown_origin_cannot_be_blended(tmp_path: Path, pixels: np.ndarray) -> None:
    image = keras.Input((None, None, 2), name="image")
    model = keras.Model(image, keras.ops.cast(image, "uint8"), name="rounded")
    with pytest.raises(ModelError, match=r"OUTPUT_NAMES, or set MODEL_CONTEXT=0"):
        served(tmp_path, keras_file(tmp_path, model), write_at(tmp_path / "image.tif", pixels), model__context=SIDE)


def test_how_sure_the_map_is_follows_from_the_blended_scores(
    tmp_path: Path, models: dict[str, Any], pixels: np.ndarray
) -> None:
    image, sure = write_at(tmp_path / "image.tif", pixels), tmp_path / "confidence.tif"
    more = {"output.names": "classes", "out.confidence": str(sure), **tiled(20, 20)}
    classes = served(tmp_path, models["same_classes"], image, model__context=SIDE, **more)
    expected = blended(lambda window: models["same_classes"](window)["scores"], [pixels], SIDE)
    np.testing.assert_array_equal(classes[..., 0], np.array([3, 7, 40])[expected.argmax(axis=2)])
    np.testing.assert_allclose(read(sure)[..., 0], expected.max(axis=2), rtol=1e-5)


def test_parts_of_another_context_are_refused(tmp_path: Path, models: dict[str, Any], pixels: np.ndarray) -> None:
    given = {"model_dir": keras_file(tmp_path, models["same"]), "out": str(tmp_path / "parts.vrt")}
    given["source1_il"] = [write_at(tmp_path / "image.tif", pixels)]
    serve(**given, model_context=SIDE, part="0/2")
    with pytest.raises(ParameterError, match="MODEL_CONTEXT"):
        serve(**given, model_context=2 * SIDE, part="1/2")


def test_a_whole_image_that_does_not_fit_the_memory_names_the_cure(tmp_path: Path, models: dict[str, Any]) -> None:
    image = write_at(tmp_path / "image.tif", np.tile(texture(900, 900, 2), (3, 3, 1)))
    with pytest.raises(ModelError, match="depend on the whole image.* set MODEL_CONTEXT to the size of the patches"):
        served(tmp_path, models["same"], image, memory=64)
    part = {"out__box": "0:0:1500:1500", "model__context": 256}
    assert served(tmp_path, models["same"], image, memory=64, **part).shape == (1500, 1500, 3)
