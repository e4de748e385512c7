"""TensorBoard: watch trainings in the browser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..parameters import vocabulary as voc


@dataclass(frozen=True)
class TensorBoard:
    """Parameters of `run`."""

    RUN: ClassVar[str] = "engine.tensorboardserver:serve_tensorboard"
    NEEDS_ENGINE: ClassVar[bool] = True

    logdir: str = voc.folder(
        "logdir",
        "Log folder",
        "The folder that trainings write their logs to (TENSORBOARD_DIR); it may hold those of several.",
    )
    port: int | None = voc.integer(
        "port",
        "Port",
        "The port on this machine. Not given: any that is free. Name one for qgis_process with its output in a file, where "
        "the address arrives late.",
        minimum=1,
        maximum=65535,
        advanced=True,
    )
