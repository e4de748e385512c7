"""Shapes from one coordinate system to another."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from osgeo import ogr

from otbtf_qgis.core.errors import VectorError
from otbtf_qgis.core.rasters.inmemory import crs_wkt
from otbtf_qgis.core.rasters.rasterreference import Reference
from otbtf_qgis.core.vectors.transformation import Transformation

DEGREES, UTM = (Reference(crs_wkt(f"EPSG:{code}"), True) for code in (4326, 32631))


@pytest.fixture(params=[True, False], ids=["exceptions", "no_exceptions"])
def _exceptions(request: pytest.FixtureRequest) -> Iterator[None]:
    before = ogr.GetUseExceptions()
    (ogr.UseExceptions if request.param else ogr.DontUseExceptions)()
    yield
    (ogr.UseExceptions if before else ogr.DontUseExceptions)()


@pytest.mark.usefixtures("_exceptions")
def test_shapes_move_or_are_refused() -> None:
    point = ogr.CreateGeometryFromWkt("POINT (3 0)")
    Transformation(DEGREES, UTM).apply([point], "a.gpkg")
    assert (point.GetX(), point.GetY()) == pytest.approx((500_000, 0), abs=1e-3)  # on the central meridian
    beyond = ogr.CreateGeometryFromWkt("POINT (3 95)")
    with pytest.raises(VectorError, match=r"1 feature of a\.gpkg cannot be transformed to EPSG:32631"):
        Transformation(DEGREES, UTM).apply([beyond], "a.gpkg")
