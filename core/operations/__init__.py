"""The operations: one module each, named like the OTBTF application in lower case.

A module holds a frozen dataclass named like the application (its parameters, declared with
`core.vocabulary`; a class variable NEEDS_ENGINE says whether TensorFlow takes part) and a function
`run(parameters, progress)` that returns a dictionary of results: for each output its key and path,
and whatever numbers the operation found.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ParameterError
from ..progress import Progress
from ..vocabulary import parse

NAMES = (
    "CreateExampleData",
    "DensePolygonClassStatistics",
    "DescribeModel",
    "EngineReport",
    "ExportSavedModel",
    "InstallEngine",
    "LabelImageSampleSelection",
    "PatchesExtraction",
    "PatchesMosaic",
    "PatchesSelection",
    "PolygonClassStatistics",
    "RunCommandLine",
    "SampleExtraction",
    "SampleSelection",
    "TensorflowModelServe",
)


def load(name: str) -> tuple[type, Callable[[Any, Progress], dict[str, Any]]]:
    """Return the parameters' dataclass and the run function of the operation called `name`.

    Raises:
        ParameterError: there is no such operation.
    """
    spelling = {known.lower(): known for known in NAMES}.get(name.lower())
    if spelling is None:
        raise ParameterError(f"There is no operation {name!r}. Known: {', '.join(NAMES)}.")
    module = importlib.import_module(f"{__name__}.{spelling.lower()}")
    return getattr(module, spelling), module.run


def run(name: str, values: Mapping[str, Any], progress: Progress | None = None) -> dict[str, Any]:
    """Run the operation called `name` in this process, with values under OTBTF's keys.

    Args:
        name: the application's name, such as `TensorflowModelServe`.
        values: keys such as `source1.il` to values (text is read as on a command line).
        progress: receives progress and asks to cancel; silent by default.

    Returns:
        The operation's results by key.

    Raises:
        OtbtfError: bad input, with a message for the user.
        Cancelled: `progress` asked to stop.
    """
    parameters, operation = load(name)
    return operation(parse(parameters, values), progress or Progress())
