"""Comparing a map of classes with a reference, pixel by pixel: a raster, points, lines or polygons."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from osgeo import gdal, ogr

from ..base.addresses import masked
from ..base.progress import Progress
from ..errors import ParameterError, RasterError, field
from ..files.gdalcalls import collected_errors
from ..geometry.grid import Box
from ..parameters.rastersource import Ranges, RasterSource
from ..phrases import Phrase
from ..rasters.alpha import BAND
from ..rasters.ellipsoid import Ellipsoid
from ..rasters.inmemory import Opened, name_of
from ..rasters.missingpixels import alpha_bands, marks_of_first
from ..rasters.pixelareas import PixelAreas
from ..rasters.placement import check_same
from ..rasters.rasteropening import grid_of, open_dataset
from ..rasters.rasterreference import Reference
from ..rasters.rasterstack import Stack
from ..rasters.warping import warped
from ..samples.counting import Counted, count, owners, portions
from ..samples.labelraster import LabelRaster, count_labels, sum_by_label
from ..samples.shapes import Shapes
from ..samples.validity import Validity
from ..vectors.vectorlayer import VectorLayer

_MOST_CLASSES = 1000  # more are no classes, but numbers


@dataclass
class Comparison:
    """What was counted.

    Attributes:
        pairs: label of the reference and label of the map, to the pixels (or points) that have both.
        mapped: label of the map to its pixels, in the whole map.
        areas: label of the map to its area in m2, in the whole map; None where areas are unknown.
        without: pixels or points of the reference where the map has no data.
    """

    pairs: Counter[tuple[int, int]] = dataclasses.field(default_factory=Counter)
    mapped: Counter[int] = dataclasses.field(default_factory=Counter)
    areas: dict[int, float] | None = None
    without: int = 0

    def add(self, reference: np.ndarray, found: np.ndarray) -> None:
        """Count pairs; both arrays hold whole numbers, shape (n,)."""
        if not len(reference):
            return
        low_r, low_f = int(reference.min()), int(found.min())
        span = int(found.max()) - low_f + 1
        if (int(reference.max()) - low_r + 1) * span >= 2**62:
            raise _no_classes(low_r, int(reference.max()))
        codes = (reference.astype(np.int64) - low_r) * span + (found.astype(np.int64) - low_f)
        for code, number in count_labels(codes).items():
            row, column = divmod(code, span)
            self.pairs[row + low_r, column + low_f] += number
        if len(self.pairs) > _MOST_CLASSES**2:
            raise _no_classes(low_r, int(reference.max()))

    def add_mapped(self, labels: np.ndarray) -> None:
        """Count pixels of the map."""
        self.mapped.update(count_labels(labels))
        if len(self.mapped) > _MOST_CLASSES:
            raise _no_classes(min(self.mapped), max(self.mapped))


class _MapCount:
    """Counts and measures the pixels of the map, box by box."""

    def __init__(self, image: LabelRaster, comparison: Comparison) -> None:
        self._image, self._comparison = image, comparison
        reference, grid = image.stack.reference, image.stack.grid
        self._pixel_areas: PixelAreas | None = None
        if reference.georeferenced and Ellipsoid.knows(reference.wkt):
            self._pixel_areas = PixelAreas(Ellipsoid(reference.wkt), grid.north_up)
            comparison.areas = {}

    def read(self, box: Box) -> tuple[np.ndarray, np.ndarray]:
        """Return what `LabelRaster.read` returns for a box; each box once."""
        where, labels = self._image.read(box)
        self._comparison.add_mapped(labels)
        if self._pixel_areas is not None and self._comparison.areas is not None:
            wanted = np.zeros(box.area, bool)
            wanted[where] = True
            areas = self._pixel_areas.within(box, wanted.reshape(box.height, box.width))
            if areas is None:
                self._comparison.areas = None
                return where, labels
            for label, area in sum_by_label(labels, areas.reshape(-1)[where]).items():
                self._comparison.areas[label] = self._comparison.areas.get(label, 0.0) + area
        return where, labels


def _no_classes(low: int, high: int) -> ParameterError:
    return ParameterError(
        "There are more than {most_classes} different labels, from {low} to {high}, which is too many for classes: "
        "check {image} and the reference.",
        most_classes=_MOST_CLASSES,
        low=low,
        high=high,
        image=field("image"),
    )


# ------------------------------------------------------------------- rasters


def reference_raster(
    source: Any,
    image: Stack,
    nodata: float | None,
    nodata_from_layer: bool,
    name: str,
    alpha: str = BAND,
    progress: Progress | None = None,
) -> LabelRaster:
    """Open the raster of a reference on the grid of the map.

    Where its own grid is another, each pixel of the map is compared with the pixel of the reference that holds its
    centre.

    Args:
        source: what GDAL opens.
        image: the map.
        nodata: the value that is no reference; None for the layer's own.
        nodata_from_layer: whether the layer's own, its masks and what the user has set in it count.
        name: mention of the parameter, by `errors.field`, for messages.
        alpha: what a second band is that is marked as alpha, and `progress`: see `LabelRaster`. From another grid, labels
            that have one have it as their mask.

    Raises:
        ParameterError, RasterError: it cannot be opened, or does not fit.
    """
    opened, _ = open_dataset(source)
    reference = Reference.of(opened, source)
    bands = opened.RasterCount - (0 if alpha == BAND else len(alpha_bands(opened)))
    if bands != 1 or _same_grid(opened, reference, image):
        return LabelRaster(source, nodata, nodata_from_layer, name, math.nan, alpha, progress, placed=False)
    values, view = _marked(opened, source, nodata, nodata_from_layer)
    path = masked(name_of(opened))
    known = reference.wkt and image.reference.wkt
    dataset = warped(
        view,
        (reference.wkt, image.reference.wkt) if known else None,
        image.grid,
        Phrase(
            "{name}: {path} cannot be brought to the grid of the map (warp it with Raster > Projections > Warp)",
            name=name,
            path=path,
        ),
        srcNodata="None",
        resampleAlg="near",
    )
    # The warped pixels are those of the reference, in another place, so that values are looked up in them.
    return LabelRaster(Opened(dataset, path, RasterSource(path, nodata=(values,))), math.nan, True, name)


def _same_grid(dataset: Any, reference: Reference, image: Stack) -> bool:
    check_same((image.names[0], masked(name_of(dataset))), (image.reference, reference))
    if not reference.georeferenced and not image.reference.georeferenced and not grid_of(dataset).same_as(image.grid):
        raise RasterError(
            "{name} has {columns} x {rows} pixels, the map {image_names} {width} x {height}, and neither has "
            "coordinates to align them by: georeference both.",
            name=masked(name_of(dataset)),
            columns=dataset.RasterXSize,
            rows=dataset.RasterYSize,
            image_names=image.names[0],
            width=image.grid.width,
            height=image.grid.height,
        )
    same = reference.same_as(image.reference) or not reference.wkt or not image.reference.wkt
    try:
        return same and grid_of(dataset).same_as(image.grid)
    except RasterError:  # rotated: GDAL turns it
        return False


def _marked(dataset: Any, source: Any, nodata: float | None, nodata_from_layer: bool) -> tuple[Ranges, Any]:
    """Return the values that are no reference, and the reference in the form in which warping honours its mask alone.

    Without a value of its own for no-data, since GDAL would pass over the mask then.
    """
    values, mask = marks_of_first(dataset, source, np.dtype("float64"), nodata, nodata_from_layer)
    view = None
    with collected_errors() as errors:
        view = gdal.Translate("", dataset, format="VRT", bandList=[1], noData="none", maskBand=mask)
    if view is None:
        raise RasterError(
            "Cannot read the mask of {name}: {errors}.", name=masked(name_of(dataset)), errors=masked(str(errors))
        )
    return values, view


def compare_rasters(image: LabelRaster, reference: LabelRaster, progress: Progress) -> Comparison:
    """Compare the map with a reference on its grid.

    Raises:
        ParameterError, RasterError: a raster cannot be read, or holds no classes.
        Cancelled: `progress` asked to stop.
    """
    comparison = Comparison()
    counted, boxes = _MapCount(image, comparison), image.boxes()
    for number, box in enumerate(boxes, 1):
        progress.check()
        where, found = counted.read(box)
        places, labels = reference.read(box)
        comparison.without += len(places) - _add_at(comparison, box, (where, found), places, labels)
        progress.fraction(number / len(boxes))
    return comparison


def _add_at(
    comparison: Comparison, box: Box, pixels: tuple[np.ndarray, np.ndarray], places: np.ndarray, labels: np.ndarray
) -> int:
    """Count the reference's labels at `places` of the box against the map's pixels; return how many met one."""
    where, found = pixels
    at = np.full(box.area, -1, np.int64)
    at[where] = np.arange(len(where))
    met = at[places]
    comparison.add(labels[met >= 0], found[met[met >= 0]])
    return int((met >= 0).sum())


# ------------------------------------------------------------------ features


def compare_features(
    image: LabelRaster, shapes: Shapes, memory: int, progress: Progress
) -> tuple[Comparison, tuple[str, ...]]:
    """Compare the map with the classes of features.

    Each point counts, with the pixel around it. Under polygons (pixels whose centre lies inside) and lines (pixels
    that they touch) each pixel counts once, for the last feature that covers it.

    Args:
        image: the map.
        shapes: the features on its grid.
        memory: budget in MB.
        progress: hears of the work.

    Returns:
        What was counted, where the labels of the reference are indices, and the classes' texts by index.

    Raises:
        ParameterError, RasterError, VectorError: something cannot be read, or no feature takes part.
        Cancelled: `progress` asked to stop.
    """
    comparison = Comparison()
    everywhere = Validity(image.stack, None, False)
    most = everywhere.pixels_within(memory)
    counted = count(shapes, everywhere, memory, progress, share=0.1)
    _count_map(image, comparison, progress, (0.1, 0.5))
    places = _points if _are_points(shapes.layer) else _pixels
    for done, box, flat, features in places(shapes, counted, most, progress):
        pixels = image.read(box)
        met = _add_at(comparison, box, pixels, flat, counted.classes[features])
        comparison.without += len(flat) - met
        progress.fraction(0.5 + 0.5 * done)
    return comparison, counted.labels


def _count_map(image: LabelRaster, comparison: Comparison, progress: Progress, span: tuple[float, float]) -> None:
    """Count and measure the pixels of each class of the map; `span` is the part of the work that this is."""
    counted, boxes = _MapCount(image, comparison), image.boxes()
    for number, box in enumerate(boxes, 1):
        progress.check()
        counted.read(box)
        progress.fraction(span[0] + (span[1] - span[0]) * number / len(boxes))


def _are_points(layer: VectorLayer) -> bool:
    if layer.geometry != "unknown":
        return layer.geometry == "point"
    kinds = (ogr.wkbPoint, ogr.wkbMultiPoint)
    layer.layer.ResetReading()
    geometries = (feature.GetGeometryRef() for feature in layer.layer)
    return all(ogr.GT_Flatten(shape.GetGeometryType()) in kinds for shape in geometries if shape is not None)


_Found = Iterator[tuple[float, Box, np.ndarray, np.ndarray]]
"""Share done, a box, positions in it (flat) and the indices of the features there."""


def _points(shapes: Shapes, counted: Counted, most: int, progress: Progress) -> _Found:
    everything = np.arange(len(counted.fids))
    for indices in portions(everything):
        progress.check()
        batch = shapes.again(shapes.feature(fid) for fid in counted.fids[indices].tolist())
        outlines = batch.outlines
        for piece in outlines.runs(0, len(indices)).pieces(outlines.boxes, most):
            yield (int(indices[-1]) + 1) / len(everything), piece.box, piece.flat(piece.box), indices[piece.shape]


def _pixels(shapes: Shapes, counted: Counted, most: int, progress: Progress) -> _Found:
    for done, window, owner in owners(shapes, counted, most, progress):
        flat = np.flatnonzero(owner >= 0)
        if len(flat):
            yield done, window, flat, owner[flat]
