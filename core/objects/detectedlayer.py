"""The layer of detected objects."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..base.progress import Progress
from ..classes.legend import Legend
from ..geometry.grid import Grid
from ..rasters.ellipsoid import Ellipsoid, planar
from ..rasters.rasterreference import Reference
from ..vectors.vectorlayer import INTEGER, REAL, TEXT, Field
from ..vectors.vectoroutput import MULTIPOLYGONS, POINTS, POLYGONS, OutputVector
from .boxes import centres, corners
from .detector import Detector
from .maskfiles import MaskFiles
from .maskoutlines import MaskOutlines

FIELDS = (
    *(Field("class", INTEGER), Field("name", TEXT), Field("score", REAL)),
    *(Field("area_m2", REAL), Field("pixels", REAL)),
)
ANGLE = Field("angle", REAL)
"""Of turned boxes: degrees, clockwise from the right."""

_BATCH = 20_000
_POLYGON = 3


class DetectedObjects:
    """Draws boxes on the ground and tells their fields.

    Attributes:
        geometry: type of the layer, for `OutputVector`.
    """

    geometry = POLYGONS

    def __init__(self, grid: Grid, reference: Reference, legend: Legend, turned: bool) -> None:
        """Take the grid of the image, its coordinate system, the classes, and whether boxes are turned."""
        self._transform = grid.north_up
        self._ellipsoid = Ellipsoid(reference.wkt) if Ellipsoid.knows(reference.wkt) else None
        self._legend, self._turned = legend, turned

    @property
    def fields(self) -> tuple[Field, ...]:
        """Fields of the layer."""
        return (*FIELDS, ANGLE) if self._turned else FIELDS

    @property
    def has_areas(self) -> bool:
        """Whether areas on the ground are known."""
        return self._ellipsoid is not None

    def write(self, out: OutputVector, boxes: np.ndarray, progress: Progress) -> None:
        """Write boxes in their order."""
        for start in range(0, len(boxes), _BATCH):
            progress.check()
            self._write(out, boxes[start : start + _BATCH])
            progress.fraction(min(1.0, (start + _BATCH) / len(boxes)))

    def _write(self, out: OutputVector, boxes: np.ndarray) -> None:
        places = self._places(boxes)
        out.write_shapes(self._columns(boxes, self._areas(places), _pixels(boxes)), list(_outlines(places)))

    def _places(self, boxes: np.ndarray) -> np.ndarray:
        """Return the corners on the ground, shape (n, 4, 2)."""
        return planar(corners(boxes).reshape(-1, 2), self._transform).reshape(-1, 4, 2)

    def _columns(self, boxes: np.ndarray, areas: np.ndarray, pixels: np.ndarray) -> list[np.ma.MaskedArray]:
        names = [self._legend[value].name if value in self._legend else "" for value in boxes["class"].tolist()]
        columns = [
            np.ma.MaskedArray(boxes["class"].astype("int64")),
            np.ma.MaskedArray(np.array(names, object), [not name for name in names]),
            np.ma.MaskedArray(boxes["score"].astype("float64")),
            np.ma.masked_invalid(areas),
            np.ma.MaskedArray(pixels),
        ]
        if self._turned:
            columns.append(np.ma.MaskedArray(np.degrees(boxes["angle"].astype("float64"))))
        return columns

    def _areas(self, places: np.ndarray) -> np.ndarray:
        """Return areas in m2 on the ellipsoid; NaN where it is not known."""
        if self._ellipsoid is None:
            return np.full(len(places), np.nan)
        rings = np.concatenate((places, places[:, :1]), axis=1)
        found = self._ellipsoid.measure(rings.reshape(-1, 2), np.arange(0, 5 * len(places), 5))
        return np.array([self._ellipsoid.area(*pair) for pair in zip(found.areas.tolist(), found.turns.tolist())])


class DetectedPoints(DetectedObjects):
    """Draws the centres of boxes; the fields are those of the boxes."""

    geometry = POINTS

    def _write(self, out: OutputVector, boxes: np.ndarray) -> None:
        rows, columns = centres(boxes)
        x, y = planar(np.stack((columns, rows), axis=1), self._transform).T
        out.write(self._columns(boxes, self._areas(self._places(boxes)), _pixels(boxes)), x, y)


class DetectedOutlines(DetectedObjects):
    """Draws the outlines of masks, and tells the area of these."""

    geometry = MULTIPOLYGONS

    def __init__(self, grid: Grid, reference: Reference, legend: Legend, masks: MaskFiles) -> None:
        """Take what boxes need, and the masks that they name."""
        super().__init__(grid, reference, legend, turned=False)
        self._masks = masks
        self._drawn = MaskOutlines(self._ellipsoid, self._transform)

    def _write(self, out: OutputVector, boxes: np.ndarray) -> None:
        outlines = self._drawn.of(map(self._masks.read, boxes["mask"].tolist()))
        areas, pixels = (np.array(values, "float64") for values in zip(*((one.area, one.pixels) for one in outlines)))
        out.write_shapes(self._columns(boxes, areas, pixels), [one.wkb for one in outlines])


@contextmanager
def drawn_objects(detector: Detector, geometry: str, masks: Sequence[Path]) -> Iterator[DetectedObjects]:
    """Yield what draws the objects of a detector.

    Args:
        detector: tells the image and the classes.
        geometry: boxes, points or outlines.
        masks: files of the masks, for outlines.
    """
    image, turned = detector.source.stack, detector.head.facts.oriented
    if geometry == "outlines":
        with MaskFiles(masks) as files:
            yield DetectedOutlines(image.grid, image.reference, detector.legend, files)
    else:
        kind = DetectedPoints if geometry == "points" else DetectedObjects
        yield kind(image.grid, image.reference, detector.legend, turned)


def _pixels(boxes: np.ndarray) -> np.ndarray:
    found: np.ndarray = (boxes["y2"] - boxes["y1"]) * (boxes["x2"] - boxes["x1"])
    return found


def _outlines(places: np.ndarray) -> Iterator[bytes]:
    """Yield polygons of four corners as WKB, little-endian."""
    head = struct.pack("<BIII", 1, _POLYGON, 1, 5)
    rings = np.concatenate((places, places[:, :1]), axis=1).astype("<f8")
    for ring in rings:
        yield head + ring.tobytes()


def classes_in(boxes: np.ndarray) -> Sequence[int]:
    """Return the classes that boxes have, in order."""
    return [int(value) for value in np.unique(boxes["class"])]
