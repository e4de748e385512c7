"""What QGIS shows for an operation's keys, and how it reads each kind: parameters, outputs, help."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingDestinationParameter,
    QgsProcessingOutputDefinition,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
    QgsProcessingUtils,
    QgsProject,
)

from ..core.parameters import kinds
from ..core.parameters.kinds import Content, Key, parameter_name
from ..core.parameters.operation import NumberResult, Result, TextResult
from ..core.parameters.sections import in_sections
from .helptexts import titles_and_labels
from .keptoutputs import suggested_place
from .rasterparameters import RasterParameter, RastersParameter
from .translate import tr

if TYPE_CHECKING:
    from .reading import Reader

_GEOMETRIES = {
    "point": QgsProcessing.SourceType.TypeVectorPoint,
    "line": QgsProcessing.SourceType.TypeVectorLine,
    "polygon": QgsProcessing.SourceType.TypeVectorPolygon,
}
CLASS_FIELD = "class"
"""The class field of our own outputs: a dialog offers it where a layer has it, else none."""


def definition(key: Key, default: Any = None, hidden: bool = False) -> QgsProcessingParameterDefinition:
    """Return the Processing parameter for `key`.

    Args:
        key: the operation's key.
        default: shown instead of the key's own default, where given.
        hidden: True to leave it out of dialogs; models, scripts and qgis_process may still set it.
    """
    shown = key.default if default is None else default
    # A field that holds a value needs none; the modeler stores no value of a hidden one, and may not miss it.
    optional = not key.required and (hidden or shown in (None, "", ()))
    parameter = shown_as(key).parameter(key, key.parameter, tr(key.label), shown, optional)
    parameter.setHelp(help_of(key))
    if key.suggested is not None:
        parameter.setGuiDefaultValueOverride(key.suggested)
    if key.created:
        parameter.setCreateByDefault(True)
    if key.kept_as:
        parameter.setGuiDefaultValueOverride(suggested_place(key.kept_as))
    if key.advanced:
        parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
    if hidden:
        parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.Flag.FlagHidden)
    return parameter


_OUTPUTS = {NumberResult: QgsProcessingOutputNumber, TextResult: QgsProcessingOutputString}


def output(result: Result) -> QgsProcessingOutputDefinition:
    """Return the Processing output for a result that is no output of a key."""
    return _OUTPUTS[type(result)](parameter_name(result.name), tr(result.label))


def folded_output(key: Key) -> QgsProcessingOutputDefinition | None:
    """Return the Processing output of a key that is an output under Advanced; None for others: QGIS makes what they need."""
    shown = shown_as(key)
    return shown.destination(key).toOutputDefinition() if isinstance(shown, _FoldedOut) else None


def help_of(key: Key) -> str:
    """Return the help of a key: its sentences, and the words of a choice that they do not name."""
    text = tr(key.help)
    if any(word not in text for word in key.choices):
        text = f"{text} {tr('One of: {}.').format(', '.join(key.choices))}"
    return text


def help_page(description: str, keys: Iterable[Key], hidden: Iterable[Key]) -> str:
    """Return an algorithm's help as HTML: what it does, its parameters, and those that the dialog does not show."""
    shown, more = list(keys), list(hidden)
    named = titles_and_labels((*shown, *more))
    lines = [f"<p>{_escape(part)}</p>" for part in description.split("\n\n")]
    for title, several in in_sections(shown).items():
        lines.append(f"<h3>{_escape(tr(title))}</h3>")
        for key in several:
            lines.append(f"<p><b>{_escape(tr(key.label))}</b> ({key.parameter})<br>{_escape(named(help_of(key)))}</p>")
    if more:
        first = min(key.group for key in more)
        names = [key.parameter for key in more if key.group == first]
        told = tr(
            "The options of OTBTF set the number of sources in the dialog. Models, scripts and qgis_process accept "
            "more:"
        )
        lines.append(f"<p>{_escape(told)} {', '.join(names)}, {tr('and so on')}.</p>")
    return "\n".join(lines)


def _escape(text: str) -> str:
    return html.escape(text, quote=False)  # qgis_process shows the page as it is: no &#x27; for an apostrophe


class Shown:
    """A kind of key in QGIS: its Processing parameter, and what becomes of the value that QGIS passes for it.

    Attributes:
        hint: for an output that is a layer, which kind of layer.
    """

    hint: QgsProcessingUtils.LayerHint | None = None

    def parameter(self, key, name, label, default, optional) -> QgsProcessingParameterDefinition:
        """Return the Processing parameter."""
        raise NotImplementedError

    def value(self, reader: Reader, key: Key, given: Any, run: bool) -> Any:
        """Return an input's value as a request holds it; see `Reader.inputs`."""
        return given

    def check(self, definition: QgsProcessingParameterDefinition, raw: Any, context: QgsProcessingContext) -> str:
        """Return why an output cannot be written to what QGIS passed; empty where it can."""
        return ""

    def path(self, algorithm: QgsProcessingAlgorithm, parameters: dict[str, Any], key: Key, context: Any) -> str:
        """Return the path of an output, which may be made up; a layer is loaded on completion."""
        return str(algorithm.parameterAsFileOutput(parameters, key.parameter, context))


def shown_as(key: Key) -> Shown:
    """Return what a key is in QGIS."""
    shown = _SHOWN[key.kind]
    return _FoldedOut(shown) if key.kind.is_output and key.advanced else shown


class _Raster(Shown):
    def parameter(self, key, name, label, default, optional):
        return RasterParameter(name, label, default, optional)

    def value(self, reader, key, given, run):
        return reader.raster(key, given, 0, run)


class _Rasters(Shown):
    def parameter(self, key, name, label, default, optional):
        kind = QgsProcessing.SourceType.TypeRaster
        return RastersParameter(name, label, kind, optional=optional)

    def value(self, reader, key, given, run):
        items = enumerate(_listed(given), 1)
        return [reader.raster(key, reader.plain(key, item), number, run) for number, item in items]


class _Vector(Shown):
    def parameter(self, key, name, label, default, optional):
        kind = _GEOMETRIES.get(key.geometry, QgsProcessing.SourceType.TypeVector)
        return QgsProcessingParameterFeatureSource(name, label, [kind], default, optional)

    def value(self, reader, key, given, run):
        return reader.vector(key, given, run)


class _Vectors(Shown):
    def parameter(self, key, name, label, default, optional):
        kind = _GEOMETRIES.get(key.geometry, QgsProcessing.SourceType.TypeVector)
        return QgsProcessingParameterMultipleLayers(name, label, kind, optional=optional)

    def value(self, reader, key, given, run):
        return [reader.vector(key, reader.plain(key, item), run) for item in _listed(given)]


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


class _Field(Shown):
    def parameter(self, key, name, label, default, optional):
        # Of a mandatory field, QGIS asks for a value though there is a default.
        may_lack = optional or default is not None
        parameter = QgsProcessingParameterField(name, label, default, parameter_name(key.of), optional=may_lack)
        if not may_lack:  # else the dialog offers the first field, which is often the number `fid`
            parameter.setGuiDefaultValueOverride(CLASS_FIELD)
        return parameter

    def value(self, reader, key, given, run):
        return given[0] if isinstance(given, (list, tuple)) and len(given) == 1 else given


class _Fields(Shown):
    def parameter(self, key, name, label, default, optional):
        parent = parameter_name(key.of)
        return QgsProcessingParameterField(name, label, None, parent, allowMultiple=True, optional=optional)


class _File(Shown):
    def parameter(self, key, name, label, default, optional):
        return QgsProcessingParameterFile(
            name, label, defaultValue=default, optional=optional, fileFilter=key.file_filter or tr("All files (*)")
        )


class _Files(Shown):
    def parameter(self, key, name, label, default, optional):
        return QgsProcessingParameterMultipleLayers(name, label, QgsProcessing.SourceType.TypeFile, optional=optional)

    def value(self, reader, key, given, run):
        return [reader.plain(key, item) for item in _listed(given)]


class _Folder(Shown):
    def parameter(self, key, name, label, default, optional):
        folder = QgsProcessingParameterFile.Behavior.Folder
        return QgsProcessingParameterFile(name, label, folder, defaultValue=default, optional=optional)


class _Text(Shown):
    def parameter(self, key, name, label, default, optional):
        return QgsProcessingParameterString(name, label, default, optional=optional)


_LARGEST = 2**31 - 1
"""The largest maximum that QGIS's fields for numbers hold; a larger one makes them begin at the smallest number."""


class _Number(Shown):
    type = QgsProcessingParameterNumber.Type.Double

    def parameter(self, key, name, label, default, optional):
        parameter = QgsProcessingParameterNumber(name, label, self.type, default, optional)
        if key.minimum is not None:
            parameter.setMinimum(key.minimum)
        if key.maximum is not None and key.maximum <= _LARGEST:
            parameter.setMaximum(key.maximum)
        return parameter


class _Integer(_Number):
    type = QgsProcessingParameterNumber.Type.Integer


class _Boolean(Shown):
    def parameter(self, key, name, label, default, optional):
        return QgsProcessingParameterBoolean(name, label, default, optional)


class _Choice(Shown):
    def parameter(self, key, name, label, default, optional):
        return QgsProcessingParameterEnum(
            name, label, list(key.choices), defaultValue=default, optional=optional, usesStaticStrings=True
        )


class _Extent(Shown):
    def parameter(self, key, name, label, default, optional):
        return QgsProcessingParameterExtent(name, label, default, optional)

    def value(self, reader, key, given, run):
        return reader.extent(key, given)


# What is optional is not made unless asked for.


class _LayerOut(Shown):
    def path(self, algorithm, parameters, key, context):
        return str(algorithm.parameterAsOutputLayer(parameters, key.parameter, context))


class _RasterOut(_LayerOut):
    hint = QgsProcessingUtils.LayerHint.Raster

    def parameter(self, key, name, label, default, optional):
        return QgsProcessingParameterRasterDestination(name, label, default, optional, not optional)


class _VectorOut(_LayerOut):
    hint = QgsProcessingUtils.LayerHint.Vector

    def parameter(self, key, name, label, default, optional):
        kind = _GEOMETRIES.get(key.geometry, QgsProcessing.SourceType.TypeVectorAnyGeometry)
        return QgsProcessingParameterVectorDestination(name, label, kind, default, optional, not optional)

    def check(self, definition, raw, context):
        ok, problem = definition.isSupportedOutputValue(raw, context)
        return "" if ok else problem


class _FileOut(Shown):
    def parameter(self, key, name, label, default, optional):
        return QgsProcessingParameterFileDestination(name, label, key.file_filter, default, optional, not optional)


class _FolderOut(Shown):
    def parameter(self, key, name, label, default, optional):
        return QgsProcessingParameterFolderDestination(name, label, default, optional, not optional)


class _FoldedOut(Shown):
    """An output under Advanced, where QGIS folds no destination away: a path to enter, and an output of the same name.

    Later steps of a graphical model can use the output. It cannot be a result of the model: only destinations can.

    Args:
        unfolded: what its kind is elsewhere.
    """

    def __init__(self, unfolded: Shown) -> None:
        self._unfolded = unfolded
        self.hint = unfolded.hint

    def destination(self, key: Key) -> QgsProcessingDestinationParameter:
        """Return what it would be outside of Advanced."""
        return self._unfolded.parameter(key, key.parameter, tr(key.label), None, True)

    def parameter(self, key, name, label, default, optional):
        if key.kind.content is Content.FOLDER:
            return _SHOWN[kinds.FOLDER].parameter(key, name, label, default, optional)
        formats = self.destination(key).createFileFilter()
        return QgsProcessingParameterFile(name, label, defaultValue=default, optional=optional, fileFilter=formats)

    def check(self, definition, raw, context):
        return ""

    def path(self, algorithm, parameters, key, context):
        raw = parameters[key.parameter]
        sink = raw.sink if isinstance(raw, QgsProcessingOutputLayerDefinition) else raw
        path = algorithm.parameterAsFile({key.parameter: sink}, key.parameter, context)
        if path == QgsProcessing.TEMPORARY_OUTPUT:
            path = self.destination(key).generateTemporaryDestination()
        project = _project_of_layers(parameters)
        if self.hint is not None and project is not None:
            details = QgsProcessingContext.LayerDetails(tr(key.label), project, key.parameter, self.hint)
            context.addLayerToLoadOnCompletion(path, details)
        return path


def _project_of_layers(parameters: Mapping[str, Any]) -> QgsProject | None:
    """Return the project that a run's layers are loaded into; None where nobody asks to load one."""
    layers = [value for value in parameters.values() if isinstance(value, QgsProcessingOutputLayerDefinition)]
    return next((layer.destinationProject for layer in layers if layer.destinationProject is not None), None)


_SHOWN: dict[kinds.Kind, Shown] = {
    kinds.RASTERS: _Rasters(),
    kinds.RASTER: _Raster(),
    kinds.VECTOR: _Vector(),
    kinds.VECTORS: _Vectors(),
    kinds.FIELD: _Field(),
    kinds.FIELDS: _Fields(),
    kinds.FILE: _File(),
    kinds.FILES: _Files(),
    kinds.FOLDER: _Folder(),
    kinds.TEXT: _Text(),
    kinds.CLUSTER: _Text(),
    kinds.INTEGER: _Integer(),
    kinds.NUMBER: _Number(),
    kinds.BOOLEAN: _Boolean(),
    kinds.CHOICE: _Choice(),
    kinds.EXTENT: _Extent(),
    kinds.RASTER_OUT: _RasterOut(),
    kinds.VECTOR_OUT: _VectorOut(),
    kinds.FILE_OUT: _FileOut(),
    kinds.FOLDER_OUT: _FolderOut(),
}
