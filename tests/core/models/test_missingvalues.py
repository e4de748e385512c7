"""Layers that fill missing values: what they compute, against NumPy, and that saved models with them load."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from otbtf_qgis.core.errors import ParameterError

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from otbtf_qgis.core.layers import FillNodata, MergedDates, TemporalInterpolation  # noqa: E402
from otbtf_qgis.core.models.loading import KerasModel, load_model  # noqa: E402
from otbtf_qgis.core.models.savedmodelexport import export_saved_model  # noqa: E402
from otbtf_qgis.core.parameters.seriesorders import ORDERS  # noqa: E402

NODATA = [-32768.0, float("nan"), 0.0, -3.4028234663852886e38]


def merged(times: np.ndarray, series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the known values at each date that has one, by hand; missing ones are NaN."""
    dates = [time for time in np.unique(times) if np.isfinite(series[times == time]).any()]
    return np.array(dates), np.array([np.nanmean(series[times == time]) for time in dates])


def interpolated(times: np.ndarray, series: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """What `TemporalInterpolation` promises for one series, by `numpy.interp`."""
    dates, values = merged(times, series.astype("float64"))
    return np.interp(wanted, dates, values) if len(dates) else np.full(len(wanted), np.nan)


def random_series(nodata: float, shape: tuple[int, ...] = (2, 5, 6, 30)) -> tuple[np.ndarray, np.ndarray]:
    """Unsorted times, of which two occur twice and one three times, and series with gaps, as NaN and as they are stored."""
    generator = np.random.default_rng(3)
    times = generator.choice(900, 26, replace=False)[[*range(26), 4, 9, 4, 20]].astype(float) + 16000.25
    series = generator.normal(0.4, 2.0, shape).astype("float32")
    series[generator.random(shape) < 0.6] = np.nan
    series[..., [2, 11]] = np.nan  # no pixel has these dates
    series[0, 0, 0] = np.nan
    series[0, 0, 1], series[0, 0, 1, 7] = np.nan, 3.5
    return times, np.where(np.isnan(series), np.float32(nodata), series)


@pytest.mark.parametrize("nodata", NODATA)
@pytest.mark.parametrize("step", [None, 10.0, 16.5])
def test_it_interpolates_as_numpy_does(nodata: float, step: float | None) -> None:
    times, stored = random_series(nodata)
    layer = TemporalInterpolation(times, step=step, nodata=nodata)
    found = layer(stored).numpy()
    wanted = np.unique(times) if step is None else np.arange(times.min(), times.max() + 1e-6, step)
    np.testing.assert_allclose(layer.dates, wanted)
    assert found.dtype == "float32" and found.shape == (2, 5, 6, len(wanted))
    known = np.where((stored == nodata) | np.isnan(stored), np.nan, stored)
    for index in np.ndindex(2, 5, 6):
        expected = interpolated(times, known[index], wanted)
        np.testing.assert_allclose(found[index], expected, rtol=1e-4, atol=2e-5)
    assert (found[0, 0, 1] == 3.5).all()


def test_an_interpolated_value_may_be_that_of_no_data() -> None:
    series = np.array([[-100, 0, 100], [0, 0, 0]], "int16")
    filled = FillNodata(values=[7, 8, 9])(TemporalInterpolation([0, 10, 20], nodata=0)(series))
    np.testing.assert_array_equal(filled, [[-100, 0, 100], [7, 8, 9]])


def test_layers_saved_earlier_give_the_no_data_value_for_empty_series() -> None:
    config = TemporalInterpolation([0, 10], nodata=-1).get_config()
    assert np.isnan(TemporalInterpolation.from_config(config)(np.array([[-1.0, -1.0]]))).all()
    del config["empty"]
    np.testing.assert_array_equal(TemporalInterpolation.from_config(config)(np.array([[-1.0, -1.0]])), [[-1, -1]])


@pytest.mark.parametrize("order", ORDERS)
def test_bands_of_one_date_are_merged(order: str) -> None:
    series = np.array([[5, -1], [10, 20], [-1, 40], [-1, -1]], "int16")  # of the days 3, 1, 1, 2: two bands
    expected = np.array([[10, 30], [np.nan, np.nan], [5, np.nan]])
    image, found = (part.ravel() if order == "date-major" else part.T.ravel() for part in (series, expected))
    np.testing.assert_array_equal(MergedDates([3, 1, 1, 2], 2, order, -1)(image[None]), found[None])


def test_known_values_stay_as_they_are() -> None:
    series = np.random.default_rng(0).normal(0, 1e4, (3, 40)).astype("float32")
    np.testing.assert_array_equal(TemporalInterpolation(np.arange(40) * 7.0)(series), series)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("step", [None, 12.0])
def test_bands_are_filled_each_by_itself(order: str, step: float | None) -> None:
    times, stored = random_series(float("nan"), (3, 4, 3, 30))
    channels = np.moveaxis(stored, 2, 3) if order == "date-major" else stored
    layer = TemporalInterpolation(times, 3, order, step)
    found = layer(channels.reshape(3, 4, 90)).numpy()
    shape = (3, 4, len(layer.dates), 3) if order == "date-major" else (3, 4, 3, len(layer.dates))
    found = found.reshape(shape)
    found = np.moveaxis(found, 3, 2) if order == "date-major" else found
    for index in np.ndindex(3, 4, 3):
        expected = interpolated(times, stored[index], np.array(layer.dates))
        np.testing.assert_allclose(found[index], expected, rtol=1e-4, atol=2e-5)


def test_the_mask_tells_what_was_missing() -> None:
    times, stored = random_series(-1.0)
    image = TemporalInterpolation(times, nodata=-1.0, mask=True)(stored).numpy()
    dates = np.unique(times)
    expected = [[(stored[..., times == date] == -1.0).all(axis=-1)] for date in dates]
    np.testing.assert_array_equal(image[..., len(dates) :], np.moveaxis(np.array(expected)[:, 0], 0, -1))
    # At steps of 10 days the known values at days 1 and 17 speak for days 0 and 20, but not for day 10.
    masked = TemporalInterpolation([0, 1, 17, 20], step=10, mask=True)(
        np.array([[np.nan, 1.0, 2.0, np.nan]], "float32")
    )
    np.testing.assert_allclose(masked, [[1.0, 1.5625, 2.0, 0.0, 1.0, 0.0]])


def test_whole_numbers_with_a_no_data_value() -> None:
    found = TemporalInterpolation([0, 10, 30], nodata=-32768)(np.array([[10, -32768, 40]], "int16")).numpy()
    np.testing.assert_allclose(found, [[10, 20, 40]])


def test_the_gradient_flows_to_the_neighbours_in_time() -> None:
    series = tf.constant([[1.0, np.nan, 5.0, np.nan], [np.nan, np.nan, np.nan, np.nan]])
    with tf.GradientTape() as tape:
        tape.watch(series)
        filled = FillNodata(values=7.0)(TemporalInterpolation([0.0, 1.0, 4.0, 9.0])(series))
        total = tf.reduce_sum(filled * [[1.0, 10.0, 100.0, 1000.0]])
    np.testing.assert_allclose(tape.gradient(total, series), [[8.5, 0, 1102.5, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(filled[1], 7.0)


def test_the_real_series(shared: Path) -> None:
    gdal = pytest.importorskip("osgeo.gdal")
    folder = shared / "data" / "ndvi_series"
    if not folder.is_dir():
        pytest.skip("needs the NDVI series")
    dates = json.loads((folder / "dates.json").read_text(encoding="utf-8"))
    times = np.array(dates, "datetime64[D]").astype(float)
    dataset = gdal.Open(str(folder / "ndvi.tif"))
    nodata = dataset.GetRasterBand(1).GetNoDataValue()
    image = np.moveaxis(dataset.ReadAsArray(), 0, -1)
    known = np.where((image == nodata) | ~np.isfinite(image), np.nan, image.astype("float64"))
    assert len(dates) == image.shape[-1] and len(set(dates)) == len(dates) - 1
    assert np.isnan(known).all(axis=(0, 1)).sum() > 0  # dates without a valid pixel
    assert np.isnan(known).any(axis=2).all()  # a gap in every pixel
    dates = np.unique(times)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of means of nothing
        means = np.stack([np.nanmean(known[..., times == date], axis=-1) for date in dates], axis=-1)
    for step in (None, 10.0):
        layer = TemporalInterpolation(times, step=step, nodata=nodata)
        found = layer(image[None]).numpy()[0]
        for pixel, series in zip(found.reshape(-1, found.shape[-1]), means.reshape(-1, len(dates))):
            valid = np.isfinite(series)
            expected = np.interp(layer.dates, dates[valid], series[valid]) if valid.any() else np.nan
            np.testing.assert_allclose(pixel, np.broadcast_to(expected, pixel.shape), rtol=1e-4, atol=0.02)


@pytest.mark.parametrize("nodata", NODATA)
def test_fill_nodata(nodata: float) -> None:
    image = np.array([[[1.0, nodata], [np.nan, 4.0]]], "float32")
    filled = FillNodata(nodata, [10.0, 20.0])(image).numpy()
    np.testing.assert_array_equal(filled, [[[1.0, 20.0], [10.0, 4.0]]])
    masked = FillNodata(nodata, -5.0, mask=True)(image).numpy()
    np.testing.assert_array_equal(masked, [[[1.0, -5.0, 0.0, 1.0], [-5.0, 4.0, 1.0, 0.0]]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FillNodata(values=[1.0, 2.0])(np.zeros((1, 3))), "2 numbers for 3 bands"),
        (lambda: FillNodata(values=float("nan")), "values is nan"),
        (lambda: TemporalInterpolation([]), "times is"),
        (lambda: TemporalInterpolation([1.0, float("nan")]), "times is"),
        (lambda: TemporalInterpolation([1.0], order="bands"), "order is 'bands', but must be one of: date-major"),
        (lambda: TemporalInterpolation([1.0], 0), "bands is 0"),
        (lambda: TemporalInterpolation([1.0], step=0.0), "step is 0"),
        (lambda: TemporalInterpolation([1.0], 2, band_names=["VV"]), "band_names is .*'VV'.* each of the 2 bands"),
        (lambda: TemporalInterpolation([1.0, 2.0], 2)(np.zeros((1, 5))), "5 channels, but 2 times with 2 bands make 4"),
    ],
)
def test_bad_options(make: Any, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make()


def test_band_names_are_kept_and_may_be_absent() -> None:
    for layer in (TemporalInterpolation, MergedDates):
        config = layer([0, 1], 2, band_names=("VV", "VH")).get_config()
        assert layer.from_config(config).band_names == config.pop("band_names") == ["VV", "VH"]
        assert layer.from_config(config).band_names == []
        assert "band_names" not in layer.from_config(config).get_config()


def test_saved_models_load_and_take_any_size(tmp_path: Path) -> None:
    image = keras.Input((None, None, 6), name="image")
    x = TemporalInterpolation([0, 5, 5], 2, "band-major", 2.5, -1.0, True, name="series")(image)
    model = keras.Model(image, FillNodata(-1.0, list(range(12)), name="filled")(x))
    model.save(tmp_path / "net.keras")
    kept = KerasModel("net", model)
    export_saved_model(kept, list(kept.outputs), (), str(tmp_path / "saved"))
    for path in ("net.keras", "saved"):
        loaded = load_model(str(tmp_path / path))  # checks the operations
        for rows, columns in ((1, 1), (3, 7)):
            values = np.random.default_rng(1).integers(-1, 3, (2, rows, columns, 6)).astype("float32")
            found = loaded.function(["image"], ["filled"])({"image": values})[0]
            np.testing.assert_allclose(found, model(values), rtol=1e-6)


def test_mixed_precision_does_not_round() -> None:
    series = np.array([[-9999.0, 70001.0, -10000.0]], "float32")
    layer = TemporalInterpolation([0, 1, 2], nodata=-9999.0, dtype="mixed_float16")
    np.testing.assert_array_equal(layer(series), [[70001.0, 70001.0, -10000.0]])
