"""The plan that all runs have in common which compute parts of one output: made once, read by everybody.

It holds what each of them could find otherwise on its machine: tiles, memory, margins, the way of computing, the output's
type. What follows from these and the inputs, such as the geometry, is made anew.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..base.jsonvalues import Json, OddJson, parse
from ..geometry import tiling
from ..geometry.fields import AxisFields
from ..geometry.grid import Box
from ..phrases import Phrase
from ..probing.appliedgeometry import WHOLE, Fields, serving_geometry
from .memorybudget import MemoryBudget
from .openmodel import OpenModel
from .patchways import PatchWay
from .runplan import RunPlan
from .shiftandstitch import Period
from .tilecomputer import TileOutput

SIDE = 4096
"""Width and height of a part in outputs, where there are enough of them: opening and trying a model is little beside it."""

EACH, SMALL = 4, 1024
"""Parts for each run, so that all have about as much to do, where that leaves them no smaller than this."""

SMALLEST = 16
"""The smallest width and height of a part."""

_FORM = 1
"""Of the text; another product version is refused anyway."""

_LARGEST_TEXT = 8 << 20


@dataclass(frozen=True)
class PartPlan:
    """What all runs follow.

    Attributes:
        identity: what must be the same for all of them; see `core.serving.runidentity`.
        outputs: names of the model's outputs, in the order of their bands.
        fields: how the model is applied, with the margins where tiles meet.
        alone: whether each patch is computed alone.
        way: how patches are computed; None where regions are.
        bands: that the model returns.
        tile: width and height in outputs.
        box: what is computed, in the grid of all outputs.
        part: width and height of the parts of it; those at the right and bottom are smaller.
        dtype, background, nodata: of the pixels written; what no-data becomes; what is declared as such.
        memory: that each run takes.
        driver, options: how parts are written.
        vrt: the virtual raster of the whole, without its sources.
    """

    identity: Mapping[str, str]
    outputs: tuple[str, ...]
    fields: Fields
    alone: bool
    way: PatchWay | None
    bands: int
    tile: tuple[int, int]
    box: Box
    part: tuple[int, int]
    dtype: str
    background: float
    nodata: float | None
    memory: MemoryBudget
    driver: str
    options: tuple[str, ...]
    vrt: str

    @cached_property
    def parts(self) -> list[Box]:
        """The parts in order, counted from the corner of the box."""
        return list(tiling.tiles(self.box.width, self.box.height, *self.part))

    @cached_property
    def digest(self) -> str:
        """What stands for the plan in the notes of parts."""
        return hashlib.sha256(self.text().encode()).hexdigest()

    @property
    def output(self) -> TileOutput:
        """What is made of a tile's values."""
        return TileOutput(np.dtype(self.dtype), self.background)

    def followed_by(self, opened: OpenModel) -> tuple[OpenModel, RunPlan]:
        """Return the open model as the plan applies it, and the plan of a run over the whole box."""
        geometry = serving_geometry(opened.sources, self.fields)
        opened.compute.alone = self.alone
        return replace(opened, geometry=geometry), RunPlan(geometry, self.box, self.bands, self.way, self.tile)

    def text(self) -> str:
        """Return the plan as JSON; `read_plan` reads it."""
        values = {
            "form": _FORM,
            "identity": dict(self.identity),
            "outputs": self.outputs,
            "fields": {"x": _axis(self.fields.x), "y": _axis(self.fields.y)},
            "alone": self.alone,
            "way": _way(self.way),
            "bands": self.bands,
            "tile": self.tile,
            "box": [self.box.x, self.box.y, self.box.width, self.box.height],
            "part": self.part,
            "dtype": self.dtype,
            "background": self.background,
            "nodata": self.nodata,
            "memory": self.memory.memory,
            "cache": self.memory.cache,
            "driver": self.driver,
            "options": self.options,
            "vrt": self.vrt,
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
    nodata = found.get("nodata")
    x, y, width, height = (item.whole(0) for item in _several(found["box"], 4))
    try:
        dtype = np.dtype(found["dtype"].text(20)).name
    except TypeError as error:
        raise found["dtype"].odd(Phrase("a type of pixels")) from error
    return PartPlan(
        {name: value.text(_LARGEST_TEXT) for name, value in found["identity"].fields()},
        tuple(item.text() for item in found["outputs"].items()),
        Fields(_read_axis(found["fields"]["x"]), _read_axis(found["fields"]["y"])),
        found["alone"].flag(),
        _read_way(found.get("way")),
        found["bands"].whole(1),
        _size(found["tile"]),
        Box(x, y, max(width, 1), max(height, 1)),
        _size(found["part"]),
        dtype,
        found["background"].number(),
        None if nodata is None else nodata.number(),
        MemoryBudget(found["memory"].whole(1), found["cache"].whole(1)),
        found["driver"].text(),
        tuple(item.text() for item in found["options"].items()),
        found["vrt"].text(_LARGEST_TEXT),
    )


def part_size(width: int, height: int, runs: int) -> tuple[int, int]:
    """Return width and height of the parts of an output, of which there are at least as many as runs if it is large enough.

    Args:
        width, height: of the output.
        runs: how many processes share it.
    """
    columns, rows = math.ceil(width / SIDE), math.ceil(height / SIDE)
    while True:
        size = _side(width, columns), _side(height, rows)
        parts = math.ceil(width / size[0]) * math.ceil(height / size[1])
        if parts >= (runs if max(size) <= SMALL else EACH * runs) or max(size) <= SMALLEST:
            return size
        if size[0] > size[1]:
            columns += 1
        else:
            rows += 1


def whole_only(fields: Fields) -> bool:
    """Return whether each output depends on all of the image, so that a second part would take as long as the first."""
    return WHOLE in fields.x.margin and WHOLE in fields.y.margin


def _side(size: int, count: int) -> int:
    """Return the side of so many parts: whole blocks of the output, where that leaves them of about one size."""
    unit = tiling.BLOCK if size >= 4 * tiling.BLOCK * count else SMALLEST
    return min(size, math.ceil(size / count / unit) * unit)


def _axis(axis: AxisFields) -> dict[str, Any]:
    return {**vars(axis), "scale": str(axis.scale)}


def _read_axis(found: Json) -> AxisFields:
    before, behind = (item.whole(0) for item in _several(found["margin"], 2))
    return AxisFields(
        tuple(item.whole(1) for item in found["rfields"].items()),
        found["efield"].whole(1),
        found["scale"].ratio(),
        found["fullyconv"].flag(),
        found["stride"].whole(1),
        found["lattice"].whole(1),
        (before, behind),
        found["fixed"].flag(),
        found["padded"].flag(),
    )


def _way(way: PatchWay | None) -> dict[str, Any] | None:
    if way is None:
        return None
    period = [way.period.pixels, way.period.outputs] if way.period else None
    return {"batch": way.batch, "period": period, "in_one_go": way.in_one_go}


def _read_way(found: Json | None) -> PatchWay | None:
    if found is None:
        return None
    period = found.get("period")
    return PatchWay(
        found["batch"].whole(1),
        Period(*(item.whole(1) for item in _several(period, 2))) if period else None,
        found["in_one_go"].flag(),
    )


def _several(found: Json, count: int) -> list[Json]:
    items = found.items()
    if len(items) != count:
        raise found.odd(Phrase("a list of {count}", count=count))
    return items


def _size(found: Json) -> tuple[int, int]:
    width, height = (item.whole(1) for item in _several(found, 2))
    return width, height
