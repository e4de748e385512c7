"""The forms that QGIS makes of the declarations: how many fields, in which order, and what their labels promise."""

from __future__ import annotations

import pytest
from qgis.core import QgsProcessingAlgorithm, QgsProcessingParameterDefinition

from otbtf_qgis.algorithms import algorithm_classes
from otbtf_qgis.core import registry
from otbtf_qgis.core.parameters.kinds import Key
from otbtf_qgis.core.parameters.parsing import keys
from otbtf_qgis.core.parameters.sections import SECTIONS
from otbtf_qgis.options import Options
from otbtf_qgis.provider import OtbtfProvider

MOST = 12
NAMES = [name.lower() for name in registry.names()]
HIDDEN = QgsProcessingParameterDefinition.Flag.FlagHidden
ADVANCED = QgsProcessingParameterDefinition.Flag.FlagAdvanced
OPTIONAL = QgsProcessingParameterDefinition.Flag.FlagOptional


@pytest.fixture
def one_source(provider: OtbtfProvider, monkeypatch: pytest.MonkeyPatch) -> OtbtfProvider:
    monkeypatch.setattr(provider, "options", lambda: Options(sources=1))
    return provider


def fields(algorithm: QgsProcessingAlgorithm) -> list[QgsProcessingParameterDefinition]:
    """What the dialog of QGIS shows before Advanced, which folds no output away, and after it."""
    seen = [one for one in algorithm.parameterDefinitions() if not one.flags() & HIDDEN]
    return [one for one in seen if one.isDestination() or not one.flags() & ADVANCED]


def known(algorithm: QgsProcessingAlgorithm) -> dict[str, Key]:
    return {key.parameter: key for key in keys(algorithm.OPERATION, sources=8)}


@pytest.mark.parametrize("name", NAMES)
def test_a_dialog_has_few_fields(one_source: OtbtfProvider, name: str) -> None:
    algorithm = one_source.algorithm(name).create()
    shown = [one.name() for one in fields(algorithm)]
    assert 0 < len(shown) <= MOST, shown


def test_all_algorithms_are_looked_at() -> None:
    assert sorted(NAMES) == sorted(made.__name__.lower() for made in algorithm_classes())


@pytest.mark.parametrize("name", NAMES)
def test_fields_come_by_sections(one_source: OtbtfProvider, name: str) -> None:
    algorithm = one_source.algorithm(name).create()
    known_keys = known(algorithm)
    places = [
        SECTIONS.index(known_keys[one.name()].section)
        for one in algorithm.parameterDefinitions()
        if one.name() in known_keys and not one.flags() & HIDDEN
    ]
    assert places == sorted(places)


@pytest.mark.parametrize("name", NAMES)
def test_a_section_is_in_one_piece(one_source: OtbtfProvider, name: str) -> None:
    """QGIS shows outputs below Advanced: what it shows above is no part of their section."""
    algorithm = one_source.algorithm(name).create()
    known_keys = known(algorithm)
    above = {known_keys[one.name()].section for one in fields(algorithm) if not one.isDestination()}
    below = {known_keys[one.name()].section for one in fields(algorithm) if one.isDestination()}
    assert not above & below


@pytest.mark.parametrize("name", NAMES)
def test_only_what_may_be_empty_is_optional(one_source: OtbtfProvider, name: str) -> None:
    """And fields that have a default: of others, QGIS asks for a value."""
    algorithm = one_source.algorithm(name).create()
    known_keys = known(algorithm)
    for one in algorithm.parameterDefinitions():
        key = known_keys.get(one.name())
        if key is not None:
            empty = one.defaultValue() in (None, "", []) or bool(one.flags() & HIDDEN) or one.type() == "field"
            assert bool(one.flags() & OPTIONAL) is (not key.required and empty), one.name()


def test_numbers_that_must_be_given_begin_at_a_size_of_patches(one_source: OtbtfProvider) -> None:
    wanted = {
        "patchesselection": ["GRID_PSIZE", "GRID_STEP"],
        "patchesextraction": ["SOURCE1_PATCHSIZEX", "SOURCE1_PATCHSIZEY"],
    }
    for name, parameters in wanted.items():
        algorithm = one_source.algorithm(name).create()
        for parameter in parameters:
            definition = algorithm.parameterDefinition(parameter)
            assert (definition.defaultValue(), definition.defaultValueForGui()) == (None, 16)


def test_no_number_that_must_be_given_begins_at_its_minimum(one_source: OtbtfProvider) -> None:
    for name in NAMES:
        algorithm = one_source.algorithm(name).create()
        for one in algorithm.parameterDefinitions():
            if one.type() == "number" and not one.flags() & OPTIONAL:
                assert one.defaultValueForGui() is not None, (name, one.name())


def test_help_has_the_sections_as_headings(one_source: OtbtfProvider) -> None:
    page = one_source.algorithm("tensorflowmodelserve").create().shortHelpString()
    headings = [part.split("</h3>")[0] for part in page.split("<h3>")[1:]]
    assert headings == [title for title in SECTIONS if title in headings]
    assert {"Model", "Images", "Output"} <= set(headings)
    images = page.split("<h3>Images</h3>")[1].split("<h3>")[0]
    assert "(SOURCE1_IL)" in images and "(MODEL_DIR)" not in images
