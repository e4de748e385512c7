"""Which band is which within a date, as band names tell it: found, compared, and put in order."""

from __future__ import annotations

import pytest

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.parameters.seriesorders import BAND_MAJOR, DATE_MAJOR
from otbtf_qgis.core.rasters.seriesbands import SeriesLayout
from otbtf_qgis.core.rasters.seriesnames import check_order_of_dates, names_of_date, other_names, reordered, selection

DAYS = (16587.0, 16617.0)  # 2015-06-01, 2015-07-01
RADAR = SeriesLayout(DAYS, 2, DATE_MAJOR, ("VV", "VH"))
NDVI = SeriesLayout(DAYS, 1, DATE_MAJOR, ("NDVI",))


@pytest.mark.parametrize(
    ("names", "order", "found"),
    [
        ("VV_2015-06-01 VH_2015-06-01 VV_2015-07-01 VH_2015-07-01", DATE_MAJOR, ("VV", "VH")),
        ("VV_2015-06-01 VV_2015-07-01 VH_2015-06-01 VH_2015-07-01", BAND_MAJOR, ("VV", "VH")),
        ("VV VH VV VH", DATE_MAJOR, ("VV", "VH")),
        (
            "S1A_20150601T0515_VV S1A_20150601T0515_VH S1B_20150701T0612_VV S1B_20150701T0612_VH",
            DATE_MAJOR,
            ("VV", "VH"),
        ),
        (
            "S2A_20150601T101031_T33_20150601T101032_B02 S2A_20150601T101031_T33_20150601T101032_B8A "
            "S2B_20150701T101031_T33_20150701T101030_B02 S2B_20150701T101031_T33_20150701T101030_B8A",
            DATE_MAJOR,
            ("B02", "B8A"),
        ),
        ("20150601_VV 20150601_VV_mean 20150701_VV 20150701_VV_mean", DATE_MAJOR, ("VV", "VV mean")),
        ("VV_2015-06-01 VH_2015-06-01 HH_2015-07-01 HV_2015-07-01", DATE_MAJOR, ()),
        ("2015-06-01 2015-06-01 2015-07-01 2015-07-01", DATE_MAJOR, ()),
        ("2015-06-01 2015-06-01 VV_2015-07-01 VH_2015-07-01", DATE_MAJOR, ("VV", "VH")),
        ("VV_2015-06-01 2015-06-01 VV_2015-07-01 VH_2015-07-01", DATE_MAJOR, ()),
        ("B1 B2 B3 B4", DATE_MAJOR, ()),
        ("VV_2015-06-01 VH_2015-06-01", DATE_MAJOR, ()),
    ],
)
def test_names_of_two_bands(names: str, order: str, found: tuple[str, ...]) -> None:
    assert names_of_date(names.split(), SeriesLayout(DAYS, 2, order)) == found


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("NDVI_20150601 NDVI_20150701", ("NDVI",)),
        ("20150601 20150701", ()),
        ("B1_20150601 B1_20150701", ()),
        ("Band01_20150601 Band01_20150701", ()),
        ("B1_20150601 B2_20150701", ()),
    ],
)
def test_names_of_one_band(names: str, found: tuple[str, ...]) -> None:
    assert names_of_date(names.split(), SeriesLayout(DAYS)) == found


@pytest.mark.parametrize(
    ("names", "order"),
    [
        ("VH_2015-06-01 VV_2015-06-01 VH_2015-07-01 VV_2015-07-01", [2, 1, 4, 3]),
        ("VV_2015-06-01 VH_2015-06-01 VH_2015-07-01 VV_2015-07-01", [1, 2, 4, 3]),
        ("vh vv vh vv", [2, 1, 4, 3]),
        ("VV VV VH VH", [1, 3, 2, 4]),
        ("VH_2015-06-01 VV_2015-06-01 2015-07-01 2015-07-01", [2, 1, 3, 4]),
        ("B1 B2 VH VV", [1, 2, 4, 3]),
        ("VV_2015-06-01 VH_2015-06-01 2015-07-01 2015-07-01", None),
        ("VV_2015-06-01 VH_2015-06-01 VV_2015-07-01 VH_2015-07-01", None),
        ("2015.06.01-vv 2015.06.01-vh 2015.07.01-vv 2015.07.01-vh", None),
        ("VH_2015-06-01 HH_2015-06-01 VH_2015-07-01 HH_2015-07-01", None),
        ("B1 B2 B3 B4", None),
        ("VH VV", None),
        (" ".join(["VH_2015-06-01"] * 9), None),
    ],
)
def test_another_order(names: str, order: list[int] | None) -> None:
    assert reordered(names.split(), RADAR) == order
    assert reordered(names.split(), SeriesLayout(DAYS, 2)) is None


def test_another_order_band_by_band() -> None:
    series = SeriesLayout(DAYS, 3, BAND_MAJOR, ("B2", "B3", "B8"))
    names = [f"{day}_{band}" for band in ("B08", "B02", "B03") for day in ("20150601", "20150701")]
    assert reordered(names, series) == [3, 4, 5, 6, 1, 2]


@pytest.mark.parametrize(
    ("names", "series", "found"),
    [
        ("HH_2015-06-01 HV_2015-06-01 HH_2015-07-01 HV_2015-07-01", RADAR, ("HH", "HV")),
        ("VV_2015-06-01 VH_2015-06-01 HH_2015-07-01 HV_2015-07-01", RADAR, ("HH", "HV")),
        ("vh1 vv1 vh2 vv2", RADAR, ("vh1", "vv1")),
        ("Band1 Band2 Band3 Band4", RADAR, ()),
        ("S1_2015-06-01 S1_2015-06-01 S2_2015-07-01 S2_2015-07-01", RADAR, ()),
        ("vv-2015-06-01 vh-2015-06-01 vv-2015-07-01 vh-2015-07-01", RADAR, ()),
        ("2015-06-01 2015-06-01 2015-07-01 2015-07-01", RADAR, ()),
        ("HH_2015-06-01 HV_2015-06-01 HH_2015-07-01 HV_2015-07-01", SeriesLayout(DAYS, 2), ()),
        ("EVI_20150601 EVI_20150701", NDVI, ("EVI",)),
        ("S2_ndvi_20150601 S2_ndvi_20150701", NDVI, ()),
        ("B1 B1", NDVI, ()),
    ],
)
def test_other_names(names: str, series: SeriesLayout, found: tuple[str, ...]) -> None:
    assert other_names(names.split(), series) == found


def test_one_order_at_all_dates() -> None:
    names = "VV_2015-06-01 VH_2015-06-01 VH_2015-07-01 VV_2015-07-01".split()
    told = "Source 3 has its bands in the order VV, VH at its date 1, but VH, VV at its date 2"
    with pytest.raises(ParameterError, match=told):
        check_order_of_dates(names, SeriesLayout(DAYS, 2), 3)
    with pytest.raises(ParameterError, match="VV, VH at its date 2, but VH, VV at its date 3"):
        check_order_of_dates(["2015-05-01", "2015-05-01", *names], SeriesLayout((16556.0, *DAYS), 2), 3)
    check_order_of_dates(["VV", "VH", "HH", "HV"], SeriesLayout(DAYS, 2), 3)


def test_the_command_line_is_short() -> None:
    assert selection([2, 1]) == "-b 2 -b 1"
    assert selection(range(1, 69)).endswith("-b 12 ...")
