"""Patches whose files tell dates and missing values: alike in all files and roles, and as the model knows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras
import training_scene as scene
from api_helpers import write

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.models.loading import load_model
from otbtf_qgis.core.models.missingvalues import TemporalInterpolation
from otbtf_qgis.core.templates import catalogue

DATES = ["2018-01-01", "2018-01-11", "2018-01-21", "2018-02-10"]
COUNT = 64


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Series of single pixels with gaps, which are NaN."""
    random = np.random.default_rng(0)
    found = random.integers(1, 100, (COUNT, 1, 1, 4)).astype("float32")
    found[random.random(found.shape) < 0.3] = np.nan
    found[..., 0] = random.integers(1, 100, found.shape[:3])
    return found


def described(path: Path, pixels: np.ndarray, gap: float, names: list[str] | None = None) -> str:
    """Write patches whose gaps have a value, and the JSON beside them."""
    image = write(path, np.where(np.isnan(pixels), gap, pixels).astype("float32"))
    content = {"version": 1, "content": "patches", "bands": 4, "nodata": repr(float(gap))}
    Path(f"{image}.json").write_text(json.dumps({**content, **({"band_names": names} if names else {})}))
    return image


def values(path: Path, pixels: np.ndarray) -> str:
    return write(path, np.nanmean(pixels, axis=-1, keepdims=True).astype("float32"))


def learn(folder: Path, training: list[str], pixels: np.ndarray, validation: str = "", **more: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    target = values(folder / "target.tif", pixels)
    given = {"training.source1.il": training, "training.source2.il": [target] * len(training)}
    if validation:
        given |= {"validation.source1.il": [validation], "validation.source2.il": [target]}
    given |= {
        "training.epochs": 1,
        "training.batchsize": 16,
        "model.dir": "template:mlp",
        "nodata_fill": "mean",
        **more,
    }
    return scene.train(**{"out.keras": str(folder / "out.keras"), **given})


def error_of(model: Path, pixels: np.ndarray, gap: float) -> float:
    """The root mean square error of a model, computed here."""
    image = np.where(np.isnan(pixels), gap, pixels)
    found = load_model(str(model))._keras.predict(image, verbose=0)["predictions"]
    return float(np.sqrt(np.mean((found - np.nanmean(pixels, axis=-1, keepdims=True)) ** 2)))


def test_validation_and_further_training_with_another_value(pixels: np.ndarray, tmp_path: Path) -> None:
    """The model fills -1; what holds -30000 in its place is worth the same."""
    one, other = described(tmp_path / "a.tif", pixels, -1), described(tmp_path / "b.tif", pixels, -30000)
    found = learn(tmp_path / "first", [one], pixels, other)
    assert found["rmse"] == pytest.approx(error_of(tmp_path / "first" / "out.keras", pixels, -1), rel=1e-4)
    model = {"model.dir": str(tmp_path / "first" / "out.keras"), "nodata_fill": "auto"}
    again = learn(tmp_path / "second", [other], pixels, one, **model)
    assert again["rmse"] == pytest.approx(error_of(tmp_path / "second" / "out.keras", pixels, -1), rel=1e-4)
    assert again["rmse"] < 2 * found["rmse"]


def test_files_of_a_source_with_several_values(pixels: np.ndarray, tmp_path: Path) -> None:
    one, other = described(tmp_path / "a.tif", pixels, -1), described(tmp_path / "b.tif", pixels, -2)
    with pytest.raises(
        ParameterError, match="TRAINING_SOURCE1_IL: missing values are -2 in .*b.tif, but -1 in .*a.tif"
    ):
        learn(tmp_path / "out", [one, other], pixels)
    learn(tmp_path / "out", [described(tmp_path / "c.tif", pixels, np.nan), one], pixels)


@pytest.mark.parametrize("role", ["training", "validation"])
def test_patches_of_other_dates(pixels: np.ndarray, role: str, tmp_path: Path) -> None:
    one = described(tmp_path / "a.tif", pixels, -1, DATES)
    other = described(tmp_path / "b.tif", pixels, -1, [*DATES[:3], "2019-02-10"])
    told = f"{role.upper()}_SOURCE1_IL: band 4 of .*b.tif is of 2019-02-10, but the model was made for 2018-02-10"
    files, more = ([one, other], "") if role == "training" else ([one], other)
    with pytest.raises(ParameterError, match=told):
        learn(tmp_path / "out", files, pixels, more, nodata_fill="temporal")


def test_a_model_with_dates_is_trained_further_on_those_alone(pixels: np.ndarray, tmp_path: Path) -> None:
    days = (17532.0, 17542.0, 17552.0, 17572.0)
    model = tmp_path / "made.keras"
    catalogue.create("mlp", bands=(4,), fill="temporal", times=(days,), nodata=-1.0).save(model)
    given = {"model.dir": str(model), "nodata_fill": "auto"}
    swapped = described(tmp_path / "a.tif", pixels, -1, [DATES[1], DATES[0], *DATES[2:]])
    with pytest.raises(
        ParameterError, match="band 1 of .*a.tif is of 2018-01-11, but the model was made for 2018-01-01"
    ):
        learn(tmp_path / "out", [swapped], pixels, **given)
    learn(tmp_path / "out", [described(tmp_path / "b.tif", pixels, -1, ["S2_20180101"] * 4)], pixels, **given)


def test_dates_that_contradict_the_names(pixels: np.ndarray, tmp_path: Path) -> None:
    patches = described(tmp_path / "a.tif", pixels, -1, DATES)
    told = (
        r"By DATES and DATES_ORDER \(date-major\), band 2 of source 1 is of 2018-01-12, but its name, 2018-01-11, tells"
    )
    with pytest.raises(ParameterError, match=told):
        learn(tmp_path / "out", [patches], pixels, nodata_fill="temporal", dates="20180101 20180112 20180121 20180210")


RADAR = [f"{day} {band}" for day in ("2018-01-01", "2018-01-11") for band in ("VV", "VH")]
SWAPPED = [RADAR[1], RADAR[0], RADAR[3], RADAR[2]]


@pytest.mark.parametrize("role", ["training", "validation"])
def test_patches_with_bands_in_another_order(pixels: np.ndarray, role: str, tmp_path: Path) -> None:
    """The model gets its band names from the first patches."""
    one = described(tmp_path / "a.tif", pixels, -1, RADAR)
    other = described(tmp_path / "b.tif", pixels, -1, SWAPPED)
    told = f"{role.upper()}_SOURCE1_IL: the bands of .*b.tif .* takes VV, VH.*gdal_translate -b 2 -b 1 -b 4 -b 3"
    files, more = ([one, other], "") if role == "training" else ([one], other)
    with pytest.raises(ParameterError, match=told):
        learn(tmp_path / "out", files, pixels, more, nodata_fill="temporal")


def test_other_band_names_and_old_models(pixels: np.ndarray, tmp_path: Path) -> None:
    model, log = tmp_path / "old.keras", scene.Log()
    options = {"fill": "temporal", "times": ((17532.0, 17542.0),), "nodata": -1.0}
    catalogue.create("mlp", bands=(4,), **options).save(model)
    given = {"model.dir": str(model), "nodata_fill": "auto"}
    learn(tmp_path / "out", [described(tmp_path / "a.tif", pixels, -1, SWAPPED)], pixels, **given)
    catalogue.create("mlp", bands=(4,), band_names=(("VV", "VH"),), **options).save(model)
    names = [name.replace("V", "H", 1) for name in RADAR]
    learn(tmp_path / "out", [described(tmp_path / "b.tif", pixels, -1, names)], pixels, log=log, **given)
    told = [text for text in log.lines if "by their names" in text]
    assert len(told) == 1 and "at each date are HV, HH, but the model was made for VV, VH" in told[0]


def test_each_sensor_has_dates_and_bands_of_its_own(pixels: np.ndarray, tmp_path: Path) -> None:
    """An optical series, and two dates of radar with two bands each."""
    days = (17532.0, 17542.0, 17552.0, 17572.0)
    inputs = [keras.Input((1, 1, 4), name=f"source{number}") for number in (1, 2)]
    optical = TemporalInterpolation(days, nodata=-1.0, band_names=("NDVI",))(inputs[0])
    radar = TemporalInterpolation(days[1:3], 2, nodata=-9.0, band_names=("VV", "VH"))(inputs[1])
    both = keras.layers.Concatenate()([keras.layers.Flatten()(series) for series in (optical, radar)])
    model = tmp_path / "made.keras"
    keras.Model(inputs, keras.layers.Dense(1)(both)).save(model)
    first = described(tmp_path / "optical.tif", pixels, -1, [f"NDVI_{date}" for date in DATES])

    def learned(names: str) -> None:
        second = described(tmp_path / "radar.tif", pixels, -9, names.split())
        files = {"training.source1.il": [first], "training.source2.il": [second], "training.source3.il": [second]}
        scene.train(**{**files, "model.dir": str(model), "out.keras": str(tmp_path / "out.keras")})

    told = "TRAINING_SOURCE2_IL: band 3 of .*radar.tif is of 2018-01-31, but the model was made for 2018-01-21"
    with pytest.raises(ParameterError, match=told):
        learned("VV_20180111 VH_20180111 VV_20180131 VH_20180131")
    with pytest.raises(
        ParameterError, match="TRAINING_SOURCE2_IL: .* it takes VV, VH. .*-b 2 -b 1 -b 4 -b 3 image.tif"
    ):
        learned("VH_20180111 VV_20180111 VH_20180121 VV_20180121")
    with pytest.raises(ParameterError, match="LOSS is mse"):  # the target, which is compared later
        learned("VV_20180111 VH_20180111 VV_20180121 VH_20180121")
