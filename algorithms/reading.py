"""What QGIS hands an algorithm, read as plain values under OTBTF's keys.

QGIS passes whatever a dialog, a model, a script or qgis_process came up with: layers, their ids and
names, properties, NULL, text for numbers. All algorithms read it here and nowhere else, since the
`parameterAs...` methods guess: `abc` becomes 0, `off` becomes True, and a layer that does not load
is dropped from a list.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from qgis.core import (
    NULL,
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsCsException,
    QgsFeatureRequest,
    QgsMapLayer,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingUtils,
    QgsProperty,
    QgsProviderRegistry,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)

from ..core.base.progress import Progress
from ..core.errors import ParameterError
from ..core.parameters.kinds import Content, Key
from ..core.parameters.parsing import needs_engine, unknown_key
from ..core.parameters.vectorsource import Address
from ..core.phrases import Phrase
from .definitions import shown_as
from .exporting import Choice, Export
from .memoryfiles import PREFIX as MEMORY
from .memoryfiles import MemoryRaster
from .rastersources import credentials_of, described, of_text
from .vectorsources import readable_source
from .weblayers import EXTENT, PIXEL_SIZE, Wanted, WebLayer, opened, provider_address

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_EXTENT = re.compile(rf"\s*{_NUMBER}(?:\s*,\s*{_NUMBER}){{3}}\s*(?:\[[^\]]+\]\s*)?")
_LIMITS = ("extent", "out.box")
"""Keys that limit the output of an operation."""

_DATABASES = ("memory:", "ogr:", "postgres:", "postgis:", "mssql:", "oracle:", "spatialite:", "hana:")


class Reader:
    """Reads the parameters of one run of an algorithm.

    Args:
        algorithm: the algorithm, for what only it can look up.
        keys: the operation's keys.
        parameters: what QGIS passed.
        context: what QGIS passed.
    """

    def __init__(
        self,
        algorithm: QgsProcessingAlgorithm,
        keys: Iterable[Key],
        parameters: Mapping[str, Any],
        context: QgsProcessingContext,
    ):
        self._algorithm = algorithm
        self._keys = {key.parameter: key for key in keys}
        self._parameters = dict(parameters)
        self._context = context

    def check_names(self) -> None:
        """Raise ParameterError for a parameter that does not exist, naming the nearest that does."""
        for name in self._parameters:
            if name not in self._keys:
                raise unknown_key(name, self._keys)

    def inputs(self, run: bool = False) -> dict[str, Any]:
        """Return the values of all that is given and is no output, under OTBTF's keys.

        Call it in the main thread: it looks at layers.

        Args:
            run: True to have layers that only QGIS can read (memory layers, databases, filtered or edited ones, basemaps,
                ...) as `Export`s and `WebLayer`s, which `written` writes; otherwise their names stand for them.

        Raises:
            ParameterError: a value cannot be read.
        """
        values: dict[str, Any] = {}
        for name, raw in self._parameters.items():
            key = self._keys.get(name)
            if key is None or key.kind.is_output or key in (EXTENT, PIXEL_SIZE):
                continue
            value = self._value(key, raw, run)
            if value is None:
                continue
            # A dialog sends the defaults of every source shown; that alone does not make it a source in use.
            if key.group and key.read(value) == key.default:
                continue
            values[key.name] = value
        return values

    def destinations(self, resolve: bool) -> dict[str, str]:
        """Return the paths of the outputs that are asked for, under OTBTF's keys.

        Args:
            resolve: True to make up temporary paths and to have layers loaded on completion; call it so once per
                run, in the thread of the run. False returns what was passed.

        Raises:
            ParameterError: an output is no file, or of a format that QGIS does not know.
        """
        values: dict[str, str] = {}
        for name, raw in self._parameters.items():
            key = self._keys.get(name)
            if key is None or not key.kind.is_output:
                continue
            text = self._destination(key, raw)
            if text:
                # Sources beyond those with a parameter of their own are not known to QGIS.
                known = self._algorithm.parameterDefinition(key.parameter) is not None
                if resolve and known:
                    text = shown_as(key).path(self._algorithm, self._parameters, key, self._context)
                values[key.name] = text
        return values

    # ------------------------------------------------------------ inputs

    def _value(self, key: Key, raw: Any, run: bool) -> Any:
        value = self.plain(key, raw)
        if value is None or value == "" or value == []:
            return None
        return shown_as(key).value(self, key, value, run)

    def plain(self, key: Key, raw: Any) -> Any:
        """Return what `raw` stands for; None for NULL."""
        if isinstance(raw, QgsProperty):
            raw, ok = raw.value(self._context.expressionContext(), None)
            if not ok:
                raise ParameterError(
                    "{key} is an expression or field without a value: enter the value itself.", key=key.mention
                )
        if raw is None or raw == NULL:
            return None
        return os.fspath(raw) if isinstance(raw, os.PathLike) else raw

    def raster(self, key: Key, value: Any, number: int, run: bool) -> Any:
        """Return how a request names a raster: the `number`th of a list, or 0 for one alone."""
        place = _place(key, number)
        if value is None or value == "":
            raise ParameterError("{place} is empty: remove it from the list, or choose a raster.", place=place)
        layer = value
        if isinstance(value, str):
            if value.lower().startswith(("http://", "https://")):
                return value
            layer = self._layer(value, QgsProcessingUtils.LayerHint.Raster)
            provider, source = provider_address(value) if layer is None else ("", "")
            if provider and not run:  # opening may ask a server
                return value
            if provider:
                layer = opened(place, provider, source)
            if layer is None:
                return self._for_engine(place, value, of_text(value), run)
        if not isinstance(layer, QgsRasterLayer):
            raise ParameterError(
                "{place} is {layer}, but must be a raster layer: choose a raster.", place=place, layer=_called(layer)
            )
        if layer.providerType() != "gdal":
            web = WebLayer(place, layer, self._wanted())
            return web.prepare(layer) if run else str(layer.name())
        return self._for_engine(place, str(layer.source()), described(layer), run)

    def read_by_qgis(self, key: Key) -> bool:
        """Return whether what is given for rasters has one that QGIS reads, not GDAL: a basemap, WMS, a database, ..."""
        value = self.plain(key, self._parameters.get(key.parameter))
        several = value if isinstance(value, (list, tuple)) else [value]
        return any(self._is_web_layer(self.plain(key, one)) for one in several)

    def check_web_layers(self) -> None:
        """Check what is read of layers that only QGIS reads, as far as that takes no request to their servers.

        Raises:
            ParameterError: extent or pixel size are missing, or do not fit a layer.
        """
        for name, raw in self._parameters.items():
            key = self._keys.get(name)
            if key is None or key.kind.is_output or key.kind.content is not Content.RASTER:
                continue
            value = self.plain(key, raw)
            several = enumerate(value, 1) if isinstance(value, (list, tuple)) else [(0, value)]
            for number, one in several:
                self._check_web_layer(_place(key, number), self.plain(key, one))

    def _check_web_layer(self, place: str, value: Any) -> None:
        if not self._is_web_layer(value):
            return
        wanted = self._wanted()
        layer = self._layer(value, QgsProcessingUtils.LayerHint.Raster) if isinstance(value, str) else value
        if layer is not None:
            WebLayer(place, layer, wanted)
        elif wanted.extent is None:  # an address: opening it may ask a server
            raise wanted.missing(place.rstrip(","))

    def _is_web_layer(self, value: Any) -> bool:
        if not isinstance(value, str):
            return isinstance(value, QgsRasterLayer) and value.providerType() != "gdal"
        if not value or value.lower().startswith(("http://", "https://")):
            return False
        layer = self._layer(value, QgsProcessingUtils.LayerHint.Raster)
        return self._is_web_layer(layer) if layer is not None else bool(provider_address(value)[0])

    def _wanted(self) -> Wanted:
        """Return which part of layers that are not files is asked for, and at which pixel size."""
        extent = self._value(EXTENT, self._parameters.get(EXTENT.parameter), False)
        size = self._value(PIXEL_SIZE, self._parameters.get(PIXEL_SIZE.parameter), False)
        limits = tuple(key.mention for key in self._keys.values() if key.name in _LIMITS)
        return Wanted(self._extent_in if extent else None, None if size is None else PIXEL_SIZE.read(size), limits)

    def _extent_in(self, crs: QgsCoordinateReferenceSystem) -> QgsRectangle:
        name = EXTENT.parameter
        value = self.plain(EXTENT, self._parameters[name])
        try:
            return self._algorithm.parameterAsExtent({name: value}, name, self._context, crs)
        except QgsCsException:
            raise ParameterError(
                "{extent} is {value!r}, which cannot be transformed to {crs}: choose a smaller extent.",
                extent=EXTENT.mention,
                value=value,
                crs=crs.authid(),
            ) from None

    def _for_engine(self, place: str, text: str, source: dict[str, Any], run: bool) -> Any:
        """Return how a request names a raster whose source in QGIS is `text`, if need be in a way that leaves QGIS."""
        named = source if len(source) > 1 else source["path"]
        if not self._in_engine():
            return named
        credentials = credentials_of(text)
        if credentials:
            raise ParameterError(
                "{place} needs credentials that only QGIS has ({credentials}): set them as environment variables "
                "before you start QGIS, or save the raster as a GeoTIFF first.",
                place=place,
                credentials=", ".join(credentials),
            )
        if run and source["path"].startswith(MEMORY):
            return MemoryRaster(named, self._temporary("memory"))
        return named

    def vector(self, key: Key, value: Any, run: bool) -> Any:
        """Return how a request names a layer, or what exports it."""
        choice = Choice()
        if isinstance(value, QgsProcessingFeatureSourceDefinition):
            choice, value = _choice(value), self.plain(key, value.source)
        layer = value
        if isinstance(value, str):
            layer = self._vector_layer(value, run and choice != Choice())
            if layer is None and choice != Choice() and run:
                raise ParameterError(
                    "{key} is {value!r}, but QGIS cannot open it to limit or filter its features: check the path, "
                    "or remove limit and filter.",
                    key=key.mention,
                    value=value,
                )
            if layer is None:
                return value
        if not isinstance(layer, QgsVectorLayer):
            raise ParameterError(
                "{key} is {layer}, but must be a vector layer: choose a vector layer.",
                key=key.mention,
                layer=_called(layer),
            )
        if choice.selected and not layer.selectedFeatureCount():
            raise ParameterError(
                "{key} is limited to the selected features of the layer {layer!r}, but no feature is selected: "
                'select features, or clear "Selected features only".',
                key=key.mention,
                layer=layer.name(),
            )
        source = readable_source(layer) if choice == Choice() else None
        if source is not None and not self._only_here(source):
            return source
        if not run:
            return str(layer.name())
        return Export(key.mention, layer, choice, self._temporary(f"{key.parameter.lower()}.gpkg"), self._context)

    def _vector_layer(self, text: str, load: bool) -> QgsMapLayer | None:
        """Return the layer of a name, id or source; None where core opens the text as it is.

        Args:
            text: what names it.
            load: whether QGIS must open it, since it follows what core does not.
        """
        layer = self._layer(text, QgsProcessingUtils.LayerHint.Vector)
        if layer is not None or not (load or _only_for_qgis(text)):
            return layer
        return QgsProcessingUtils.mapLayerFromString(text, self._context, True, QgsProcessingUtils.LayerHint.Vector)

    def _only_here(self, source: str | dict[str, Any]) -> bool:
        path = source["path"] if isinstance(source, dict) else source
        return self._in_engine() and path.startswith(MEMORY)

    def _in_engine(self) -> bool:
        operation = self._algorithm.OPERATION
        known = [(self._keys[name], raw) for name, raw in self._parameters.items() if name in self._keys]
        deciding = {key.name: self.plain(key, raw) for key, raw in known if key.name == operation.ENGINE_WITH}
        return needs_engine(operation, {name: value for name, value in deciding.items() if value is not None})

    def _temporary(self, name: str) -> str:
        if Qgis.QGIS_VERSION_INT >= 33200:
            return str(QgsProcessingUtils.generateTempFilename(name, self._context))
        return str(QgsProcessingUtils.generateTempFilename(name))

    def _layer(self, text: str, hint: QgsProcessingUtils.LayerHint) -> QgsMapLayer | None:
        """Return the open layer with this id, name or source: one of the kind asked for, if there is one."""
        layer = QgsProcessingUtils.mapLayerFromString(text, self._context, False, hint)
        if layer is None:
            other = QgsProcessingUtils.mapLayerFromString(text, self._context, False)
            # By its source a GeoPackage is found as a vector layer, though it may hold the raster that is meant.
            layer = other if other is not None and text in (other.id(), other.name()) else None
        return layer

    def extent(self, key: Key, value: Any) -> str:
        """Return an extent as text."""
        if isinstance(value, str) and _EXTENT.fullmatch(value):
            return value.strip()
        name = key.parameter
        box = self._algorithm.parameterAsExtent({name: value}, name, self._context)
        if box.isNull():
            raise ParameterError(
                "{key} is {value!r}, but must be xmin,xmax,ymin,ymax and may name a CRS: 0,100,0,50 [EPSG:32654].",
                key=key.mention,
                value=value,
            )
        crs = self._algorithm.parameterAsExtentCrs({name: value}, name, self._context)
        limits = ",".join(repr(v) for v in (box.xMinimum(), box.xMaximum(), box.yMinimum(), box.yMaximum()))
        return f"{limits} [{crs.authid()}]" if crs.authid() else limits

    # ----------------------------------------------------------- outputs

    def _destination(self, key: Key, raw: Any) -> str:
        sink = raw.sink if isinstance(raw, QgsProcessingOutputLayerDefinition) else raw
        value = self.plain(key, sink)
        if value is None or value == "":
            return ""
        if not isinstance(value, str):
            raise ParameterError("{key} is {value!r}, but must be a path to write to.", key=key.mention, value=value)
        if value.lower().startswith(_DATABASES):
            raise ParameterError(
                "{key} is {value!r}, but must be a file: save to a GeoPackage instead.", key=key.mention, value=value
            )
        definition = self._algorithm.parameterDefinition(key.parameter)
        problem = shown_as(key).check(definition, raw, self._context)
        if problem:
            raise ParameterError("{key} is {value!r}: {problem}", key=key.mention, value=value, problem=problem)
        return value


def _place(key: Key, number: int) -> str:
    """Return what names the `number`th of the rasters of a key, or the only one where that is 0."""
    return Phrase("{key}, image {number},", key=key.mention, number=number) if number else key.mention


def _choice(definition: QgsProcessingFeatureSourceDefinition) -> Choice:
    """Return which features of a layer a definition asks for. QGIS 3.22 knows less of it than later versions."""
    checks = QgsFeatureRequest.InvalidGeometryCheck
    words = {checks.GeometrySkipInvalid: "skip", checks.GeometryAbortOnInvalid: "stop"}
    overrides = definition.flags & QgsProcessingFeatureSourceDefinition.Flag.FlagOverrideDefaultGeometryCheck
    return Choice(
        bool(definition.selectedFeaturesOnly),
        int(getattr(definition, "featureLimit", -1)),
        str(getattr(definition, "filterExpression", "") or ""),
        words.get(definition.geometryCheck, "") if overrides else "",
    )


def _only_for_qgis(text: str) -> bool:
    """Return whether a text is a source that QGIS reads, but not core: of another provider, or with a filter."""
    provider = text.partition("://")[0]
    return bool(Address.of(text).others) or provider in QgsProviderRegistry.instance().providerList()


def exported_files(values: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return, by key, the files from which the layers come that `written` would write to other files."""
    found: dict[str, list[str]] = {}
    for key, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Export):
                found.setdefault(key, []).extend(one.files)
    return found


def written(values: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Return a request's values with all that only QGIS has written to files, which then stand for it.

    Args:
        values: as `Reader.inputs` returns them for a run.
        progress: hears of it, and may ask to stop.

    Raises:
        ParameterError, RasterError: a layer cannot be exported.
        Cancelled: `progress` asked to stop.
    """

    def one(value: Any) -> Any:
        return value.write(progress) if isinstance(value, (Export, MemoryRaster, WebLayer)) else value

    return {key: [*map(one, value)] if isinstance(value, list) else one(value) for key, value in values.items()}


def _called(value: Any) -> str:
    return Phrase("the layer {value!r}", value=value.name()) if isinstance(value, QgsMapLayer) else repr(value)
