"""Where a quantity is known: pixels of a raster, or points with a number, brought to the pixels of an image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..accuracy.mapcomparison import reference_raster
from ..base.progress import Progress
from ..errors import ParameterError, VectorError
from ..errors import field as mention
from ..geometry.grid import Grid
from ..parameters.vectorsource import LayerSource
from ..phrases import Phrase
from ..rasters.rasteropening import grid_of, open_dataset
from ..rasters.rasterreference import Reference
from ..rasters.rasterstack import Stack
from ..samples.labelraster import LabelRaster
from ..vectors.transformation import Transformation
from ..vectors.vectorlayer import TEXT, VectorLayer
from .landcoverlabels import check_overlap
from .patchlocations import pixels_of

FEWEST = 8
"""Known values with which something can be learned and validated."""


@dataclass(frozen=True)
class KnownValues:
    """Places in an image whose quantity is known; n of them.

    Attributes:
        x, y: coordinates in the image's system, float64, shape (n,).
        values: in their own unit, float64, shape (n,), all finite.
    """

    x: np.ndarray
    y: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def of(self, chosen: np.ndarray) -> KnownValues:
        """Return some of them, chosen as an index chooses elements of an array."""
        return KnownValues(self.x[chosen], self.y[chosen], self.values[chosen])

    def places(self, grid: Grid) -> np.ndarray:
        """Return column and row of the pixel that holds each, int64, shape (n, 2)."""
        return pixels_of(grid, self.x, self.y)


def values_of_raster(
    source: Any, nodata: float | None, alpha: str, image: Stack, most: int, seed: int, progress: Progress
) -> KnownValues:
    """Draw pixels of a raster at random; from another grid the nearest pixel is taken.

    Args:
        source: what GDAL opens.
        nodata: the value of pixels without a quantity; None for the raster's own.
        alpha: what a second band is that is marked as alpha.
        image: the image.
        most: number of pixels.
        seed: random seed; the same seed draws the same pixels.
        progress: may cancel.

    Raises:
        ParameterError, RasterError: it cannot be read, does not lie on the image, or holds too few values there.
        Cancelled: `progress` asked to stop.
    """
    dataset, _ = open_dataset(source)
    grid, reference = grid_of(dataset), Reference.of(dataset, source)
    parameter = mention("values_raster")
    if reference.georeferenced and image.reference.georeferenced:
        bounds = (grid.x.origin, grid.x.end, -grid.y.end, -grid.y.origin)
        shown = Phrase("{grid} (coordinate system: {reference})", grid=grid.describe(), reference=reference.describe())
        check_overlap(
            Phrase("{parameter} is {source}, which covers {shown}", parameter=parameter, source=source, shown=shown),
            bounds,
            reference,
            image,
            Phrase("values"),
        )
    raster = reference_raster(source, image, nodata, True, parameter, alpha, progress)
    total = sum(len(values) for _, values in _known_pixels(raster, progress))
    _check_enough(total, Phrase("{parameter} is {source}", parameter=parameter, source=source))
    drawn = np.sort(np.random.default_rng(seed).choice(total, min(most, total), replace=False))
    numbers, values, before = [], [], 0
    for pixels, found in _known_pixels(raster, progress):
        here = drawn[np.searchsorted(drawn, before) : np.searchsorted(drawn, before + len(found))] - before
        numbers.append(pixels[here])
        values.append(found[here])
        before += len(found)
    rows, columns = np.divmod(np.concatenate(numbers), raster.stack.grid.width)
    on = image.grid
    x = on.x.origin + (columns + 0.5) * on.x.spacing
    y = -(on.y.origin + (rows + 0.5) * on.y.spacing)
    return KnownValues(x, y, np.concatenate(values).astype("float64"))


def _known_pixels(raster: LabelRaster, progress: Progress) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Yield numbers of known pixels, counted through the raster, and their values, which are finite."""
    width = raster.stack.grid.width
    for box in raster.boxes():
        progress.check()
        where, values = raster.read_values(box)
        finite = np.isfinite(values)
        yield where[finite].astype("int64") + box.y * width, values[finite]


def values_of_points(
    source: LayerSource, field: str, image: Stack, most: int, seed: int, progress: Progress
) -> KnownValues:
    """Read points with a number; of more than `most` on the image, draw as many at random.

    Args:
        source: the layer.
        field: with the number.
        image: the image.
        most: number of points.
        seed: random seed; the same seed draws the same points.
        progress: is told of points that are left out, and may cancel.

    Raises:
        VectorError: the layer cannot be read, or holds no points.
        ParameterError: the field holds no numbers, or too few points lie on the image.
        Cancelled: `progress` asked to stop.
    """
    layer, parameter = VectorLayer(source), mention("values_vector")
    own = layer.field(field)
    if own.kind == TEXT:
        raise ParameterError(
            "{values_field} is {own}, which holds texts, but a quantity is a number: choose another field, or convert it "
            "with the field calculator.",
            values_field=mention("values_field"),
            own=own.name,
        )
    bounds = layer.extent()
    if not np.isfinite(bounds).all():
        raise VectorError(
            "{parameter} is {source}, which has no features: choose another layer.", parameter=parameter, source=source
        )
    check_overlap(
        Phrase(
            "{parameter} is {source}, which covers {layer}", parameter=parameter, source=source, layer=layer.describe()
        ),
        bounds,
        layer.reference,
        image,
        Phrase("values"),
    )
    transform, parts, without = Transformation(layer.reference, image.reference), [], 0
    for part in layer.read_points([own], progress):
        column = part.columns[0]
        values = np.asarray(column.data, "float64")
        known = ~np.ma.getmaskarray(column) & np.isfinite(values)
        without += int((~known).sum())
        x, y = transform.points(part.x[known], part.y[known])
        parts.append(np.stack([x, y, values[known]]))
    x, y, values = np.concatenate(parts, axis=1) if parts else np.empty((3, 0))
    found = KnownValues(x, y, values)
    inside = _inside(found, image.grid)
    if without:
        progress.warning(
            Phrase(
                "{without} {without:point has|points have} no number in the field {own}: left out.",
                without=without,
                own=own.name,
            )
        )
    if not inside.all():
        progress.info(
            Phrase(
                "{outside} {outside:point lies|points lie} outside of the image: left out.",
                outside=int((~inside).sum()),
            )
        )
    found = found.of(inside)
    _check_enough(len(found), Phrase("{parameter} is {source}", parameter=parameter, source=source))
    drawn = np.random.default_rng(seed).choice(len(found), min(most, len(found)), replace=False)
    return found.of(np.sort(drawn))


def _inside(found: KnownValues, grid: Grid) -> np.ndarray:
    finite = np.isfinite(found.x) & np.isfinite(found.y)
    places = KnownValues(np.where(finite, found.x, 0.0), np.where(finite, found.y, 0.0), found.values).places(grid)
    column, row = places.T
    inside: np.ndarray = finite & (column >= 0) & (column < grid.width) & (row >= 0) & (row < grid.height)
    return inside


def _check_enough(count: int, given: str) -> None:
    if count < FEWEST:
        shown = Phrase("only {count} known values", count=count) if count else Phrase("no known value")
        raise ParameterError(
            "{given}, which has {shown} on the image, but at least {fewest} are needed: give values of more places.",
            given=given,
            shown=shown,
            fewest=FEWEST,
        )
