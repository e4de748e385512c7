"""Values of single outputs: those that a whole run would write at some pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..base.progress import Progress
from ..geometry.fields import ServingAxis, Span
from ..geometry.grid import Box
from ..patches.cutting import patches_at
from .openmodel import OpenModel
from .patchwise import Patchwise
from .runplan import RunPlan
from .tilecomputer import TileOutput

SIDE = 512
"""Side, in pixels of the first source, of the blocks in which single outputs are computed together."""

_WORTH = 0.75  # share of the outputs to compute, below which two boxes are better than one


class Points:
    """Computes single outputs: patches around them, or small regions that hold some of them."""

    def __init__(self, opened: OpenModel, plan: RunPlan, output: TileOutput) -> None:
        """Prepare.

        Args:
            opened: the model and its sources.
            plan: how they are computed; where one tile is the whole output, and regions are computed, it is computed at
                once as there.
            output: what is made of values.
        """
        self._plan, self._computer = plan, plan.computer(opened, output)
        geometry = plan.geometry
        side = max(1, min(SIDE, int(SIDE / geometry.fields.x.scale)))
        self._regions = plan.way is None
        self._whole = self._regions and plan.whole
        self._edges = [
            _edges(axis, geometry.fields.fixed, size if self._whole else min(size, side))
            for axis, size in zip((geometry.x, geometry.y), plan.tile)
        ]

    def __call__(self, columns: np.ndarray, rows: np.ndarray, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
        """Return the outputs at some pixels.

        Args:
            columns, rows: the pixels, int64, shape (n,).
            progress: told how far it is.

        Returns:
            The values, shape (n, bands); and where there is no data, bool, shape (n,): values there are undefined.

        Raises:
            ModelError, RasterError: a part cannot be read or computed.
            Cancelled: `progress` asked to stop.
        """
        values: np.ndarray | None = None
        empty = np.zeros(len(columns), bool)
        done = 0
        for members in self._blocks(columns, rows):
            for group in self._split(columns, rows, members):
                progress.check()
                found, nodata = self._group(columns[group], rows[group])
                if values is None:
                    values = np.zeros((len(columns), found.shape[-1]), found.dtype)
                values[group], empty[group] = found, nodata
                done += len(group)
                progress.fraction(done / len(columns))
        return (np.empty((0, 0)) if values is None else values), empty

    def told(self) -> list[str]:
        """Return warnings that count the pixels which the model's inputs cannot hold unchanged."""
        return self._computer.told()

    def _blocks(self, columns: np.ndarray, rows: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the numbers of the pixels that lie in each block."""
        across, down = self._edges
        block = np.searchsorted(down, rows, "right") * (len(across) + 1) + np.searchsorted(across, columns, "right")
        order = np.argsort(block, kind="stable")
        yield from np.split(order, np.flatnonzero(np.diff(block[order])) + 1)

    def _split(self, columns: np.ndarray, rows: np.ndarray, members: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the members in groups whose boxes, with what the model computes around them, are small together."""
        best: list[np.ndarray] = []
        if self._regions and not self._whole and not self._plan.geometry.fields.fixed:
            whole = self._computed(columns[members], rows[members])
            for line in (columns[members], rows[members]):
                order = np.argsort(line, kind="stable")
                gaps = np.diff(line[order])
                if len(gaps) and gaps.max() > 1:
                    at = int(gaps.argmax()) + 1
                    halves = [members[order[:at]], members[order[at:]]]
                    area = sum(self._computed(columns[half], rows[half]) for half in halves)
                    if area <= _WORTH * whole:
                        whole, best = area, halves
        if not best:
            yield members
        for half in best:
            yield from self._split(columns, rows, half)

    def _computed(self, columns: np.ndarray, rows: np.ndarray) -> int:
        return self._plan.geometry.computable(_hull(columns, rows)).area

    def _group(self, columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        box = Box(0, 0, self._plan.geometry.x.size, self._plan.geometry.y.size) if self._whole else _hull(columns, rows)
        tile = self._computer.read(box)
        inside = rows - box.y, columns - box.x
        empty = np.zeros(len(columns), bool) if tile.nodata is None else tile.nodata[inside]
        if self._regions:
            return self._computer.values(box, tile)[inside], empty
        return self._patches(columns, rows, box, tile.images), empty

    def _patches(self, columns: np.ndarray, rows: np.ndarray, box: Box, images: list[np.ndarray]) -> np.ndarray:
        """Return the outputs at pixels of `box`, patch by patch."""
        geometry, compute = self._plan.geometry, self._computer.compute
        starts = Patchwise(geometry, compute).starts
        corners = [starts(number, columns.tolist(), rows.tolist(), box) for number in range(len(images))]
        values, batch = [], self._plan.way.batch if self._plan.way else 1
        for start in range(0, len(columns), batch):
            part = slice(start, start + batch)
            patches = [
                patches_at(image, np.array(xs[part]), np.array(ys[part]), *geometry.fields.rfield(number))
                for number, (image, (xs, ys)) in enumerate(zip(images, corners))
            ]
            values.append(compute.patches(patches))
        return np.concatenate(values)


def _edges(axis: ServingAxis, fixed: bool, side: int) -> np.ndarray:
    """Return the first output of each block along one axis: of the cells of a model of one size, else every `side`."""
    if fixed:
        return np.array([cell.start for cell in axis.cells(Span(0, axis.size))])
    return np.arange(0, axis.size, side)


def _hull(columns: np.ndarray, rows: np.ndarray) -> Box:
    left, top = int(columns.min()), int(rows.min())
    return Box(left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top)
