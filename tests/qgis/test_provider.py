"""The plugin and its provider: what the toolbox shows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from qgis.core import QgsApplication, QgsProcessingParameterDefinition, QgsProcessingParameterEnum
from qgis.PyQt.QtSvg import QSvgRenderer
from qgis.PyQt.QtWidgets import QMenu

from otbtf_qgis.algorithms import algorithm_classes
from otbtf_qgis.algorithms.base import groups
from otbtf_qgis.core import registry
from otbtf_qgis.plugin import OtbtfPlugin
from otbtf_qgis.provider import OtbtfProvider

PAGES = Path(__file__).parents[2] / "docs" / "algorithms"
IDS = [f"otbtf:{algorithm.OPERATION.__name__.lower()}" for algorithm in algorithm_classes()]


def test_plugin_loads_unloads_and_loads_again(plugin: OtbtfPlugin, qgis_iface: Any) -> None:
    registry = QgsApplication.processingRegistry()
    plugin.unload()
    assert registry.providerById("otbtf") is None
    plugin.initProcessing()
    assert registry.providerById("otbtf") is plugin.provider
    plugin.initProcessing()  # QGIS calls it, and initGui does: still one provider
    assert [p.id() for p in registry.providers()].count("otbtf") == 1


def test_unloading_ends_the_engine(plugin: OtbtfPlugin, engine: Any) -> None:
    plugin.unload()
    plugin.initProcessing()
    assert engine.stopped >= 1


def test_menu_comes_and_goes(plugin: OtbtfPlugin, qgis_iface: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    entries: list[Any] = []
    monkeypatch.delenv("OTBTF_PYTHON", raising=False)
    menu = QMenu()
    monkeypatch.setattr(qgis_iface, "pluginMenu", lambda: menu, raising=False)
    monkeypatch.setattr(qgis_iface, "addPluginToMenu", lambda name, action: entries.append(action), raising=False)
    monkeypatch.setattr(qgis_iface, "removePluginMenu", lambda name, action: entries.remove(action), raising=False)
    plugin.initGui()
    titles = ["Start here", "Create example data…", "Make a land cover map…", "Serve a model…"]
    assert [entry.text() for entry in entries] == [*titles, "Install engine…"]
    monkeypatch.setenv("OTBTF_PYTHON", sys.executable)  # there is one now
    menu.aboutToShow.emit()
    assert [entry.text() for entry in entries] == [*titles, "Engine report…"]
    plugin.unload()
    assert entries == []
    plugin.initProcessing()


def test_each_algorithm_has_a_page_of_documentation(provider: OtbtfProvider) -> None:
    """Also the graphical models; the Help button opens it by the algorithm's name."""
    pages = {path.stem: path.read_text(encoding="utf-8") for path in PAGES.glob("*.md") if path.stem != "index"}
    titles = {name: page.splitlines()[0] for name, page in pages.items()}
    assert titles == {each.name(): f"# {each.displayName()}" for each in provider.algorithms()}


def test_provider_is_known_by_its_id(provider: OtbtfProvider) -> None:
    assert (provider.id(), provider.name()) == ("otbtf", "OTBTF")
    assert QSvgRenderer(provider.svgIconPath()).isValid()
    assert not provider.icon().isNull()


def test_provider_lists_every_operation(provider: OtbtfProvider) -> None:
    assert sorted(a.id() for a in provider.algorithms()) == sorted([*IDS, "otbtf:landcovermodel"])
    assert sorted(IDS) == sorted(f"otbtf:{name.lower()}" for name in registry.names())


def test_writes_every_format_that_gdal_writes(provider: OtbtfProvider) -> None:
    extensions = provider.supportedOutputRasterLayerExtensions()
    assert extensions[0] == provider.defaultRasterFileExtension() == "tif"
    assert {"png", "jpg", "img"} <= set(extensions)
    assert "vrt" not in extensions


@pytest.mark.parametrize("identifier", IDS)
class TestEveryAlgorithm:
    def test_has_a_title_a_group_and_icons(self, plugin: OtbtfPlugin, identifier: str) -> None:
        algorithm = QgsApplication.processingRegistry().createAlgorithmById(identifier)
        assert algorithm.displayName()
        assert algorithm.group() == groups()[algorithm.groupId()]
        assert QSvgRenderer(algorithm.svgIconPath()).isValid()
        assert Path(algorithm.svgIconPath()).stem == algorithm.groupId()

    def test_help_says_what_it_does_and_names_every_parameter_shown(self, plugin: OtbtfPlugin, identifier: str) -> None:
        algorithm = QgsApplication.processingRegistry().createAlgorithmById(identifier)
        page = algorithm.shortHelpString()
        assert len(algorithm.shortDescription()) > 40
        assert algorithm.shortDescription().replace("&", "&amp;") in page
        for parameter in algorithm.parameterDefinitions():
            hidden = bool(parameter.flags() & QgsProcessingParameterDefinition.Flag.FlagHidden)
            assert hidden or f"({parameter.name()})" in page

    def test_every_parameter_is_described(self, plugin: OtbtfPlugin, identifier: str) -> None:
        algorithm = QgsApplication.processingRegistry().createAlgorithmById(identifier)
        for parameter in algorithm.parameterDefinitions():
            assert parameter.description(), parameter.name()
            assert parameter.help().endswith("."), f"{parameter.name()}: {parameter.help()!r}"
            if isinstance(parameter, QgsProcessingParameterEnum):
                assert parameter.usesStaticStrings()
                for word in parameter.options():
                    assert word in parameter.help(), f"{parameter.name()} does not explain {word}"


def test_sources_beyond_the_option_are_hidden(
    plugin: OtbtfPlugin, provider: OtbtfProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shown() -> list[str]:
        algorithm = QgsApplication.processingRegistry().createAlgorithmById("otbtf:tensorflowmodelserve")
        return [
            p.name()
            for p in algorithm.parameterDefinitions()
            if p.name().endswith("_IL") and not p.flags() & QgsProcessingParameterDefinition.Flag.FlagHidden
        ]

    assert shown() == ["SOURCE1_IL", "SOURCE2_IL"]
    monkeypatch.setenv("OTB_TF_NSOURCES", "3")
    assert shown() == ["SOURCE1_IL", "SOURCE2_IL", "SOURCE3_IL"]
    page = QgsApplication.processingRegistry().createAlgorithmById("otbtf:tensorflowmodelserve").shortHelpString()
    assert "SOURCE4_NODATA, and so on." in page
    assert "SOURCE5" not in page


def test_optional_outputs_are_not_made_unasked(plugin: OtbtfPlugin) -> None:
    report = QgsApplication.processingRegistry().createAlgorithmById("otbtf:enginereport")
    assert report.parameterDefinition("OUT_HTML").createByDefault()  # what the results viewer shows
    assert not report.parameterDefinition("OUT_JSON").createByDefault()
    assert report.hasHtmlOutputs()


def test_tensorflow_is_never_loaded(plugin: OtbtfPlugin) -> None:
    for identifier in IDS:
        QgsApplication.processingRegistry().createAlgorithmById(identifier).shortHelpString()
    assert [name for name in ("tensorflow", "keras", "h5py") if sys.modules.get(name)] == []
