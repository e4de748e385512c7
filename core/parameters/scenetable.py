"""The table of further scenes: images with labels of their own, which are learned from and mapped as the first one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from . import vocabulary as voc
from .operation import Group
from .rasteroutputs import output_paths
from .sections import IMAGES


@dataclass(frozen=True)
class SceneRole(Group):
    """Columns of the table that are no parameters of the operation."""

    name: str = voc.text("name", "Name", "What the scene is called. Default: its image file.", section=IMAGES)
    held_back: bool = voc.boolean("held_back", "Held back", "On: the scene is for validation only.", section=IMAGES)


def scenes(columns: str, uses: str, rest: str) -> Any:
    """The key `scenes`.

    Args:
        columns: names of the columns with images, labels and outputs.
        uses: what becomes of the scenes, after "Further scenes".
        rest: sentences about samples and outputs.
    """
    told = (
        f"Further scenes {uses}: a CSV file, or a layer, with a row for each scene and the columns "
        f"{columns}, name and "
        "held_back. What a row leaves out is as in the form. held_back is yes: the scene is for validation only, which shows how "
        f"good the result is on an image that was never seen; no other samples are held back. {rest}"
    )
    return voc.file(
        "scenes",
        "Further scenes",
        told,
        required=False,
        advanced=True,
        section=IMAGES,
        file_filter="Tables (*.csv *.tsv *.txt *.gpkg);;All files (*)",
    )


@dataclass(frozen=True)
class MappedScenes(Group):
    """The check of operations that map each scene."""

    def __post_init__(self) -> None:
        super().__post_init__()
        given = vars(self)
        for name in output_paths(self) if given.get("scenes") else ():
            if str(given[name]).startswith("/vsimem/"):
                raise ParameterError(
                    "{out} is {path}, which is in memory, but the maps of several scenes lie beside each other: name a file.",
                    out=field(name),
                    path=given[name],
                )
