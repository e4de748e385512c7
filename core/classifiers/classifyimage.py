"""The work of ImageClassifier: a classifier, applied to an image tile by tile."""

from __future__ import annotations

import dataclasses
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.progress import Progress
from ..errors import field
from ..geometry import tiling
from ..geometry.grid import Box
from ..machine.memory import MB, budget, gdal_cache, peak_growth, release
from ..parameters.nodatarules import WITHOUT_BANDS, rule_of
from ..parts.partedoutput import PartedOperation
from ..parts.partedrun import run_in_parts, wants_parts
from ..parts.rasterparts import RasterParts
from ..parts.rasterwork import Writer
from ..phrases import Phrase
from ..rasters.alpha import open_images
from ..rasters.outputarea import wanted_box
from ..rasters.placement import handed_on
from ..rasters.rasterreference import Reference
from ..rasters.rasterstack import Stack
from ..samples.mapmask import open_mask
from ..serving.pipeline import IN_FLIGHT, stream
from .classifierbuilding import standardiser
from .classifierfiles import Classifier, load
from .imstat import read_statistics
from .mapwriter import MapForms, MapWriter
from .parallelclassification import PixelClassifier

if TYPE_CHECKING:
    from ..operations.imageclassifier import ImageClassifier

SECONDS_PER_TILE = 2.0
"""Longest time for a tile, so that progress moves and the run can be cancelled soon."""

PLANNED_SHARE = 0.85
"""Share of the memory budget for which tiles are planned: the C library keeps some of what was freed."""

_TRIALS = (32, 64, 128, 256)  # sides of the pieces on which time and memory are measured


def classify_image(parameters: ImageClassifier, progress: Progress) -> dict[str, Any]:
    """Classify the image.

    Returns:
        `out` and `confmap`, the maps' paths; `width` and `height` in pixels; `classes`, a list of value, name and color.

    Raises:
        ParameterError, RasterError, ClassifierError: bad input, before work starts.
        Cancelled: `progress` asked to stop; nothing is left behind.
    """
    if wants_parts(parameters):
        from .imageparts import PACKAGES, ImageParts

        return run_in_parts(parameters, PartedOperation(RasterParts, ImageParts, PACKAGES), progress)
    classifier = opened(parameters.model, parameters.imstat)
    pixels = ClassifiedPixels(parameters, classifier, progress)
    box = wanted_box(parameters.out_box, parameters.extent, pixels.image.grid, pixels.image.reference)
    reference = pixels.reference(box)
    memory, cache = pixels.memory
    with ExitStack() as stack:
        maps = MapWriter(parameters, MapForms(parameters, classifier, progress), stack, progress)
        stack.enter_context(gdal_cache(cache))
        tile = pixels.tile_size(box)
        progress.info(
            Phrase("Tiles of {tile} x {tile2} pixels, {memory} MB.", tile=tile[0], tile2=tile[1], memory=memory // MB)
        )
        release()
        tiles = maps.open(pixels.image.grid.part(box), reference, pixels.masked)
        pixels.classify(box, tile, tiles, progress)
        maps.commit()
    if pixels.mapper.told():
        progress.warning(pixels.mapper.told())
    return maps.results(box)


def opened(path: str, imstat: str | None) -> Classifier:
    """Return the classifier in a file, with other statistics for standardising if they are given.

    Raises:
        ClassifierError, ParameterError: one of the files cannot be used.
    """
    classifier = load(path)
    if imstat is None:
        return classifier
    statistics = read_statistics(imstat)
    statistics.check(len(classifier.features))
    pipeline = classifier.pipeline
    steps = [("standardiser", standardiser(statistics)), *pipeline.steps[1:]]
    return dataclasses.replace(classifier, pipeline=type(pipeline)(steps))


class ClassifiedPixels:
    """The image, ready to have any box of it classified.

    Attributes:
        image: its bands.
        mask: tells where it is classified; None for everywhere.
        mapper: classifies, and counts.
        memory: that a run takes, and GDAL's share of it, in bytes.
    """

    def __init__(self, parameters: ImageClassifier, classifier: Classifier, progress: Progress) -> None:
        """Open the image.

        Raises:
            ParameterError, RasterError, ClassifierError: it does not fit the classifier, or the mask does not fit it.
        """
        wanted = len(classifier.features)
        self.image: Stack = open_images([parameters.image], parameters.alpha, progress, wanted, placed=False)
        classifier.check_features(self.image.bands, Phrase("the image {name} (its bands)", name=self.image.names[0]))
        self._missing = self.image.missing(
            parameters.nodata, parameters.nodata_from_layer, rule=rule_of(parameters, WITHOUT_BANDS)
        )
        self.mask = open_mask(parameters, self.image.grid, self.image.reference, self.image.names[0], progress)
        self.mapper = PixelClassifier(classifier, parameters.nodatalabel)
        memory = budget(parameters.memory or parameters.ram)
        self.memory = memory, max(16 * MB, min(256 * MB, memory // 8))

    @property
    def masked(self) -> bool:
        """Whether pixels may be no-data."""
        return self._missing.possible or self.mask is not None

    def reference(self, box: Box) -> Reference:
        """Return the reference of the pixels in a box.

        Raises:
            RasterError: only points place the image, and they are not all of its pixels.
        """
        why = Phrase("by {out_box} or {extent}", out_box=field("out_box"), extent=field("extent"))
        return handed_on(self.image.names[0], self.image.reference, box == self.image.grid.box, why)

    def classify(self, corner: Box, tile: tuple[int, int], tiles: Writer, progress: Progress) -> None:
        """Classify a box.

        Args:
            corner: the box.
            tile: width and height of tiles.
            tiles: takes labels and confidences, counted from the corner of the box.
            progress: told how far it is.
        """
        done = 0

        def write(part: Box, values: np.ndarray) -> None:
            nonlocal done
            tiles.write(part, values)
            done += part.area
            progress.fraction(done / corner.area)

        stream(
            tiling.tiles(corner.width, corner.height, *tile),
            lambda part: self._read(Box(part.x + corner.x, part.y + corner.y, part.width, part.height)),
            lambda part, read: self.mapper.nothing(part.width, part.height) if read is None else self.mapper(*read),
            write,
            progress.check,
        )

    def _read(self, box: Box) -> tuple[np.ndarray, np.ndarray | None] | None:
        """Return the pixels of a box, and where they are no-data; None where all lie outside the mask."""
        outside = None if self.mask is None else ~self.mask.inside(box)
        if outside is not None and outside.all():
            return None
        pixels = self.image.read(box)
        empty = self._missing.marked(pixels, box) if self._missing.possible else None
        if outside is not None:
            empty = outside if empty is None else empty | outside
        return pixels, empty

    def tile_size(self, box: Box) -> tuple[int, int]:
        """Return width and height of the tiles of a box: as large as memory and time allow, as measured."""
        memory = int(PLANNED_SHARE * self.memory[0]) - self.memory[1]
        seconds = growth = 0.0
        width, height = box.width, box.height
        for side in _TRIALS:
            trial = Box(
                box.x + max(0, width - side) // 2,
                box.y + max(0, height - side) // 2,
                min(side, width),
                min(side, height),
            )
            pixels = self.image.read(trial)
            start = time.monotonic()
            grown = peak_growth(lambda pixels=pixels: self.mapper(pixels, None))  # type: ignore[misc]
            seconds, growth = (time.monotonic() - start) / trial.area, 1.25 * grown / trial.area
            if 4 * seconds * trial.area > SECONDS_PER_TILE or trial == box:
                break
        self.mapper.replaced = 0
        each = growth + IN_FLIGHT * (self.image.bands * self.image.dtype.itemsize + 8 * PixelClassifier.bands + 1)

        def cost(tile_width: int, tile_height: int) -> float:
            area = tile_width * tile_height
            return max(each * area / memory, seconds * area / SECONDS_PER_TILE)

        return tiling.plan(width, height, cost, 1.0, strips=True)
