"""Georeferencing of a raster beside its grid: its coordinate system, or points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from osgeo import gdal, osr

from ..errors import RasterError
from ..parameters.rastersource import RasterSource, described
from ..phrases import Phrase
from .inmemory import NO_PLACE, PIXELS_UPWARDS, crs_wkt
from .placement import NOWHERE, Placement, check_same


@dataclass(frozen=True)
class Reference:
    """What ties a raster to the ground.

    Attributes:
        wkt: its coordinate system; empty for none.
        georeferenced: whether it has a geotransform that places it, rather than one that counts its pixels.
        placement: what else places it.
    """

    wkt: str
    georeferenced: bool
    placement: Placement = NOWHERE

    @classmethod
    def of(cls, dataset: gdal.Dataset, source: Any = None) -> Reference:
        """Return the reference of an open dataset, which may be assigned to the source that was opened.

        Raises:
            RasterError: the one assigned is not understood.
        """
        source = described(source)
        wkt = crs_wkt(source.crs) if isinstance(source, RasterSource) else ""
        wkt = wkt or dataset.GetProjection() or ""
        transform = tuple(dataset.GetGeoTransform())
        georeferenced = transform != NO_PLACE and (bool(wkt) or transform != PIXELS_UPWARDS)
        return cls(wkt, georeferenced, Placement.of(dataset))

    @property
    def by_points(self) -> bool:
        """Whether only points place the raster: no coordinate can be looked up in it."""
        return bool(self.placement) and not self.georeferenced

    def without_placement(self) -> Reference:
        """Return it for pixels that the points are not of."""
        return replace(self, placement=NOWHERE)

    def same_as(self, other: Reference) -> bool:
        """Return whether both name the same coordinate system."""
        if self.wkt == other.wkt:
            return True
        if not self.wkt or not other.wkt:
            return False
        one, two = osr.SpatialReference(), osr.SpatialReference()
        one.ImportFromWkt(self.wkt)
        two.ImportFromWkt(other.wkt)
        return bool(one.IsSame(two, ["IGNORE_DATA_AXIS_TO_SRS_AXIS_MAPPING=YES"]))

    @property
    def metres(self) -> float | None:
        """Metres per unit of its coordinates; None where these are angles, or not known."""
        system = osr.SpatialReference()
        if not self.wkt or system.ImportFromWkt(self.wkt) or not system.IsProjected():
            return None
        return float(system.GetLinearUnits())

    @property
    def angles(self) -> bool:
        """Whether its coordinates are longitudes and latitudes."""
        system = osr.SpatialReference()
        return bool(self.wkt) and not system.ImportFromWkt(self.wkt) and bool(system.IsGeographic())

    def describe(self) -> str:
        """Return the coordinate system's code or name."""
        if not self.wkt:
            return Phrase("none")
        system = osr.SpatialReference()
        system.ImportFromWkt(self.wkt)
        authority, code = system.GetAuthorityName(None), system.GetAuthorityCode(None)
        return f"{authority}:{code}" if code else system.GetName()


def check_references(named: Sequence[tuple[str, Reference]]) -> None:
    """Raise RasterError unless all are in one coordinate system, or none has one nor a geotransform."""
    check_same(*zip(*named))
    for name, reference in named:
        if not reference.wkt and (reference.georeferenced or any(other.wkt for _, other in named)):
            raise RasterError(
                "{name} has no coordinate system (CRS): assign the right one (Raster > Projections > Assign "
                "projection) and run again.",
                name=name,
            )
    first_name, first = named[0]
    for name, reference in named[1:]:
        if not reference.same_as(first):
            raise RasterError(
                "{first_name} is in {first}, but {name} in {reference}: warp one of them to the other's coordinate "
                "system (Raster > Projections > Warp).",
                first_name=first_name,
                first=first.describe(),
                name=name,
                reference=reference.describe(),
            )
