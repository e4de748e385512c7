"""What all our algorithms share: parameters in, a request to core, outputs back."""

from __future__ import annotations

import json
import math
import os
import traceback
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsMapLayer,
    QgsMessageLog,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QIcon

from ..core.errors import Cancelled, OtbtfError
from ..core.files.replacing import check_outputs
from ..core.parameters.kinds import Key, parameter_name
from ..core.parameters.operation import Operation
from ..core.parameters.parsing import keys, needs_engine
from ..core.parameters.relativepaths import absolute_path
from ..core.parameters.sections import ordered
from ..core.registry import read
from ..core.registry import run as run_here
from ..core.registry.givenvalues import check_files
from .definitions import definition, folded_output, help_page, output, shown_as
from .feedback import FeedbackProgress, in_words
from .helppages import algorithm_page
from .helptexts import titles_and_labels
from .keptoutputs import unused
from .outcome import outcome
from .reading import Reader, exported_files, written
from .scenemaps import load_scene_maps
from .styling import show_legend
from .translate import tr
from .weblayers import released, web_keys

ICONS = Path(__file__).parents[1] / "resources" / "icons"


SHOWN_SOURCES = "shown_sources"
"""In the configuration with which an algorithm is created: the number of sources whose parameters are not hidden."""


class OtbtfAlgorithm(QgsProcessingAlgorithm):
    """An operation of core as a Processing algorithm, which follows from its declaration.

    A derived class exists only where QGIS needs more: styled layers, classes from a layer's style.

    Attributes:
        OPERATION: the operation.
        in_dialog: whether one of our dialogs runs it. QGIS lists the results in the dialog's log, and there JSON is left out.
    """

    OPERATION: ClassVar[type[Operation]]
    in_dialog: bool = False

    _inputs: dict[str, Any]
    _results: dict[str, Any]
    _problem: str

    def createInstance(self):
        made = type(self)()
        made.in_dialog = self.in_dialog  # QGIS runs a copy
        return made

    def description(self) -> str:
        """Return what the algorithm does, in a few paragraphs; the help page begins with it."""
        return titles_and_labels(self._keys())(tr(self.OPERATION.DESCRIPTION))

    def displayName(self):
        return tr(self.OPERATION.TITLE)

    def flags(self):
        hidden = QgsProcessingAlgorithm.Flag.FlagHideFromToolbox | QgsProcessingAlgorithm.Flag.FlagHideFromModeler
        # qgis_process has neither, and takes both flags for those of a deprecated algorithm.
        hides = self.OPERATION.HIDDEN and QgsApplication.platform() != "qgis_process"
        return super().flags() | hidden if hides else super().flags()

    def name(self):
        return self.OPERATION.__name__.lower()

    def group(self):
        return groups()[self.OPERATION.GROUP]

    def groupId(self):
        return self.OPERATION.GROUP

    def icon(self):
        return QIcon(str(ICONS / f"{self.OPERATION.GROUP}.svg"))

    def svgIconPath(self):
        return str(ICONS / f"{self.OPERATION.GROUP}.svg")

    def shortHelpString(self):
        every, most = (*self._keys(), *web_keys(self.OPERATION)), self.usual_sources()
        shown = [key for key in every if key.group <= most]
        return help_page(self.description(), shown, [key for key in every if key.group > most])

    def helpUrl(self):
        return algorithm_page(self.name())

    def shortDescription(self):
        return self.description().split("\n\n")[0]

    def initAlgorithm(self, configuration=None):
        defaults, shown = self.defaults(), (configuration or {}).get(SHOWN_SOURCES, self.usual_sources())
        every = ordered((*self._keys(), *web_keys(self.OPERATION)))
        named = titles_and_labels(every)
        for key in every:
            parameter = definition(key, defaults.get(key.name), key.group > shown)
            parameter.setHelp(named(parameter.help()))
            self.addParameter(parameter)
            if (folded := folded_output(key)) is not None:
                self.addOutput(folded)
        for result in self.OPERATION.RESULTS:
            self.addOutput(output(result))

    def createCustomParametersWidget(self, parent=None):
        return self.provider().dialog(self, parent)

    def preprocessParameters(self, parameters):
        # A dialog may have been made with more sources than usual, and sends the defaults of all.
        most = self.usual_sources()
        more = {key.parameter: key for key in self._keys() if key.group > most}
        return {
            name: value
            for name, value in parameters.items()
            if name not in more or (value or None) != (more[name].default or None)
        }

    def usual_sources(self) -> int:
        """Return the number of sources that dialogs show, unless the model has more inputs."""
        return int(self.provider().options().sources + self.OPERATION.MORE_SOURCES)

    def all_sources(self) -> int:
        """Return the number of sources that have parameters, shown or hidden."""
        return max((key.group for key in self._keys()), default=0)

    def sections(self) -> dict[str, str]:
        """Return the title of each parameter's section, by its name."""
        return {key.parameter: key.section for key in (*self._keys(), *web_keys(self.OPERATION))}

    def no_maps(self) -> list[str]:
        """Return the names of the outputs that QGIS does not add to the project."""
        return [key.parameter for key in self._keys() if not key.on_map]

    def folded_outputs(self) -> list[str]:
        """Return the names of the outputs under Advanced."""
        return [key.parameter for key in self._keys() if folded_output(key) is not None]

    def _keys(self) -> tuple[Key, ...]:
        """Return the keys that have a parameter: those of as many sources as dialogs show, or of more."""
        return keys(self.OPERATION, sources=self.usual_sources())

    def defaults(self) -> dict[str, Any]:
        """Return the values, under OTBTF's keys, that the options set where the user does not."""
        options = self.provider().options()
        known = {key.name for key in keys(self.OPERATION)}
        values = {"memory": options.memory, "device": options.device}
        return {name: value for name, value in values.items() if name in known and value}

    # ------------------------------------------------------------ running

    def canExecute(self):
        problem = self._engine_problem({})
        return not problem, problem

    def checkParameterValues(self, parameters, context):
        try:
            with _explained(self.OPERATION):
                reader = self._reader(parameters, context)
                reader.check_names()
                self._check_files(parameters)
                inputs = reader.inputs()
                self._parse({**inputs, **reader.destinations(resolve=False)})
                if needs_engine(self.OPERATION, inputs):
                    self.provider().warm_engine()
        except QgsProcessingException as error:
            return False, str(error)
        return True, ""

    def validateInputCrs(self, parameters, context):
        # Operations transform layers and compare the grids of rasters themselves. QGIS's own check would open all
        # inputs, which estimates statistics, writes them beside rasters and prints GDAL's errors for images without
        # georeferencing or valid pixels.
        return True

    def prepareAlgorithm(self, parameters, context, feedback):
        # Layers belong to the main thread, and this is the only step that QGIS runs there. What goes wrong is told by
        # processAlgorithm: an exception from here would reach the log, but neither scripts nor models.
        self._inputs, self._results, self._problem = {}, {}, ""
        try:
            with _explained(self.OPERATION):
                reader = self._reader(parameters, context)
                reader.check_names()
                self._check_files(parameters)
                self._inputs = reader.inputs(run=True)
        except QgsProcessingException as error:
            self._problem = str(error)
        return True

    def processAlgorithm(self, parameters, context, feedback):
        if self._problem:
            raise QgsProcessingException(self._problem)
        with _explained(self.OPERATION):
            problem = self._engine_problem(self._inputs)  # qgis_process does not ask
        if problem:
            raise QgsProcessingException(problem)
        with _explained(self.OPERATION), released(self._inputs):
            progress = FeedbackProgress(feedback, self.OPERATION)
            paths = self._places(parameters, context, progress)
            # The run knows of the files that layers are exported to, and not where they come from.
            check_outputs(keys(self.OPERATION, self._inputs), {**exported_files(self._inputs), **paths})
            self._inputs = written(self._inputs, progress)
            values = self._with_defaults({**self._inputs, **paths})
            self._parse(values)
            found = self._run(values, progress)
            feedback.setProgress(100)
            known = {absolute_path(path): path for path in paths.values()}  # QGIS loads what it has named
            no_maps = {key.name for key in keys(self.OPERATION, paths) if not key.on_map}
            _forget(context, [path for name, path in paths.items() if name in no_maps or found.get(name, path) is None])
            results = told({**paths, **{name: known.get(str(value), value) for name, value in found.items()}})
            self._style_layers(results, context)
            self._tell_outcome(results, feedback)
        self._results = results  # subclasses add to these
        return results

    def postProcessAlgorithm(self, context, feedback):
        # QGIS takes what this returns for the results, and keeps those of the run if it is empty.
        return without_json(self._results) if self.in_dialog else {}

    def vector_layer(
        self, parameters: dict[str, Any], name: str, context: QgsProcessingContext
    ) -> QgsVectorLayer | None:
        """Return the layer that a parameter names; None where QGIS opens none. Call it in the main thread."""
        value = parameters.get(name)
        if isinstance(value, QgsProcessingFeatureSourceDefinition):  # which QGIS 3.22 does not look into
            value = value.source
        return self.parameterAsVectorLayer({**parameters, name: value}, name, context)

    def _engine_problem(self, values: dict[str, Any]) -> str:
        """Return why a run with these values cannot have an engine that it needs; empty where it can, or needs none."""
        return self.provider().engine_problem() if needs_engine(self.OPERATION, values) else ""

    def _reader(self, parameters: dict[str, Any], context: QgsProcessingContext) -> Reader:
        known = (*keys(self.OPERATION, parameters), *web_keys(self.OPERATION))
        return Reader(self, known, parameters, context)

    def _check_files(self, parameters: dict[str, Any]) -> None:
        """Refuse a pipe or a device before QGIS loads it as a layer, from which nothing would wake it."""
        known = keys(self.OPERATION, parameters)
        check_files(self.OPERATION, {k.name: parameters[k.parameter] for k in known if k.parameter in parameters})

    def _places(
        self, parameters: dict[str, Any], context: QgsProcessingContext, progress: FeedbackProgress
    ) -> dict[str, str]:
        """Return where the outputs of this run go; say so where a model replaces another."""
        paths = self._reader(parameters, context).destinations(resolve=True)
        for key in keys(self.OPERATION):
            if key.kept_as and key.name in paths:
                paths[key.name] = unused(paths[key.name])
                if os.path.lexists(paths[key.name]):
                    progress.info(tr("{} exists and will be replaced.").format(paths[key.name]))
        return paths

    def _tell_outcome(self, results: dict[str, Any], feedback: QgsProcessingFeedback) -> None:
        if line := outcome(keys(self.OPERATION), results):
            feedback.pushInfo(line)

    def _with_defaults(self, values: dict[str, Any]) -> dict[str, Any]:
        defaults = self.defaults()
        if "ram" in values:  # OTB's name for it
            defaults.pop("memory", None)
        return {**defaults, **values}

    def _parse(self, values: dict[str, Any]) -> None:
        read(self.OPERATION, values)

    def _run(self, values: dict[str, Any], progress: FeedbackProgress) -> dict[str, Any]:
        name = self.OPERATION.__name__
        if needs_engine(self.OPERATION, values):
            return self.provider().run_in_engine(name, values, progress, progress.poll)
        return run_here(name, values, progress)

    # ------------------------------------------------------------ styling

    @staticmethod
    def style(output: str, layer: QgsMapLayer, results: dict[str, Any]) -> None:
        """Style a layer that QGIS has loaded from our output; called in the main thread. Does nothing by itself.

        Args:
            output: name of the output, such as OUT.
            layer: the layer.
            results: the algorithm's results.
        """

    def _style_layers(self, results: dict[str, Any], context: QgsProcessingContext) -> None:
        for key in keys(self.OPERATION):
            path = results.get(key.parameter)
            if shown_as(key).hint is not None and path and context.willLoadLayerOnCompletion(path):
                details = context.layerToLoadOnCompletionDetails(path)
                details.setPostProcessor(_Styler(type(self), key.parameter, results))
        for output_name, path in load_scene_maps(results, context):
            details = context.layerToLoadOnCompletionDetails(path)
            details.setPostProcessor(_Styler(type(self), output_name, results))


class _Styler(QgsProcessingLayerPostProcessorInterface):
    """Calls an algorithm's `style` once QGIS has loaded the layer."""

    # QGIS keeps no reference of its own to a post-processor.
    _waiting: ClassVar[set[_Styler]] = set()

    def __init__(self, algorithm: type[OtbtfAlgorithm], output: str, results: dict[str, Any]):
        super().__init__()
        self._algorithm, self._output, self._results = algorithm, output, results
        self._waiting.add(self)

    def postProcessLayer(self, layer, context, feedback):
        self._waiting.discard(self)
        with _explained(self._algorithm.OPERATION):
            self._algorithm.style(self._output, layer, self._results)
            show_legend(layer, context.project())


def groups() -> dict[str, str]:
    """Return the toolbox's groups: id to title. QGIS sorts them by title; the numbers are the order of work."""
    return {
        "start": tr("1 Start"),
        "sampling": tr("2 Sampling"),
        "patches": tr("3 Patches"),
        "models": tr("4 Models"),
        "training": tr("5 Training"),
        "inference": tr("6 Mapping"),
        "accuracy": tr("7 Accuracy"),
        "engine": tr("8 Engine"),
        "images": tr("9 OTB tools"),
    }


@contextmanager
def _explained(operation: Any) -> Iterator[None]:
    """Convert any exception into a QgsProcessingException with a message for the user, in the words of the form."""
    try:
        yield
    except QgsProcessingException:
        raise
    except Cancelled:
        raise QgsProcessingException(tr("Cancelled.")) from None
    except OtbtfError as error:
        raise QgsProcessingException(in_words(error.message, operation)) from None
    except Exception as error:  # noqa: BLE001 (a bug of ours: the user gets a sentence, the log the traceback)
        # In qgis_process the log is what the user sees; at the exit of QGIS there is none.
        if QgsApplication.platform() != "qgis_process" and QgsApplication.messageLog() is not None:
            QgsMessageLog.logMessage(traceback.format_exc(), "OTBTF", Qgis.MessageLevel.Critical)
        place = traceback.extract_tb(error.__traceback__)[-1]
        told = tr("Internal error, please report it: {} in {}, line {}: {}")
        raise QgsProcessingException(
            told.format(type(error).__name__, Path(place.filename).name, place.lineno, error)
        ) from None


def _forget(context: QgsProcessingContext, paths: Collection[str]) -> None:
    """Have layers not loaded: what a run has not made, as one of several that compute parts of it, and what is no map."""
    if paths:
        loaded = context.layersToLoadOnCompletion()
        context.setLayersToLoadOnCompletion({path: how for path, how in loaded.items() if path not in paths})


def told(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an operation results in as Processing tells it: by names of parameters, in values that QGIS takes."""
    return {parameter_name(name): _written(value) for name, value in found.items() if _tellable(value)}


def _written(value: Any) -> Any:
    """Return a value as qgis_process can print it: lists of classes as JSON."""
    rows = isinstance(value, list) and value and isinstance(value[0], Mapping)
    return json.dumps(value, ensure_ascii=False) if rows else value


def without_json(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results without JSON, which is for programs and would fill a dialog's log."""
    return {name: value for name, value in results.items() if not _is_json(value)}


def _is_json(value: Any) -> bool:
    if not isinstance(value, str) or value[:1] not in ("[", "{"):
        return False
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def _tellable(value: Any) -> bool:
    """Return whether a result can be handed to QGIS; a NaN would come out of qgis_process as null."""
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))
