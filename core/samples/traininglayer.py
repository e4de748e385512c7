"""What the applications that look at a training layer have in common: their parameters, and how they begin."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any

from ..base.progress import Progress
from ..errors import ParameterError
from ..files.staging import Staging
from ..parameters.samplegroups import StatisticsOutputs, TrainingLayer
from ..rasters.rasteropening import Stack
from ..vectors.vectoroutput import vector_staging
from .classtotals import Statistics, write_table, xml
from .shapes import Shapes, open_training_layer


def open_shapes(given: TrainingLayer, stack: Stack, only: int | None = None) -> Shapes:
    """Return the layer's features on the grid of the image; see `Shapes` for `only` and errors."""
    layer = open_training_layer(given.vec, given.layer)
    return Shapes(layer, given.field, stack.grid, stack.reference, only)


class StagedStatistics:
    """The files of the statistics while they are made."""

    def __init__(self, outputs: StatisticsOutputs, stack: ExitStack, progress: Progress) -> None:
        """Check the paths and make room for the files, until `stack` is left.

        Raises:
            ParameterError, RasterError, VectorError: a file cannot be written.
        """
        self._progress = progress
        self._table: Staging | None = None
        if outputs.outtable:
            self._table = stack.enter_context(vector_staging(outputs.outtable, progress, "OUTTABLE"))
        self._xml = stack.enter_context(file_staging(outputs.out, progress, "OUT"))

    def write(self, statistics: Statistics) -> dict[str, Any]:
        """Write the statistics and return them as results.

        Raises:
            RasterError, VectorError: they cannot be written.
        """
        write_text(self._xml, xml(statistics))
        results: dict[str, Any] = {"out": str(self._xml.final)}
        if self._table is not None:
            write_table(statistics, self._table, self._progress)
            self._table.commit()
            results["outtable"] = str(self._table.final)
        self._xml.commit()
        for name, count in statistics.per_class.items():
            self._progress.info(f"Class {name}: {count} pixels.")
        return {**results, "classes": len(statistics.per_class), "samples": sum(statistics.per_class.values())}


def file_staging(path: str, progress: Progress, key: str) -> Staging:
    """Return the place where a file that is neither raster nor vector is made.

    Args:
        path: the output.
        progress: told of the hidden folder.
        key: the parameter, for messages.

    Raises:
        ParameterError: the output is a folder.
        RasterError: its folder cannot be written to.
    """
    if os.path.isdir(path):
        raise ParameterError(f"{key} is {path}, which is a folder: choose a file.")
    return Staging(path, progress)


def write_text(staging: Staging, text: str) -> None:
    """Write a text as the file that is staged.

    Raises:
        ParameterError: it cannot be written, for instance because the disk is full.
    """
    try:
        staging.path.write_bytes(text.encode("utf-8"))
    except OSError as error:
        raise ParameterError(f"Cannot write {staging.final}: {error.strerror}.") from error
