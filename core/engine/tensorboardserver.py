"""TensorBoard: watch trainings in the browser."""

from __future__ import annotations

import mimetypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..base.progress import Progress
from ..errors import Cancelled, EngineError, ParameterError, field
from ..operations.tensorboard import TensorBoard
from ..phrases import Phrase

HOST = "127.0.0.1"


_PAUSE = 0.1  # seconds between two looks at whether to stop


def serve_tensorboard(parameters: TensorBoard, progress: Progress) -> dict[str, Any]:
    """Serve TensorBoard on this machine alone, until `progress` asks to stop.

    The address is told as a line of its own in the log, and after it that all is done (a fraction of 1).

    Raises:
        ParameterError: the folder does not exist or holds no logs, or the port is in use.
        EngineError: TensorBoard cannot be imported.
        Cancelled: `progress` asked to stop, which is how this ends.
    """
    folder = Path(parameters.logdir).expanduser().absolute()
    _check(folder)
    with _served(folder, parameters.port) as address:
        progress.info(Phrase("TensorBoard shows {folder} at", folder=folder))
        progress.info(address)
        progress.fraction(1.0)
        while not progress.cancelled():
            time.sleep(_PAUSE)
    raise Cancelled


def _check(folder: Path) -> None:
    if not folder.is_dir():
        raise ParameterError(
            "{logdir} is {folder}, but must be a folder: choose the one that a training writes logs to.",
            logdir=field("logdir"),
            folder=folder,
        )
    names = (name for _, _, files in os.walk(folder, followlinks=True) for name in files)
    if not any("tfevents" in name for name in names):
        raise ParameterError(
            "{logdir} is {folder}, which holds no logs for TensorBoard (files called events.out.tfevents...): train "
            "with a folder for TensorBoard's logs, or choose the folder of an earlier training.",
            logdir=field("logdir"),
            folder=folder,
        )


@contextmanager
def _served(folder: Path, port: int | None) -> Iterator[str]:
    """Serve the logs of a folder and give the address."""
    try:
        from tensorboard import program
    except ImportError as error:
        raise EngineError(
            "The engine's Python ({executable}) cannot import TensorBoard: {error}. Run otbtf:installengine, which "
            "also repairs an installation.",
            executable=sys.executable,
            error=error,
        ) from error
    servers = []

    def server(application: Any, flags: Any) -> Any:
        servers.append(program.WerkzeugServer(application, flags))
        return servers[0]

    # Windows may say something else of scripts, which browsers then refuse; TensorBoard's own main does the same.
    mimetypes.add_type("text/javascript", ".js")
    board = program.TensorBoard(server_class=server)
    board.configure(logdir=str(folder), host=HOST, port=port or 0, window_title=f"TensorBoard: {folder.name}")
    try:
        address = board.launch()
    except program.TensorBoardServerException as error:
        raise ParameterError(
            "{port} is {port2}: {msg}. Choose another, or leave it empty.",
            port=field("port"),
            port2=port,
            msg=error.msg,
        ) from error
    try:
        yield address
    finally:
        servers[0].shutdown()
        servers[0].server_close()
