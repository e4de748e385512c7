"""Vector layers, whose points and attributes are read as arrays."""

from __future__ import annotations

import difflib
import math
import struct
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from osgeo import ogr

from ..base.progress import Progress
from ..errors import VectorError
from ..files.gdalcalls import Errors, collected_errors
from ..parameters.vectorsource import Address, LayerSource, VectorSource
from ..phrases import Phrase
from ..rasters.rasterreference import Reference
from .columns import POINT_SIZES, batches
from .systems import assigned_system, own_system
from .texts import field_text, readable
from .vectoropening import opened

_T = TypeVar("_T")

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


class VectorLayer:
    """A layer open for reading; not for use by two threads at a time.

    Attributes:
        source: what was opened, as it was given.
        path: the file's part of it.
        dataset: GDAL's dataset, and `layer` its layer, for what is not offered here.
        name: the layer's name.
        geometry: `point`, `line`, `polygon`, `none`, or `unknown` where features may be of any type.
        fields: its fields in order.
        reference: coordinate system: the one that is assigned, else the file's own.
        count: number of features.
    """

    def __init__(self, source: LayerSource) -> None:
        """Open a layer: `path`, `path|layername=name`, or a `VectorSource`.

        Raises:
            VectorError: it cannot be opened, it is not clear which layer is meant, or its names cannot be read.
        """
        given = source if isinstance(source, VectorSource) else VectorSource(source)
        self.source = source
        address = Address.of(source)
        self.path = address.path
        self.dataset, self.layer = opened(address)
        self.name: str = readable(self.layer.GetName(), self.path, Phrase("the name of a layer"))
        self.geometry = _GEOMETRIES.get(ogr.GT_Flatten(self.layer.GetGeomType()), "unknown")
        self._columns, self.fields = _fields(self.layer, given)
        self.reference = Reference(assigned_system(given) if given.crs else own_system(self.layer), True)
        self.count = -1
        with collected_errors() as errors:
            self.count = int(self.layer.GetFeatureCount())
        self.check_read(errors)  # GDAL reports it once: after counting, reading ends early without a word

    def check_read(self, errors: Errors) -> None:
        """Refuse a layer that could not be read.

        Args:
            errors: what GDAL has told meanwhile.

        Raises:
            VectorError: reading has failed.
        """
        if errors.failed:
            raise VectorError(
                "Cannot read the layer {name} of {path}: {errors}.", name=self.name, path=self.path, errors=errors
            )

    def ignore_others(self, wanted: Collection[int], geometry: bool = True) -> None:
        """Have OGR read fewer fields, until `layer.SetIgnoredFields([])`: those of these indices, and the geometry or not."""
        others = [self._columns[field.index] for field in self.fields if field.index not in wanted]
        self.layer.SetIgnoredFields([*others, *([] if geometry else ["OGR_GEOMETRY"])])

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
        hint = (
            Phrase("Did you mean {near}?", near=near[0])
            if near
            else Phrase("Its fields are: {names}.", names=", ".join(names) or Phrase("none"))
        )
        raise VectorError(
            "The layer {name} of {path} has no field {name2!r}. {hint}",
            name=self.name,
            path=self.path,
            name2=name,
            hint=hint,
        )

    def check_class_field(self, field: Field, progress: Progress) -> None:
        """Warn of a field that numbers the features, or is called so: each of them would be a class of its own."""
        if field.index < 0:
            progress.warning(
                Phrase(
                    "The class field {field} of {path} is the number of each feature, so each feature is a class of "
                    "its own: choose the field that holds the class.",
                    field=field.name,
                    path=self.path,
                )
            )
        elif field.name.lower() in ("fid", "ogc_fid"):
            progress.warning(
                Phrase(
                    "The class field {field} of {path} has a usual name of feature numbers: if it holds these, each "
                    "feature is a class of its own. Then choose the field that holds the class.",
                    field=field.name,
                    path=self.path,
                )
            )

    def extent(self) -> tuple[float, float, float, float]:
        """Return xmin, xmax, ymin, ymax in the layer's coordinate system; NaN where it has no features."""
        found = None
        with collected_errors():
            found = self.layer.GetExtent(can_return_null=True)
        return tuple(found) if found else (math.nan,) * 4

    def describe(self) -> str:
        """Return extent and coordinate system in words for a message."""
        x_min, x_max, y_min, y_max = self.extent()
        return Phrase(
            "x {x_min:.10g} to {x_max:.10g}, y {y_min:.10g} to {y_max:.10g} (coordinate system: {reference})",
            x_min=x_min,
            x_max=x_max,
            y_min=y_min,
            y_max=y_max,
            reference=self.reference.describe(),
        )

    def read_points(self, fields: Sequence[Field], progress: Progress, chunk: int = _CHUNK) -> Iterator[Points]:
        """Yield all points with the values of `fields`, `chunk` features at a time.

        Raises:
            VectorError: a feature is no point, or cannot be read.
            Cancelled: `progress` asked to stop.
        """
        self.check_points()
        wanted = {field.index for field in fields}
        self.ignore_others(wanted)
        try:
            self.layer.ResetReading()
            done, more = 0, True
            if all(field.kind != TEXT and field.index >= 0 for field in fields):
                for batch in batches(self.layer, [self._columns[field.index] for field in fields], chunk):
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

    def taken(self, take: Callable[[Any], _T], progress: Progress, chunk: int = 8192) -> Iterator[list[_T]]:
        """Yield what a function takes from each feature, of `chunk` features at a time, in the layer's order.

        Args:
            take: gets an OGR feature, which is gone afterwards.
            progress: may ask to stop.
            chunk: number of features.

        Raises:
            VectorError: a feature cannot be read.
            Cancelled: `progress` asked to stop.
        """
        self.layer.ResetReading()
        more = True
        while more:
            progress.check()
            found: list[_T] = []
            with collected_errors() as errors:
                for _ in range(chunk):
                    feature = self.layer.GetNextFeature()
                    if feature is None:
                        more = False
                        break
                    found.append(take(feature))
            self.check_read(errors)
            if found:
                yield found

    def check_points(self) -> None:
        """Raise VectorError where the layer holds lines, polygons, or no geometry."""
        if self.geometry in ("line", "polygon"):
            raise VectorError(
                "The layer {name} of {path} holds {shapes}, but points are needed: create points with "
                "SampleSelection (otbtf:sampleselection).",
                name=self.name,
                path=self.path,
                shapes=Phrase("lines") if self.geometry == "line" else Phrase("polygons"),
            )
        if self.geometry == "none":
            raise VectorError(
                "The layer {name} of {path} has no geometry, but points are needed.", name=self.name, path=self.path
            )

    def _read_chunk(self, fields: Sequence[Field], chunk: int) -> tuple[Points, bool]:
        getters = [self.getter(field) for field in fields]
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
        self.check_read(errors)
        places = np.frombuffer(b"".join(shapes), "<f8").reshape(-1, 2)
        columns = tuple(_masked(column, field.kind) for column, field in zip(values, fields))
        points = Points(np.array(fids, "int64"), places[:, 0].copy(), places[:, 1].copy(), columns, without)
        return points, feature is not None

    def getter(self, field: Field) -> Callable[[Any], Any]:
        """Return a function of a feature that gives the field's value, or None where it is null."""
        index = field.index
        if index < 0:
            return lambda feature: feature.GetFID()
        get = {
            INTEGER: ogr.Feature.GetFieldAsInteger64,
            REAL: ogr.Feature.GetFieldAsDouble,
            TEXT: partial(field_text, path=self.path),
        }[field.kind]
        return lambda feature: get(feature, index) if feature.IsFieldSetAndNotNull(index) else None

    def _only_part(self, feature: Any, geometry: Any) -> bytes | None:
        """Return the bytes of the only point of `geometry`; None where it has none."""
        if geometry.IsEmpty():
            return None
        if ogr.GT_Flatten(geometry.GetGeometryType()) != ogr.wkbMultiPoint:
            raise VectorError(
                "Feature {get_fid} of the layer {name} of {path} is a {get_geometry_name}, but points are needed: "
                "create points from lines and polygons with SampleSelection (otbtf:sampleselection).",
                get_fid=feature.GetFID(),
                name=self.name,
                path=self.path,
                get_geometry_name=geometry.GetGeometryName(),
            )
        if geometry.GetGeometryCount() != 1:
            raise VectorError(
                "Feature {get_fid} of the layer {name} has {get_geometry_count} points: run Vector > Geometry Tools "
                "> Multipart to Singleparts first.",
                get_fid=feature.GetFID(),
                name=self.name,
                get_geometry_count=geometry.GetGeometryCount(),
            )
        return bytes(geometry.GetGeometryRef(0).ExportToWkb(ogr.wkbNDR))


def _fields(layer: Any, given: VectorSource) -> tuple[tuple[str, ...], tuple[Field, ...]]:
    """Return the names of the columns as OGR knows them, and the fields."""
    definition = layer.GetLayerDefn()
    made = [definition.GetFieldDefn(index) for index in range(definition.GetFieldCount())]
    columns = tuple(readable(field.GetName(), Address.of(given).path, Phrase("the name of a field")) for field in made)
    names = given.fields or columns
    if len(names) != len(columns):
        raise VectorError(
            "The layer {given} is described with {names_count} {names_count:field|fields}, but has "
            "{columns_count}: did the file change?",
            given=given,
            names_count=len(names),
            columns_count=len(columns),
        )
    kinds = [_KINDS.get(field.GetType(), TEXT) for field in made]
    return columns, tuple(Field(name, kind, index) for index, (name, kind) in enumerate(zip(names, kinds)))


def _masked(values: list[Any], kind: str) -> np.ma.MaskedArray:
    null = np.array([value is None for value in values], bool)
    if null.any():
        filler = "" if kind == TEXT else 0
        values = [filler if value is None else value for value in values]
    return np.ma.MaskedArray(np.array(values, DTYPES[kind]), null)
