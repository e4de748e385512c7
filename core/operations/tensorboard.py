"""TensorBoard: curves of trainings in the browser."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import sections
from ..parameters import vocabulary as voc
from ..parameters.operation import Operation, TextResult


@dataclass(frozen=True)
class TensorBoard(Operation):
    """OTBTF has no such application."""

    TITLE = "Show training curves in TensorBoard"
    GROUP = "training"
    DESCRIPTION = (
        "Starts TensorBoard for a folder of training logs and opens it in the browser: curves of loss and metrics, "
        "during or after a training. Only this machine can reach it.\n\n"
        "TensorBoard runs until QGIS ends; if you run the algorithm again, the same page opens. In qgis_process it "
        "runs until you press Ctrl-C; the log gives its address."
    )
    RESULTS = (TextResult("address", "Address of TensorBoard"),)
    RUN = "engine.tensorboardserver:serve_tensorboard"
    NEEDS_ENGINE = True

    logdir: str = voc.folder(
        "logdir",
        "Log folder",
        "Folder with the logs of one or several trainings (their TENSORBOARD_DIR).",
        section=sections.SETTINGS,
    )
    port: int | None = voc.integer(
        "port",
        "Port",
        "Port on this machine. Default: any free port. Set it if you redirect the output of qgis_process to a file, "
        "where the address arrives late.",
        minimum=1,
        maximum=65535,
        advanced=True,
        section=sections.SETTINGS,
    )
