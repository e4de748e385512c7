"""The table of further scenes: images with labels of their own, which are learned from and mapped as the first one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from . import vocabulary as voc
from .operation import Group
from .parsing import keys
from .rasteroutputs import output_paths
from .sections import IMAGES


@dataclass(frozen=True)
class SceneRole(Group):
    """Columns of the table that are no parameters of the operation."""

    name: str = voc.text("name", "Name", "What the scene is called. Default: its image file.", section=IMAGES)
    held_back: bool = voc.boolean("held_back", "Held back", "On: the scene is for validation only.", section=IMAGES)


def is_held_back(cell: str) -> bool:
    """Return whether a cell of the column `held_back` says yes; an empty one does not.

    Raises:
        ParameterError: it says neither yes nor no.
    """
    (key,) = (key for key in keys(SceneRole) if key.name == "held_back")
    try:
        return bool(key.read(cell))
    except ParameterError:
        raise ParameterError("held_back is {cell!r}, but must be yes or no.", cell=cell) from None


@dataclass(frozen=True)
class SceneColumns:
    """What a row may say of its scene, as keys of the operation.

    Attributes:
        image: the images that every row has; those of further sources are counted up from it.
        own: further keys.
        alternatives: groups of keys of which a scene has one, each with those that only it has: where a row gives one,
            the others of the form are not the scene's.
        outputs: keys of what is written for each scene; where a row names none, the form's with the scene's name.
    """

    image: str
    own: tuple[str, ...]
    alternatives: tuple[Mapping[str, tuple[str, ...]], ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def listed(self) -> tuple[str, ...]:
        """The columns that people write, in the order of a table; those of outputs beside the map are left out."""
        names = ("name", self.image, "held_back", *self.own, *self.outputs[:1])
        return tuple(name.replace(".", "_") for name in names)

    def images_of(self, values: Iterable[str]) -> list[str]:
        """Return the keys of images among those of an operation: `in`, or `source1.il`, `source2.il`, ..."""
        form = re.compile(re.escape(self.image).replace("1", r"\d+"))
        return [name for name in values if form.fullmatch(name)]


def scenes(columns: SceneColumns, uses: str, rest: str) -> Any:
    """The key `scenes`.

    Args:
        columns: of the table.
        uses: what becomes of the scenes, after "Further scenes".
        rest: sentences about samples and outputs.
    """
    told = (
        f"Further scenes {uses}: a CSV file, or a layer, with a row for each scene and the columns {', '.join(columns.listed)}. "
        "What a row leaves out is as in the form. held_back is yes: the scene is for validation only, which shows how good the "
        f"result is on an image that was never seen; no other samples are held back. {rest}"
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
