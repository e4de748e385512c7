"""Several models, and one model in several positions of the image: the average of what each gives alone."""

from __future__ import annotations

import shutil
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving
from osgeo import gdal

tf = pytest.importorskip("tensorflow")

from otbtf_qgis.core.errors import ModelError, ParameterError  # noqa: E402
from otbtf_qgis.core.probing import modelcache  # noqa: E402

HEIGHT, WIDTH = 40, 48
KERNELS = np.random.default_rng(3).normal(size=(3, 3, 3, 2, 3)).astype("float32")
NUMBERS = (3, 5, 9)
SOME = ([None, None, None, 2], "float32")
Position = tuple[bool, bool, bool]
FLIPS: list[Position] = [(across, down, False) for down in (False, True) for across in (False, True)]
TURNS = [*FLIPS, *((across, down, True) for across, down, _ in FLIPS)]


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    found: np.ndarray = powers / powers.sum(-1, keepdims=True)
    return found


def convolved(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A convolution without padding, as a sum over the places of its kernel."""
    rows, columns = kernel.shape[:2]
    height, width = image.shape[0] - rows + 1, image.shape[1] - columns + 1
    places = [(row, column) for row in range(rows) for column in range(columns)]
    found: np.ndarray = sum(image[r : r + height, c : c + width] @ kernel[r, c].astype("float64") for r, c in places)
    return found


def same(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Class probabilities of the networks below, zeros beyond the image's edge."""
    return softmax(convolved(np.pad(image, ((1, 1), (1, 1), (0, 0))), kernel))


def pooled(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Of the network that pools: the largest of 2 x 2, and back to all pixels."""
    squares = image.reshape(image.shape[0] // 2, 2, image.shape[1] // 2, 2, -1).max((1, 3))
    return same(squares, kernel).repeat(2, 0).repeat(2, 1)


def in_positions(apply: Callable[[np.ndarray], np.ndarray], image: np.ndarray, positions: list[Position]) -> np.ndarray:
    """The mean of single runs over mirrored and turned images, each put back."""
    found = []
    for across, down, diagonal in positions:
        moved = image[:: -1 if down else 1, :: -1 if across else 1]
        values = apply(moved.swapaxes(0, 1) if diagonal else moved)
        values = values.swapaxes(0, 1) if diagonal else values
        found.append(values[:: -1 if down else 1, :: -1 if across else 1])
    mean: np.ndarray = np.mean(found, axis=0)
    return mean


def conv(kernel: np.ndarray, padding: str = "SAME") -> Callable[..., dict[str, Any]]:
    def body(x: Any) -> dict[str, Any]:
        found = tf.nn.softmax(tf.nn.conv2d(x, kernel, 1, padding))
        return {"p": found, "labels": tf.gather(tf.constant(NUMBERS, "int32"), tf.argmax(found, -1))[..., None]}

    return body


def linear(kernel: np.ndarray) -> Callable[..., dict[str, Any]]:
    return lambda x: {"t": tf.nn.conv2d(x, kernel, 1, "SAME")}


def pools(x: Any) -> dict[str, Any]:
    small = tf.nn.softmax(tf.nn.conv2d(tf.nn.max_pool2d(x, 2, 2, "VALID"), KERNELS[0], 1, "SAME"))
    return {"p": tf.repeat(tf.repeat(small, 2, 1), 2, 2)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    serving.write(folder / "image.tif", image())
    for number in range(3):
        serving.save(folder / f"net{number}", conv(KERNELS[number]), x=SOME)
    serving.save(folder / "pools", pools, x=SOME)
    serving.save(folder / "fixed", conv(KERNELS[0]), x=([None, 16, 16, 2], "float32"))
    serving.save(folder / "crops", conv(KERNELS[0], "VALID"), x=SOME)
    serving.save(folder / "even", conv(KERNELS[0][:2, :2], "VALID"), x=SOME)
    serving.save(folder / "two", lambda x: {"p": tf.nn.softmax(x)}, x=SOME)
    serving.save(folder / "sigmoid", lambda x: {"p": tf.nn.sigmoid(x[..., :1] * 8 - 4)}, x=SOME)
    serving.save(folder / "named", lambda image: {"chance": tf.nn.sigmoid(image[..., 1:] * 8 - 4)}, image=SOME)
    return folder


def image() -> np.ndarray:
    return serving.noise(HEIGHT, WIDTH, 2, "float32", seed=1)


def run(folder: Path, place: Path, models: list[str], log: serving.Log | None = None, **values: Any) -> dict[str, Any]:
    first, *more = (str(folder / name) for name in models)
    given = {"source1_il": str(folder / "image.tif"), "model_dir": first, "out": str(place / "map.tif")}
    return serving.serve(log, **{**given, **({"model_more": more} if more else {}), **values})


def read(place: Path, name: str = "map") -> np.ndarray:
    return serving.read(place / f"{name}.tif")


SMALL = {"optim_tilesizex": 16, "optim_tilesizey": 12}


def test_the_mean_of_several_models(folder: Path, tmp_path: Path) -> None:
    log = serving.Log()
    names = ("confidence", "agreement", "variance")
    outs = {f"out_{name}": str(tmp_path / f"{name}.tif") for name in names}
    run(folder, tmp_path, ["net0", "net1", "net2"], log, output_names="p", **SMALL, **outs)
    each = np.array([same(image(), kernel) for kernel in KERNELS])
    mean = each.mean(0)
    np.testing.assert_allclose(read(tmp_path), mean, atol=2e-6)
    best = mean.argmax(-1)
    of_best = np.take_along_axis(each, best[None, ..., None], -1)[..., 0]
    np.testing.assert_allclose(read(tmp_path, "confidence")[..., 0], of_best.mean(0), atol=2e-6)
    np.testing.assert_allclose(read(tmp_path, "agreement")[..., 0], (each.argmax(-1) == best).mean(0), atol=2e-6)
    np.testing.assert_allclose(read(tmp_path, "variance")[..., 0], of_best.var(0), atol=2e-6)
    assert len(np.unique(read(tmp_path, "agreement"))) == 4, (
        "none to all: what is second in each may be first in the mean"
    )


def test_each_model_is_loaded_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the engine keeps fewer models than the run averages."""
    loaded, load = [], modelcache.load_model

    def noted(path: str, *given: Any) -> Any:
        loaded.append(Path(path).name)
        return load(path, *given)

    monkeypatch.setattr(modelcache, "load_model", noted)
    monkeypatch.setattr(modelcache, "_models", OrderedDict())
    monkeypatch.setattr(modelcache, "MOST_MODELS", 1)
    run(folder, tmp_path, ["net0", "net1", "net2"], output_names="p", augment_serve="flips")
    assert loaded == ["net0", "net1", "net2"]


def test_class_numbers_are_those_of_the_mean_probabilities(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path, ["net0", "net1", "net2"], output_names="labels", out_agreement=str(tmp_path / "agree.tif"))
    each = np.array([same(image(), kernel) for kernel in KERNELS])
    expected = np.array(NUMBERS)[each.mean(0).argmax(-1)]
    np.testing.assert_array_equal(read(tmp_path)[..., 0], expected)
    votes = np.apply_along_axis(lambda row: np.bincount(row, minlength=3).argmax(), 0, each.argmax(-1))
    assert (np.array(NUMBERS)[votes] != expected).any(), "which is not the vote"
    shares = (each.argmax(-1) == each.mean(0).argmax(-1)).mean(0)
    np.testing.assert_allclose(read(tmp_path, "agree")[..., 0], shares, atol=1e-6)
    assert gdal.Open(str(tmp_path / "map.tif")).GetRasterBand(1).DataType == gdal.GDT_Int32


def test_the_probability_of_two_classes_by_models_of_other_names(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path, ["sigmoid", "named"], out_variance=str(tmp_path / "variance.tif"))
    each = 1 / (1 + np.exp(4 - 8 * image().astype("float64")))
    np.testing.assert_allclose(read(tmp_path)[..., 0], each.mean(-1), atol=2e-6)
    np.testing.assert_allclose(read(tmp_path, "variance")[..., 0], each.var(-1), atol=2e-6)


@pytest.mark.parametrize(
    ("model", "apply", "kind", "positions"),
    [
        ("net0", same, "flips", FLIPS),
        ("net0", same, "flips_turns", TURNS),
        ("pools", pooled, "flips_turns", TURNS),
        ("fixed", same, "flips_turns", TURNS),
        ("crops", lambda pixels, kernel: softmax(convolved(pixels, kernel)), "flips_turns", TURNS),
    ],
)
def test_the_mean_of_positions(
    folder: Path, tmp_path: Path, model: str, apply: Callable[..., np.ndarray], kind: str, positions: list[Position]
) -> None:
    """Whatever the tiles; of networks that look at neighbours, pool, crop, and take one size."""
    run(folder, tmp_path, [model], output_names="p", augment_serve=kind, **SMALL)
    expected = in_positions(lambda pixels: apply(pixels.astype("float64"), KERNELS[0]), image(), positions)
    np.testing.assert_allclose(read(tmp_path), expected, atol=2e-6)
    assert np.abs(apply(image().astype("float64"), KERNELS[0]) - expected).max() > 0.1


def test_models_and_positions(folder: Path, tmp_path: Path) -> None:
    outs = {"out_agreement": str(tmp_path / "agree.tif")}
    log = serving.Log()
    run(folder, tmp_path, ["net0", "net1"], log, output_names="labels", augment_serve="flips", **outs)
    each = np.array([in_positions(lambda p, k=kernel: same(p, k), image(), FLIPS) for kernel in KERNELS[:2]])
    assert "The map averages 2 models in 4 positions of the image." in log.text
    best = each.mean(0).argmax(-1)
    np.testing.assert_array_equal(read(tmp_path)[..., 0], np.array(NUMBERS)[best])
    np.testing.assert_allclose(read(tmp_path, "agree")[..., 0], (each.argmax(-1) == best).mean(0), atol=1e-6)


def test_the_variance_of_quantities(folder: Path, tmp_path: Path) -> None:
    """Of each value, whole and in parts; what is made of class probabilities is refused."""
    nets = []
    for number, kernel in enumerate(KERNELS[:2] * 50):
        nets.append(serving.save(tmp_path / f"net{number}", linear(kernel), x=SOME))
    log = serving.Log()
    run(folder, tmp_path, nets, log, augment_serve="flips", out_variance=str(tmp_path / "variance.tif"), **SMALL)
    padded = np.pad(image().astype("float64"), ((1, 1), (1, 1), (0, 0)))
    each = np.array([in_positions(lambda p, k=k: convolved(p, k), padded, FLIPS) for k in KERNELS[:2] * 50])
    np.testing.assert_allclose(read(tmp_path), each.mean(0), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(read(tmp_path, "variance"), each.var(0), rtol=1e-4, atol=1e-1)
    assert each.var(0).mean() > 100
    assert "OUT_VARIANCE is the variance of each value" in log.text
    outs = {"out": str(tmp_path / "map.vrt"), "out_variance": str(tmp_path / "variance.vrt")}
    for part in ("0/2", "1/2"):
        run(folder, tmp_path, nets, augment_serve="flips", part=part, **outs)
    np.testing.assert_allclose(
        serving.read(tmp_path / "variance.vrt"), read(tmp_path, "variance"), rtol=1e-4, atol=1e-2
    )
    asked = {"out_variance": str(tmp_path / "v.tif"), "out_agreement": str(tmp_path / "a.tif")}
    with pytest.raises(ModelError, match="OUT_AGREEMENT needs class probabilities"):
        run(folder, tmp_path, nets, **asked)


def test_patches_are_turned_around_their_own_pixel(folder: Path, tmp_path: Path) -> None:
    """Also those of an even size, which reach further to one side; the fast way gives the same."""
    kernel = np.random.default_rng(5).normal(size=(4, 4, 2, 3)).astype("float32")
    net = serving.save(tmp_path / "net", lambda x: {"p": tf.nn.softmax(tf.nn.conv2d(x, kernel, 1, "VALID"))}, x=SOME)
    size = {"model_fullyconv": "off", "source1_rfieldx": 4, "source1_rfieldy": 4}
    run(folder, tmp_path, [net], augment_serve="flips_turns", **size)
    expected = np.mean(
        [
            softmax(convolved(image().astype("float64"), moved(kernel)))
            for moved in (
                lambda k: k,
                lambda k: k[::-1],
                lambda k: k[:, ::-1],
                lambda k: k[::-1, ::-1],
                lambda k: k.swapaxes(0, 1),
                lambda k: k.swapaxes(0, 1)[::-1],
                lambda k: k.swapaxes(0, 1)[:, ::-1],
                lambda k: k.swapaxes(0, 1)[::-1, ::-1],
            )
        ],
        axis=0,
    )
    np.testing.assert_allclose(read(tmp_path), expected, atol=2e-6)


@pytest.mark.parametrize(
    ("models", "values", "told"),
    [
        (
            ["net0", "two"],
            {"output_names": "p"},
            r"MODEL_MORE cannot be averaged: .*two has 2 bands, but .* has 3 bands",
        ),
        (["crops", "net0"], {"output_names": "p"}, r"the models have different geometries, .*net0: SOURCE1_RFIELDX=1"),
        (["net0", "two"], {"output_names": "labels"}, r"two has no output 'labels'; it has: p"),
        (["net0", "gone"], {}, r"The model .*gone does not exist"),
        (
            ["even"],
            {"augment_serve": "flips", "source1_rfieldx": 3, "source1_rfieldy": 3},
            r"AUGMENT_SERVE is flips, but",
        ),
        (
            ["net0", "two", "net0"],
            {"output_names": "p"},
            r"MODEL_MORE names the model .*net0 again: give each model once",
        ),
        (["net0"], {"out_variance": "v.tif"}, r"OUT_VARIANCE compares several models, but there is one"),
    ],
)
def test_refused(folder: Path, tmp_path: Path, models: list[str], values: dict[str, str], told: str) -> None:
    """Before the work starts; nothing is made."""
    with pytest.raises((ModelError, ParameterError), match=told):
        run(folder, tmp_path, models, **values)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("other", ["oblong", "coarse"])
def test_pixels_that_cannot_be_turned(folder: Path, tmp_path: Path, other: str) -> None:
    """They can be mirrored."""
    pixels = image()[::2] if other == "oblong" else image()[::2, ::2]
    transform = (300000.0, 10.0 if other == "oblong" else 20.0, 0.0, 4000000.0, 0.0, -20.0)
    path = serving.write(tmp_path / "other.tif", pixels, transform)
    sources = {"source1_il": path} if other == "oblong" else {"source2_il": path}
    both = {"x": SOME, "y": SOME}

    def body(x: Any, y: Any) -> dict[str, Any]:
        return {"p": tf.nn.softmax(tf.nn.conv2d(x + tf.repeat(tf.repeat(y, 2, 1), 2, 2), KERNELS[0], 1, "SAME"))}

    net = serving.save(tmp_path / "net", body, **both) if other == "coarse" else "net0"
    with pytest.raises(ParameterError, match=r"AUGMENT_SERVE is flips_turns, but source .*set AUGMENT_SERVE=flips"):
        run(folder, tmp_path, [net], output_names="p", augment_serve="flips_turns", **sources)
    run(folder, tmp_path, [net], output_names="p", augment_serve="flips", **sources)
    fed = pixels if other == "oblong" else image() + pixels.repeat(2, 0).repeat(2, 1)
    expected = in_positions(lambda p: same(p.astype("float64"), KERNELS[0]), fed, FLIPS)
    np.testing.assert_allclose(read(tmp_path), expected, atol=3e-6)


def test_in_parts(folder: Path, tmp_path: Path) -> None:
    """Of the same models only."""
    given = {"output_names": "labels", "augment_serve": "flips", "out_variance": str(tmp_path / "variance.vrt")}
    given["out"] = str(tmp_path / "map.vrt")
    run(folder, tmp_path, ["net0", "net1"], part="0/2", **given)
    with pytest.raises(ParameterError, match="the model"):
        run(folder, tmp_path, ["net0", "net2"], part="1/2", **given)
    run(folder, tmp_path, ["net0", "net1"], part="1/2", **given)
    whole = {**given, "out": str(tmp_path / "map.tif"), "out_variance": str(tmp_path / "variance.tif")}
    run(folder, tmp_path, ["net0", "net1"], **whole)
    for name in ("map", "variance"):
        np.testing.assert_allclose(serving.read(tmp_path / f"{name}.vrt"), read(tmp_path, name), atol=1e-6)


def test_classes_that_differ_are_named(folder: Path, tmp_path: Path) -> None:
    from otbtf_qgis.core import registry

    for name, words in (("first", "water,wood,field"), ("second", "water,field,wood")):
        shutil.copytree(folder / "net0", tmp_path / name)
        labels = serving.write(tmp_path / f"{name}.tif", np.array([[[3], [5], [9]]], "uint8"))
        table = gdal.Open(labels, gdal.GA_Update)
        band, colours = table.GetRasterBand(1), gdal.ColorTable()
        for value in NUMBERS:
            colours.SetColorEntry(value, (value * 9, 0, 0, 255))
        names = [""] * 10
        for value, word in zip(NUMBERS, words.split(",")):
            names[value] = word
        band.SetColorTable(colours)
        band.SetCategoryNames(names)
        band = table = None
        given = {"model.dir": str(tmp_path / name), "classes": labels, "output.names": "labels", "sidecar": True}
        registry.run("DescribeModel", given, serving.Log())
    told = r"second has the classes 3 water, 5 field, 9 wood, but .*first has the classes 3 water, 5 wood, 9 field"
    with pytest.raises(ModelError, match=told):
        run(tmp_path, tmp_path, ["first", "second"], source1_il=str(folder / "image.tif"), output_names="labels")
