"""Writing vector outputs: one layer in a file of any of OGR's formats, moved to its place when it is whole."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Union

import numpy as np
from osgeo import gdal, ogr, osr

from ..base.progress import Progress
from ..errors import ParameterError, VectorError
from ..files.gdalcalls import close_now, collected_errors
from ..files.privatecopies import is_closed, is_database, is_unfinished
from ..files.staging import Staging, check_file
from ..phrases import Phrase
from ..rasters.rasterreference import Reference
from .fieldnames import distinct_names, free_name
from .geopackage import Filler, can_index
from .vectorlayer import REAL, TEXT, Field
from .vectoropening import split_source

Column = Union[np.ndarray, np.ma.MaskedArray]
"""The values of a field, one per feature; masked ones are written as null."""

_TYPES = {REAL: ogr.OFTReal, TEXT: ogr.OFTString}
_NO_FILE = re.compile(r"(memory|ogr|postgres|postgis|mssql|oracle|spatialite|hana|pg|mysql|odbc):", re.IGNORECASE)
_LAYER_OPTIONS = {
    "GPKG": ["SPATIAL_INDEX=YES"],
    "ESRI Shapefile": ["SPATIAL_INDEX=YES", "ENCODING=UTF-8"],
    "CSV": ["GEOMETRY=AS_XY", "CREATE_CSVT=YES"],
}
_CASELESS = ("GPKG", "SQLite")
"""Formats in which names of fields that differ only by the case of letters are one name."""

POINTS, POLYGONS, MULTIPOLYGONS, NO_GEOMETRY = ogr.wkbPoint, ogr.wkbPolygon, ogr.wkbMultiPolygon, ogr.wkbNone
"""What the features of a layer are."""

_NO_TABLES = ("FlatGeobuf",)
"""Formats that can be read only where the features have a geometry; a Shapefile without one is its .dbf."""

_LARGEST_32_BITS = 2**31 - 1
_LARGEST_WHOLE = {"ESRI Shapefile": 10**18 - 1}
"""What a field of whole numbers holds, less than its 64 bits: a dBASE file has 18 digits for them."""

_LONGEST_TEXT = {"ESRI Shapefile": 254}
"""Bytes of UTF-8 after which a format cuts off a text."""

_BATCH = 20_000  # features between two looks at the user's wish to stop


def vector_driver(path: str, name: str = "") -> gdal.Driver:
    """Return the driver that writes the vector file `path`, by its extension.

    Args:
        path: the output.
        name: mention of the parameter, by `errors.field`, for messages.

    Raises:
        ParameterError: it is no file (a memory layer, a database), or no driver writes it.
    """
    name = name or Phrase("The output")
    if _NO_FILE.match(path) or split_source(path)[1]:
        raise ParameterError(
            "{name} is {path!r}, but must be a file of its own: memory layers, databases and layers added to an "
            "existing file cannot be written. Save to a GeoPackage (.gpkg) instead.",
            name=name,
            path=path,
        )
    extension = Path(path).suffix.lower().lstrip(".")
    if not extension:
        raise ParameterError(
            "{name} is {path!r}, whose extension names no format: use .gpkg or another extension.", name=name, path=path
        )
    preferred = {"gpkg": "GPKG", "shp": "ESRI Shapefile", "geojson": "GeoJSON", "json": "GeoJSON"}.get(extension)
    for index in range(gdal.GetDriverCount()):
        driver = gdal.GetDriver(index)
        if preferred and driver.ShortName != preferred:
            continue
        known = (driver.GetMetadataItem("DMD_EXTENSIONS") or driver.GetMetadataItem("DMD_EXTENSION") or "").lower()
        if (preferred or extension in known.split()) and all(
            driver.GetMetadataItem(item) for item in ("DCAP_VECTOR", "DCAP_CREATE")
        ):
            return driver
    raise ParameterError(
        "{name} is {path!r}, but this GDAL writes no vector format with the extension .{extension}: choose .gpkg.",
        name=name,
        path=path,
        extension=extension,
    )


def vector_staging(path: str, progress: Progress, name: str = "", geometry: int = POINTS) -> Staging:
    """Return the place where a vector output is made.

    Args:
        path: the output.
        progress: told of the hidden folder.
        name: mention of the parameter, by `errors.field`, for messages.
        geometry: that of the layer, as `OutputVector` takes it.

    Raises:
        ParameterError: the format, which may hold no table, or it cannot be written there.
        VectorError: the file there is in use.
    """
    check_vector_output(path, name, geometry)
    return Staging.of_file(path, progress, name)


def check_vector_output(path: str, name: str = "", geometry: int = POINTS) -> None:
    """Raise what `vector_staging` would raise, and make nothing.

    Args:
        path: the output.
        name: mention of the parameter, by `errors.field`, for messages.
        geometry: that of the layer, as `OutputVector` takes it.

    Raises:
        ParameterError: the format, which may hold no table, or it cannot be written there.
        VectorError: the file there is in use.
    """
    driver = vector_driver(path, name)
    if geometry == NO_GEOMETRY and (driver.ShortName in _NO_TABLES or path.lower().endswith(".shp")):
        raise ParameterError(
            "{name} is {path}, but the format {format} holds no table without geometry: choose .gpkg, .csv or .dbf.",
            name=name or Phrase("The output"),
            path=path,
            format=driver.LongName,
        )
    check_file(path, name)
    if os.path.exists(path):
        _check_unlocked(path, name or Phrase("The output"))


def _check_unlocked(path: str, name: str) -> None:
    """Raise VectorError where another program writes to the database that an existing output is."""
    if not is_database(path) or is_closed(path):
        return
    if is_unfinished(path):
        raise VectorError(
            "{name} is {path}, which has changes beside it that are not in it yet ({path2}-wal or -journal): "
            "another program has it open, or has died. Close it there, or open and close it in QGIS, or choose "
            "another file.",
            name=name,
            path=path,
            path2=Path(path).name,
        )
    address = f"file:{urllib.parse.quote(os.path.abspath(path))}?mode=rw"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=0, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise VectorError(
                "{name} is {path}, which is locked by another program that writes to it: close it there, or choose "
                "another file.",
                name=name,
                path=path,
            ) from None
    except sqlite3.DatabaseError:
        return  # damaged: it may be replaced


class OutputVector:
    """A layer that is being written, part by part, from one thread.

    Used as a context manager, inside that of its staging: leaving it before `close` lets go of the file.
    """

    def __init__(
        self,
        staging: Staging,
        fields: Sequence[Field],
        reference: Reference,
        progress: Progress,
        geometry: int = POINTS,
    ) -> None:
        """Create it.

        Args:
            staging: where it is made; the layer's name is the file's, without the extension.
            fields: names and kinds.
            reference: coordinate system.
            progress: hears of fields that the format had to rename.
            geometry: `POINTS`, `POLYGONS` or another of OGR's types of geometry, or `NO_GEOMETRY` for a table.

        Raises:
            VectorError: the format cannot hold such a layer.
        """
        self._staging, self._progress, self._geometry, self._rows = staging, progress, geometry, 0
        self._whole = ogr.OFTInteger64
        self._driver = vector_driver(str(staging.final))
        self._name = staging.final.stem
        self._filler: Filler | None = None
        self._dataset: Any = None
        self._layer: Any = None
        self._in_transaction = False
        self.names: tuple[str, ...] = ()
        """The fields' names in the file; some formats shorten them."""
        try:
            self._create(fields, reference)
        except VectorError:
            self.abandon()
            raise

    def __enter__(self) -> OutputVector:
        return self

    def __exit__(self, *_: object) -> None:
        self.abandon()

    def _create(self, fields: Sequence[Field], reference: Reference) -> None:
        with collected_errors() as errors:
            self._dataset = self._driver.Create(str(self._staging.path), 0, 0, 0, gdal.GDT_Unknown)
        self._check(errors, self._dataset is not None)
        self._create_layer(reference, fields)
        self._create_fields(fields)
        if self._driver.ShortName == "GPKG" and self._geometry in (POINTS, NO_GEOMETRY):
            self._close_dataset()
            self._filler = Filler(self._staging.path, self._name, self.names)
        elif self._dataset.TestCapability(ogr.ODsCTransactions):
            self._in_transaction = self._dataset.StartTransaction() == ogr.OGRERR_NONE

    def _create_layer(self, reference: Reference, fields: Sequence[Field]) -> None:
        system = None
        if reference.wkt:
            system = osr.SpatialReference()
            system.ImportFromWkt(reference.wkt)
            system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
        options = list(_LAYER_OPTIONS.get(self._driver.ShortName, []))
        if self._geometry == NO_GEOMETRY:
            options = [option for option in options if not option.startswith(("SPATIAL_INDEX", "GEOMETRY"))]
        if self._geometry not in (POINTS, NO_GEOMETRY):
            options = ["GEOMETRY=AS_WKT" if option == "GEOMETRY=AS_XY" else option for option in options]
        if self._driver.ShortName == "GPKG" and self._geometry != NO_GEOMETRY and not can_index():
            options = ["SPATIAL_INDEX=NO" if option.startswith("SPATIAL_INDEX") else option for option in options]
        options += _reserved_names(self._driver.ShortName, fields)
        with collected_errors() as errors:
            self._layer = self._dataset.CreateLayer(self._name, system, self._geometry, options)
        self._check(errors, self._layer is not None)
        if self._geometry != NO_GEOMETRY and self._layer.GetGeomType() == ogr.wkbNone:
            errors.messages.append(Phrase("it holds tables without geometry only"))
            self._check(errors, False)

    def _create_fields(self, fields: Sequence[Field]) -> None:
        has_64_bits = "Integer64" in (self._driver.GetMetadataItem("DMD_CREATIONFIELDDATATYPES") or "Integer64").split()
        self._whole = ogr.OFTInteger64 if has_64_bits else ogr.OFTInteger
        names = [field.name for field in fields]
        if self._driver.ShortName in _CASELESS:
            names = distinct_names(names)
        for field, name in zip(fields, names):
            code = ogr.OGRERR_FAILURE
            with collected_errors() as errors:
                code = self._layer.CreateField(ogr.FieldDefn(name, _TYPES.get(field.kind, self._whole)))
            self._check(errors, code == ogr.OGRERR_NONE)
        definition = self._layer.GetLayerDefn()
        made = [definition.GetFieldDefn(index).GetName() for index in range(definition.GetFieldCount())]
        self.names = tuple(made[len(made) - len(fields) :])  # some formats have fields of their own first
        renamed = [
            Phrase("{field} as {name}", field=field.name, name=name)
            for field, name in zip(fields, self.names)
            if field.name != name
        ]
        if renamed:
            self._progress.warning(
                Phrase(
                    "{format} writes the field {renamed}.",
                    format=self._driver.LongName,
                    renamed=Phrase(", ").join(renamed),
                )
            )

    def write_shapes(self, columns: Sequence[Column], shapes: Sequence[bytes]) -> None:
        """Append features that are no points, as `write` does points.

        Args:
            columns: one per field, see `write`.
            shapes: their geometries as WKB.
        """
        self.check_values(columns)
        self._write_batches(columns, map(ogr.CreateGeometryFromWkb, shapes), len(shapes))
        self._rows += len(shapes)

    def check_values(self, columns: Sequence[Column]) -> None:
        """Raise VectorError where the format cannot hold a value: OGR would write its largest number, or cut off a text.

        Args:
            columns: values of the first fields.
        """
        self._check_whole(columns)
        self._check_texts(columns)

    def _check_texts(self, columns: Sequence[Column]) -> None:
        longest = _LONGEST_TEXT.get(self._driver.ShortName)
        if longest is None:
            return
        for name, column in zip(self.names, columns):
            texts = [text for text in column.tolist() if isinstance(text, str)]
            wrong = next((text for text in texts if len(text.encode("utf-8")) > longest), None)
            if wrong is not None:
                raise VectorError(
                    "{final} cannot hold {value!r} in the field {field}: texts of the format {format} end after {most} "
                    "bytes. A GeoPackage (.gpkg) holds longer ones.",
                    final=self._staging.final,
                    value=wrong[:60] + "…",
                    field=name,
                    format=self._driver.LongName,
                    most=longest,
                )

    def _check_whole(self, columns: Sequence[Column]) -> None:
        has_64_bits = self._whole == ogr.OFTInteger64
        most = _LARGEST_WHOLE.get(self._driver.ShortName) if has_64_bits else _LARGEST_32_BITS
        if most is None:
            return
        for name, column in zip(self.names, columns):
            if column.dtype.kind not in "iu":
                continue
            wrong = column[(column > most) | (column < -most)]
            if len(wrong):
                raise VectorError(
                    "{final} cannot hold {value} in the field {field}: whole numbers of the format {format} end at "
                    "{most}. A GeoPackage (.gpkg) holds larger ones.",
                    final=self._staging.final,
                    value=int(wrong[0]),
                    field=name,
                    format=self._driver.LongName,
                    most=most,
                )

    def write(self, columns: Sequence[Column], x: np.ndarray | None = None, y: np.ndarray | None = None) -> None:
        """Append features.

        Args:
            columns: one per field, all of the same length; int64, float64 or str.
            x: coordinates of the points to the east, float64; None for a table.
            y: coordinates to the north.

        Raises:
            VectorError: they cannot be written, for instance because the disk is full.
            Cancelled: the user asked to stop.
        """
        self.check_values(columns)
        count = len(x) if x is not None else len(columns[0])
        if self._filler is not None:
            self._filler.add(columns, x, y, count)
        else:
            self._write_batches(columns, None if x is None or y is None else _points(x, y), count)
        self._rows += count

    def _write_batches(self, columns: Sequence[Column], geometries: Iterator[Any] | None, count: int) -> None:
        for start in range(0, count, _BATCH):
            self._progress.check()
            part = slice(start, start + _BATCH)
            self._write_features([column[part].tolist() for column in columns], geometries, min(_BATCH, count - start))

    def _write_features(self, columns: list[Any], geometries: Iterator[Any] | None, count: int) -> None:
        definition = self._layer.GetLayerDefn()
        feature = ogr.Feature(definition)
        first = definition.GetFieldCount() - len(columns)
        failed = False
        with collected_errors() as errors:
            for row in range(count):
                if geometries is not None:
                    feature.SetGeometry(next(geometries))
                for index, column in enumerate(columns, first):
                    value = column[row]
                    if value is None:
                        feature.SetFieldNull(index)
                    else:
                        feature.SetField(index, value)
                feature.SetFID(-1)
                failed |= self._layer.CreateFeature(feature) != ogr.OGRERR_NONE
        self._check(errors, not failed)

    def close(self) -> None:
        """Finish the layer with its index, close it, reopen and check it.

        Raises:
            VectorError: one of these fails.
        """
        if self._filler is not None:
            self._filler.close()
        else:
            if self._in_transaction:
                with collected_errors() as errors:
                    self._dataset.CommitTransaction()
                self._check(errors, True)
            self._close_dataset()
        rows = -1
        with collected_errors() as errors:
            again = gdal.OpenEx(str(self._staging.path), gdal.OF_VECTOR)
            if again is not None and again.GetLayerCount():
                rows = again.GetLayer(0).GetFeatureCount()
            again = None
        # some formats show an empty layer as none
        if rows != self._rows and self._rows:
            raise VectorError(
                "{final} holds {rows} {rows:feature|features} after writing {rows2}: {errors}. Free some space, or choose "
                "another place.",
                final=self._staging.final,
                rows=max(0, rows),
                rows2=self._rows,
                errors=errors,
            )

    def abandon(self) -> None:
        """Let go of the file without finishing it, so that it can be removed."""
        if self._filler is not None:
            self._filler.abandon()
        with collected_errors():  # GDAL may complain of what is missing
            self._let_go()

    def _close_dataset(self) -> None:
        with collected_errors() as errors:
            self._dataset.FlushCache()
            self._let_go()
        self._check(errors, True)

    def _let_go(self) -> None:
        dataset, self._dataset, self._layer = self._dataset, None, None
        close_now(dataset)

    def _check(self, errors: Any, worked: bool) -> None:
        if errors.failed or not worked:
            raise VectorError(
                "Cannot write {final} in the format {format}: {errors}. {cure}",
                final=self._staging.final,
                format=self._driver.LongName,
                errors=errors,
                cure=Phrase("Free some space, or choose another place.")
                if self._driver.ShortName == "GPKG"
                else Phrase("A GeoPackage (.gpkg) holds any layer."),
            )


def _points(x: np.ndarray, y: np.ndarray) -> Iterator[Any]:
    point = ogr.Geometry(ogr.wkbPoint)
    for start in range(0, len(x), _BATCH):
        part = slice(start, start + _BATCH)
        for place in zip(x[part].tolist(), y[part].tolist()):
            point.SetPoint_2D(0, *place)
            yield point


def _reserved_names(driver: str, fields: Sequence[Field]) -> list[str]:
    """Move OGR's own columns out of the way of fields that have their names."""
    if driver != "GPKG":
        return []
    taken = [field.name for field in fields]
    options = []
    for option, name, other in (("FID", "fid", "ogc_fid"), ("GEOMETRY_NAME", "geom", "ogc_geom")):
        if free_name(name, taken) != name:
            options.append(f"{option}={free_name(other, taken)}")
    return options
