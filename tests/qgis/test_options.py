"""The options: read from QGIS's settings, and shown on Processing's page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from processing.core.ProcessingConfig import ProcessingConfig
from qgis.core import QgsApplication, QgsSettings

from otbtf_qgis import options
from otbtf_qgis.options import Options
from otbtf_qgis.plugin import OtbtfPlugin

NAMES = ("OTBTF_INTERPRETER", "OTBTF_SOURCES", "OTBTF_MEMORY", "OTBTF_DEVICE")


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    for name in NAMES:
        QgsSettings().remove(f"Processing/Configuration/{name}")
        if name in ProcessingConfig.settings:
            ProcessingConfig.settings[name].value = ProcessingConfig.settings[name].default


def test_defaults() -> None:
    assert options.read() == Options(interpreter="", sources=2, memory=None, device="auto")


def test_are_set_on_the_processing_page(plugin: OtbtfPlugin) -> None:
    shown = {setting.name for setting in ProcessingConfig.getSettings()["OTBTF"]}
    assert shown == set(NAMES)
    ProcessingConfig.setSettingValue("OTBTF_SOURCES", "5")  # the page stores text
    ProcessingConfig.setSettingValue("OTBTF_MEMORY", "2048")
    ProcessingConfig.setSettingValue("OTBTF_DEVICE", "cpu")
    assert options.read() == Options(sources=5, memory=2048, device="cpu")


@pytest.mark.parametrize(("name", "value"), [("OTBTF_SOURCES", "0"), ("OTBTF_SOURCES", "many"), ("OTBTF_MEMORY", "-5")])
def test_page_refuses_what_cannot_be_right(plugin: OtbtfPlugin, name: str, value: str) -> None:
    with pytest.raises(ValueError, match=value):
        ProcessingConfig.setSettingValue(name, value)


def test_leave_the_page_with_the_plugin(plugin: OtbtfPlugin) -> None:
    plugin.unload()
    assert not set(NAMES) & set(ProcessingConfig.settings)
    plugin.initProcessing()
    assert set(NAMES) <= set(ProcessingConfig.settings)


def test_environment_gives_the_default_number_of_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTB_TF_NSOURCES", "4")
    assert options.read().sources == 4
    QgsSettings().setValue("Processing/Configuration/OTBTF_SOURCES", 3)
    assert options.read().sources == 3


def test_are_the_defaults_of_the_parameters(plugin: OtbtfPlugin) -> None:
    QgsSettings().setValue("Processing/Configuration/OTBTF_MEMORY", "777")
    QgsSettings().setValue("Processing/Configuration/OTBTF_DEVICE", "gpu:1")
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("otbtf:tensorflowmodelserve")
    assert algorithm.parameterDefinition("MEMORY").defaultValue() == 777
    assert algorithm.parameterDefinition("DEVICE").defaultValue() == "gpu:1"
