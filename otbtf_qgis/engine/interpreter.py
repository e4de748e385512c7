"""Which Python the engine runs in."""

from __future__ import annotations

import enum
import os
from pathlib import Path

from ..core.errors import EngineError
from ..core.machine.installing import engine_python, is_complete, is_current

VARIABLE = "OTBTF_PYTHON"

_HOW_TO_INSTALL = "Choose Plugins > OTBTF > Install engine in QGIS, or `qgis_process run otbtf:installengine`."


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
        return (State.MISNAMED if named else missing), str(error)
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
        return _program(named, f"The environment variable {VARIABLE}")
    if option.strip():
        return _program(option.strip(), "The plugin's option for the engine's Python")
    if is_complete(folder):
        return engine_python(folder)
    if folder.exists():
        raise EngineError(f"The engine in {folder} is incomplete. To repair it: {_HOW_TO_INSTALL}")
    raise EngineError(f"The engine (a separate Python with TensorFlow) is not installed. {_HOW_TO_INSTALL}")


def _program(named: str, where: str) -> Path:
    path = Path(named).expanduser()
    if path.is_dir() and engine_python(path).is_file():
        raise EngineError(f"{where} is the folder {path}, but must be its interpreter: use {engine_python(path)}.")
    if not path.is_file() or not os.access(path, os.X_OK):
        fault = "cannot be run" if path.exists() else "does not exist"
        raise EngineError(
            f"{where} is {path}, which {fault}. Use a Python that has TensorFlow and GDAL, or leave it empty and "
            f"install the engine: {_HOW_TO_INSTALL}"
        )
    return path
