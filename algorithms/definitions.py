"""The Processing parameters, and the help, that follow from an operation's keys."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputDefinition,
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
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from ..core.parameters.operation import NumberResult, Result, TextResult
from ..core.parameters.vocabulary import OUTPUTS, Key, Kind, parameter_name
from .translate import tr

_GEOMETRIES = {
    "point": QgsProcessing.SourceType.TypeVectorPoint,
    "line": QgsProcessing.SourceType.TypeVectorLine,
    "polygon": QgsProcessing.SourceType.TypeVectorPolygon,
}
CLASS_FIELD = "class"
"""The class field of our own outputs: a dialog offers it where a layer has it, else none."""

_Number = QgsProcessingParameterNumber.Type
_Behavior = QgsProcessingParameterFile.Behavior


def definition(key: Key, default: Any = None, hidden: bool = False) -> QgsProcessingParameterDefinition:
    """Return the Processing parameter for `key`.

    Args:
        key: the operation's key.
        default: shown instead of the key's own default, where given.
        hidden: True to leave it out of dialogs; models, scripts and qgis_process may still set it.
    """
    shown = key.default if default is None else default
    parameter = _MAKERS[key.kind](key, key.parameter, tr(key.label), shown, not key.required)
    parameter.setHelp(help_of(key))
    if key.created:
        parameter.setCreateByDefault(True)
    if key.advanced:
        parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.Flag.FlagAdvanced)
    if hidden:
        parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.Flag.FlagHidden)
    return parameter


_OUTPUTS = {NumberResult: QgsProcessingOutputNumber, TextResult: QgsProcessingOutputString}


def output(result: Result) -> QgsProcessingOutputDefinition:
    """Return the Processing output for a result that is no output of a key."""
    return _OUTPUTS[type(result)](parameter_name(result.name), tr(result.label))


def help_of(key: Key) -> str:
    """Return the help of a key: its sentences, and the words of a choice that they do not name."""
    text = tr(key.help)
    if any(word not in text for word in key.choices):
        text = f"{text} {tr('One of')}: {', '.join(key.choices)}."
    return text


def help_page(description: str, keys: Iterable[Key], hidden: Iterable[Key]) -> str:
    """Return an algorithm's help as HTML: what it does, its parameters, and those that the dialog does not show."""
    lines = [f"<p>{_escape(part)}</p>" for part in description.split("\n\n")]
    for title, outputs in ((tr("Parameters"), False), (tr("Outputs"), True)):
        several = [key for key in keys if (key.kind in OUTPUTS) is outputs]
        if several:
            lines.append(f"<h3>{_escape(title)}</h3>")
            lines += [
                f"<p><b>{_escape(tr(key.label))}</b> ({key.parameter})<br>{_escape(help_of(key))}</p>"
                for key in several
            ]
    more = list(hidden)
    if more:
        first = min(key.group for key in more)
        names = [key.parameter for key in more if key.group == first]
        told = tr(
            "The options of OTBTF say how many sources the dialog shows. Models, scripts and qgis_process take further ones:"
        )
        lines.append(f"<p>{_escape(told)} {', '.join(names)}, {tr('and so on')}.</p>")
    return "\n".join(lines)


def _escape(text: str) -> str:
    return html.escape(text, quote=False)  # qgis_process shows the page as it is: no &#x27; for an apostrophe


_Maker = Callable[[Key, str, str, Any, bool], QgsProcessingParameterDefinition]


def _rasters(key, name, label, default, optional):
    kind = QgsProcessing.SourceType.TypeRaster
    return QgsProcessingParameterMultipleLayers(name, label, kind, optional=optional)


def _raster(key, name, label, default, optional):
    return QgsProcessingParameterRasterLayer(name, label, default, optional)


def _vector(key, name, label, default, optional):
    kind = _GEOMETRIES.get(key.geometry, QgsProcessing.SourceType.TypeVector)
    return QgsProcessingParameterFeatureSource(name, label, [kind], default, optional)


def _vectors(key, name, label, default, optional):
    kind = _GEOMETRIES.get(key.geometry, QgsProcessing.SourceType.TypeVector)
    return QgsProcessingParameterMultipleLayers(name, label, kind, optional=optional)


def _field(key, name, label, default, optional):
    parameter = QgsProcessingParameterField(name, label, default, parameter_name(key.of), optional=optional)
    if default is None and not optional:  # else the dialog offers the first field, which is often the number `fid`
        parameter.setGuiDefaultValueOverride(CLASS_FIELD)
    return parameter


def _fields(key, name, label, default, optional):
    parent = parameter_name(key.of)
    return QgsProcessingParameterField(name, label, None, parent, allowMultiple=True, optional=optional)


def _file(key, name, label, default, optional):
    return QgsProcessingParameterFile(
        name, label, defaultValue=default, optional=optional, fileFilter=key.file_filter or tr("All files (*)")
    )


def _folder(key, name, label, default, optional):
    return QgsProcessingParameterFile(name, label, _Behavior.Folder, defaultValue=default, optional=optional)


def _text(key, name, label, default, optional):
    return QgsProcessingParameterString(name, label, default, optional=optional)


def _integer(key, name, label, default, optional):
    return _bounded(key, QgsProcessingParameterNumber(name, label, _Number.Integer, default, optional))


def _number(key, name, label, default, optional):
    return _bounded(key, QgsProcessingParameterNumber(name, label, _Number.Double, default, optional))


def _bounded(key: Key, parameter: QgsProcessingParameterNumber) -> QgsProcessingParameterNumber:
    if key.minimum is not None:
        parameter.setMinimum(key.minimum)
    if key.maximum is not None:
        parameter.setMaximum(key.maximum)
    return parameter


def _boolean(key, name, label, default, optional):
    return QgsProcessingParameterBoolean(name, label, default, optional)


def _choice(key, name, label, default, optional):
    return QgsProcessingParameterEnum(
        name, label, list(key.choices), defaultValue=default, optional=optional, usesStaticStrings=True
    )


def _extent(key, name, label, default, optional):
    return QgsProcessingParameterExtent(name, label, default, optional)


# What is optional is not made unless asked for.


def _raster_out(key, name, label, default, optional):
    return QgsProcessingParameterRasterDestination(name, label, default, optional, not optional)


def _vector_out(key, name, label, default, optional):
    kind = _GEOMETRIES.get(key.geometry, QgsProcessing.SourceType.TypeVectorAnyGeometry)
    return QgsProcessingParameterVectorDestination(name, label, kind, default, optional, not optional)


def _file_out(key, name, label, default, optional):
    return QgsProcessingParameterFileDestination(name, label, key.file_filter, default, optional, not optional)


def _folder_out(key, name, label, default, optional):
    return QgsProcessingParameterFolderDestination(name, label, default, optional, not optional)


_MAKERS: dict[Kind, _Maker] = {
    Kind.RASTERS: _rasters,
    Kind.RASTER: _raster,
    Kind.VECTOR: _vector,
    Kind.VECTORS: _vectors,
    Kind.FIELD: _field,
    Kind.FIELDS: _fields,
    Kind.FILE: _file,
    Kind.FOLDER: _folder,
    Kind.TEXT: _text,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.BOOLEAN: _boolean,
    Kind.CHOICE: _choice,
    Kind.EXTENT: _extent,
    Kind.RASTER_OUT: _raster_out,
    Kind.VECTOR_OUT: _vector_out,
    Kind.FILE_OUT: _file_out,
    Kind.FOLDER_OUT: _folder_out,
}
