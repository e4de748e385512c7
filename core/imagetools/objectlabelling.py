"""The work of ObjectLabels: extent, boundary and distance of polygons, object by object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from ..base.progress import Part, Progress
from ..base.temporaries import scratch_folder
from ..errors import ParameterError, VectorError, field
from ..geometry.grid import Box
from ..operations.objectlabels import ObjectLabels
from ..phrases import Phrase
from ..rasters.rasterstack import Stack
from ..samples.footprint import POLYGON, Runs
from ..samples.shapes import Shapes, open_training_layer
from ..vectors.transformation import warn_of_unknown_system
from ..vectors.vectorlayer import INTEGER, Field
from .tooloutput import check_output, output_raster, results, write_by_tiles

BANDS = ("extent", "boundary", "distance")

_EVERY_FEATURE = Field("fid", INTEGER, -1)
"""Stands for a class, so that all features take part."""

_MOST = 1_000_000
"""Rows of polygons that are looked at together."""

_OBJECT_BYTES = 60
"""Memory that a pixel of an object's bounding box takes."""


def write_object_labels(parameters: ObjectLabels, progress: Progress) -> dict[str, Any]:
    """Write the labels; return `out`, `width`, `height`, `bands`, and `objects`, the number of polygons.

    Raises:
        ParameterError, RasterError, VectorError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    image = Stack([parameters.image])
    check_output(parameters)
    layer = open_training_layer(parameters.vec, parameters.layer)
    if layer.geometry in ("point", "line"):
        raise VectorError(
            "{vec} is {layer}, which holds {shapes}, but polygons are needed: choose a layer of them.",
            vec=field("vec"),
            layer=layer.path,
            shapes=Phrase("points") if layer.geometry == "point" else Phrase("lines"),
        )
    shapes = Shapes(layer, _EVERY_FEATURE, image.grid, image.reference, POLYGON)
    with scratch_folder() as folder:
        objects = _Objects(folder, image.grid.box)
        warn_of_unknown_system(layer.path, layer.reference, image.names[0], image.reference, progress)
        objects.draw(shapes, Part(progress, 0, 0.3))
        _tell(shapes, objects, image, progress)
        objects.measure(parameters.thickness, parameters.memory, Part(progress, 0.3, 0.8))
        _tell_covered(shapes, objects, progress)
        box = image.grid.box
        with output_raster(parameters, image.grid, 3, np.dtype("float32"), image.reference, progress) as raster:
            for number, name in enumerate(BANDS, 1):
                raster.dataset.GetRasterBand(number).SetDescription(name)
            write_by_tiles(raster, box, 40.0, parameters.memory, objects.labels, Part(progress, 0.8, 1))
            raster.commit(progress)
    return {**results(parameters.out, box, 3), "objects": objects.count}


def _tell(shapes: Shapes, objects: _Objects, image: Stack, progress: Progress) -> None:
    told = shapes.left_out.describe()
    if not shapes.layer.count:
        raise VectorError(
            "{vec} is {layer}, which holds no feature: choose a layer of polygons.",
            vec=field("vec"),
            layer=shapes.layer.path,
        )
    if not objects.count:
        raise ParameterError(
            "{vec} is {layer}, of which no polygon holds the centre of a pixel of {name} ({told}). The layer covers {extent}, "
            "the image {grid} (coordinate system: {reference}).",
            vec=field("vec"),
            layer=shapes.layer.path,
            name=image.names[0],
            told=told or Phrase("they are smaller than its pixels"),
            extent=shapes.layer.describe(),
            grid=image.grid.describe(),
            reference=image.reference.describe(),
        )
    if told:
        progress.info(Phrase("Features left out: {told}.", told=told))
    if objects.without:
        progress.warning(
            Phrase(
                "{without} {without:polygon holds|polygons hold} the centre of no pixel of {name}, so that the labels lack "
                "{without:it|them}: the network learns that there is nothing. Take an image with smaller pixels if there are "
                "many.",
                without=objects.without,
                name=image.names[0],
            )
        )


def _tell_covered(shapes: Shapes, objects: _Objects, progress: Progress) -> None:
    if objects.covered:
        progress.warning(
            Phrase(
                "{covered} {covered:polygon|polygons} of {layer} {covered:is|are} covered by later ones, so that the labels lack "
                "{covered:it|them}: delete one of two that are the same.",
                covered=objects.covered,
                layer=shapes.layer.path,
            )
        )


class _Objects:
    """The polygons on the grid, each with a number from 1 on, in files.

    Attributes:
        count: of those that have a pixel.
        without: how many features have none.
        covered: how many polygons have pixels, all of which belong to later ones, once `measure` has run.
    """

    def __init__(self, folder: Path, box: Box) -> None:
        shape = (box.height, box.width)
        self._numbers = np.memmap(folder / "numbers", "<i4", "w+", shape=shape)
        self._near = np.memmap(folder / "near", "?", "w+", shape=shape)
        self._distances = np.memmap(folder / "distances", "<f4", "w+", shape=shape)
        self._boxes: list[np.ndarray] = []
        self.count = self.without = self.covered = 0

    def draw(self, shapes: Shapes, progress: Progress) -> None:
        """Number the pixels, the last polygon over those before."""
        for batch in shapes.read(progress):
            outlines = batch.outlines
            for first, behind in outlines.slices(_MOST):
                progress.check()
                runs = outlines.runs(first, behind)
                self.without += behind - first - len(np.unique(runs.shape))
                self._draw(runs)
            progress.fraction(min(1.0, (batch.places[-1] + 1) / max(1, shapes.layer.count)))

    def _draw(self, runs: Runs) -> None:
        if not len(runs):
            return
        firsts = np.flatnonzero(np.diff(runs.part, prepend=-1))
        behind = np.append(firsts[1:], len(runs)) - 1
        left = np.minimum.reduceat(runs.start, firsts)
        right = np.maximum.reduceat(runs.stop, firsts)
        self._boxes.append(np.stack((left, runs.row[firsts], right, runs.row[behind] + 1), axis=1))
        number = np.repeat(
            np.arange(self.count + 1, self.count + 1 + len(firsts)), np.diff(np.append(firsts, len(runs)))
        )
        for row, start, stop, own in zip(runs.row.tolist(), runs.start.tolist(), runs.stop.tolist(), number.tolist()):
            self._numbers[row, start:stop] = own
        self.count += len(firsts)

    def measure(self, thickness: float, memory: int, progress: Progress) -> None:
        """Find boundaries and distances.

        Raises:
            ParameterError: a polygon is too large for the memory.
        """
        height, width = self._numbers.shape
        for number, (left, top, right, bottom) in enumerate(np.concatenate(self._boxes).tolist(), 1):
            progress.check()
            window = np.s_[max(0, top - 1) : min(height, bottom + 1), max(0, left - 1) : min(width, right + 1)]
            numbers = self._numbers[window]
            if numbers.size * _OBJECT_BYTES > memory:
                raise ParameterError(
                    "A polygon is {width} x {height} pixels large, which takes {needed} MB, but {ram} is {given}: raise "
                    "{ram}, or cut the polygon.",
                    width=right - left,
                    height=bottom - top,
                    needed=-(-numbers.size * _OBJECT_BYTES >> 20),
                    ram=field("ram"),
                    given=memory >> 20,
                )
            own = numbers == number
            if not own.any():
                self.covered += 1
            else:
                distance = np.full(own.shape, np.inf) if own.all() else ndimage.distance_transform_edt(own)
                self._near[window][own] = distance[own] <= thickness
                self._distances[window][own] = 1.0 if own.all() else distance[own] / distance.max()
            progress.fraction(number / self.count)

    def labels(self, box: Box) -> np.ndarray:
        """Return the labels in a window, float32 of shape (rows, columns, 3)."""
        window = np.s_[box.y : box.bottom, box.x : box.right]
        bands = (self._numbers[window] > 0, self._near[window], self._distances[window])
        return np.stack([band.astype("float32") for band in bands], axis=-1)
