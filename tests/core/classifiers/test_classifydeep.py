"""ImageClassifierFromDeepFeatures names the network's parameters by its own keys, in errors and in the log."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import classifier_scene as scene
import pytest
import serving

from otbtf_qgis.core.errors import OtbtfError

KEYS_OF_SERVING = r"(?<!DEEP)MODEL_(DIR|USERPLACEHOLDERS|FULLYCONV|TAGSETS)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image, and networks of which each is refused for a reason of its own."""
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("deep")
    image = ([None, None, None, 3], "float32")
    serving.write(folder / "image.tif", scene.pixels())
    serving.convolutions(folder / "net", 3, outputs=3)
    serving.save(folder / "patches", lambda x: {"y": tf.reduce_mean(x, [1, 2])}, x=([None, 16, 16, 3], "float32"))
    serving.save(folder / "mean", lambda x: {"y": tf.reduce_mean(x, [1, 2])}, x=image)
    serving.save(folder / "rated", lambda x, rate: {"y": x * rate}, x=image, rate=([], "float32"))
    serving.save(folder / "ranked", lambda x: {"y": x[:, None, None]}, x=([None, 3], "float32"))
    serving.save(
        folder / "random",
        lambda x, noise: {"y": tf.where(noise, x + tf.random.uniform(tf.shape(x)), x)},
        x=image,
        noise=([], "bool"),
    )
    serving.save(
        folder / "uneven",
        lambda a, b: {"y": a + b[:, 2:-2, 1:-1]},
        a=([None, 16, 16, 3], "float32"),
        b=([None, 20, 18, 3], "float32"),
    )
    return folder


@pytest.fixture(scope="module")
def forest(folder: Path) -> str:
    return scene.train_pixels(folder)


def classify(folder: Path, forest: str, out: Path, log: serving.Log | None = None, **more: Any) -> None:
    values = {"deepmodel__dir": "net", "source1__il": ["image.tif"], **more}
    values["deepmodel__dir"] = str(folder / values["deepmodel__dir"])
    for key in ("source1__il", "source2__il"):
        if key in values:
            values[key] = [str(folder / name) for name in values[key]]
    scene.run("ImageClassifierFromDeepFeatures", log, **{"model": forest, "out": str(out / "map.tif"), **values})


REFUSED = {
    "unknown tags": ({"deepmodel__tagsets": "train"}, "set DEEPMODEL_TAGSETS to one of"),
    "an input that nothing feeds": ({"deepmodel__dir": "rated"}, "set its value in DEEPMODEL_USERPLACEHOLDERS"),
    "no value": ({"deepmodel__userplaceholders": "rate"}, "DEEPMODEL_USERPLACEHOLDERS holds 'rate'"),
    "a value twice": ({"deepmodel__userplaceholders": "a=1 a=2"}, "DEEPMODEL_USERPLACEHOLDERS gives a twice"),
    "no number": ({"deepmodel__userplaceholders": "a=fast"}, "DEEPMODEL_USERPLACEHOLDERS holds 'a=fast'"),
    "another rank": ({"deepmodel__dir": "ranked"}, "set the value of this one in DEEPMODEL_USERPLACEHOLDERS"),
    "random": (
        {"deepmodel__dir": "random", "deepmodel__userplaceholders": "noise=true"},
        "set DEEPMODEL_USERPLACEHOLDERS to noise=false",
    ),
    "patches as regions": ({"deepmodel__dir": "patches", "deepmodel__fullyconv": "on"}, "set DEEPMODEL_FULLYCONV=off"),
    "an expression field of patches": (
        {"deepmodel__fullyconv": "off", "output__efieldx": 4},
        "OUTPUT_EFIELDX is 4, .* set DEEPMODEL_FULLYCONV=on",
    ),
    "another spacing": (
        {"output__spcscale": 2},
        "OUTPUT_SPCSCALE is 2, .* or set DEEPMODEL_FULLYCONV=off to compute patches",
    ),
    "patches for regions": (
        {"deepmodel__fullyconv": "off", "source1__rfieldx": 31, "source1__rfieldy": 31},
        "the shape .* for 1 patches of 31 x 31 pixels, .* set DEEPMODEL_FULLYCONV=on",
    ),
    "sizes that differ along the axes": (
        {"deepmodel__dir": "uneven", "source2__il": ["image.tif"]},
        "related differently along x and along y: set DEEPMODEL_FULLYCONV=off",
    ),
    "too small a field": (
        {"deepmodel__fullyconv": "off", "source1__rfieldx": 2, "source1__rfieldy": 2},
        "does not accept images of 2 x 2 pixels: .* the mode .DEEPMODEL_FULLYCONV.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_message_of_a_refused_network_names_the_key(folder: Path, forest: str, tmp_path: Path, name: str) -> None:
    values, match = REFUSED[name]
    with pytest.raises(OtbtfError, match=match) as caught:
        classify(folder, forest, tmp_path, **values)
    assert not re.search(KEYS_OF_SERVING, str(caught.value))
    assert list(tmp_path.iterdir()) == []


def test_a_map_in_place_of_the_network(folder: Path, forest: str, tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    path.touch()
    with pytest.raises(OtbtfError, match=r"OUT is .*map.tif, which is also an input \(DEEPMODEL_DIR\)"):
        classify(folder, forest, tmp_path, deepmodel__dir=str(path))


def test_the_log_names_the_key(folder: Path, forest: str, tmp_path: Path) -> None:
    log = serving.Log()
    classify(folder, forest, tmp_path, log)
    geometry = next(line for line in log.infos if line.startswith("Geometry: "))
    assert geometry.startswith("Geometry: SOURCE1_RFIELDX=") and geometry.endswith(" DEEPMODEL_FULLYCONV=on")
    assert not any(re.search(KEYS_OF_SERVING, line) for line in [*log.infos, *log.warnings])
