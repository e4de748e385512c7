"""Choosing sample positions among the pixels of a training layer's features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..base.progress import Progress
from ..geometry.grid import Grid
from ..vectors.texts import field_text
from ..vectors.vectorlayer import DTYPES, INTEGER, TEXT, Field
from ..vectors.vectoroutput import Column
from .counting import Counted, valid_pieces
from .footprint import Outlines, Runs
from .samplers import Sampler
from .shapes import Shapes
from .validity import ValidPixels

ORIGIN = "originfid"
"""OTB's name of the field that holds the id of the feature in which a sample lies."""

_FEATURES, _POINTS = 1024, 200_000  # written together, about


class Destination(Protocol):
    """Takes samples, as `core.vectors.vectoroutput.OutputVector` does."""

    def write(self, columns: Sequence[Column], x: np.ndarray, y: np.ndarray) -> None:
        """Append samples: a column per field, and their coordinates in the image's system."""


@dataclass(frozen=True)
class _Hits:
    """The samples of some features, in order.

    Attributes:
        features: the OGR features.
        samples: per feature its valid pixels.
        boxes: per feature the pixels among which they are.
        chosen: per feature which of them are samples, ascending.
    """

    features: list[Any]
    samples: np.ndarray
    boxes: np.ndarray
    chosen: list[np.ndarray]

    @property
    def numbers(self) -> np.ndarray:
        """Return the samples of each feature."""
        return np.array([len(chosen) for chosen in self.chosen])


class Selection:
    """Chooses and writes the samples in OTB's order: tile by tile, class by class, then in the layer's order."""

    def __init__(
        self, shapes: Shapes, counted: Counted, validity: ValidPixels, samplers: Mapping[str, Sampler], memory: int
    ) -> None:
        """Prepare.

        Args:
            shapes: the features.
            counted: what was counted in them.
            validity: which pixels are valid.
            samplers: one per class.
            memory: budget in MB.
        """
        self._shapes, self._counted, self._validity, self._samplers = shapes, counted, validity, samplers
        self._most = validity.pixels_within(memory)
        self._copied = tuple(field for field in shapes.layer.fields if field.name != ORIGIN)
        self.fields = (*self._copied, Field(ORIGIN, INTEGER))
        """The fields of the output: those of the layer, and the origin."""

    def write(self, output: Destination, progress: Progress) -> dict[str, int]:
        """Write the samples and return how many each class has.

        Raises:
            VectorError: they cannot be written.
            Cancelled: `progress` asked to stop.
        """
        counted = self._counted
        written = np.zeros(len(counted.labels), np.int64)
        order = np.lexsort((counted.places, counted.classes, counted.tiles))
        waiting: list[int] = []
        chosen: list[np.ndarray] = []
        for number, index in enumerate(order.tolist()):
            taken = self._samplers[counted.labels[counted.classes[index]]].take(int(counted.samples[index]))
            if len(taken):
                written[counted.classes[index]] += len(taken)
                waiting.append(index)
                chosen.append(taken)
            last = number == len(order) - 1
            if waiting and (last or len(waiting) == _FEATURES or sum(map(len, chosen[-_FEATURES:])) >= _POINTS):
                progress.check()
                self._write_hits(self._read(waiting, chosen), output, progress)
                progress.fraction(0.5 + 0.5 * (number + 1) / len(order))
                waiting, chosen = [], []
        return dict(zip(counted.labels, written.tolist()))

    def _read(self, indices: Sequence[int], chosen: list[np.ndarray]) -> _Hits:
        features = [self._shapes.feature(fid) for fid in self._counted.fids[list(indices)].tolist()]
        return _Hits(features, self._counted.samples[list(indices)], self._counted.boxes[list(indices)], chosen)

    def _write_hits(self, hits: _Hits, output: Destination, progress: Progress) -> None:
        batch = self._shapes.again(hits.features)
        outlines = batch.outlines.within(hits.boxes)
        before = np.cumsum(hits.samples) - hits.samples
        chosen = np.repeat(before, hits.numbers) + np.concatenate(hits.chosen)
        places = np.empty((len(chosen), 2))
        for first, behind in outlines.slices(self._most):
            progress.check()
            here = slice(
                *np.searchsorted(chosen, (before[first], before[behind - 1] + hits.samples[behind - 1])).tolist()
            )
            runs = outlines.runs(first, behind)
            if self._validity.everywhere:
                places[here] = outlines.places(runs, chosen[here] - before[first])
            else:
                places[here] = self._among_valid(chosen[here], runs, before, outlines, progress)
        columns = [_column(hits.features, field, hits.numbers, self._shapes.layer.path) for field in self._copied]
        origins = np.repeat(np.array(batch.fids, np.int64), hits.numbers)
        x, y = _on_map(places, self._validity.image.grid)
        output.write([*columns, origins], x, y)

    def _among_valid(
        self, chosen: np.ndarray, runs: Runs, before: np.ndarray, outlines: Outlines, progress: Progress
    ) -> np.ndarray:
        """Return where the samples are that are numbered among the valid pixels.

        Args:
            chosen: numbers of the samples among the valid pixels of all features, ascending.
            runs: the pixels of some features.
            before: per feature the valid pixels of those before it.
            outlines: the features.
            progress: may ask to stop.
        """
        places = np.empty((len(chosen), 2))
        seen = before.copy()
        for piece, numbers in valid_pieces(runs, outlines, self._validity, self._most, progress):
            shape = np.repeat(piece.shape, piece.lengths)[numbers]  # ascending
            ordinals = seen[shape] + np.arange(len(shape)) - np.searchsorted(shape, shape)
            seen += np.bincount(shape, minlength=len(seen))
            at = np.searchsorted(chosen, ordinals).clip(0, len(chosen) - 1)
            hit = chosen[at] == ordinals
            places[at[hit]] = outlines.places(piece, numbers[hit])
        return places


def _on_map(places: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    x = grid.x.origin + places[:, 0] * grid.x.spacing
    y = -(grid.y.origin + places[:, 1] * grid.y.spacing)
    return x, y


def _column(features: Sequence[Any], field: Field, numbers: np.ndarray, path: str) -> Column:
    """Return the values of `field` of the features of the file `path`, each repeated; masked where null."""
    null = np.array([not feature.IsFieldSetAndNotNull(field.index) for feature in features])
    if field.kind == TEXT:
        values: list[Any] = [field_text(feature, field.index, path) for feature in features]
    else:
        values = [feature.GetField(field.index) or 0 for feature in features]
    column: Any = np.ma.MaskedArray(np.array(values, DTYPES[field.kind]), null)
    return np.ma.repeat(column, numbers)
