"""The plan that all runs have in common which compute parts of one output: made once, read by everybody.

It holds what each of them could find otherwise on its machine: tiles, memory, margins, the way of computing, the output's
type. What follows from these and the inputs, such as the geometry, is made anew.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..base.jsonvalues import Json, OddJson, parse
from ..geometry import tiling
from ..geometry.grid import Box
from ..phrases import Phrase

_FORM = 4
"""Of the text; another product version is refused anyway."""

_LARGEST_TEXT = 8 << 20

_FILE = re.compile(r"\w+(\.\w+)*")


@dataclass(frozen=True)
class PartPlan:
    """What all runs follow.

    Attributes:
        identity: what must be the same for all of them, as texts by name.
        files: ends of the names of the files of each part; see `core.parts.partsfolder.PartsFolder.part`.
        output: what these files are, in values of JSON that a kind of output alone understands.
        way: how the operation computes, in values of JSON that it alone understands.
        box: what is computed, in the grid of all outputs, or of all tiles where parts consist of tiles.
        part: width and height of the parts of it; those at the right and bottom are smaller.
        memory: that each run takes, in bytes.
        cache: GDAL's share of it.
    """

    identity: Mapping[str, str]
    files: tuple[str, ...]
    output: Mapping[str, Any]
    way: Mapping[str, Any]
    box: Box
    part: tuple[int, int]
    memory: int
    cache: int

    @cached_property
    def parts(self) -> list[Box]:
        """The parts in order, counted from the corner of the box."""
        return list(tiling.tiles(self.box.width, self.box.height, *self.part))

    @cached_property
    def digest(self) -> str:
        """What stands for the plan in the notes of parts."""
        return hashlib.sha256(self.text().encode()).hexdigest()

    def part_box(self, number: int) -> Box:
        """Return a part in the grid of all outputs."""
        part = self.parts[number]
        return Box(self.box.x + part.x, self.box.y + part.y, part.width, part.height)

    def text(self) -> str:
        """Return the plan as JSON; `read_plan` reads it."""
        values = {
            "form": _FORM,
            "identity": dict(self.identity),
            "files": self.files,
            "output": dict(self.output),
            "way": dict(self.way),
            "box": [self.box.x, self.box.y, self.box.width, self.box.height],
            "part": self.part,
            "memory": self.memory,
            "cache": self.cache,
        }
        return json.dumps(values, indent=1, ensure_ascii=False) + "\n"


def read_plan(text: bytes) -> PartPlan:
    """Return the plan that a text holds.

    Raises:
        OddJson: it holds none.
    """
    found = parse(text, _LARGEST_TEXT, infinite=True)
    if found["form"].whole() != _FORM:
        raise OddJson(Phrase("it was written by another version"))
    x, y, width, height = (item.whole(0) for item in found["box"].exactly(4))
    part_width, part_height = (item.whole(1) for item in found["part"].exactly(2))
    for name in ("output", "way"):
        dict(found[name].fields())  # it is an object
    return PartPlan(
        {name: value.text(_LARGEST_TEXT) for name, value in found["identity"].fields()},
        tuple(map(_read_file, found["files"].items())),
        found["output"].value,
        found["way"].value,
        Box(x, y, max(width, 1), max(height, 1)),
        (part_width, part_height),
        found["memory"].whole(1),
        found["cache"].whole(1),
    )


def _read_file(found: Json) -> str:
    if not _FILE.fullmatch(found.text(100)):
        raise found.odd(Phrase("the end of a file's name"))
    return found.text()
