"""The features of a training layer as shapes on an image's grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from osgeo import ogr

from ..base.progress import Progress
from ..errors import ParameterError, VectorError, field
from ..files.gdalcalls import collected_errors
from ..geometry.grid import Grid
from ..parameters.vectorsource import Address, LayerSource, VectorSource
from ..phrases import Phrase
from ..rasters.rasterreference import Reference
from ..vectors.texts import field_text
from ..vectors.transformation import Transformation
from ..vectors.vectorlayer import Field, VectorLayer
from ..vectors.vectoropening import open_vector
from .footprint import LINE, POINT, POLYGON, Outlines, pixel_of

_FEATURES, _VERTICES = 8192, 500_000  # held in memory together, about
_KINDS = {ogr.wkbPolygon: POLYGON, ogr.wkbLineString: LINE, ogr.wkbPoint: POINT}
_NAMES = {POLYGON: Phrase("a polygon"), LINE: Phrase("a line"), POINT: Phrase("a point")}
_NEEDED = {POLYGON: Phrase("polygons"), LINE: Phrase("lines"), POINT: Phrase("points")}


def open_training_layer(source: LayerSource, number: int | None) -> VectorLayer:
    """Open the layer of a training data set.

    Args:
        source: a path, or what else `VectorLayer` opens.
        number: of the layer in the file, from 0, where `source` names none; None where there is but one.

    Raises:
        ParameterError, VectorError: it cannot be opened, or has no such layer or no geometry.
    """
    layer = VectorLayer(layer_source(source, number))
    if layer.geometry == "none":
        raise VectorError(
            "The layer {layer} of {layer_path} is a table without geometry: choose polygons, lines or points.",
            layer=layer.name,
            layer_path=layer.path,
        )
    return layer


def layer_source(source: LayerSource, number: int | None) -> LayerSource:
    """Return the source of the layer with a number in the file, where `source` names none.

    Raises:
        ParameterError, VectorError: the file cannot be opened, or has no such layer.
    """
    address = Address.of(source)
    if number is None or address.layer or address.number is not None:
        return source
    name = _layer_name(address.path, number)
    return source.named(name) if isinstance(source, VectorSource) else f"{source}|layername={name}"


def _layer_name(path: str, number: int) -> str:
    dataset = open_vector(path)
    count = dataset.GetLayerCount()
    if number >= count:
        raise ParameterError(
            "{layer} is {number}, but {path} has {count} layers, numbered from 0: choose one of them.",
            layer=field("layer"),
            number=number,
            path=path,
            count=count,
        )
    return str(dataset.GetLayer(number).GetName())


@dataclass(frozen=True)
class Batch:
    """Some features on the grid, in order; all fields have one entry per feature.

    Attributes:
        fids: feature ids.
        places: numbers of the features in the layer's order, from 0.
        labels: their classes as text.
        outlines: their geometry.
    """

    fids: list[int]
    places: list[int]
    labels: list[str]
    outlines: Outlines

    def __len__(self) -> int:
        return len(self.fids)


@dataclass
class LeftOut:
    """How many features take no part, by reason."""

    without_class: int = 0
    without_geometry: int = 0
    outside: int = 0

    def describe(self) -> str:
        """Return them in words; empty if all take part."""
        told = [
            (self.without_class, Phrase("without a class")),
            (self.without_geometry, Phrase("without a geometry")),
            (self.outside, Phrase("outside the image")),
        ]
        return Phrase(", ").join(Phrase("{number} {why}", number=number, why=why) for number, why in told if number)


class Shapes:
    """The features of a layer, placed on the grid of an image in the image's coordinate system.

    Attributes:
        layer: the layer.
        field: the field that holds the class.
        left_out: what the last complete reading passed over.
    """

    def __init__(
        self, layer: VectorLayer, field: str | Field, grid: Grid, reference: Reference, only: int | None = None
    ) -> None:
        """Prepare.

        Args:
            layer: the layer.
            field: the field that holds the class, or its name.
            grid: of the image.
            reference: of the image.
            only: POLYGON, LINE or POINT, where every feature must be one; None for any.

        Raises:
            VectorError: there is no such field, or no way between the coordinate systems.
        """
        self.layer = layer
        self.field: Field = layer.field(field) if isinstance(field, str) else field
        self.left_out = LeftOut()
        self._grid, self._only = grid, only
        self._transformation = Transformation(layer.reference, reference)
        # Features are looked up again by their id; a format that cannot do that is kept in memory.
        self._random_access = bool(layer.layer.TestCapability(ogr.OLCRandomRead))
        self._kept: dict[int, Any] = {}

    def read(self, progress: Progress) -> Iterator[Batch]:
        """Yield all features that have a class and lie in the image, in the layer's order.

        Raises:
            VectorError: a feature cannot be read, or is of another type than the one asked for.
            Cancelled: `progress` asked to stop.
        """
        self.left_out = LeftOut()
        self.layer.layer.ResetReading()
        place, more = 0, True
        while more:
            progress.check()
            collector = _Collector(self._grid, self._transformation)
            with collected_errors() as errors:
                while not collector.full:
                    feature = self.layer.layer.GetNextFeature()
                    if feature is None:
                        more = False
                        break
                    self._collect(feature, place, collector)
                    place += 1
            self.layer.check_read(errors)
            batch, outside = collector.batch()
            self.left_out.outside += outside
            if len(batch):
                yield batch

    def _collect(self, feature: Any, place: int, collector: _Collector) -> None:
        label = _label(feature, self.field, self.layer.path)
        geometry = feature.GetGeometryRef()
        if not label:
            self.left_out.without_class += 1
        elif geometry is None or geometry.IsEmpty():
            self.left_out.without_geometry += 1
        else:
            collector.add(feature.GetFID(), place, label, self._parts(geometry, feature))
            if not self._random_access:
                self._kept[feature.GetFID()] = feature.Clone()

    def feature(self, fid: int) -> Any:
        """Return the OGR feature that `read` gave a shape for.

        Raises:
            VectorError: it cannot be read again.
        """
        if not self._random_access:
            return self._kept[fid]
        feature = None
        with collected_errors() as errors:
            feature = self.layer.layer.GetFeature(fid)
        if feature is None:
            raise VectorError(
                "Cannot read feature {fid} of {layer} again: {errors}. Did the file change?",
                fid=fid,
                layer=self.layer.path,
                errors=errors,
            )
        return feature

    def again(self, features: Iterable[Any]) -> Batch:
        """Return the shapes of features that `read` gave before.

        Raises:
            VectorError: one has changed.
        """
        collector = _Collector(self._grid, self._transformation)
        count = 0
        for place, feature in enumerate(features):
            geometry = feature.GetGeometryRef()
            label = _label(feature, self.field, self.layer.path)
            collector.add(feature.GetFID(), place, label, self._parts(geometry, feature))
            count += 1
        batch, _ = collector.batch()
        if len(batch) != count:
            raise VectorError("{layer} changed during reading: run again.", layer=self.layer.path)
        return batch

    def _parts(self, geometry: Any, feature: Any) -> Iterator[tuple[int, list[Any]]]:
        """Yield kind and paths of each part of a geometry."""
        if geometry.HasCurveGeometry():
            geometry = geometry.GetLinearGeometry()
        kind = ogr.GT_Flatten(geometry.GetGeometryType())
        if kind in _KINDS:
            self._check(_KINDS[kind], feature)
            rings = geometry.GetGeometryCount()
            paths = (
                [geometry.GetGeometryRef(index).GetPoints() for index in range(rings)]
                if rings
                else [geometry.GetPoints()]
            )
            yield _KINDS[kind], [path for path in paths if path]
        else:
            for index in range(geometry.GetGeometryCount()):
                yield from self._parts(geometry.GetGeometryRef(index), feature)

    def _check(self, kind: int, feature: Any) -> None:
        if self._only is not None and kind != self._only:
            raise VectorError(
                "Feature {get_fid} of the layer {layer} of {layer_path} is {kind}, but {needed} are needed: "
                "choose a layer that holds nothing else, or delete such features.",
                get_fid=feature.GetFID(),
                layer=self.layer.name,
                layer_path=self.layer.path,
                kind=_NAMES[kind],
                needed=_NEEDED[self._only],
            )


class _Collector:
    """Gathers features until there are enough for a batch."""

    def __init__(self, grid: Grid, transformation: Transformation) -> None:
        self._grid, self._transformation = grid, transformation
        self._features: list[tuple[int, int, str]] = []
        self._vertices: list[tuple[float, ...]] = []
        self._path_lengths: list[int] = []
        self._path_parts: list[int] = []
        self._kinds: list[int] = []
        self._shapes: list[int] = []

    @property
    def full(self) -> bool:
        return len(self._features) >= _FEATURES or len(self._vertices) >= _VERTICES

    def add(self, fid: int, place: int, label: str, parts: Iterable[tuple[int, list[Any]]]) -> None:
        for kind, paths in parts:
            for path in paths:
                self._vertices.extend(path)
                self._path_lengths.append(len(path))
                self._path_parts.append(len(self._kinds))
            if paths:
                self._kinds.append(kind)
                self._shapes.append(len(self._features))
        self._features.append((fid, place, label))

    def batch(self) -> tuple[Batch, int]:
        """Return the features that lie in the image, and the number of those that do not."""
        lengths = np.array(self._path_lengths, np.int64)
        path = np.repeat(np.arange(len(lengths)), lengths)
        part = np.repeat(np.array(self._path_parts, np.int64), lengths)
        shapes, kinds = np.array(self._shapes, np.int64), np.array(self._kinds, np.int64)
        vertices = self._on_grid()
        boxes = self._boxes(vertices, shapes[part])
        inside = (boxes[:, 0] < boxes[:, 2]) & (boxes[:, 1] < boxes[:, 3])
        kept = inside[shapes[part]]
        parts_kept = inside[shapes]
        outlines = Outlines(
            vertices[kept],
            path[kept],
            (np.cumsum(parts_kept) - 1)[part[kept]],
            kinds[parts_kept],
            (np.cumsum(inside) - 1)[shapes[parts_kept]],
            boxes[inside],
        )
        features = [feature for feature, here in zip(self._features, inside.tolist()) if here]
        fids, places, labels = (list(column) for column in zip(*features)) if features else ([], [], [])
        return Batch(fids, places, labels, outlines), int((~inside).sum())

    def _on_grid(self) -> np.ndarray:
        """Return the vertices in pixels; NaN for those that the image's coordinate system does not reach."""
        count = len(self._vertices)
        flat = np.fromiter((value for vertex in self._vertices for value in vertex[:2]), np.float64, 2 * count)
        x, y = self._transformation.points(flat[::2], flat[1::2])
        columns = (x - self._grid.x.origin) / self._grid.x.spacing
        rows = (-y - self._grid.y.origin) / self._grid.y.spacing
        vertices = np.stack([columns, rows], axis=1)
        vertices[~np.isfinite(vertices)] = np.nan
        return vertices

    def _boxes(self, vertices: np.ndarray, shape: np.ndarray) -> np.ndarray:
        """Return the pixels of the image under each shape's bounding box; none where a vertex is NaN."""
        low = np.full((len(self._features), 2), np.inf)
        high = np.full((len(self._features), 2), -np.inf)
        firsts = np.flatnonzero(np.diff(shape, prepend=-1))
        low[shape[firsts]] = np.minimum.reduceat(vertices, firsts) if len(firsts) else low[:0]
        high[shape[firsts]] = np.maximum.reduceat(vertices, firsts) if len(firsts) else high[:0]
        unknown = ~(np.isfinite(low) & np.isfinite(high)).all(axis=1)
        low[unknown], high[unknown] = -1.0, -1.0
        size = (self._grid.width, self._grid.height)
        left, top = pixel_of(low.clip(-1, size))
        right, bottom = pixel_of(high.clip(-1, size))
        boxes = np.stack([left, top, right + 1, bottom + 1], axis=1)
        return boxes.clip(0, (*size, *size))


def _label(feature: Any, field: Field, path: str) -> str:
    if field.index < 0:
        return str(feature.GetFID())
    return field_text(feature, field.index, path) if feature.IsFieldSetAndNotNull(field.index) else ""
