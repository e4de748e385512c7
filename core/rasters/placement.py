"""Georeferencing of a raster without a geotransform: control points, RPCs and geolocation arrays.

A grid of pixels tells nothing of where such a raster lies, so that its pixels can be computed with, and the points handed
on to an output of the same pixels, but no coordinate can be looked up in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from osgeo import gdal

from ..errors import RasterError
from ..phrases import Phrase

Items = tuple[tuple[str, str], ...]

_CLOSE = 1e-9
"""Relative difference of numbers that are the same, written and read in another way."""


@dataclass(frozen=True)
class Placement:
    """The control points, RPCs and geolocation arrays of a raster.

    Attributes:
        points: column, row, x, y and z of each control point.
        wkt: coordinate system of the points.
        rpc: rational polynomial coefficients, as GDAL's metadata has them.
        geolocation: where GDAL finds arrays of coordinates.
    """

    points: tuple[tuple[float, float, float, float, float], ...] = ()
    wkt: str = ""
    rpc: Items = ()
    geolocation: Items = ()

    @classmethod
    def of(cls, dataset: gdal.Dataset) -> Placement:
        """Return that of an open dataset."""
        points = dataset.GetGCPs() if dataset.GetGCPCount() else ()
        return cls(
            tuple((p.GCPPixel, p.GCPLine, p.GCPX, p.GCPY, p.GCPZ) for p in points),
            dataset.GetGCPProjection() or "" if points else "",
            _items(dataset.GetMetadata("RPC")),
            _items(dataset.GetMetadata("GEOLOCATION")),
        )

    def __bool__(self) -> bool:
        return bool(self.points or self.rpc or self.geolocation)

    @property
    def kind(self) -> str:
        """What it is, in words."""
        return self._kind_and_option[0]

    @property
    def cure(self) -> str:
        """How to get rid of it."""
        option = self._kind_and_option[1]
        return Phrase("Warp it to a grid first (Raster > Projections > Warp, or gdalwarp {option})", option=option)

    @property
    def _kind_and_option(self) -> tuple[str, str]:
        """What it is, in words, and the option of gdalwarp that uses it."""
        if self.points:
            return Phrase("ground control points"), "-tps"
        if self.rpc:
            return Phrase("RPCs"), "-rpc"
        return Phrase("geolocation arrays"), "-geoloc"

    def same_as(self, other: Placement) -> bool:
        """Return whether both place pixels alike, but for how numbers are written."""
        return (
            len(self.points) == len(other.points)
            and all(_close(one, two) for one, two in zip(self.points, other.points))
            and _alike(self.rpc, other.rpc)
            and _alike(self.geolocation, other.geolocation)
        )

    def write(self, dataset: gdal.Dataset, georeferenced: bool) -> None:
        """Hand it on to a raster of the same pixels; beside a geotransform, without the control points."""
        if self.points and not georeferenced:
            points = [gdal.GCP(x, y, z, column, row) for column, row, x, y, z in self.points]
            dataset.SetGCPs(points, self.wkt)
        if self.rpc:
            dataset.SetMetadata(dict(self.rpc), "RPC")
        if self.geolocation and not georeferenced:
            dataset.SetMetadata(dict(self.geolocation), "GEOLOCATION")


NOWHERE = Placement()


def check_same(names: Sequence[str], references: Sequence[Any]) -> None:
    """Raise RasterError where one of several rasters is placed by points only, and not all by the same.

    Args:
        names: of the rasters.
        references: `core.rasters.rasterreference.Reference` of each.
    """
    first = references[0]
    for name, reference in zip(names[1:], references[1:]):
        if not (first.by_points or reference.by_points) or first.placement.same_as(reference.placement):
            continue
        one, two = (names[0], name) if first.by_points else (name, names[0])
        placed = first if first.by_points else reference
        raise RasterError(
            "{one} has only {kind} as georeferencing, and {two} does not have the same, so their relative position "
            "is unknown. {cure}, all of them to the same grid.",
            one=one,
            kind=placed.placement.kind,
            two=two,
            cure=placed.placement.cure,
        )


def check_placed(name: str, reference: Any, why: str = Phrase("positions in it cannot be looked up")) -> None:
    """Raise RasterError where a raster is placed by points only."""
    if reference.by_points:
        raise RasterError(
            "{name} has no geotransform, only {kind}, so {why}. {cure}.",
            name=name,
            kind=reference.placement.kind,
            why=why,
            cure=reference.placement.cure,
        )


def handed_on(name: str, reference: Any, same_pixels: bool, why: str) -> Any:
    """Return the reference of an output.

    Args:
        name: of the raster whose grid the output's follows from.
        reference: of that raster.
        same_pixels: whether the output has the very same pixels.
        why: the reasons for which it may have others, for the message.

    Raises:
        RasterError: it has others, and only points place the raster.
    """
    if same_pixels:
        return reference
    check_placed(name, reference, Phrase("the output must have the same pixels, but it has others ({why})", why=why))
    return reference.without_placement()


def _items(metadata: Any) -> Items:
    return tuple(sorted((str(key), str(value)) for key, value in (metadata or {}).items()))


def _close(one: Sequence[float], two: Sequence[float]) -> bool:
    return all(math.isclose(a, b, rel_tol=_CLOSE, abs_tol=1e-9) for a, b in zip(one, two))


_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def _alike(one: Items, two: Items) -> bool:
    """Return whether both hold the same keys with the same numbers; texts without numbers must be equal."""
    if [key for key, _ in one] != [key for key, _ in two]:
        return False
    for (_, a), (_, b) in zip(one, two):
        numbers = [[float(number) for number in _NUMBER.findall(text)] for text in (a, b)]
        rests = [_NUMBER.sub("", text).split() for text in (a, b)]
        if len(numbers[0]) != len(numbers[1]) or not _close(*numbers) or (a != b and rests[0] != rests[1]):
            return False
    return True
