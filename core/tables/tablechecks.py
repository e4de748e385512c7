"""Checks of a table's run that need no file."""

from __future__ import annotations

import os

from ..errors import ParameterError, field
from ..operations.runtable import RunTable
from ..parameters.tableoperations import MERGED
from ..registry import declaration
from .givenonce import given_once
from .views import mask_of


def check_table_run(parameters: RunTable) -> None:
    """Raise ParameterError where the values cannot be right together; the declaration names this check."""
    given_once(declaration(parameters.operation), parameters.parameters)
    mask_of(parameters.mask)
    if parameters.merge and parameters.operation not in MERGED:
        raise ParameterError(
            "{merge} is on, but results of {operation} do not add up: those of {merged} do.",
            merge=field("merge"),
            operation=parameters.operation,
            merged=", ".join(MERGED),
        )
    if parameters.out_merged and not parameters.merge:
        raise ParameterError(
            "{out_merged} is given, but {merge} is off: switch it on, or leave {out_merged} out.",
            out_merged=field("out_merged"),
            merge=field("merge"),
        )
    path, wanted = parameters.out_merged or "", _ending(parameters)
    if path and wanted != _POINTS and os.path.splitext(path)[1].lower() != wanted:  # points may have any vector format
        raise ParameterError(
            "{out_merged} is {path}, but what {merge} writes for {operation} is a {wanted} file: give a name that ends with "
            "{wanted}.",
            out_merged=field("out_merged"),
            path=path,
            merge=field("merge"),
            operation=parameters.operation,
            wanted=wanted,
        )
    places = [os.path.abspath(path) for path in (parameters.out, merged_path(parameters)) if path]
    if len(set(places)) < len(places):
        raise ParameterError(
            "{out} and {out_merged} are both {path}: choose another file for one of them.",
            out=field("out"),
            out_merged=field("out_merged"),
            path=parameters.out,
        )


_POINTS = ".gpkg"
_ENDINGS = {"ComputeConfusionMatrix": ".csv", "SampleSelection": _POINTS, "SampleExtraction": _POINTS}


def _ending(parameters: RunTable) -> str:
    return _ENDINGS.get(parameters.operation, ".xml")


def merged_path(parameters: RunTable) -> str:
    """Return where the merged result goes; empty where none is asked for."""
    if not parameters.merge:
        return ""
    return parameters.out_merged or os.path.splitext(parameters.out)[0] + ".merged" + _ending(parameters)
