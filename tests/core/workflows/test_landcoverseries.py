"""LandCoverMap of a time series with clouds: only image, labels and template are given."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from landcover_scene import COLUMNS, LABELS, ROWS, parcels, sparse
from marked_rasters import made
from osgeo import gdal
from points import write_points
from serving import Log, nodata_of, read, served

from otbtf_qgis.core import registry
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.models.sidecar import read_sidecar
from otbtf_qgis.core.operations.landcovermap import LandCoverMap
from otbtf_qgis.core.parameters.parsing import parse
from otbtf_qgis.core.rasters.rasterstack import Stack
from otbtf_qgis.core.workflows.landcoverlabels import open_vector
from otbtf_qgis.core.workflows.landcoverpatches import choose_patches
from otbtf_qgis.core.workflows.missingdata import MissingData
from otbtf_qgis.core.workflows.trainingplan import TrainingPlan

DATES = ["2018-01-01", "2018-02-01", "2018-02-01", "2018-04-01", "2018-05-01"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A series in which every pixel has a gap, one date has no value at all, and one pixel none."""
    folder = tmp_path_factory.mktemp("series")
    random = np.random.default_rng(0)
    levels = np.array([[10, 20, 20, 40, 50], [50, 40, 40, 20, 10], [30, 30, 30, 30, 30]])
    pixels = (levels[parcels()] + random.integers(-4, 5, (ROWS, COLUMNS, 5))).astype("int16")
    pixels[random.random(pixels.shape) < 0.2] = -1
    pixels[..., 3] = -1
    pixels[0, 0] = -1
    image = made(folder / "image.tif", pixels, -1)
    dataset = gdal.Open(image, gdal.GA_Update)
    for band, date in enumerate(DATES, 1):
        dataset.GetRasterBand(band).SetDescription(f"NDVI_{date}")
    del dataset
    labels = made(folder / "labels.tif", sparse(parcels())[..., None].astype("int16"), -1)
    return SimpleNamespace(folder=folder, image=image, labels=labels, pixels=pixels)


def mapped(scene: SimpleNamespace, folder: Path, log: Log, **values: Any) -> dict[str, Any]:
    given = {
        "in": [scene.image],
        "labels.raster": scene.labels,
        "out": str(folder / "map.tif"),
        "samples": 100,
        "epochs": 6,
    }
    given["out.keras"] = str(folder / "model.keras")
    return registry.run("LandCoverMap", {**given, **{k.replace("__", "."): v for k, v in values.items()}}, log)


def test_a_map_without_a_manual_step(scene: SimpleNamespace, tmp_path: Path) -> None:
    log = Log()
    results = mapped(scene, tmp_path, log, template="ltae")
    without = (scene.pixels == -1).all(axis=2)
    assert results["mode"] == "patches" and results["pixels_nodata"] == without.sum()
    assert f"{without.sum()} of {without.size} pixels of the map are no-data." in log.text
    found = read(results["out"])[..., 0]
    empty = nodata_of(results["out"])
    assert np.array_equal(found == empty, without) and found[0, 0] == empty
    assert (found == np.array(LABELS)[parcels()])[~without].mean() > 0.9
    assert "linear interpolation along the dates" in log.text
    assert "1 of 4 dates of IN have no valid pixel" in log.text and "2018-04-01" in log.text
    defaults = read_sidecar(str(tmp_path / "model.keras")).serving_defaults
    source = defaults.sources["source1"]
    assert (defaults.nodata_rule, source.filled, len(source.series.times)) == ("all", -1, 5)
    assert source.series.names == ("NDVI",)
    again = served(tmp_path, str(tmp_path / "model.keras"), scene.image, optim__tilesizex=37, optim__tilesizey=20)
    assert np.array_equal(again[..., 0], found)


def test_a_network_for_patches_gets_the_filled_series(scene: SimpleNamespace, tmp_path: Path) -> None:
    log = Log()
    mapped(scene, tmp_path, log, template="cnn16_deep", patchsize=3, epochs=1, nodata_pixels=0.2)
    assert "linear interpolation along the dates" in log.text
    source = read_sidecar(str(tmp_path / "model.keras")).serving_defaults
    assert (source.nodata_pixels, source.sources["source1"].filled) == (0.2, -1)


def test_features_are_sampled_where_any_file_has_data(scene: SimpleNamespace, tmp_path: Path) -> None:
    """A file for each date: what the first one lacks, others may have."""
    bands = range(scene.pixels.shape[2])
    files = [made(tmp_path / f"{band}.tif", scene.pixels[..., [band]], -1) for band in bands]
    places = [(300005.0 + 10 * x, 3999995.0 - 10 * y) for y in range(10) for x in range(10)]
    points = write_points(tmp_path / "points.gpkg", places, **{"class": [n % 2 for n in range(100)]})
    values = {"in": files, "labels.vector": points, "labels.field": "class", "template": "tempcnn", "out": "map.tif"}
    parameters = parse(LandCoverMap, values)
    image, log = Stack(files), Log()
    labels = open_vector(parameters.labels_vector, "class", image, log)
    plan = TrainingPlan("template:tempcnn", False, True, 1, 64, MissingData("temporal", "all", None, True))
    found = choose_patches(parameters, image, labels, plan, tmp_path, log)
    column, row = ((found.x - 300000) // 10).astype(int), ((4000000 - found.y) // 10).astype(int)
    chosen = np.zeros((10, 10), bool)
    chosen[row, column] = True
    assert np.array_equal(chosen, (scene.pixels[:10, :10] != -1).any(axis=2))
    assert (scene.pixels[row, column, 0] == -1).any()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"dates": "2018-01-01 2018-02-01"}, "DATES holds 2 dates, which do not divide the 5 bands"),
        ({"dates": "none.json"}, "DATES is none.json, but no dates can be read"),
        ({"nodata_fill": "none"}, "NODATA_FILL is none"),
        ({"nodata_rule": "few"}, "NODATA_RULE is few"),
        ({"patchsize": 3}, "PATCHSIZE is 3, but for the network tempcnn it must be 1"),
        ({"mode": "dense"}, "TEMPLATE is tempcnn, but MODE is dense"),
        ({"step": 0}, "STEP is 0, but must be above 0"),
    ],
)
def test_bad_input(scene: SimpleNamespace, values: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=told):
        mapped(scene, tmp_path, Log(), template="tempcnn", **values)
    assert not (tmp_path / "map.tif").exists()


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([f"VV_{DATES[0]}", "", *DATES[2:], ""], "item 2 is '', but must be a date"),
        (
            [f"{band}_{day}" for day, bands in zip(DATES[2:], ("VV VH", "VV VH", "VH VV")) for band in bands.split()],
            "order VV, VH at its date 1, but VH, VV at its date 3",
        ),
    ],
)
def test_names_that_tell_no_series_are_refused_before_samples_are_chosen(
    scene: SimpleNamespace, names: list[str], told: str, tmp_path: Path
) -> None:
    image = made(tmp_path / "image.tif", np.concatenate([scene.pixels, scene.pixels[..., :1]], axis=2), -1)
    dataset, log = gdal.Open(image, gdal.GA_Update), Log()
    for band, name in enumerate(names, 1):
        dataset.GetRasterBand(band).SetDescription(name)
    del dataset
    with pytest.raises(ParameterError, match=told):
        mapped(scene, tmp_path, log, template="tempcnn", **{"in": [image]})
    assert "samples" not in log.text
