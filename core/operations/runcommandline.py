"""RunCommandLine: OTBTF's command lines, shown as equivalent Processing calls, and run."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import sections
from ..parameters import vocabulary as voc
from ..parameters.operation import NumberResult, Operation, TextResult


@dataclass(frozen=True)
class RunCommandLine(Operation):
    """OTBTF has no such application."""

    TITLE = "Run OTBTF command lines"
    GROUP = "images"
    DESCRIPTION = (
        "Accepts command lines of OTBTF without changes (otbcli_TensorflowModelServe ..., including extended "
        "filenames), shows the equivalent Processing calls, for Python and for qgis_process, and runs them one after "
        "the other. It also accepts those of OTB's BandMathX, BandMath, ExtractROI, ConcatenateImages, Superimpose "
        "and ManageNoData.\n\n"
        "Parameters that are not set have OTBTF's defaults. All commands are checked before the first one runs. User "
        "names, passwords and keys in web addresses are hidden."
    )
    RESULTS = (
        TextResult("calls", "Equivalent calls"),
        TextResult("results", "Results of the runs (JSON)"),
        NumberResult("count", "Number of commands"),
    )
    RUN = "workflows.commandrun:run_command_lines"
    CHECK = "workflows.commandline:check_commands"

    command: str = voc.text(
        "command",
        "Command lines",
        "One OTBTF command per line, such as: otbcli_TensorflowModelServe -source1.il image.tif -model.dir model "
        '-out "map.tif?&box=0:0:100:100" uint8. A backslash at the end continues a line; # begins a comment.',
        required=True,
        section=sections.SETTINGS,
    )
    show_only: bool = voc.boolean(
        "show_only",
        "Show only",
        "On: check the commands and show the equivalent calls, without running them.",
        section=sections.SETTINGS,
    )
