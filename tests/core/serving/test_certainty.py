"""How sure a map is: outputs made of class probabilities, in the run that makes the map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving
from osgeo import gdal

tf = pytest.importorskip("tensorflow")

from otbtf_qgis.core.errors import ModelError, ParameterError, RasterError  # noqa: E402
from otbtf_qgis.core.probing.compute import Compute  # noqa: E402
from otbtf_qgis.core.serving.certainty import confidence, margin, relative_entropy  # noqa: E402

SIDE = 48
WEIGHTS = np.random.default_rng(4).normal(size=(2, 4)).astype("float32") * 4
NAMES = ("confidence", "entropy", "margin", "probabilities")
FEW = {"source1_rfieldx": 1, "source1_rfieldy": 1}


def four_classes(x: Any) -> dict[str, Any]:
    """Probabilities of four classes, their labels as a model returns them, and what else it may return."""
    logits = tf.linalg.matmul(x, tf.constant(WEIGHTS))
    found = tf.nn.softmax(logits)
    labels = tf.gather(tf.constant([3, 5, 9, 70], "int32"), tf.argmax(found, -1))[..., None]
    return {"p": found, "labels": labels, "logits": logits, "float_labels": tf.cast(labels, "float32")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    pixels = serving.noise(SIDE, SIDE, 2, "float32")
    pixels[:3, :, :] = -7
    serving.write(folder / "image.tif", pixels, nodata=-7)
    some = ([None, None, None, 2], "float32")
    serving.save(folder / "four", four_classes, x=some)
    serving.save(folder / "sigmoid", lambda x: {"y": tf.nn.sigmoid(x[..., :1] * 8 - 4)}, x=some)
    serving.save(folder / "logits", lambda x: {"labels": tf.argmax(x, -1)[..., None], "scores": x * 5}, x=some)
    serving.save(folder / "ndvi", lambda x: {"labels": tf.cast(x[..., :1] > 0.5, "float32")}, x=some)
    serving.save(folder / "gap", lambda x: {"y": tf.nn.softmax(tf.where(x > 0.99, np.nan, x))}, x=some)
    kernel = np.random.default_rng(3).normal(size=(3, 3, 2, 3)).astype("float32")
    serving.save(folder / "conv", lambda x: {"y": tf.nn.softmax(tf.nn.conv2d(x, kernel, 1, "SAME"))}, x=some)
    return folder


def outputs(place: Path, names: tuple[str, ...] = NAMES, end: str = "tif") -> dict[str, str]:
    return {f"out_{name}": str(place / f"{name}.{end}") for name in names}


def run(folder: Path, model: str, place: Path, log: serving.Log | None = None, **values: Any) -> dict[str, Any]:
    given = {"source1_il": str(folder / "image.tif"), "model_dir": str(folder / model), "out": str(place / "map.tif")}
    return serving.serve(log, **{**given, **values})


def measures(probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """The right values, one by one."""
    best = np.sort(probabilities, -1)
    terms = probabilities * np.log(np.where(probabilities > 0, probabilities, 1))
    return {
        "confidence": best[..., -1:],
        "entropy": -terms.sum(-1, keepdims=True) / np.log(probabilities.shape[-1]),
        "margin": best[..., -1:] - best[..., -2:-1],
        "probabilities": probabilities,
    }


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    found: np.ndarray = powers / powers.sum(-1, keepdims=True)
    return found


def check(place: Path, probabilities: np.ndarray, end: str = "tif") -> None:
    """Compare the outputs with the probabilities, float64, NaN where there is no data."""
    for name, expected in measures(probabilities).items():
        path = place / f"{name}.{end}"
        np.testing.assert_allclose(serving.read(path), expected, atol=2e-6, err_msg=name)
        dataset = gdal.Open(str(path))
        assert dataset.GetRasterBand(1).DataType == gdal.GDT_Float32
        assert np.isnan(dataset.GetRasterBand(1).GetNoDataValue())
        assert dataset.GetGeoTransform() == serving.ORIGIN


def known(folder: Path) -> np.ndarray:
    """The image, NaN where it has no data."""
    pixels = serving.read(folder / "image.tif").astype("float64")
    return np.where(pixels == -7, np.nan, pixels)


@pytest.mark.parametrize(
    ("row", "entropy", "sure", "apart"),
    [
        ([0.25] * 4, 1, 0.25, 0),
        ([0, 1, 0, 0], 0, 1, 1),
        ([0.5, 0.5, 0, 0], 0.5, 0.5, 0),
        ([0.7, 0.1, 0.2], 0.7298466991620791, 0.7, 0.5),
        ([np.nan, np.nan], np.nan, np.nan, np.nan),
    ],
)
def test_measures(row: list[float], entropy: float, sure: float, apart: float) -> None:
    """Worked out by hand: 0.7298... is -(0.7 ln 0.7 + 0.1 ln 0.1 + 0.2 ln 0.2) / ln 3."""
    given = np.array([[row]], "float32")
    found = [measure(given).item() for measure in (relative_entropy, confidence, margin)]
    np.testing.assert_allclose(found, [entropy, sure, apart], atol=1e-6)


@pytest.mark.parametrize("mapped", ["p", "labels", "float_labels"])
def test_beside_the_map(folder: Path, tmp_path: Path, mapped: str) -> None:
    """The map is the same with and without them, whatever the model returns."""
    log = serving.Log()
    plain = run(folder, "four", tmp_path, output_names=mapped, output_bv=255)
    expected, dtype = serving.read(tmp_path / "map.tif"), gdal.Open(plain["out"]).GetRasterBand(1).DataType
    (tmp_path / "map.tif").unlink()
    found = run(folder, "four", tmp_path, log, output_names=mapped, output_bv=255, **outputs(tmp_path))
    np.testing.assert_array_equal(serving.read(tmp_path / "map.tif"), expected)
    assert gdal.Open(found["out"]).GetRasterBand(1).DataType == dtype
    assert serving.nodata_of(tmp_path / "map.tif") == 255
    check(tmp_path, softmax(known(folder) @ WEIGHTS))
    assert {key: found[key] for key in plain} == plain
    assert found["out.margin"] == str(tmp_path / "margin.tif") and found["probabilities"] == ["0", "1", "2", "3"]
    assert "Class probabilities: the output p, 4 classes." in log.text


def test_the_probability_of_two_classes(folder: Path, tmp_path: Path) -> None:
    """Of a sigmoid; patch by patch."""
    run(folder, "sigmoid", tmp_path, model_fullyconv="off", **FEW, **outputs(tmp_path))
    second = 1 / (1 + np.exp(4 - known(folder)[..., :1] * 8))
    check(tmp_path, np.concatenate([1 - second, second], -1))


def test_what_the_model_knows_nothing_of(folder: Path, tmp_path: Path) -> None:
    """NaN of the model is no-data, and no reason to refuse it."""
    run(folder, "gap", tmp_path, **outputs(tmp_path))
    pixels = known(folder)
    check(tmp_path, softmax(np.where(pixels > np.float32(0.99), np.nan, pixels)))


def test_values_do_not_depend_on_tiles(folder: Path, tmp_path: Path) -> None:
    run(folder, "conv", tmp_path, optim_disabletiling=True, **outputs(tmp_path))
    expected = {name: serving.read(tmp_path / f"{name}.tif") for name in NAMES}
    run(folder, "conv", tmp_path, optim_tilesizex=16, optim_tilesizey=13, **outputs(tmp_path))
    for name in NAMES:
        np.testing.assert_allclose(serving.read(tmp_path / f"{name}.tif"), expected[name], atol=1e-6, err_msg=name)


def test_the_network_runs_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, ...]] = []
    region = Compute.region

    def counted(compute: Compute, images: Any, *size: int) -> np.ndarray:
        sizes.append(images[0].shape[:2])
        return region(compute, images, *size)

    monkeypatch.setattr(Compute, "region", counted)
    tiles = {"optim_tilesizex": 24, "optim_tilesizey": 24, "nodata_from_layer": False}
    run(folder, "four", tmp_path, output_names="labels", **tiles, **outputs(tmp_path))
    assert sizes.count((24, 24)) == 4


@pytest.mark.parametrize(
    ("model", "values", "told"),
    [
        ("four", {"output_names": "logits"}, r"the output logits of the model .* are none: they range from .*softmax"),
        ("logits", {}, r"the output scores of the model .* are none: they range from "),
        ("ndvi", {}, r"OUT_CONFIDENCE needs class probabilities, but the model .* returns labels without the prob"),
        ("four", {"output_names": "p labels"}, r"OUTPUT_NAMES is p labels: name one of them"),
        ("four", {"out_margin": "margin.png"}, r"margin.png is of the format .* cannot hold float32"),
        ("four", {"out_margin": "confidence.tif"}, r"OUT_CONFIDENCE and OUT_MARGIN are both"),
    ],
)
def test_refused(folder: Path, tmp_path: Path, model: str, values: dict[str, str], told: str) -> None:
    """Before the work starts; nothing is made."""
    if "out_margin" in values:
        values = {"output_names": "p", "out_margin": str(tmp_path / values["out_margin"])}
    with pytest.raises((ModelError, ParameterError, RasterError), match=told):
        run(folder, model, tmp_path, **{**outputs(tmp_path, ("confidence",)), **values})
    assert list(tmp_path.iterdir()) == []


def test_values_that_turn_out_to_be_none(folder: Path, tmp_path: Path) -> None:
    """A trial on the middle of the image does not show it."""
    pixels = np.full((SIDE, 700, 2), 0.5, "float32")
    pixels[:, -3:] = 3
    image = serving.write(tmp_path / "image.tif", pixels)
    net = serving.pixelwise(tmp_path / "net", lambda x: tf.where(x == 3, x, tf.nn.softmax(x)), 2)
    with pytest.raises(ModelError, match="OUT_ENTROPY needs .* are none: they range from 0.5 to 3."):
        run(folder, net, tmp_path, source1_il=image, **outputs(tmp_path, ("entropy",)))
    assert not (tmp_path / "entropy.tif").exists() and serving.hidden(tmp_path) == []


def test_in_parts(folder: Path, tmp_path: Path) -> None:
    """As virtual rasters and as one file each; the plan holds which are made."""
    given = {"output_names": "labels", **outputs(tmp_path, end="vrt"), "out": str(tmp_path / "map.vrt")}
    found = run(folder, "four", tmp_path, part="0/2", **given)
    assert found["out.entropy"] is None
    with pytest.raises(ParameterError, match=r"OUT_MARGIN \(there made, here nothing\)"):
        run(folder, "four", tmp_path, part="1/2", **{**given, "out_margin": None})
    found = run(folder, "four", tmp_path, part="1/2", **given)
    assert (found["parts.missing"], found["out.entropy"]) == (0, given["out_entropy"])
    check(tmp_path, softmax(known(folder) @ WEIGHTS), "vrt")
    run(folder, "four", tmp_path, resume=True, output_names="labels", **outputs(tmp_path))
    check(tmp_path, softmax(known(folder) @ WEIGHTS))
    np.testing.assert_array_equal(serving.read(tmp_path / "map.vrt"), serving.read(tmp_path / "map.tif"))
