"""Dates and bands of a time series, as band names tell them."""

from __future__ import annotations

import pytest

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.parameters.seriesorders import BAND_MAJOR, DATE_MAJOR
from otbtf_qgis.core.rasters.seriesbands import SeriesLayout, named_layout

DAY = 17532.0  # 2018-01-01


@pytest.mark.parametrize(
    ("names", "times", "bands", "order"),
    [
        ("20180101_B2 20180101_B3 20180106_B2 20180106_B3", (DAY, DAY + 5), 2, DATE_MAJOR),
        ("20180101_B2 20180106_B2 20180101_B3 20180106_B3", (DAY, DAY + 5), 2, BAND_MAJOR),
        ("20180101_B2 20180106_B2", (DAY, DAY + 5), 1, DATE_MAJOR),
        ("2018-01-01 2018-01-01 2018-01-06", (DAY, DAY, DAY + 5), 1, DATE_MAJOR),
        ("NDVI_20180101 NDVI_20180106 NDVI_20180101", (DAY, DAY + 5, DAY), 1, DATE_MAJOR),
        ("20180101_B2 20180101_B3 20180101_B2 20180101_B3 20180106_B2 20180106_B3", (DAY, DAY, DAY + 5), 2, DATE_MAJOR),
        ("20180101_B2 20180101_B2 20180106_B2 20180101_B3 20180101_B3 20180106_B3", (DAY, DAY, DAY + 5), 2, BAND_MAJOR),
        ("A_20180101T100410 A_20180101T100425 A_20180106T100410", (DAY, DAY, DAY + 5), 1, DATE_MAJOR),
        ("2018_01_06_B2 2018_01_06_B3 2018_01_01_B2 2018_01_01_B3", (DAY + 5, DAY), 2, DATE_MAJOR),
        ("20180101_B2 20180106_B3", (DAY, DAY + 5), 1, DATE_MAJOR),
    ],
)
def test_layouts(names: str, times: tuple[float, ...], bands: int, order: str) -> None:
    assert named_layout(names.split(), "The names") == SeriesLayout(times, bands, order)


@pytest.mark.parametrize(
    "names",
    [
        "20180101_B2 20180101_B3 20180106_B2",
        "20180101_B2 20180101_B3 20180106_B2 20180106_B3 20180111_B2",
        "20180101_B2 20180106_B2 20180106_B3 20180101_B3",
    ],
)
def test_bands_that_not_all_dates_have_are_not_averaged(names: str) -> None:
    with pytest.raises(ParameterError, match="The names: several bands are of the same date.* in DATES, if"):
        named_layout(names.split(), "The names")
