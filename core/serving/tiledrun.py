"""A run that follows its plan: every tile is read, computed and written, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np

from ..base.progress import Progress
from ..geometry.grid import Box
from .openmodel import OpenModel
from .pipeline import stream
from .runplan import RunPlan
from .tilecomputer import Tile, TileComputer, TileOutput


class Writer(Protocol):
    """Takes the values of tiles in order, as `core.serving.servedrasters.ServedTiles` does."""

    def write(self, box: Box, array: np.ndarray) -> None:
        """Write values of shape (box.height, box.width, bands), of the model's type or, without data, of the output's."""


class TiledRun:
    """Computes the tiles of a plan.

    Attributes:
        without_data: number of outputs read so far that are no-data.
    """

    def __init__(self, opened: OpenModel, plan: RunPlan, output: TileOutput) -> None:
        self._plan, self._computer = plan, plan.computer(opened, output)
        self._beside = [plan.computer(replace(opened, compute=other), output) for other in opened.beside]
        self.without_data = 0

    def write(self, raster: Writer, progress: Progress) -> None:
        """Compute all tiles of the plan into `raster`.

        Raises:
            ModelError, RasterError: a tile cannot be read, computed or written.
            Cancelled: `progress` asked to stop.
        """
        corner, done = self._plan.box, 0

        def write(part: Box, values: np.ndarray) -> None:
            nonlocal done
            raster.write(part, values)
            done += part.area
            progress.fraction(done / corner.area)

        def placed(part: Box) -> Box:
            return Box(part.x + corner.x, part.y + corner.y, part.width, part.height)

        def values_by(computer: TileComputer) -> Callable[[Box, Tile], np.ndarray]:
            return lambda part, data: computer.values(placed(part), data)

        stream(
            self._plan.tiles(),
            lambda part: self._read(placed(part)),
            values_by(self._computer),
            write,
            progress.check,
            [values_by(computer) for computer in self._beside],
        )

    def _read(self, box: Box) -> Tile:
        tile = self._computer.read(box, sparing=True)
        if tile.nodata is not None:
            self.without_data += int(np.count_nonzero(tile.nodata))
        return tile

    def told(self) -> list[str]:
        """Return warnings that count the pixels which the model's inputs cannot hold unchanged."""
        return self._computer.told()
