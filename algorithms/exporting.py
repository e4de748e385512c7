"""Writing what QGIS shows of a vector layer to a GeoPackage that core reads, without losing anything of it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osgeo import gdal, ogr, osr
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsExpression,
    QgsExpressionContext,
    QgsExpressionContextUtils,
    QgsFeature,
    QgsFeatureRequest,
    QgsField,
    QgsProcessingContext,
    QgsProject,
    QgsProviderRegistry,
    QgsVectorLayer,
    QgsVectorLayerFeatureSource,
)
from qgis.PyQt.QtCore import QByteArray, QDate, QDateTime, Qt, QTime, QVariant

from ..core.base.progress import Progress
from ..core.classes.legend import sidecar
from ..core.errors import ParameterError
from ..core.files.gdalcalls import collected_errors
from ..core.phrases import Phrase
from ..core.vectors.fieldnames import distinct_names, free_name

_INTEGERS = (1, 2, 3, 4, 5, 32, 33, 34, 35, 36, 37)  # QMetaType's bool, and all sizes of whole numbers
_REALS = (6, 38)
_COUNTED = ("ogr", "memory", "spatialite", "virtual")
"""Providers that know how many features they have."""

_BATCH = 1000  # features between two looks at the user's wish to stop


@dataclass(frozen=True)
class Choice:
    """Which features of a layer take part.

    Attributes:
        selected: whether only those that are selected do.
        limit: the most that do; -1 for any number.
        expression: a QGIS expression that they fulfil; empty for all.
        geometries: QGIS's word for what becomes of invalid geometries: `skip`, `stop`, or empty where nobody asks.
    """

    selected: bool = False
    limit: int = -1
    expression: str = ""
    geometries: str = ""


class Export:
    """The features of a layer as QGIS shows them, to be written by the thread that runs the algorithm.

    Attributes:
        files: what the layer, and those that are joined to it, are read from; empty for layers in memory.
    """

    def __init__(
        self, parameter: str, layer: QgsVectorLayer, choice: Choice, path: str, context: QgsProcessingContext
    ) -> None:
        """Take a snapshot of the layer (its edits, joins and expressions); call it in the main thread.

        Args:
            parameter: a mention of the parameter, for messages.
            layer: the layer.
            choice: which of its features.
            path: the GeoPackage to write.
            context: what QGIS passed.

        Raises:
            ParameterError: the expression of the choice is none.
        """
        self._parameter, self._choice, self._path = parameter, choice, Path(path)
        self._name, self._crs, self._type = layer.name(), layer.crs(), _geometry_type(layer)
        self._fields = [layer.fields().at(index) for index in range(layer.fields().count())]
        self._selected = set(layer.selectedFeatureIds()) if choice.selected else None
        self._expected = _expected(layer, choice)
        self._legend = sidecar(layer.source()) if layer.providerType() == "ogr" else None
        self._request = _request(parameter, layer, choice, context)
        self._source = QgsVectorLayerFeatureSource(layer)
        self.files = sorted(_files(layer))

    def write(self, progress: Progress) -> str | dict[str, Any]:
        """Write the file and return how a request names the layer.

        Raises:
            ParameterError: a feature cannot be read or written, or one is missing in the end.
            Cancelled: the user asked to stop.
        """
        progress.info(
            Phrase(
                "{parameter}: exporting the layer {name} as QGIS shows it.", parameter=self._parameter, name=self._name
            )
        )
        columns = [_Column(field) for field in self._fields]
        writer = _Writer(self._path, self._name, self._type, self._crs, columns, self._failed)
        for features in self._batches():
            progress.check()
            writer.write(features)
            if self._expected:
                progress.fraction(min(1.0, writer.count / self._expected))
        written = writer.close()
        if self._expected is not None and writer.count != self._expected:
            raise self._failed(
                Phrase(
                    "QGIS counts {expected} features, but could read only {count}",
                    expected=self._expected,
                    count=writer.count,
                )
            )
        if written != writer.count:
            raise self._failed(
                Phrase(
                    "only {written} of {count} features are in {path}",
                    written=written,
                    count=writer.count,
                    path=self._path,
                )
            )
        if self._legend is not None and self._legend.exists():
            shutil.copyfile(self._legend, f"{self._path}.json")
        own = [field.name() for field in self._fields]
        return str(self._path) if own == writer.names else {"path": str(self._path), "fields": own}

    def _batches(self) -> Iterator[list[QgsFeature]]:
        batch: list[QgsFeature] = []
        for number, feature in enumerate(self._chosen()):
            if 0 <= self._choice.limit <= number:
                break
            batch.append(feature)
            if len(batch) == _BATCH:
                yield batch
                batch = []
        yield batch

    def _chosen(self) -> Iterator[QgsFeature]:
        for feature in self._source.getFeatures(self._request):
            if self._selected is not None and feature.id() not in self._selected:
                continue
            if self._choice.geometries and feature.hasGeometry() and not feature.geometry().isGeosValid():
                if self._choice.geometries == "skip":
                    continue
                raise self._failed(
                    Phrase("the geometry of feature {id} is invalid (correct it with Fix Geometries)", id=feature.id())
                )
            yield feature

    def _failed(self, why: str) -> ParameterError:
        return ParameterError(
            "{parameter}: the layer {name} could not be exported: {why}. Save it as a GeoPackage, check the file, "
            "and choose it.",
            parameter=self._parameter,
            name=self._name,
            why=why,
        )


def _files(layer: QgsVectorLayer) -> set[str]:
    """Return the files from which QGIS reads a layer, those that are joined to it, and those that it is a query of."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [layer]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, QgsVectorLayer) or one.id() in seen:
            continue
        seen.add(one.id())
        found.add(str(QgsProviderRegistry.instance().decodeUri(one.providerType(), one.source()).get("path") or ""))
        waiting += [join.joinLayer() for join in one.vectorJoins()]
        asked = one.dataProvider().dependencies() if one.dataProvider() is not None else ()
        waiting += [QgsProject.instance().mapLayer(dependency.layerId()) for dependency in asked]
    return found - {""}


def _geometry_type(layer: QgsVectorLayer) -> int:
    """Return the layer's type of geometry by the number that QGIS and OGR share."""
    kind = layer.wkbType()
    return int(getattr(kind, "value", kind))


def _expected(layer: QgsVectorLayer, choice: Choice) -> int | None:
    """Return how many features there are to be; None where nobody knows."""
    if choice.expression or choice.geometries:
        return None
    count = layer.selectedFeatureCount() if choice.selected else layer.featureCount()
    if count < 0 or (not choice.selected and layer.providerType() not in _COUNTED):
        return None
    return min(count, choice.limit) if choice.limit >= 0 else int(count)


def _request(parameter: str, layer: QgsVectorLayer, choice: Choice, context: QgsProcessingContext) -> QgsFeatureRequest:
    request = QgsFeatureRequest()
    if choice.expression:
        expression = QgsExpression(choice.expression)
        if expression.hasParserError():
            raise ParameterError(
                "{parameter} has the filter {expression!r}, which is not a valid expression: {parser_error_string}.",
                parameter=parameter,
                expression=choice.expression,
                parser_error_string=expression.parserErrorString(),
            )
        scopes = QgsExpressionContext(context.expressionContext())
        scopes.appendScope(QgsExpressionContextUtils.layerScope(layer))
        request.setFilterExpression(choice.expression)
        request.setExpressionContext(scopes)
    elif choice.selected:
        request.setFilterFids(layer.selectedFeatureIds())
    return request


# ---------------------------------------------------------------- attributes


class _Column:
    """A field, and how its values are written: as whole numbers, real numbers or texts, which is what core reads."""

    def __init__(self, field: QgsField) -> None:
        self.name = field.name()
        code = int(getattr(field.type(), "value", field.type()))
        self._convert: Callable[[Any], Any] = _text
        self.type, self._set = ogr.OFTString, ogr.Feature.SetFieldString
        if code in _INTEGERS:
            self.type, self._convert, self._set = ogr.OFTInteger64, _whole, ogr.Feature.SetFieldInteger64
        elif code in _REALS:
            self.type, self._convert, self._set = ogr.OFTReal, float, ogr.Feature.SetField

    def set(self, made: Any, index: int, raw: Any) -> None:
        """Set the field of a feature; NULL leaves it as it is.

        Raises:
            ValueError, TypeError, OverflowError: it is no number, but the field has numbers.
        """
        value = None if raw is None or (isinstance(raw, QVariant) and raw.isNull()) else self._convert(raw)
        if value is not None:
            self._set(made, index, value)


def _whole(value: Any) -> int:
    number = int(value)
    if number != value or not -(2**63) <= number < 2**63:
        raise ValueError(value)
    return number


def _text(value: Any) -> str | None:
    """Return a value as OGR writes it as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, (QDate, QTime, QDateTime)):
        return _moment(value) if value.isValid() else None
    if isinstance(value, (QByteArray, bytes)):
        return bytes(value).hex().upper()
    if isinstance(value, (list, tuple)):
        return f"({len(value)}:{','.join(_item(item) for item in value)})"
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict) else str(value)


def _item(value: Any) -> str:
    return f"{value:.16g}" if isinstance(value, float) else str(value)


def _moment(value: Any) -> str:
    if isinstance(value, QDate):
        return str(value.toString("yyyy/MM/dd"))
    time = value.time() if isinstance(value, QDateTime) else value
    text = str(time.toString("hh:mm:ss.zzz" if time.msec() else "hh:mm:ss"))
    if isinstance(value, QTime):
        return text
    return f"{_moment(value.date())} {text}{_zone(value)}"


def _zone(value: QDateTime) -> str:
    if value.timeSpec() == Qt.TimeSpec.LocalTime:
        return ""
    hours, minutes = divmod(abs(value.offsetFromUtc()) // 60, 60)
    sign = "-" if value.offsetFromUtc() < 0 else "+"
    return f"{sign}{hours:02d}{minutes:02d}" if minutes else f"{sign}{hours:02d}"


# ---------------------------------------------------------------- the file


class _Writer:
    """Writes features; they keep their ids, as far as the file can hold them."""

    def __init__(
        self,
        path: Path,
        name: str,
        geometry_type: int,
        crs: QgsCoordinateReferenceSystem,
        columns: list[_Column],
        failed: Callable[[str], ParameterError],
    ) -> None:
        self._path, self._columns, self._failed = path, columns, failed
        self.names = distinct_names([column.name for column in columns])
        self.count = 0
        self._ids: set[int] = set()
        self._without_id: list[Any] = []
        self._dataset: Any = None
        self._layer: Any = None
        with collected_errors() as errors:
            self._dataset = gdal.GetDriverByName("GPKG").Create(str(path), 0, 0, 0, gdal.GDT_Unknown)
            self._dataset.StartTransaction()
            self._layer = self._dataset.CreateLayer(
                re.sub(r"[^\w .-]|^(?=gpkg|rtree|sqlite)", "_", name) or "layer",
                _system(crs),
                geometry_type,
                [
                    f"FID={free_name('key', self.names)}",
                    f"GEOMETRY_NAME={free_name('shape', self.names)}",
                    "SPATIAL_INDEX=NO",
                ],
            )
            for column, own in zip(columns, self.names):
                self._layer.CreateField(ogr.FieldDefn(own, column.type))
            self._definition = self._layer.GetLayerDefn()
        self._check(errors)

    def write(self, features: list[QgsFeature]) -> None:
        """Write some features.

        Raises:
            ParameterError: one cannot be written.
        """
        with collected_errors() as errors:
            for feature in features:
                self._add(feature)
        self._check(errors)

    def _add(self, feature: QgsFeature) -> None:
        made, number = ogr.Feature(self._definition), feature.id()
        for index, (column, raw) in enumerate(zip(self._columns, feature.attributes())):
            try:
                column.set(made, index, raw)
            except (ValueError, TypeError, OverflowError):
                raise self._failed(
                    Phrase(
                        "the field {column} of feature {number} is {raw!r}, which does not have the type of the field",
                        column=column.name,
                        number=number,
                        raw=raw,
                    )
                ) from None
        if feature.hasGeometry():
            made.SetGeometryDirectly(ogr.CreateGeometryFromWkb(bytes(feature.geometry().asWkb())))
        self.count += 1
        if number < 0 or number in self._ids:  # new in the layer: numbered after all others
            self._without_id.append(made)
            return
        self._ids.add(number)
        made.SetFID(number)
        self._create(made)

    def _create(self, made: Any) -> None:
        if self._layer.CreateFeature(made) != ogr.OGRERR_NONE:
            raise self._failed(
                Phrase("feature {get_fid} cannot be written to {path}", get_fid=made.GetFID(), path=self._path)
            )

    def close(self) -> int:
        """Finish the file; return how many features it holds."""
        with collected_errors() as errors:
            for made in self._without_id:
                self._create(made)
            self._dataset.CommitTransaction()
            self._layer = None
            self._dataset = None
        self._check(errors)
        count = -1
        with collected_errors() as errors:
            again = gdal.OpenEx(str(self._path), gdal.OF_VECTOR)
            layer = again.ExecuteSQL(f'SELECT COUNT(*) FROM "{again.GetLayer(0).GetName()}"')  # nosec B608
            count = int(layer.GetNextFeature().GetField(0))
            again.ReleaseResultSet(layer)
        self._check(errors)
        return count

    def _check(self, errors: Any) -> None:
        if errors.failed:
            raise self._failed(str(errors))


def _system(crs: QgsCoordinateReferenceSystem) -> Any:
    if not crs.isValid():
        return None
    system = osr.SpatialReference()
    system.ImportFromWkt(crs.toWkt(QgsCoordinateReferenceSystem.WktVariant.WKT_PREFERRED_GDAL))
    system.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    return system
