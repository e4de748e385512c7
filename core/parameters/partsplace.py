"""Where an output may lie that is computed in parts: beside its parts, in a folder that lasts and that every run sees."""

from __future__ import annotations

import re

from ..errors import ParameterError
from ..phrases import Phrase

_TEMPORARY = re.compile(r"TEMPORARY_OUTPUT|.*[/\\]processing_\w{6}[/\\].*")
"""What QGIS calls an output that it throws away: at first, and once it has made up a path."""

_STORE = re.compile(r"/vsi(s3|gs|az|adls|oss|swift)/")
"""Storage to which an output is uploaded that is made on this machine's disk."""

_ELSEWHERE = re.compile(r"/vsi|[A-Za-z][A-Za-z0-9+.-]+://")


def check_parts_place(out: str, why: str, name: str, of_this_machine: bool = False) -> None:
    """Raise ParameterError where parts cannot lie beside an output.

    Args:
        out: its path.
        why: mention of the parameter that asks for parts.
        name: mention of the output's parameter.
        of_this_machine: whether only this machine's processes must see it, and only during the run.
    """
    cure = Phrase("choose a file in a folder that all runs see.")
    if _TEMPORARY.fullmatch(out) and not of_this_machine:
        raise ParameterError(
            "{why} is given, but {name} is a temporary output of QGIS, which other runs cannot read: {cure}",
            why=why,
            name=name,
            cure=cure,
        )
    if _ELSEWHERE.match(out) and not (of_this_machine and _STORE.match(out) and not out.lower().endswith(".vrt")):
        raise ParameterError(
            "{why} is given, but {name} is {out}, which is no file on a disk: parts are linked and renamed "
            "beside it, which remote storage and memory cannot do; {cure}",
            why=why,
            name=name,
            out=out,
            cure=cure,
        )
