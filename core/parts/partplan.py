"""The plan that all runs have in common which compute parts of one output: made once, read by everybody.

It holds what each of them could find otherwise on its machine: tiles, memory, margins, the way of computing, the output's
type. What follows from these and the inputs, such as the geometry, is made anew.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..base.jsonvalues import Json, OddJson, parse
from ..geometry import tiling
from ..geometry.grid import Box
from ..parameters.partshare import SMALLEST_PART
from ..phrases import Phrase

SIDE = 4096
"""Width and height of a part in outputs, where there are enough of them: opening and trying a model is little beside it."""

EACH, SMALL = 4, 1024
"""Parts for each run, so that all have about as much to do, where that leaves them no smaller than this."""

_FORM = 3
"""Of the text; another product version is refused anyway."""

_LARGEST_TEXT = 8 << 20


@dataclass(frozen=True)
class PlannedRaster:
    """One raster of the output.

    Attributes:
        name: field of its parameter.
        bands: their number.
        dtype: of its pixels.
        background: what no-data becomes.
        nodata: what is declared as such; None for nothing.
        vrt: the virtual raster of the whole, without its sources.
    """

    name: str
    bands: int
    dtype: str
    background: float
    nodata: float | None
    vrt: str

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel of all bands."""
        return self.bands * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class PartPlan:
    """What all runs follow.

    Attributes:
        identity: what must be the same for all of them, as texts by name.
        rasters: of the output; the first is that of OUT.
        way: how the operation computes, in values of JSON that it alone understands.
        box: what is computed, in the grid of all outputs.
        part: width and height of the parts of it; those at the right and bottom are smaller.
        memory: that each run takes, in bytes.
        cache: GDAL's share of it.
        driver, options: how parts are written.
        overviews: whether they get overviews.
    """

    identity: Mapping[str, str]
    rasters: tuple[PlannedRaster, ...]
    way: Mapping[str, Any]
    box: Box
    part: tuple[int, int]
    memory: int
    cache: int
    driver: str
    options: tuple[str, ...]
    overviews: bool = False

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
            "rasters": [vars(raster) for raster in self.rasters],
            "way": dict(self.way),
            "box": [self.box.x, self.box.y, self.box.width, self.box.height],
            "part": self.part,
            "memory": self.memory,
            "cache": self.cache,
            "driver": self.driver,
            "options": self.options,
            "overviews": self.overviews,
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
    dict(found["way"].fields())  # it is an object
    return PartPlan(
        {name: value.text(_LARGEST_TEXT) for name, value in found["identity"].fields()},
        tuple(map(_read_raster, found["rasters"].items())),
        found["way"].value,
        Box(x, y, max(width, 1), max(height, 1)),
        (part_width, part_height),
        found["memory"].whole(1),
        found["cache"].whole(1),
        found["driver"].text(),
        tuple(item.text() for item in found["options"].items()),
        found["overviews"].flag(),
    )


def _read_raster(found: Json) -> PlannedRaster:
    nodata = found.get("nodata")
    try:
        dtype = np.dtype(found["dtype"].text(20)).name
    except TypeError as error:
        raise found["dtype"].odd(Phrase("a type of pixels")) from error
    return PlannedRaster(
        found["name"].text(),
        found["bands"].whole(1),
        dtype,
        found["background"].number(),
        None if nodata is None else nodata.number(),
        found["vrt"].text(_LARGEST_TEXT),
    )


def part_size(width: int, height: int, runs: int, side: int | None = None) -> tuple[int, int]:
    """Return width and height of the parts of an output, of which there are at least as many as runs if it is large enough.

    Args:
        width, height: of the output.
        runs: how many processes share it.
        side: that the user sets; None where it is chosen.
    """
    if side is not None:
        return min(side, width), min(side, height)
    columns, rows = math.ceil(width / SIDE), math.ceil(height / SIDE)
    while True:
        size = _side(width, columns), _side(height, rows)
        parts = math.ceil(width / size[0]) * math.ceil(height / size[1])
        if parts >= (runs if max(size) <= SMALL else EACH * runs) or max(size) <= SMALLEST_PART:
            return size
        if size[0] > size[1]:
            columns += 1
        else:
            rows += 1


def _side(size: int, count: int) -> int:
    """Return the side of so many parts: whole blocks of the output, where that leaves them of about one size."""
    unit = tiling.BLOCK if size >= 4 * tiling.BLOCK * count else SMALLEST_PART
    return min(size, math.ceil(size / count / unit) * unit)
