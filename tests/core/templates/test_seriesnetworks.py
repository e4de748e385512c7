"""Networks for time series: gaps, dates, several bands and sources, and how well they tell classes apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import phenology
import pytest

pytest.importorskip("tensorflow")

import keras
import serving
from osgeo import gdal
from template_models import DATES, create

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import OtbtfError
from otbtf_qgis.core.layers import TemporalInterpolation
from otbtf_qgis.core.models.loading import load_model
from otbtf_qgis.core.templates import catalogue
from otbtf_qgis.core.templates.normalization import Scaling

PIXELWISE = ("tempcnn", "gru", "ltae", "time_series_transformer")
DAYS = tuple(float(day) for day in phenology.DAYS)


class Log(Progress):
    """Remembers warnings."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []

    def warning(self, message: str) -> None:
        self.warnings.append(message)


def loaded(result: dict[str, Any]) -> keras.Model:
    return load_model(result["out.keras"])._keras


def named_image(path: Path, names: list[str], image: np.ndarray, nodata: float | None = None) -> str:
    """Write an image whose bands have names."""
    written = serving.write_at(path, image, nodata=nodata)
    dataset = gdal.Open(written, gdal.GA_Update)
    for band, name in enumerate(names, 1):
        dataset.GetRasterBand(band).SetDescription(name)
    del dataset
    return written


def series_with_gaps(dates: int) -> np.ndarray:
    image = np.random.default_rng(0).random((6, 5, dates)).astype("float32")
    image[np.random.default_rng(1).random(image.shape) < 0.4] = np.nan
    image[0, 0] = np.nan
    return image


# ------------------------------------------------------------- gaps


@pytest.mark.parametrize("name", [*PIXELWISE, "utae"])
def test_gaps_are_filled_before_the_network_sees_them(name: str) -> None:
    times = (tuple(np.arange(6) * 20.0),)
    keras.utils.set_random_seed(1)
    model = catalogue.create(name, bands=(6,), classes=3, width=8, times=times, nodata=-1.0)
    image = np.random.default_rng(0).random((1, 8, 8, 6)).astype("float32")
    image[..., 2] = (image[..., 1] + image[..., 3]) / 2
    gaps = image.copy()
    gaps[0, ::2, :, 2] = -1.0
    gaps[0, 1::2, :, 2] = np.nan
    np.testing.assert_allclose(model([gaps]), model([image]), rtol=1e-4, atol=1e-5)
    gaps[0, 3, 3] = -1.0  # a pixel without any value
    assert np.isfinite(model([gaps])).all()


def test_a_pixel_without_a_value_is_the_mean_of_the_training_data() -> None:
    scaling = Scaling((3.0, 8.0) * 4, (2.0, 5.0) * 4)
    model = catalogue.create("tempcnn", bands=(8,), classes=2, width=2, times=((0, 1, 2, 3),), scalings=(scaling,))
    empty, mean = np.full((1, 1, 1, 8), np.nan), np.tile([3.0, 8.0], 4)[None, None, None]
    np.testing.assert_allclose(model([empty]), model([mean]), rtol=1e-5)
    series = keras.Model(model.inputs, model.get_layer("source1_scaled").output)
    np.testing.assert_allclose(series([empty]), np.zeros((1, 4, 2)), atol=1e-6)


@pytest.mark.parametrize("fill", ["value", "mean"])
def test_bands_of_one_date_are_merged_before_they_are_filled(fill: str) -> None:
    """A fill value is no measurement: it takes no part in the mean of a day."""
    given = {"times": ((0, 10, 10, 20),), "nodata": -32768.0, "fill": fill, "fill_value": 100.0, "mask": True}
    means = ((10.0, 20.0, 40.0, 80.0),) if fill == "mean" else ()
    model = catalogue.create("tempcnn", bands=(4,), classes=2, width=2, means=means, **given)
    outputs = [model.get_layer(f"source1_{part}").output for part in ("interpolated", "gaps")]
    image = np.array([[1000, -32768, 3000, 5000], [1000, -32768, -32768, 5000]], "float32")[None, None]
    series, gaps = keras.Model(model.inputs, outputs)([image])
    filled = 100 if fill == "value" else 30  # the mean of the two acquisitions of that day
    np.testing.assert_allclose(series[0, 0], [[1000, 3000, 5000], [1000, filled, 5000]])
    np.testing.assert_array_equal(gaps[0, 0, :, 3:], [[0, 0, 0], [0, 1, 0]])


def test_an_interpolated_value_that_is_the_no_data_value_stays() -> None:
    scaling = Scaling((50.0,) * 3, (1.0,) * 3)
    given = {"times": ((0, 10, 20),), "nodata": 0.0, "scalings": (scaling,)}
    model = catalogue.create("tempcnn", bands=(3,), classes=2, width=2, **given)
    filled = keras.Model(model.inputs, model.get_layer("source1_filled").output)
    found = filled([np.array([[-100, 0, 100], [0, 0, 0]], "float32")[None, None]])
    np.testing.assert_allclose(found[0, 0], [[-100, 0, 100], [50, 50, 50]], atol=1e-5)


@pytest.mark.parametrize("name", ["gru", "utae"])
def test_the_order_of_dates_and_bands(name: str) -> None:
    given = {"bands": (12,), "classes": 3, "width": 8, "times": (tuple(np.arange(6) * 20.0),)}
    models = []
    for order in ("date-major", "band-major"):
        keras.utils.set_random_seed(1)
        scaling = Scaling((0.1, 0.5) * 6, (1.0, 2.0) * 6)
        if order == "band-major":
            scaling = Scaling((0.1,) * 6 + (0.5,) * 6, (1.0,) * 6 + (2.0,) * 6)
        models.append(catalogue.create(name, order=order, scalings=(scaling,), **given))
    image = np.random.default_rng(0).random((1, 8, 8, 6, 2)).astype("float32")
    found = models[0]([image.reshape(1, 8, 8, 12)]), models[1]([np.moveaxis(image, 4, 3).reshape(1, 8, 8, 12)])
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-6)


# ------------------------------------------------------------- dates, as CreateModel finds them


def test_dates_bands_and_statistics_come_from_the_image(tmp_path: Path) -> None:
    image = series_with_gaps(12)
    image[..., 4:6] = np.nan  # a date without a value
    names = [f"{date} {band}" for date in DATES.split()[:6] for band in ("red", "nir")]
    path = named_image(tmp_path / "series.tif", names, image)
    log = Log()
    found = create(tmp_path, "tempcnn", log, normalization="standard", width=2, **{"source1.il": [path]})
    assert log.warnings == [] and found["verdict"] == "pixel-wise"
    model = loaded(found)
    layer = model.get_layer("source1_interpolated")
    assert (len(layer.times), layer.bands, layer.order) == (6, 2, "date-major")
    scaled = keras.Model(model.inputs, model.get_layer("source1_scaled").output)([image[None]]).numpy()
    assert scaled.shape == (30, 6, 2) and np.abs(scaled.mean(axis=(0, 1))).max() < 0.3
    served = serving.served(tmp_path, found["out.keras"], path)
    assert served.shape == (6, 5, 3)


@pytest.mark.parametrize(
    ("names", "bands", "order"),
    [
        (["2020-01-01", "2020-02-01", "2020-02-01", "2020-04-01"], 1, "date-major"),  # one date twice
        (["B2_20200101", "B2_20200201", "B8_20200101", "B8_20200201"], 2, "band-major"),
        (["20200101_B2", "20200101_B8", "20200201_B2", "20200201_B8"], 2, "date-major"),
    ],
)
def test_band_names_tell_the_order(tmp_path: Path, names: list[str], bands: int, order: str) -> None:
    path = named_image(tmp_path / "series.tif", names, serving.texture(4, 4, 4))
    layer = loaded(create(tmp_path, "gru", width=2, **{"source1.il": [path]})).get_layer("source1_interpolated")
    assert (layer.bands, layer.order, len(layer.times) * bands) == (bands, order, 4)


def test_no_dates_are_warned_about(tmp_path: Path) -> None:
    log = Log()
    layer = loaded(create(tmp_path, "gru", log, bands="3", width=2)).get_layer("source1_interpolated")
    assert layer.times == [0, 1, 2]
    assert [message for message in log.warnings if message.startswith("No dates are known")]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bands": "7", "dates": "3"}, "DATES holds 3 dates, which do not divide the 7 bands of source 1"),
        ({"bands": "6 4", "dates": "3"}, "The number of sources is 2, but DATES holds the dates of 1"),
        ({"bands": "6 4", "dates": "3;"}, "source 2 has no date, although others do"),
        ({"bands": "2", "dates": "2020-01-01 2020-13-01"}, "item 2 is '2020-13-01', but must be a date"),
        ({"bands": "2", "dates": "2", "step": 0}, "STEP is 0, but must be above 0"),
        ({"bands": "2", "dates": "2", "step": -5}, "STEP is -5, but must be above 0"),
    ],
)
def test_bad_dates(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(OtbtfError) as caught:
        create(tmp_path, "tempcnn", **values)
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_scalings_that_change_the_shape_of_a_series_are_refused() -> None:
    with pytest.raises(OtbtfError, match="scalings of source 1 differ from date to date"):
        catalogue.create("gru", bands=(2,), classes=2, scalings=(Scaling((0.0, 1.0), (1.0, 1.0)),))


# ------------------------------------------------------------- learning


def kappa(labels: np.ndarray, predicted: np.ndarray) -> float:
    return float(pytest.importorskip("sklearn.metrics").cohen_kappa_score(labels, predicted))


def test_tempcnn_tells_phenologies_apart_better_than_a_forest_on_filled_series() -> None:
    ensemble = pytest.importorskip("sklearn.ensemble")
    series, labels = phenology.phenology(300, seed=0)
    other, expected = phenology.phenology(200, seed=1)
    fill = TemporalInterpolation(DAYS, nodata=phenology.NODATA)
    forest = ensemble.RandomForestClassifier(200, random_state=0).fit(fill(series).numpy(), labels)
    known, dates = series[series != phenology.NODATA], len(DAYS)
    scaling = Scaling((float(known.mean()),) * dates, (float(known.std()),) * dates)
    keras.utils.set_random_seed(1)
    options = {"times": (DAYS,), "nodata": phenology.NODATA, "scalings": (scaling,)}
    model = catalogue.create("tempcnn", bands=(dates,), classes=len(phenology.SEASONS), width=32, **options)
    model.compile(optimizer=keras.optimizers.Adam(2e-3), loss="sparse_categorical_crossentropy")
    model.fit(series[:, None, None], labels[:, None, None, None], batch_size=32, epochs=15, verbose=0)
    predicted = model.predict(other[:, None, None], batch_size=256, verbose=0)[:, 0, 0].argmax(axis=-1)
    learned = kappa(expected, predicted)
    assert learned >= 0.9
    assert learned > kappa(expected, forest.predict(fill(other).numpy()))
