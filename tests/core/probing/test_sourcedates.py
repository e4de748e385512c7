"""Models that know dates and missing values, served on images of the same dates, of others, and of unknown ones."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import serving
from marked_rasters import made
from osgeo import gdal
from template_models import create

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import ModelError, ParameterError
from otbtf_qgis.core.models.sidecar import read_sidecar

DATES = ["2018-01-01", "2018-01-11", "2018-01-21", "2018-02-10"]


def named(path: str, names: list[str]) -> str:
    dataset = gdal.Open(path, gdal.GA_Update)
    for band, name in enumerate(names, 1):
        dataset.GetRasterBand(band).SetDescription(name)
    return path


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("dates")
    random = np.random.default_rng(0)
    pixels = random.integers(1, 100, (16, 20, 4)).astype("int16")
    pixels[random.random(pixels.shape) < 0.3] = -1
    pixels[0, 0] = -1
    image = named(made(folder / "image.tif", pixels, -1), DATES)
    given = {"source1__il": [image], "normalization": "standard", "width": 2, "out__savedmodel": str(folder / "saved")}
    model = create(folder, "tempcnn", **given)
    expected = serving.served(folder, model["out.keras"], image)
    return SimpleNamespace(folder=folder, pixels=pixels, image=image, model=model["out.keras"], expected=expected)


def test_dates_and_missing_value_are_in_both_sidecars(scene: SimpleNamespace) -> None:
    for model in (scene.model, str(scene.folder / "saved")):
        source = read_sidecar(model).serving_defaults.sources["source1"]
        assert source.filled == -1 and source.series.times == (17532, 17542, 17552, 17572)
    assert np.array_equal(scene.expected.sum(axis=2) == 0, (scene.pixels == -1).all(axis=2))


def test_other_dates_are_refused(scene: SimpleNamespace, tmp_path: Path) -> None:
    other = named(made(tmp_path / "other.tif", scene.pixels, -1), [*DATES[:3], "2019-02-10"])
    with pytest.raises(ModelError, match="band 4 is of 2019-02-10, the model's of 2018-02-10.*SOURCE1_IL"):
        serving.served(tmp_path, scene.model, other)
    swapped = named(made(tmp_path / "swapped.tif", scene.pixels, -1), [DATES[1], DATES[0], *DATES[2:]])
    with pytest.raises(ModelError, match="2 dates|band 1 is of 2018-01-11, the model's of 2018-01-01"):
        serving.served(tmp_path, scene.model, swapped)


def test_unknown_dates_are_taken_for_the_models_and_told_once(scene: SimpleNamespace, tmp_path: Path) -> None:
    log = serving.Log()
    found = serving.served(tmp_path, scene.model, made(tmp_path / "unknown.tif", scene.pixels, -1), log=log)
    assert np.array_equal(found, scene.expected)
    told = [text for text in log.infos if "hold no dates" in text]
    assert len(told) == 1 and "4 dates of 1 band, date-major, from 2018-01-01 to 2018-02-10" in told[0]


@pytest.mark.parametrize("how", ["other value", "files", "uint16"])
def test_missing_values_that_are_marked_otherwise_are_filled_too(
    scene: SimpleNamespace, how: str, tmp_path: Path
) -> None:
    """Another no-data value than in training, one for each file, and a type that does not hold the model's."""
    if how == "files":
        values = [-7 - band for band in range(4)]
        parts = [np.where(scene.pixels[..., [b]] == -1, values[b], scene.pixels[..., [b]]) for b in range(4)]
        source = [made(tmp_path / f"NDVI_{date}.tif", part, value) for date, part, value in zip(DATES, parts, values)]
    else:
        dtype, value = ("int16", -30000) if how == "other value" else ("uint16", 65535)
        pixels = np.where(scene.pixels == -1, value, scene.pixels.astype("int32")).astype(dtype)
        source = named(made(tmp_path / "a.tif", pixels, value), DATES)
    found = serving.served(tmp_path, scene.model, source, optim__tilesizex=7, optim__tilesizey=5)
    np.testing.assert_allclose(found, scene.expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("tag", [None, -9999])
def test_the_models_missing_value_is_no_data_whatever_the_file_says(
    scene: SimpleNamespace, tag: int | None, tmp_path: Path
) -> None:
    """The network takes it for missing, so that a pixel that holds nothing else has no data."""
    image = named(made(tmp_path / "a.tif", scene.pixels, tag), DATES)
    given = {"source1.il": [image], "model.dir": scene.model, "out": str(tmp_path / "map.tif")}
    results = registry.run("TensorflowModelServe", given)
    np.testing.assert_array_equal(serving.read(results["out"]), scene.expected)
    assert results["pixels_nodata"] == (scene.pixels == -1).all(axis=2).sum() > 0


def test_no_valid_value_in_the_whole_training_data(tmp_path: Path) -> None:
    image = named(made(tmp_path / "a.tif", np.full((4, 4, 4), -1, "int16"), -1), DATES)
    with pytest.raises(ParameterError, match="No band of source 1 holds a valid value, in all of the training data"):
        create(tmp_path, "tempcnn", source1__il=[image], normalization="standard")


def test_parts_follow_the_rule_and_fill_as_the_whole(scene: SimpleNamespace, tmp_path: Path) -> None:
    """Images whose missing values have another mark than in training, in parts, with a rule of the user."""
    pixels = np.where(scene.pixels == -1, -30000, scene.pixels).astype("int16")
    image = named(made(tmp_path / "a.tif", pixels, -30000), DATES)
    out = str(tmp_path / "map.vrt")
    given = {"source1.il": [image], "model.dir": scene.model, "nodata_rule": "0.5", "out": out}
    for part in ("0/2", "1/2"):
        registry.run("TensorflowModelServe", {**given, "part": part})
    without = (scene.pixels == -1).mean(axis=2) > 0.5
    expected = np.where(without[..., None], 0, scene.expected)
    np.testing.assert_allclose(serving.read(out), expected, rtol=1e-5, atol=1e-6)
    assert without.any()


def test_several_sensors_have_dates_of_their_own(tmp_path: Path) -> None:
    """An optical series with gaps, and a radar series of other dates with two bands for each."""
    random = np.random.default_rng(0)
    whole = random.integers(1, 100, (6, 5, 3)).astype("float32")
    whole[..., 1] = (whole[..., 0] + whole[..., 2]) / 2  # halfway between the others, as interpolation has it
    radar = random.integers(1, 100, (6, 5, 4)).astype("int16")
    cloudy = whole.copy()
    cloudy[random.random((6, 5)) < 0.5, 1] = -1
    days = ["2018-01-01", "2018-01-11", "2018-01-21"]
    names = ["2018-01-03 VV", "2018-01-03 VH", "2018-01-27 VV", "2018-01-27 VH"]
    optical = named(made(tmp_path / "optical.tif", np.concatenate([cloudy, whole]), -1), days)
    sar = named(made(tmp_path / "sar.tif", np.concatenate([radar, radar]), -1), names)
    model = create(tmp_path, "tempcnn", width=2, **{"source1.il": [optical], "source2.il": [sar]})["out.keras"]
    stored = read_sidecar(model).serving_defaults.sources
    one, two = stored["source1"].series, stored["source2"].series
    assert (one.times, one.bands) == ((17532, 17542, 17552), 1) and (two.times, two.bands) == ((17534, 17558), 2)
    found = serving.served(tmp_path, model, optical, sar)
    np.testing.assert_allclose(found[:6], found[6:], rtol=1e-5, atol=1e-6)
    named(sar, [name.replace("-27", "-28") for name in names])
    told = "dates of source 2 .*band 3 is of 2018-01-28, the model's of 2018-01-27.*SOURCE2_IL"
    with pytest.raises(ModelError, match=told):
        serving.served(tmp_path, model, optical, sar)


RADAR = [f"{band}_2015-0{month}-01" for month in (6, 7) for band in ("VV", "VH")]


@pytest.fixture(scope="module")
def radar(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A model of two dates with two bands each, whose values tell the bands from each other."""
    folder = tmp_path_factory.mktemp("radar")
    pixels = np.random.default_rng(0).normal([-12, -19, -10, -17], 2, (6, 5, 4)).astype("float32")
    image = named(made(folder / "image.tif", pixels, -99), RADAR)
    given = {"source1__il": [image], "width": 2, "out__savedmodel": str(folder / "saved")}
    model = create(folder, "tempcnn", **given)["out.keras"]
    expected = serving.served(folder, model, image)
    return SimpleNamespace(pixels=pixels, model=model, expected=expected)


def swapped(radar: SimpleNamespace, folder: Path, names: list[str]) -> str:
    """The radar image with both bands of each date in the other order."""
    return named(made(folder / "swapped.tif", radar.pixels[..., [1, 0, 3, 2]], -99), names)


@pytest.mark.parametrize(
    "names",
    [[RADAR[1], RADAR[0], RADAR[3], RADAR[2]], ["vh", "vv", "vh", "vv"]],
    ids=["with dates", "without dates"],
)
def test_bands_in_another_order_are_refused_with_the_cure(
    radar: SimpleNamespace, names: list[str], tmp_path: Path
) -> None:
    image = swapped(radar, tmp_path, names)
    with pytest.raises(
        ModelError, match="it takes VV, VH. Reorder them .gdal_translate .* image.tif reordered.tif.*SOURCE1_IL"
    ) as error:
        serving.served(tmp_path, radar.model, image)
    options = str(error.value).split("gdal_translate ")[1].split(" image.tif")[0]
    cured = str(tmp_path / "cured.tif")
    gdal.Translate(cured, image, options=options).FlushCache()
    np.testing.assert_array_equal(serving.served(tmp_path, radar.model, cured), radar.expected)


def test_band_names_are_in_both_sidecars(radar: SimpleNamespace) -> None:
    for model in (radar.model, str(Path(radar.model).parent / "saved")):
        assert read_sidecar(model).serving_defaults.sources["source1"].series.names == ("VV", "VH")


@pytest.mark.parametrize(
    ("names", "warnings"), [(["HH", "HV"], 1), (["vv", "vh"], 0), (["S1A VV asc", "S1A VH asc"], 0), (["", ""], 0)]
)
def test_other_band_names_are_warned_about_once(
    radar: SimpleNamespace, names: list[str], warnings: int, tmp_path: Path
) -> None:
    log = serving.Log()
    dated = [f"2015-0{month}-01 {name}".strip() for month in (6, 7) for name in names]
    image = named(made(tmp_path / "a.tif", radar.pixels, -99), dated)
    np.testing.assert_array_equal(serving.served(tmp_path, radar.model, image, log=log), radar.expected)
    unknown = [text for text in log.infos if "At each date they are taken for VV, VH." in text]
    assert len(unknown) == (names == ["", ""])
    told = [text for text in log.warnings if "Source 1: by their names" in text]
    assert len(told) == warnings and all("are HH, HV, but the model was made for VV, VH" in text for text in told)


def test_models_without_band_names_are_served_as_before(radar: SimpleNamespace, tmp_path: Path) -> None:
    content = Path(f"{radar.model}.json").read_text()
    old = tmp_path / "old.keras"
    old.write_bytes(Path(radar.model).read_bytes())
    described = json.loads(content)
    for source in described["properties"]["otbtf:serving"]["sources"]:
        assert source["series"].pop("band_names") == ["VV", "VH"]
    Path(f"{old}.json").write_text(json.dumps(described))
    image = swapped(radar, tmp_path, [RADAR[1], RADAR[0], RADAR[3], RADAR[2]])
    assert np.abs(serving.served(tmp_path, str(old), image) - radar.expected).max() > 0.001


def test_dates_with_their_bands_in_different_orders_make_no_model(radar: SimpleNamespace, tmp_path: Path) -> None:
    image = named(made(tmp_path / "a.tif", radar.pixels, -99), [*RADAR[:2], RADAR[3], RADAR[2]])
    with pytest.raises(ParameterError, match="order VV, VH at its date 1, but VH, VV at its date 2"):
        create(tmp_path, "tempcnn", source1__il=[image])
