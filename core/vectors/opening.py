"""Opening vector layers, and reading their points and attributes as arrays."""

from __future__ import annotations

import difflib
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from osgeo import gdal, ogr, osr

from ..errors import VectorError
from ..progress import Progress
from ..rasters.gdal_calls import collected_errors
from ..rasters.opening import Reference
from .columns import POINT_SIZES, batches

INTEGER, REAL, TEXT = "integer", "real", "text"
"""The kinds of a field, as far as sampling tells them apart."""

DTYPES = {INTEGER: np.dtype("int64"), REAL: np.dtype("float64"), TEXT: np.dtype(object)}
"""NumPy's dtype for the values of each kind; texts are str."""

_KINDS = {ogr.OFTInteger: INTEGER, ogr.OFTInteger64: INTEGER, ogr.OFTReal: REAL}
_GEOMETRIES = {
    ogr.wkbPoint: "point",
    ogr.wkbMultiPoint: "point",
    ogr.wkbLineString: "line",
    ogr.wkbMultiLineString: "line",
    ogr.wkbCircularString: "line",
    ogr.wkbCompoundCurve: "line",
    ogr.wkbMultiCurve: "line",
    ogr.wkbPolygon: "polygon",
    ogr.wkbMultiPolygon: "polygon",
    ogr.wkbCurvePolygon: "polygon",
    ogr.wkbMultiSurface: "polygon",
    ogr.wkbNone: "none",
}
_CHUNK = 65536  # features read at a time
_EMPTY = struct.pack("<dd", math.nan, math.nan)


@dataclass(frozen=True)
class Field:
    """A field of a layer.

    Attributes:
        name: as the layer spells it.
        kind: INTEGER, REAL or TEXT; what is neither number nor text (a date, a list) is read as text.
        index: its place in the layer; -1 for the feature id.
    """

    name: str
    kind: str
    index: int = 0


@dataclass(frozen=True)
class Points:
    """Some points of a layer, in the layer's own order and coordinate system.

    Attributes:
        fids: feature ids, int64, shape (n,).
        x, y: coordinates, float64, shape (n,).
        columns: per field asked for a masked array of shape (n,); masked where the attribute is null.
        without: number of features passed over in this part because they have no geometry.
    """

    fids: np.ndarray
    x: np.ndarray
    y: np.ndarray
    columns: tuple[np.ma.MaskedArray, ...]
    without: int = 0

    def __len__(self) -> int:
        return len(self.fids)


def split_source(source: str) -> tuple[str, str]:
    """Return path and layer name of `path|layername=name`; the name is empty where none is given."""
    path, *options = source.split("|")
    for option in options:
        key, _, value = option.partition("=")
        if key.strip().lower() == "layername":
            return path, value
    return path, ""


class VectorLayer:
    """A layer open for reading; not for use by two threads at a time.

    Attributes:
        source: what was opened.
        path: the file's part of it.
        dataset: GDAL's dataset, and `layer` its layer, for what is not offered here.
        name: the layer's name.
        geometry: `point`, `line`, `polygon`, `none`, or `unknown` where features may be of any type.
        fields: its fields in order.
        reference: coordinate system.
        count: number of features.
    """

    def __init__(self, source: str) -> None:
        """Open `path` or `path|layername=name`.

        Raises:
            VectorError: it cannot be opened, or it is not clear which layer is meant.
        """
        self.source = source
        self.path, wanted = split_source(source)
        self.dataset = _open(self.path)
        self.layer = _choose(self.dataset, self.path, wanted)
        self.name: str = self.layer.GetName()
        self.geometry = _GEOMETRIES.get(ogr.GT_Flatten(self.layer.GetGeomType()), "unknown")
        definition = self.layer.GetLayerDefn()
        fields = [definition.GetFieldDefn(index) for index in range(definition.GetFieldCount())]
        self.fields = tuple(Field(f.GetName(), _KINDS.get(f.GetType(), TEXT), i) for i, f in enumerate(fields))
        system = self.layer.GetSpatialRef()
        self.reference = Reference(system.ExportToWkt() if system is not None else "", True)
        with collected_errors():
            self.count = int(self.layer.GetFeatureCount())

    def field(self, name: str) -> Field:
        """Return the field called `name`; the case of letters counts only between fields that differ in it alone.

        Raises:
            VectorError: there is none.
        """
        for field in self.fields:
            if field.name == name:
                return field
        for field in self.fields:
            if field.name.lower() == name.lower():
                return field
        if name.lower() in ("fid", (self.layer.GetFIDColumn() or "fid").lower()):
            return Field(name, INTEGER, -1)
        names = [field.name for field in self.fields]
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Its fields are: {', '.join(names) or 'none'}."
        raise VectorError(f"The layer {self.name} of {self.path} has no field {name!r}. {hint}")

    def extent(self) -> tuple[float, float, float, float]:
        """Return xmin, xmax, ymin, ymax in the layer's coordinate system; NaN where it has no features."""
        found = None
        with collected_errors():
            found = self.layer.GetExtent(can_return_null=True)
        return tuple(found) if found else (math.nan,) * 4

    def describe(self) -> str:
        """Return extent and coordinate system in words for a message."""
        x_min, x_max, y_min, y_max = self.extent()
        return (
            f"x {x_min:.10g} to {x_max:.10g}, y {y_min:.10g} to {y_max:.10g} "
            f"(coordinate system: {self.reference.describe()})"
        )

    def read_points(self, fields: Sequence[Field], progress: Progress, chunk: int = _CHUNK) -> Iterator[Points]:
        """Yield all points with the values of `fields`, `chunk` features at a time.

        Raises:
            VectorError: a feature is no point, or cannot be read.
            Cancelled: `progress` asked to stop.
        """
        self.check_points()
        wanted = {field.name for field in fields}
        self.layer.SetIgnoredFields([field.name for field in self.fields if field.name not in wanted])
        try:
            self.layer.ResetReading()
            done, more = 0, True
            if all(field.kind != TEXT and field.index >= 0 for field in fields):
                for batch in batches(self.layer, [field.name for field in fields], chunk):
                    progress.check()
                    done += len(batch[0])
                    yield Points(*batch)
                self.layer.ResetReading()
                if done and done < self.count:
                    self.layer.SetNextByIndex(done)
                more = done < self.count or self.count < 0
            while more:
                progress.check()
                part, more = self._read_chunk(fields, chunk)
                if len(part) or part.without:
                    yield part
        finally:
            self.layer.SetIgnoredFields([])

    def check_points(self) -> None:
        """Raise VectorError where the layer holds lines, polygons, or no geometry."""
        if self.geometry in ("line", "polygon"):
            raise VectorError(
                f"The layer {self.name} of {self.path} holds {self.geometry}s, but points are needed: make points of "
                "them with SampleSelection (otbtf:sampleselection)."
            )
        if self.geometry == "none":
            raise VectorError(f"The layer {self.name} of {self.path} has no geometry, but points are needed.")

    def _read_chunk(self, fields: Sequence[Field], chunk: int) -> tuple[Points, bool]:
        getters = [_getter(field) for field in fields]
        fids: list[int] = []
        shapes: list[bytes] = []
        values: list[list[Any]] = [[] for _ in fields]
        without = 0
        read = self.layer.GetNextFeature
        feature = None
        with collected_errors() as errors:
            for _ in range(chunk):
                feature = read()
                if feature is None:
                    break
                geometry = feature.GetGeometryRef()
                # As bytes a point is read by one call, and all of a chunk are decoded together.
                shape = None if geometry is None else geometry.ExportToWkb(ogr.wkbNDR)
                if shape is not None and len(shape) not in POINT_SIZES:
                    shape = self._only_part(feature, geometry)
                if shape is None or shape[5:21] == _EMPTY:
                    without += 1
                    continue
                fids.append(feature.GetFID())
                shapes.append(shape[5:21])
                for getter, column in zip(getters, values):
                    column.append(getter(feature))
        if errors.failed:
            raise VectorError(f"Cannot read the layer {self.name} of {self.path}: {errors}.")
        places = np.frombuffer(b"".join(shapes), "<f8").reshape(-1, 2)
        columns = tuple(_masked(column, field.kind) for column, field in zip(values, fields))
        points = Points(np.array(fids, "int64"), places[:, 0].copy(), places[:, 1].copy(), columns, without)
        return points, feature is not None

    def _only_part(self, feature: Any, geometry: Any) -> bytes | None:
        """Return the bytes of the only point of `geometry`; None where it has none."""
        if geometry.IsEmpty():
            return None
        if ogr.GT_Flatten(geometry.GetGeometryType()) != ogr.wkbMultiPoint:
            raise VectorError(
                f"Feature {feature.GetFID()} of the layer {self.name} of {self.path} is a {geometry.GetGeometryName()}, "
                "but points are needed: make points of lines and polygons with SampleSelection (otbtf:sampleselection)."
            )
        if geometry.GetGeometryCount() != 1:
            raise VectorError(
                f"Feature {feature.GetFID()} of the layer {self.name} has {geometry.GetGeometryCount()} points: "
                "run Vector > Geometry Tools > Multipart to Singleparts first."
            )
        return bytes(geometry.GetGeometryRef(0).ExportToWkb(ogr.wkbNDR))


def _open(path: str) -> Any:
    dataset = None
    with collected_errors() as errors:
        dataset = gdal.OpenEx(path, gdal.OF_VECTOR | gdal.OF_READONLY | gdal.OF_VERBOSE_ERROR)
    if dataset is None:
        raise VectorError(f"Cannot open the layer {path}: {errors}. Check the path and that OGR reads the format.")
    return dataset


def _choose(dataset: Any, path: str, wanted: str) -> Any:
    names = [dataset.GetLayer(index).GetName() for index in range(dataset.GetLayerCount())]
    if wanted:
        layer = None
        with collected_errors():
            layer = dataset.GetLayerByName(wanted)
        if layer is None:
            raise VectorError(f"{path} has no layer {wanted!r}. Its layers are: {', '.join(names) or 'none'}.")
        return layer
    if len(names) != 1:
        raise VectorError(
            f"{path} has {len(names)} layers ({', '.join(names[:8])}): name one, as {path}|layername={names[0]}."
            if names
            else f"{path} holds no vector layer."
        )
    return dataset.GetLayer(0)


def _getter(field: Field) -> Any:
    """Return a function of a feature that gives the field's value, or None where it is null."""
    index = field.index
    if index < 0:
        return lambda feature: feature.GetFID()
    name = {INTEGER: "GetFieldAsInteger64", REAL: "GetFieldAsDouble", TEXT: "GetFieldAsString"}[field.kind]
    get = getattr(ogr.Feature, name)
    return lambda feature: get(feature, index) if feature.IsFieldSetAndNotNull(index) else None


def _masked(values: list[Any], kind: str) -> np.ma.MaskedArray:
    null = np.array([value is None for value in values], bool)
    if null.any():
        filler = "" if kind == TEXT else 0
        values = [filler if value is None else value for value in values]
    return np.ma.MaskedArray(np.array(values, DTYPES[kind]), null)


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
            raise VectorError(f"Coordinates cannot be transformed from {self._names[0]} to {self._names[1]}: {errors}.")

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


def _system(wkt: str) -> Any:
    system = osr.SpatialReference()
    system.ImportFromWkt(wkt)
    system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return system
