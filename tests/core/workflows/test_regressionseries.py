"""RegressionMap of a time series with clouds: only image and values are given."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from marked_rasters import made
from osgeo import gdal
from serving import Log, nodata_of, read, served

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import ModelError, ParameterError, RasterError
from otbtf_qgis.core.models.sidecar import read_sidecar

ROWS, COLUMNS = 40, 60
DATES = ["2018-01-01", "2018-02-01", "2018-02-01", "2018-04-01", "2018-05-01"]
EMPTY = 3
"""The band without a valid pixel."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A quantity that the slope of a series tells. Every pixel has a gap, one date has no value at all, one pixel none."""
    folder = tmp_path_factory.mktemp("series")
    random = np.random.default_rng(0)
    row, column = np.mgrid[:ROWS, :COLUMNS]
    slope = 10 + 6 * np.sin(row / 5) + 4 * np.cos(column / 6)
    level = 200 + 20 * np.sin(column / 9)
    months = np.array([0, 1, 1, 3, 4])
    pixels = np.rint(level[..., None] + slope[..., None] * months + random.normal(0, 1, (ROWS, COLUMNS, 5)))
    pixels = pixels.astype("int16")
    pixels[random.random(pixels.shape) < 0.2] = -1
    pixels[..., EMPTY] = -1
    pixels[0, 0] = -1
    quantity = (500 + 3 * slope).astype("float32")
    scene = SimpleNamespace(folder=folder, pixels=pixels, quantity=quantity)
    scene.image = dated(made(folder / "image.tif", pixels, -1), DATES)
    scene.undated = made(folder / "undated.tif", pixels, -1)
    scene.empty = dated(made(folder / "empty.tif", np.full_like(pixels, -1), -1), DATES)
    scene.values = made(folder / "values.tif", quantity[..., None], -1)
    scene.nothing = made(folder / "nothing.tif", np.full((ROWS, COLUMNS, 1), np.nan, "float32"))
    scene.elsewhere = made(folder / "elsewhere.tif", quantity[..., None], -1)
    dataset = gdal.Open(scene.elsewhere, gdal.GA_Update)
    west, *others = dataset.GetGeoTransform()
    dataset.SetGeoTransform([west + 100000, *others])
    del dataset
    return scene


def dated(path: str, dates: list[str]) -> str:
    dataset = gdal.Open(path, gdal.GA_Update)
    for band, date in enumerate(dates, 1):
        dataset.GetRasterBand(band).SetDescription(f"NDVI_{date}")
    return path


def mapped(scene: SimpleNamespace, folder: Path, log: Log, **values: Any) -> dict[str, Any]:
    given = {"in": [scene.image], "values.raster": scene.values, "out": str(folder / "map.tif"), "epochs": 1}
    given.update({key.replace("__", "."): value for key, value in values.items()})
    return registry.run("RegressionMap", given, log)


@pytest.fixture(scope="module")
def whole(scene: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder, log = tmp_path_factory.mktemp("whole"), Log()
    more = {"out__keras": str(folder / "model.keras"), "out__report": str(folder / "report.html"), "baseline": True}
    kept = {"keep": str(folder / "kept"), "validation__blocksize": 5}
    results = mapped(scene, folder, log, epochs=12, batchsize=32, **more, **kept)
    return SimpleNamespace(results=results, log=log, model=str(folder / "model.keras"), kept=folder / "kept")


def test_a_map_without_a_manual_step(scene: SimpleNamespace, whole: SimpleNamespace) -> None:
    without = (scene.pixels == -1).all(axis=2)
    found = read(whole.results["out"])[..., 0]
    assert np.array_equal(found == nodata_of(whole.results["out"]), without) and found[0, 0] == -9999
    assert whole.results["pixels_nodata"] == without.sum()
    assert f"{without.sum()} of {without.size} pixels of the map are no-data." in whole.log.text
    assert whole.results["samples_training"] + whole.results["samples_validation"] == (~without).sum()
    assert np.corrcoef(found[~without], scene.quantity[~without])[0, 1] > 0.9  # a forest: 0.925
    assert "linear interpolation along the dates" in whole.log.text
    assert "1 of 4 dates of IN have no valid pixel" in whole.log.text and "2018-04-01" in whole.log.text


def filled_by_hand(folder: Path, role: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the kept pixels, merged at each date and filled by numpy.interp, and their values."""
    days = np.array([0, 31, 31, 90, 120])
    series = read(str(folder / f"pixels_{role}.tif")).reshape(-1, 5).astype("float64")
    filled = np.empty((len(series), 4))
    for pixel, result in zip(series, filled):
        dates = np.unique(days[pixel != -1])
        means = [pixel[(days == date) & (pixel != -1)].mean() for date in dates]
        result[:] = np.interp(np.unique(days), dates, means)
    return filled, read(str(folder / f"values_{role}.tif")).ravel()


def test_the_forest_gets_the_filled_series(whole: SimpleNamespace) -> None:
    """With the mean of each band in place of gaps its R2 is 0.1 more."""
    ensemble = pytest.importorskip("sklearn.ensemble")
    forest = ensemble.RandomForestRegressor(200, random_state=0).fit(*filled_by_hand(whole.kept, "training"))
    expected = forest.score(*filled_by_hand(whole.kept, "validation"))
    assert whole.results["baseline_r2"] == pytest.approx(expected, abs=0.02)
    page = Path(whole.results["out.report"]).read_text(encoding="utf-8")
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", page)
    assert cells[cells.index("Random forest") + 5] == f"{whole.results['baseline_r2']:.3f}"


def test_the_model_is_served_as_the_map_was_made(
    scene: SimpleNamespace, whole: SimpleNamespace, tmp_path: Path
) -> None:
    defaults = read_sidecar(whole.model).serving_defaults
    source = defaults.sources["source1"]
    assert (defaults.nodata_rule, source.filled, len(source.series.times)) == ("all", -1, 5)
    again = served(tmp_path, whole.model, scene.image, optim__tilesizex=37, optim__tilesizey=20)
    np.testing.assert_allclose(again[..., 0], read(whole.results["out"])[..., 0], rtol=1e-6)


def test_an_image_with_other_dates_is_refused(scene: SimpleNamespace, whole: SimpleNamespace, tmp_path: Path) -> None:
    other = dated(made(tmp_path / "other.tif", scene.pixels, -1), [*DATES[:4], "2018-06-01"])
    with pytest.raises(ModelError, match="band 5 is of 2018-06-01, the model's of 2018-05-01"):
        served(tmp_path, whole.model, other)


def test_without_dates_the_band_means_take_the_place(scene: SimpleNamespace, tmp_path: Path) -> None:
    log = Log()
    results = mapped(scene, tmp_path, log, **{"in": [scene.undated]}, baseline=True, step=8)
    assert any("STEP is given, but the network takes no account of dates" in text for text in log.warnings)
    assert "by the mean of each band in the training data" in log.text
    assert results["pixels_nodata"] == (scene.pixels == -1).all(axis=2).sum()
    assert results["baseline_r2"] > 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dates": "2018-01-01 2018-02-01 2018-03-01"}, "DATES holds 3 dates, which do not divide the 5 bands"),
        ({"dates": "2018-01-01 2018-02-01; 2018-03-01"}, "The number of sources is 1, but DATES holds the dates of 2"),
        ({"dates": "yesterday"}, "DATES.* 'yesterday', but must be a date"),
        ({"in": ["empty"]}, "Every patch holds no-data.* Not one has a valid value.* no-data values \\(NODATA\\)"),
        ({"values__raster": "nothing"}, "VALUES_RASTER is .*, which has no known value on the image"),
        ({"values__raster": "elsewhere"}, "they do not overlap. Choose values of the same area"),
        ({"nodata_rule": "some"}, "NODATA_RULE is some, but must be any, all or a number"),
        ({"nodata_fill__value": 3.0}, "NODATA_FILL_VALUE"),
    ],
)
def test_bad_input_is_told(scene: SimpleNamespace, tmp_path: Path, values: dict[str, Any], message: str) -> None:
    def path(value: Any) -> Any:
        return [path(part) for part in value] if isinstance(value, list) else getattr(scene, str(value), value)

    with pytest.raises((ParameterError, RasterError), match=message):
        mapped(scene, tmp_path, Log(), **{key: path(value) for key, value in values.items()})
    assert list(tmp_path.iterdir()) == []
