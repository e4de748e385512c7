"""The plugin's options, on Processing's page of QGIS's settings dialog."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

from qgis.core import QgsSettings
from qgis.PyQt.QtGui import QIcon

from .algorithms.translate import tr

DEFAULT_SOURCES = 2
LARGEST_NUMBER_OF_SOURCES = 64
"""More sources do not fit in a dialog; scripts and command lines may have any number."""
LEAST_MEMORY = 64

_INTERPRETER, _SOURCES, _MEMORY, _DEVICE = "OTBTF_INTERPRETER", "OTBTF_SOURCES", "OTBTF_MEMORY", "OTBTF_DEVICE"


@dataclass(frozen=True)
class Options:
    """The options as they are set.

    Attributes:
        interpreter: path of the engine's Python; empty for the one that otbtf:installengine makes.
        sources: number of sources that dialogs show.
        memory: budget in MB where a run does not say; None for the operation's own default.
        device: `auto`, `cpu` or `gpu:N` where a run does not say.
    """

    interpreter: str = ""
    sources: int = DEFAULT_SOURCES
    memory: int | None = None
    device: str = "auto"


def read() -> Options:
    """Return the options; one that cannot be read has its default."""
    sources, memory = _whole(_stored(_SOURCES)), _whole(_stored(_MEMORY))
    return Options(
        interpreter=str(_stored(_INTERPRETER) or "").strip(),
        sources=sources if 1 <= sources <= LARGEST_NUMBER_OF_SOURCES else _default_sources(),
        memory=memory if memory >= LEAST_MEMORY else None,
        device=str(_stored(_DEVICE) or "").strip() or "auto",
    )


def register(group: str, icon: QIcon) -> None:
    """Show the options below `group` on the Processing page, where the Processing plugin is there."""
    try:
        from processing.core.ProcessingConfig import ProcessingConfig, Setting
    except ImportError:
        return
    ProcessingConfig.settingIcons[group] = icon
    settings = (
        Setting(
            group,
            _INTERPRETER,
            tr("Python of the engine (default: the engine that the algorithm “Install engine” creates)"),
            "",
            valuetype=Setting.FILE,
        ),
        Setting(
            group,
            _SOURCES,
            tr("Number of sources shown in dialogs"),
            _default_sources(),
            valuetype=Setting.INT,
            validator=_check_sources,
        ),
        Setting(
            group,
            _MEMORY,
            tr("Memory for images and computation, in MB (0: a quarter of the machine's memory, at most 4096)"),
            0,
            valuetype=Setting.INT,
            validator=_check_memory,
        ),
        Setting(group, _DEVICE, tr("Device (auto, cpu, gpu:0, gpu:1, ...)"), "auto", valuetype=Setting.STRING),
    )
    for setting in settings:
        ProcessingConfig.addSetting(setting)
        setting.read()


def unregister() -> None:
    """Take the options off the Processing page; their values stay."""
    # Not imported: at the exit of QGIS the Processing plugin may be gone, and would be loaded anew.
    module = sys.modules.get("processing.core.ProcessingConfig")
    settings = module.ProcessingConfig.settings if module else {}
    for name in (_INTERPRETER, _SOURCES, _MEMORY, _DEVICE):
        settings.pop(name, None)


def _stored(name: str) -> Any:
    # Where Processing's settings live. Read directly: qgis_process may run without the Processing plugin.
    return QgsSettings().value(f"Processing/Configuration/{name}", None)


def _default_sources() -> int:
    number = _whole(os.environ.get("OTB_TF_NSOURCES"))
    return number if 1 <= number <= LARGEST_NUMBER_OF_SOURCES else DEFAULT_SOURCES


def _whole(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _check_sources(value: Any) -> None:
    if not 1 <= _whole(value) <= LARGEST_NUMBER_OF_SOURCES:
        raise ValueError(
            tr("The number of sources is {}, but must be from 1 to {}.").format(value, LARGEST_NUMBER_OF_SOURCES)
        )


def _check_memory(value: Any) -> None:
    if str(value).strip() != "0" and _whole(value) < LEAST_MEMORY:
        raise ValueError(tr("The memory is {}, but must be 0 or at least {} (MB).").format(value, LEAST_MEMORY))
