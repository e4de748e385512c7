"""Kinds of keys in QGIS, and algorithms that are made from declarations alone."""

from __future__ import annotations

from qgis.core import QgsProcessingAlgorithm, QgsProcessingContext, QgsProcessingParameterNumber
from qgis.gui import QgsGui, QgsProcessingGui

from otbtf_qgis.algorithms import algorithm_classes
from otbtf_qgis.algorithms.definitions import definition, shown_as
from otbtf_qgis.core import registry
from otbtf_qgis.core.parameters import kinds
from otbtf_qgis.core.parameters.kinds import Content, Key, Kind, parameter_name
from otbtf_qgis.plugin import OtbtfPlugin
from otbtf_qgis.provider import OtbtfProvider

ALL = [kind for kind in vars(kinds).values() if isinstance(kind, Kind)]


def test_every_kind_has_a_parameter() -> None:
    for kind in ALL:
        made = definition(Key("a.key", kind, "A key", "What it is for.", choices=("a", "b"), of="vec"))
        assert (made.name(), made.description(), made.help()[:15]) == ("A_KEY", "A key", "What it is for.")
        assert made.isDestination() is kind.is_output, kind.word


def test_outputs_that_are_layers_are_loaded() -> None:
    layers = [kind for kind in ALL if shown_as(Key("out", kind, "", "")).hint is not None]
    assert layers == [kind for kind in ALL if kind.is_output and kind.content in (Content.RASTER, Content.LAYER)]


def test_an_algorithm_is_made_from_its_declaration(plugin: OtbtfPlugin, provider: OtbtfProvider) -> None:
    hide = QgsProcessingAlgorithm.Flag.FlagHideFromToolbox
    for made in algorithm_classes():
        operation = registry.declaration(made.__name__)
        algorithm = provider.algorithm(made.__name__.lower())
        assert type(algorithm.create()) is type(algorithm)
        assert (algorithm.displayName(), algorithm.groupId()) == (operation.TITLE, operation.GROUP)
        assert algorithm.shortDescription() == operation.DESCRIPTION.split("\n\n")[0]
        assert bool(algorithm.flags() & hide) is operation.HIDDEN
        outputs = {output.name() for output in algorithm.outputDefinitions()}
        assert {parameter_name(result.name) for result in operation.RESULTS} <= outputs


def test_what_has_a_default_may_be_left_out(plugin: OtbtfPlugin, provider: OtbtfProvider) -> None:
    """As in qgis_process: `otbtf:assessdetections` asked for IN_FIELD, whose default is class."""
    context = QgsProcessingContext()
    for algorithm in provider.algorithms():
        for parameter in algorithm.parameterDefinitions():
            if parameter.defaultValue() not in (None, ""):
                accepted = parameter.checkValueIsAcceptable(None, context)
                assert accepted, f"{algorithm.id()} {parameter.name()}"


def test_a_field_for_whole_numbers_shows_its_default(plugin: OtbtfPlugin, provider: OtbtfProvider) -> None:
    """QGIS's own overflows above 2^31 - 1: Create example data could not be run as it opened."""
    context, integer = QgsProcessingContext(), QgsProcessingParameterNumber.Type.Integer
    for name in ("createexampledata", "createmodel", "trainvectorclassifier"):
        algorithm = provider.algorithm(name).create()
        for parameter in algorithm.parameterDefinitions():
            if isinstance(parameter, QgsProcessingParameterNumber) and parameter.dataType() == integer:
                wrapper = QgsGui.processingGuiRegistry().createParameterWidgetWrapper(
                    parameter, QgsProcessingGui.WidgetType.Standard
                )
                field = wrapper.createWrappedWidget(context)
                assert wrapper.parameterValue() == parameter.defaultValue(), (name, parameter.name())
                field.deleteLater()
