"""Coordinates from one coordinate system to another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from osgeo import osr

from ..base.progress import Progress
from ..errors import VectorError
from ..files.gdalcalls import collected_errors
from ..phrases import Phrase
from ..rasters.rasterreference import Reference


class Transformation:
    """From one coordinate system to another, x before y whatever the authority says.

    Where both are the same, or one is unknown, coordinates stay as they are.

    Attributes:
        transform: osr's transformation for `ogr.Geometry.Transform`, or None where there is nothing to do.
    """

    def __init__(self, source: Reference, target: Reference) -> None:
        """Prepare it.

        Raises:
            VectorError: PROJ knows no way from one to the other.
        """
        self.transform: Any = None
        self._names = (source.describe(), target.describe())
        if not source.wkt or not target.wkt or source.same_as(target):
            return
        with collected_errors() as errors:
            self.transform = osr.CoordinateTransformation(_system(source.wkt), _system(target.wkt))
        if self.transform is None or errors.failed:
            raise VectorError(
                "Coordinates cannot be transformed from {name} to {name2}: {errors}.",
                name=self._names[0],
                name2=self._names[1],
                errors=errors,
            )

    def points(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the coordinates transformed; infinite where a point lies outside the target's area."""
        if self.transform is None or not len(x):
            return x, y
        moved: Any = None
        with collected_errors():
            moved = self.transform.TransformPoints(np.stack((x, y), axis=1).tolist())
        if moved is None:  # how some versions say that all failed
            return np.full(len(x), np.inf), np.full(len(x), np.inf)
        array = np.array(moved, "float64")
        return array[:, 0], array[:, 1]

    def apply(self, shapes: Iterable[Any], path: str) -> None:
        """Transform OGR's geometries, which change.

        Args:
            shapes: of a layer.
            path: of the layer, for messages.

        Raises:
            VectorError: some lie outside the target's area.
        """
        if self.transform is None:
            return
        failed = 0
        with collected_errors() as errors:
            for shape in shapes:
                failed += shape.Transform(self.transform) != 0
        # Where GDAL raises exceptions, the first failure ends the loop.
        if failed or errors.failed:
            raise VectorError(
                "{failed} {failed:feature|features} of {path} cannot be transformed to {system}: {errors}.",
                failed=max(failed, 1),
                path=path,
                system=self._names[1],
                errors=errors,
            )


def warn_of_unknown_system(one: str, source: Reference, other: str, target: Reference, progress: Progress) -> None:
    """Warn where only one of two is in a known coordinate system, so that coordinates stay as they are.

    Args:
        one, other: names of layers or images.
        source, target: their coordinate systems.
        progress: told of it.
    """
    if bool(source.wkt) != bool(target.wkt):
        progress.warning(
            Phrase(
                "{one} is in the coordinate system {system}, {other} in {other_system}: both are assumed to be in the same "
                "one. If they are not, assign each its own.",
                one=one,
                system=source.describe(),
                other=other,
                other_system=target.describe(),
            )
        )


def _system(wkt: str) -> Any:
    system = osr.SpatialReference()
    system.ImportFromWkt(wkt)
    system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return system
