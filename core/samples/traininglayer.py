"""First steps and outputs shared by the applications that read a training layer."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from ..base.progress import Progress
from ..errors import field
from ..files.staging import Staging
from ..parameters.samplegroups import StatisticsOutputs, TrainingLayer
from ..phrases import Phrase
from ..rasters.rasterstack import Stack
from ..vectors.vectoroutput import NO_GEOMETRY, vector_staging
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
            ParameterError, VectorError: a file cannot be written.
        """
        self._progress = progress
        self._table: Staging | None = None
        if outputs.outtable:
            name = field("outtable")
            self._table = stack.enter_context(vector_staging(outputs.outtable, progress, name, NO_GEOMETRY))
        self._xml = stack.enter_context(Staging.of_file(outputs.out, progress, field("out")))

    def write(self, statistics: Statistics) -> dict[str, Any]:
        """Write the statistics and return them as results.

        Raises:
            ParameterError, VectorError: they cannot be written.
        """
        self._xml.write_text(xml(statistics))
        results: dict[str, Any] = {"out": str(self._xml.final)}
        if self._table is not None:
            write_table(statistics, self._table, self._progress)
            self._table.commit()
            results["outtable"] = str(self._table.final)
        self._xml.commit()
        for name, count in statistics.per_class.items():
            self._progress.info(Phrase("Class {name}: {count} {count:pixel|pixels}.", name=name, count=count))
        return {**results, "classes": len(statistics.per_class), "samples": sum(statistics.per_class.values())}
