"""The areas of pixels on the ellipsoid."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from osgeo import osr

from otbtf_qgis.core.geometry.grid import Box
from otbtf_qgis.core.rasters.ellipsoid import Ellipsoid
from otbtf_qgis.core.rasters.pixelareas import PixelAreas


def areas(system: str, transform: tuple[float, ...]) -> PixelAreas:
    known = osr.SpatialReference()
    known.SetFromUserInput(system)
    return PixelAreas(Ellipsoid(known.ExportToWkt()), transform)


@pytest.fixture(params=[False, True], ids=["errors", "exceptions"])
def exceptions(request: pytest.FixtureRequest) -> Iterator[None]:
    before = osr.GetUseExceptions()
    (osr.UseExceptions if request.param else osr.DontUseExceptions)()
    yield
    (osr.UseExceptions if before else osr.DontUseExceptions)()


@pytest.mark.parametrize(
    ("system", "transform", "width", "height"),
    [
        ("EPSG:32631", (2e5, 10, 0, 5e6, 0, -10), 6000, 50),
        ("EPSG:32631", (2e5, 0.5, 0, 5e6, 0, -0.5), 900, 300),
        ("EPSG:3857", (0, 400, 0, 8e6, 0, -400), 900, 900),
        ("EPSG:3031", (-1e5, 5000, 0, 1e5, 0, -5000), 40, 40),  # the south pole in its middle
        ("EPSG:4326", (-180, 2, 0, 90, 0, -2), 180, 90),
        ("EPSG:2154", (6e5, 30, 8, 6.8e6, 8, -30), 500, 500),  # rotated
    ],
)
def test_pixels_of_a_box_have_the_areas_of_each(
    system: str, transform: tuple[float, ...], width: int, height: int
) -> None:
    measured = areas(system, transform)
    found = measured.within(Box(7, 11, width - 7, height - 11), np.ones((height - 11, width - 7), bool))
    assert found is not None
    random = np.random.default_rng(0)
    columns, rows = random.integers(7, width, 300), random.integers(11, height, 300)
    np.testing.assert_allclose(found[rows - 11, columns - 7], measured.of(columns, rows), rtol=2e-7)


def test_they_add_up_to_the_earth() -> None:
    found = areas("EPSG:4326", (-180, 4, 0, 90, 0, -4.5)).within(Box(0, 0, 90, 40), np.ones((40, 90), bool))
    assert found is not None
    assert found.sum() == pytest.approx(510_065_621_724_089.0, rel=1e-8)


def test_in_an_equal_area_projection_all_are_equal() -> None:
    found = areas("EPSG:3035", (3e6, 100, 0, 4e6, 0, -100)).within(Box(0, 0, 800, 300), np.ones((300, 800), bool))
    assert found is not None
    np.testing.assert_allclose(found, 1e4, rtol=1e-7)


def test_pixels_off_the_earth_have_none(exceptions: None) -> None:
    """Mollweide's projection of a sphere, an ellipse in a rectangle; areas in the plane are right."""
    measured = areas("+proj=moll +R=6371000", (-18_020_000, 901_000, 0, 9_010_000, 0, -901_000))
    rows, columns = np.mgrid[0:20, 0:40]
    inside = ((columns - 19.5) / 20) ** 2 + ((rows - 9.5) / 10) ** 2 < 0.8
    assert measured.within(Box(0, 0, 40, 20), np.ones((20, 40), bool)) is None
    found = measured.within(Box(0, 0, 40, 20), inside)
    assert found is not None
    np.testing.assert_allclose(found[inside], 901_000.0**2, rtol=1e-4)
    assert found[inside].mean() == pytest.approx(901_000.0**2, rel=1e-5)
