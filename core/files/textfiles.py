"""Writing a text file, such as a report, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from ..base.progress import Progress
from ..errors import ParameterError, RasterError
from ..parameters.kinds import parameter_name
from .staging import Staging


def check_text_file(key: str, path: str | None) -> None:
    """Fail before work starts where a file cannot be written anyway.

    Args:
        key: the parameter, such as `out.html`.
        path: its value; None or empty where no file is asked for.

    Raises:
        ParameterError: it is a folder, or its folder is missing or not writable.
    """
    if not path:
        return
    name, folder = parameter_name(key), Path(path).absolute().parent
    if Path(path).is_dir():
        raise ParameterError(f"{name} is {path}, which is a folder: name a file in it.")
    if not folder.is_dir():
        raise ParameterError(f"{name} is {path}, but there is no folder {folder}: make it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ParameterError(f"{name} is {path}, but its folder {folder} is not writable: choose another.")


def write_text_file(key: str, path: Path, text: str, progress: Progress) -> None:
    """Write the text beside its place and move it there, so that an older file stays whole if this fails.

    Raises:
        ParameterError: it cannot be written.
        RasterError: an input has changed since it was opened.
    """
    try:
        staging = Staging(str(path), progress)
    except RasterError as error:
        raise _unwritable(key, path, error) from error
    with staging:
        try:
            staging.path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise _unwritable(key, path, error.strerror) from error
        staging.commit()


def _unwritable(key: str, path: Path, why: object) -> ParameterError:
    return ParameterError(f"{parameter_name(key)} is {path}, which cannot be written: {why}. Name another file.")
