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
from ..phrases import Phrase
from ..rasters.alpha import open_images
from ..rasters.missingpixels import Missing
from ..rasters.outputarea import wanted_box
from ..rasters.placement import handed_on
from ..rasters.rasterstack import Stack
from ..samples.validity import Validity
from ..serving.pipeline import IN_FLIGHT, stream
from .classifierbuilding import standardiser
from .classifierfiles import Classifier, load
from .imstat import read_statistics
from .mapwriter import MapWriter
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
    classifier = opened(parameters.model, parameters.imstat)
    image = open_images([parameters.image], parameters.alpha, progress, len(classifier.features), placed=False)
    classifier.check_features(image.bands, Phrase("the image {name} (its bands)", name=image.names[0]))
    missing = image.missing(parameters.nodata, parameters.nodata_from_layer, rule=rule_of(parameters, WITHOUT_BANDS))
    mask = Validity(image, None, False, parameters.mask)
    box = wanted_box(parameters.out_box, parameters.extent, image.grid, image.reference)
    why = Phrase("by {out_box} or {extent}", out_box=field("out_box"), extent=field("extent"))
    reference = handed_on(image.names[0], image.reference, box == image.grid.box, why)
    memory = budget(parameters.memory or parameters.ram)
    cache = max(16 * MB, min(256 * MB, memory // 8))
    with ExitStack() as stack:
        maps = MapWriter(parameters, classifier, stack, progress)
        stack.enter_context(gdal_cache(cache))
        run = _Run(image, missing, mask, PixelClassifier(classifier, parameters.nodatalabel), box)
        tile = run.tile_size(int(PLANNED_SHARE * memory) - cache)
        progress.info(
            Phrase("Tiles of {tile} x {tile2} pixels, {memory} MB.", tile=tile[0], tile2=tile[1], memory=memory // MB)
        )
        release()
        maps.open(image.grid.part(box), reference, missing.possible or not mask.everywhere)
        run.all(maps, tile, progress)
        maps.commit()
    if run.mapper.told():
        progress.warning(run.mapper.told())
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


class _Run:
    """Reads and classifies any box of the image."""

    def __init__(self, image: Stack, missing: Missing, mask: Validity, mapper: PixelClassifier, box: Box) -> None:
        self._image, self._missing, self._mask, self.mapper, self._box = image, missing, mask, mapper, box

    def all(self, maps: MapWriter, tile: tuple[int, int], progress: Progress) -> None:
        """Classify the whole box into the maps."""
        done = 0

        def write(part: Box, values: np.ndarray) -> None:
            nonlocal done
            maps.write(part, values)
            done += part.area
            progress.fraction(done / self._box.area)

        stream(
            tiling.tiles(self._box.width, self._box.height, *tile),
            lambda part: self._read(Box(part.x + self._box.x, part.y + self._box.y, part.width, part.height)),
            lambda _, read: self.mapper(*read),
            write,
            progress.check,
        )

    def _read(self, box: Box) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the pixels of a box, and where they are no-data."""
        pixels = self._image.read(box)
        empty = self._missing.marked(pixels, box) if self._missing.possible else None
        if not self._mask.everywhere:
            masked = ~self._mask.read(box)
            empty = masked if empty is None else empty | masked
        return pixels, empty

    def tile_size(self, memory: int) -> tuple[int, int]:
        """Return width and height of the tiles: as large as memory (in bytes) and time allow, as measured."""
        seconds = growth = 0.0
        width, height = self._box.width, self._box.height
        for side in _TRIALS:
            trial = Box(
                self._box.x + max(0, width - side) // 2,
                self._box.y + max(0, height - side) // 2,
                min(side, width),
                min(side, height),
            )
            pixels = self._image.read(trial)
            start = time.monotonic()
            grown = peak_growth(lambda pixels=pixels: self.mapper(pixels, None))  # type: ignore[misc]
            seconds, growth = (time.monotonic() - start) / trial.area, 1.25 * grown / trial.area
            if 4 * seconds * trial.area > SECONDS_PER_TILE or trial == self._box:
                break
        self.mapper.replaced = 0
        each = growth + IN_FLIGHT * (self._image.bands * self._image.dtype.itemsize + 8 * PixelClassifier.bands + 1)

        def cost(tile_width: int, tile_height: int) -> float:
            area = tile_width * tile_height
            return max(each * area / memory, seconds * area / SECONDS_PER_TILE)

        return tiling.plan(width, height, cost, 1.0, strips=True)
