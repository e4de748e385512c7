"""Which Python the engine runs in."""

from __future__ import annotations

import enum
import os
from pathlib import Path

from ..core.errors import EngineError
from ..core.machine.installing import engine_python, is_complete, is_current
from ..core.phrases import Phrase

VARIABLE = "OTBTF_PYTHON"

_HOW_TO_INSTALL = Phrase("Choose Plugins > OTBTF > Install engine in QGIS, or `qgis_process run otbtf:installengine`.")


class State(enum.Enum):
    """What there is of an engine."""

    READY = enum.auto()
    MISSING = enum.auto()
    INCOMPLETE = enum.auto()
    """An installation was interrupted."""
    OUTDATED = enum.auto()
    """Another version of the plugin has installed it, which wanted other packages."""
    MISNAMED = enum.auto()
    """The variable or the option names what is no interpreter."""


def state(option: str, folder: Path) -> tuple[State, str]:
    """Return what there is of the engine that `find` looks for, and why it cannot be used; it may be if outdated."""
    named = bool(os.environ.get(VARIABLE, "").strip() or option.strip())
    try:
        find(option, folder)
    except EngineError as error:
        missing = State.INCOMPLETE if folder.exists() else State.MISSING
        return (State.MISNAMED if named else missing), error.message
    return (State.READY if named or is_current(folder) else State.OUTDATED), ""


def find(option: str, folder: Path) -> Path:
    """Return the interpreter that the engine is to be started with, without starting it.

    Args:
        option: what the plugin's options name; empty for none.
        folder: the private environment, in the user's profile.

    Returns:
        The one that the environment variable OTBTF_PYTHON names, else that of the option, else the private one.

    Raises:
        EngineError: what is named is no program, or nothing is named and the private environment is
            missing or incomplete.
    """
    named = os.environ.get(VARIABLE, "").strip()
    if named:
        return _program(named, Phrase("The environment variable {variable}", variable=VARIABLE))
    if option.strip():
        return _program(option.strip(), Phrase("The plugin's option for the engine's Python"))
    if is_complete(folder):
        return engine_python(folder)
    if folder.exists():
        raise EngineError(
            "The engine in {folder} is incomplete. To repair it: {how_to_install}",
            folder=folder,
            how_to_install=_HOW_TO_INSTALL,
        )
    raise EngineError(
        "The engine (a separate Python with TensorFlow) is not installed. {how_to_install}",
        how_to_install=_HOW_TO_INSTALL,
    )


def _program(named: str, where: str) -> Path:
    path = Path(named).expanduser()
    if path.is_dir() and engine_python(path).is_file():
        raise EngineError(
            "{where} is the folder {path}, but must be its interpreter: use {engine_python}.",
            where=where,
            path=path,
            engine_python=engine_python(path),
        )
    if not path.is_file() or not os.access(path, os.X_OK):
        fault = Phrase("cannot be run") if path.exists() else Phrase("does not exist")
        raise EngineError(
            "{where} is {path}, which {fault}. Use a Python that has TensorFlow and GDAL, or leave it empty and "
            "install the engine: {how_to_install}",
            where=where,
            path=path,
            fault=fault,
            how_to_install=_HOW_TO_INSTALL,
        )
    return path
