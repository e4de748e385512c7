"""Dates of a series: as texts, in files, in STAC items, in names of bands and files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from marked_rasters import made
from osgeo import gdal

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.rasters.dates import dated_names, holds_date, shown_date, times_by_source, times_of, without_date
from otbtf_qgis.core.rasters.rasterstack import Stack
from otbtf_qgis.core.rasters.seriesbands import SeriesLayout, days_of_bands

DAY = 17532.0  # 2018-01-01
DATES = ["2018-01-01", "2018-01-06"]


def item(**properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties}


CUBE = {"x": {"type": "spatial"}, "t": {"type": "temporal", "values": [f"{date}T10:00:00Z" for date in DATES]}}


@pytest.mark.parametrize(
    "content",
    [
        DATES,
        {"type": "FeatureCollection", "features": [item(datetime=f"{date}T10:31:01Z") for date in DATES]},
        {"features": [item(datetime=None, start_datetime=f"{date}T00:00:00Z") for date in DATES]},
        item(datetime="2018-03-01T00:00:00Z", **{"cube:dimensions": CUBE}),
        "2018-01-01\n2018-01-06\n",
        "20180101, 20180106",
        "2018/01/01 10:00:08\n2018/01/06 23:59:59.5+02:00\n",
        [f"{date} 10:00:08" for date in DATES],
    ],
)
def test_files(content: Any, tmp_path: Path) -> None:
    path = tmp_path / ("my dates.txt" if isinstance(content, str) else "my dates.json")
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    assert times_of(str(path)) == (DAY, DAY + 5)
    assert times_by_source(f"{path}; 2018-01-01") == ((DAY, DAY + 5), (DAY,))


def test_an_item_of_one_date(tmp_path: Path) -> None:
    path = tmp_path / "item.json"
    path.write_text(json.dumps(item(datetime="2018-01-01T10:00:00Z")), encoding="utf-8")
    assert times_of(str(path)) == (DAY,)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("none.json", None, "No such file"),
        ("a.json", "{", "no dates can be read"),
        ("a.json", "[]", "must be a list of dates"),
        ("a.json", '["2018-01-01", "soon"]', "item 2 is 'soon'"),
        ("a.json", '{"type": "Feature"}', "properties"),
        ("a.json", '{"properties": {}}', "neither datetime nor start_datetime"),
        ("a.txt", " \n", "it is empty"),
        ("a.txt", "2018-02-30", "item 1 is '2018-02-30'"),
    ],
)
def test_files_without_dates(name: str, content: str | None, told: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ParameterError, match="DATES") as raised:
        times_of(str(tmp_path / name))
    assert told in str(raised.value)


def test_numbers_that_are_no_dates() -> None:
    assert not holds_date("scene_12345678") and holds_date("S2A_12345678_20180101T105031")
    assert not holds_date("tile_1234_05_06") and not holds_date("2018_01-06") and holds_date("NDVI_2018_01_06")
    assert without_date("B2 2018-01-01T10:04:25Z") == "B2 " and without_date("20180101_1004") == "_1004"
    assert without_date("NDVI_12345678_20180101_a") == "NDVI_12345678__a" and without_date("red") == "red"
    assert shown_date(DAY + 0.5) == "2018-01-01"


def test_names_of_bands_come_before_names_of_files(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 2), "uint8")
    one, two = made(tmp_path / "S2_20180101.tif", pixels), made(tmp_path / "S2_20180106.tif", pixels)
    names = dated_names(Stack([one, two]))
    assert names == ["S2_20180101"] * 2 + ["S2_20180106"] * 2
    assert days_of_bands(names) == [DAY, DAY, DAY + 5, DAY + 5]
    dataset = gdal.Open(two, gdal.GA_Update)
    for band, name in enumerate(["2018-01-11 red", "nir"], 1):
        dataset.GetRasterBand(band).SetDescription(name)
    del dataset
    assert dated_names(Stack([two])) == ["2018-01-11 red", "S2_20180106 nir"]
    assert days_of_bands(["2018-01-01", "red"]) is None


def test_files_tell_what_undescribed_bands_are(tmp_path: Path) -> None:
    """Listed, or stacked in a virtual raster, whose own name and order of files may be anything."""
    names = ["VH_20180101", "VV_20180101", "vh", "vv"]
    files = [made(tmp_path / f"{name}.tif", np.ones((2, 2, 1), "uint8")) for name in names]
    stacked = str(tmp_path / "stack_20190101.vrt")
    gdal.BuildVRT(stacked, files, separate=True).FlushCache()
    assert dated_names(Stack(files)) == dated_names(Stack([stacked])) == names
    named = gdal.Open(files[3], gdal.GA_Update)
    named.GetRasterBand(1).SetDescription("red")
    named.FlushCache()
    assert dated_names(Stack(files)) == [*names[:3], "red"]
    mosaic = str(tmp_path / "mosaic_20190101.vrt")
    gdal.BuildVRT(mosaic, files).FlushCache()
    assert dated_names(Stack([mosaic])) == ["mosaic_20190101"]


@pytest.mark.parametrize("order", ["date-major", "band-major"])
def test_the_time_of_each_channel(order: str) -> None:
    layout = SeriesLayout((1.0, 2.0, 3.0), 2, order)
    expected = np.empty(6)
    for band in range(2):
        expected[list(layout.channels_of(band))] = [1, 2, 3]
    assert layout.times_of_channels == tuple(expected)
