"""RunCommandLine: OTBTF's command lines, shown as the Processing calls that do the same, and run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..parameters import vocabulary as voc


@dataclass(frozen=True)
class RunCommandLine:
    """Parameters of `run`."""

    RUN: ClassVar[str] = "workflows.commandrun:run_command_lines"
    CHECK: ClassVar[str] = "workflows.commandline:check_commands"
    NEEDS_ENGINE: ClassVar[bool] = False

    command: str = voc.text(
        "command",
        "Command lines",
        "One OTBTF command per line, such as: otbcli_TensorflowModelServe -source1.il image.tif -model.dir model -out "
        '"map.tif?&box=0:0:100:100" uint8. A backslash at the end continues a line; # begins a comment.',
    )
    show_only: bool = voc.boolean(
        "show_only", "Show only", "On: check the commands and show the equivalent calls, without running them."
    )
