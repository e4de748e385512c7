"""Areas and lengths on the ellipsoid."""

from __future__ import annotations

import math

import numpy as np
import pytest
from osgeo import osr

from otbtf_qgis.core.rasters.ellipsoid import Ellipsoid

EARTH = 510_065_621_724_089.0
"""Area of WGS 84, in m2: 2 pi a^2 (1 + (1 - e^2) / e artanh e)."""


def wkt(code: int) -> str:
    system = osr.SpatialReference()
    system.ImportFromEPSG(code)
    return str(system.ExportToWkt())


def measured(code: int, corners: list[tuple[float, float]]) -> tuple[float, float]:
    """Area and perimeter of a ring."""
    ellipsoid = Ellipsoid(wkt(code))
    points = np.array([*corners, corners[0]], "float64")
    found = ellipsoid.measure(points, np.array([0]))
    return ellipsoid.area(found.areas[0], found.turns[0]), float(found.lengths[0])


def box(x0: float, y0: float, x1: float, y1: float) -> list[tuple[float, float]]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def test_the_whole_earth() -> None:
    assert measured(4326, box(-180, -90, 180, 90))[0] == pytest.approx(EARTH, rel=1e-12)


def test_nothing_lies_beyond_the_poles() -> None:
    """A grid with the centres of its pixels on the poles, and its outer edges half a pixel beyond."""
    assert measured(4326, box(-180, -92.5, 180, 92.5))[0] == pytest.approx(EARTH, rel=1e-12)


def test_a_cell_of_a_degree() -> None:
    """By Simpson's rule over the radii of curvature, meridian by parallel."""
    a, squared = 6378137.0, 0.0066943799901413165
    latitudes = np.radians(np.linspace(45, 46, 2001))
    bend = 1 - squared * np.sin(latitudes) ** 2
    meridian, parallel = a * (1 - squared) / bend**1.5, a / np.sqrt(bend) * np.cos(latitudes)
    weights = np.r_[1, np.tile([4, 2], 999), 4, 1] * math.radians(1) / 2000 / 3
    area, perimeter = measured(4326, box(7, 45, 8, 46))
    assert area == pytest.approx(float(weights @ (meridian * parallel)) * math.radians(1), rel=1e-9)
    ends = float(parallel[0] + parallel[-1]) * math.radians(1)
    assert perimeter == pytest.approx(2 * float(weights @ meridian) + ends, rel=1e-8)


def test_an_equal_area_projection_has_its_own_areas() -> None:
    """EPSG:3035, Lambert's azimuthal equal-area projection: the area in the plane is right."""
    assert measured(3035, box(4e6, 3e6, 4.2e6, 3.1e6))[0] == pytest.approx(2e10, rel=1e-7)
    assert measured(3035, [(4e6, 3e6), (4000050, 3000020), (4000010, 3000070)])[0] == pytest.approx(1650, rel=1e-5)


def test_web_mercator_is_not_taken_at_its_word() -> None:
    area, length = measured(3857, box(0, 8.4e6, 1000, 8.401e6))  # at 60 degrees
    assert area == pytest.approx(1e6 / 4, rel=0.02)
    assert length == pytest.approx(4000 / 2, rel=0.01)


def test_a_polygon_around_the_pole() -> None:
    """EPSG:6931, equal-area around the north pole."""
    assert measured(6931, box(-1e5, -1e5, 2e5, 1e5))[0] == pytest.approx(6e10, rel=1e-6)


def test_across_the_date_line() -> None:
    area = measured(32601, box(2e5, 5e6, 3e5, 5.1e6))[0]  # 180 to 179 west
    assert area == pytest.approx(measured(32631, box(2e5, 5e6, 3e5, 5.1e6))[0], rel=1e-9)


@pytest.mark.parametrize("text", ["", 'LOCAL_CS["x"]'])
def test_a_text_without_an_ellipsoid(text: str) -> None:
    assert not Ellipsoid.knows(text)


@pytest.mark.parametrize("code", [4326, 32631])
def test_geographic_and_projected_systems_have_one(code: int) -> None:
    assert Ellipsoid.knows(wkt(code))
