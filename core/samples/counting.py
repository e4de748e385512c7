"""Counting the pixels of a training layer's features and classes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..base.progress import Progress
from ..errors import NothingInsideError
from ..geometry.grid import Box
from ..phrases import Phrase
from .classtotals import Statistics, natural_order
from .footprint import Outlines, Runs
from .shapes import Shapes
from .validity import ValidPixels

_FEATURES = 1024  # read again together
_WINDOW = 2048  # pixels, greatest width and height of what is labelled together


@dataclass(frozen=True)
class Counted:
    """The features that take part, in the layer's order, once for each tile in which they lie; arrays of shape (n,).

    Attributes:
        labels: the classes, in order.
        fids: feature ids.
        places: numbers of the features in the layer, from 0.
        classes: per feature the index of its class in `labels`.
        samples: per feature its pixels, each counted for itself.
        boxes: per feature the pixels of the tile under its bounding box: x, y, right, bottom; shape (n, 4).
        tiles: per feature the number of the tile.
    """

    labels: tuple[str, ...]
    fids: np.ndarray
    places: np.ndarray
    classes: np.ndarray
    samples: np.ndarray
    boxes: np.ndarray
    tiles: np.ndarray

    def statistics(self) -> Statistics:
        """Return the statistics as OTB's PolygonClassStatistics: by feature id, features without a pixel too."""
        totals = np.bincount(self.classes, self.samples, len(self.labels)).astype(np.int64)
        return self._told(totals, self.fids, self.samples)

    def dense_statistics(self, samples: np.ndarray) -> Statistics:
        """Return the statistics as OTBTF's DensePolygonClassStatistics: by place, only what has pixels."""
        totals = np.bincount(self.classes, samples, len(self.labels)).astype(np.int64)
        told = self._told(totals, self.places, samples)
        return Statistics(
            {name: count for name, count in told.per_class.items() if count},
            {key: count for key, count in told.per_vector.items() if count},
            told.class_of,
        )

    def _told(self, totals: np.ndarray, keys: np.ndarray, samples: np.ndarray) -> Statistics:
        _, firsts, numbers = np.unique(self.places, return_index=True, return_inverse=True)
        sums = np.bincount(numbers, samples).astype(np.int64)
        features = keys[firsts].tolist()
        names = [self.labels[index] for index in self.classes[firsts].tolist()]
        return Statistics(
            dict(zip(self.labels, totals.tolist())), dict(zip(features, sums.tolist())), dict(zip(features, names))
        )


def count(
    shapes: Shapes,
    validity: ValidPixels,
    memory: int,
    progress: Progress,
    share: float = 1.0,
    tiles: Sequence[Box] = (),
) -> Counted:
    """Count the valid pixels of each feature.

    Args:
        shapes: the features.
        validity: which pixels are valid.
        memory: budget in MB.
        progress: hears of the part of the work, up to `share`, and of features left out.
        share: of the whole work.
        tiles: parts of the image; a feature is counted once in each in which it lies. None: the image as a whole.

    Raises:
        NothingInsideError: no feature takes part.
        Cancelled: `progress` asked to stop.
    """
    most = validity.pixels_within(memory)
    numbers: dict[str, int] = {}
    parts: list[tuple[np.ndarray, ...]] = []
    shapes.layer.check_class_field(shapes.field, progress)
    for batch in shapes.read(progress):
        classes = np.array([numbers.setdefault(label, len(numbers)) for label in batch.labels])
        for number, tile in enumerate(tiles or (validity.image.grid.box,)):
            outlines = batch.outlines.within(corners(tile))
            left, top, right, bottom = outlines.boxes.T
            here = (left < right) & (top < bottom)
            if here.any():
                samples = _count_outlines(outlines, validity, most, progress)
                columns = (np.array(batch.fids), np.array(batch.places), classes, samples, outlines.boxes)
                parts.append((*(column[here] for column in columns), np.full(int(here.sum()), number)))
        progress.fraction(share * min(1.0, (batch.places[-1] + 1) / max(1, shapes.layer.count)))
    _tell_left_out(shapes, validity, progress, bool(parts))
    fids, places, given, counts, boxes, where = (np.concatenate(column) for column in zip(*parts))
    labels = tuple(sorted(numbers, key=natural_order))
    rank = np.empty(len(labels), np.int64)
    rank[[numbers[label] for label in labels]] = np.arange(len(labels))
    return Counted(labels, fids, places, rank[given], counts, boxes, where)


def _count_outlines(outlines: Outlines, validity: ValidPixels, most: int, progress: Progress) -> np.ndarray:
    count = len(outlines.boxes)
    samples = np.zeros(count, np.int64)
    for first, behind in outlines.slices(most):
        progress.check()
        runs = outlines.runs(first, behind)
        if validity.everywhere:
            samples += np.bincount(runs.shape, runs.lengths, count).astype(np.int64)
            continue
        for piece, valid in valid_pieces(runs, outlines, validity, most, progress):
            samples += np.bincount(np.repeat(piece.shape, piece.lengths)[valid], minlength=count)
    return samples


def corners(box: Box) -> np.ndarray:
    """Return x, y, right and bottom of a box."""
    return np.array([box.x, box.y, box.right, box.bottom])


def valid_pieces(
    runs: Runs, outlines: Outlines, validity: ValidPixels, most: int, progress: Progress
) -> Iterator[tuple[Runs, np.ndarray]]:
    """Yield the runs by pieces (see `Runs.pieces`), with the numbers of the valid ones among the piece's pixels."""
    for piece in runs.pieces(outlines.boxes, most):
        progress.check()
        box = piece.box
        yield piece, np.flatnonzero(validity.read(box).reshape(-1)[piece.flat(box)])


def _tell_left_out(shapes: Shapes, validity: ValidPixels, progress: Progress, taking_part: bool) -> None:
    told = shapes.left_out.describe()
    if not taking_part:
        layer, image = shapes.layer, validity.image
        raise NothingInsideError(
            "No feature of {layer} can be used ({told}). The layer covers {layer2}, the image {name} covers {grid} "
            "(coordinate system: {reference}); the class field is {field}.",
            layer=layer.path,
            told=told or Phrase("it has none"),
            layer2=layer.describe(),
            name=image.names[0],
            grid=image.grid.describe(),
            reference=image.reference.describe(),
            field=shapes.field.name,
        )
    if told:
        progress.warning(Phrase("Features left out: {told}.", told=told))


def count_dense(shapes: Shapes, counted: Counted, validity: ValidPixels, memory: int, progress: Progress) -> np.ndarray:
    """Return the valid pixels of each feature where every pixel belongs to the last feature that covers it.

    Args:
        shapes: the features.
        counted: what `count` found.
        validity: which pixels are valid.
        memory: budget in MB.
        progress: hears of the second half of the work.

    Raises:
        Cancelled: `progress` asked to stop.
    """
    samples = np.zeros(len(counted.fids), np.int64)
    for done, window, owner in owners(shapes, counted, validity.pixels_within(memory), progress):
        if not validity.everywhere:
            owner[~validity.read(window).reshape(-1)] = -1
        samples += np.bincount(owner[owner >= 0], minlength=len(samples))
        progress.fraction(0.5 + 0.5 * done)
    return samples


def owners(shapes: Shapes, counted: Counted, most: int, progress: Progress) -> Iterator[tuple[float, Box, np.ndarray]]:
    """Yield, window by window, to which feature each pixel belongs: the last that covers it.

    Args:
        shapes: the features.
        counted: what `count` found, without tiles.
        most: pixels to look at together.
        progress: asked for cancelling.

    Yields:
        The share of the windows that is done with this one, the window, and per pixel of it, in scan order, the index
        of its feature in `counted`, or -1; int32, shape (pixels,).
    """
    left, top, right, bottom = counted.boxes.T
    x, y = int(left.min()), int(top.min())
    covered = Box(x, y, int(right.max()) - x, int(bottom.max()) - y)
    windows = list(_windows(covered, min(_WINDOW, math.isqrt(most))))
    for number, window in enumerate(windows, 1):
        owner = np.full(window.area, -1, np.int32)
        inside = (left < window.right) & (right > window.x) & (top < window.bottom) & (bottom > window.y)
        for indices in portions(np.flatnonzero(inside)):
            progress.check()
            batch = shapes.again(shapes.feature(fid) for fid in counted.fids[indices].tolist())
            outlines = batch.outlines.within(corners(window))
            for first, behind in outlines.slices(most):
                runs = outlines.runs(first, behind)
                owner[runs.flat(window)] = np.repeat(indices[runs.shape], runs.lengths)  # where twice, the last stays
        yield number / len(windows), window, owner


def portions(indices: np.ndarray) -> Iterator[np.ndarray]:
    """Yield features' indices, as many at a time as are read again together."""
    for start in range(0, len(indices), _FEATURES):
        yield indices[start : start + _FEATURES]


def otb_tiles(image: Box, bands: int, memory: int) -> list[Box]:
    """Return the tiles in which OTB's SampleSelection walks over an image, in its order; found by trying.

    Its samplers take the pixels of a class tile by tile, so that the positions depend on them. OTB reckons with 8 bytes
    per pixel and band, and makes square tiles whose side is a multiple of 16 pixels.

    Args:
        image: all pixels.
        bands: of the image.
        memory: OTB's `ram`, in MiB.
    """
    parts = max(1, math.ceil(8 * bands * image.area / (memory * 2**20)))
    side = 16 * math.ceil(math.sqrt(image.area / parts) / 16)
    return list(_windows(image, side))


def _windows(box: Box, side: int) -> Iterator[Box]:
    for y in range(box.y, box.bottom, side):
        for x in range(box.x, box.right, side):
            yield Box(x, y, side, side).intersection(box)
