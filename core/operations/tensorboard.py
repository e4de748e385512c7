"""TensorBoard: watch trainings in the browser."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import vocabulary as voc
from ..parameters.operation import Operation, TextResult


@dataclass(frozen=True)
class TensorBoard(Operation):
    """OTBTF has no such application."""

    TITLE = "Open TensorBoard"
    GROUP = "training"
    DESCRIPTION = (
        "Starts TensorBoard for a folder of training logs and opens it in the browser: curves of loss and metrics, "
        "while a training runs or afterwards. It can be reached from this machine alone.\n\n"
        "It goes on beside QGIS and stops with it; run again, the same page opens. In qgis_process it runs, and "
        "tells its address in the log, until you press Ctrl-C."
    )
    RESULTS = (TextResult("address", "Address of TensorBoard"),)
    RUN = "engine.tensorboardserver:serve_tensorboard"
    NEEDS_ENGINE = True

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
