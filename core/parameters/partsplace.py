"""Where an output may lie that is computed in parts: beside its parts, in a folder that lasts and that every run sees."""

from __future__ import annotations

import re

from ..errors import ParameterError, field

_TEMPORARY = re.compile(r"TEMPORARY_OUTPUT|.*[/\\]processing_\w{6}[/\\].*")
"""What QGIS calls an output that it throws away: at first, and once it has made up a path."""

_ELSEWHERE = re.compile(r"/vsi|[A-Za-z][A-Za-z0-9+.-]+://")


def check_parts_place(out: str, why: str) -> None:
    """Raise ParameterError where parts cannot lie beside an output.

    Args:
        out: its path.
        why: mention of the parameter that asks for parts.
    """
    cure = "choose a file in a folder that all runs see."
    if _TEMPORARY.fullmatch(out):
        raise ParameterError(
            "{why} is given, but {out} is a temporary output of QGIS, which other runs cannot read: {cure}",
            why=why,
            out=field("out"),
            cure=cure,
        )
    if _ELSEWHERE.match(out):
        raise ParameterError(
            "{why} is given, but {out} is {out2}, which is no file on a disk: parts are linked and renamed beside "
            "it, which remote storage and memory cannot do; {cure}",
            why=why,
            out=field("out"),
            out2=out,
            cure=cure,
        )
