"""A trial on some tiles, from which the overlap of tiles follows."""

from __future__ import annotations

import math

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..geometry.grid import Box
from ..phrases import Phrase
from .boxes import hulls
from .detector import Detector
from .overlappingtiles import ALONE, OverlappingTile, overlapping_tiles

LEAST = 64
"""Pixels that tiles share at least."""

_TILES = 9
_MARGIN = 1.1
_UNIT = 8


def overlap_of(detector: Detector, region: Box, given: int | None, progress: Progress) -> int:
    """Return the pixels that neighbouring tiles share.

    Args:
        detector: the detector.
        region: in which objects are looked for.
        given: by the user.
        progress: told of it; may cancel.

    Raises:
        ParameterError: the given one is too large for the tiles.
    """
    smallest = min(detector.size)
    if given is not None:
        if given > smallest // 2:
            raise ParameterError(
                "{overlap} is {given} pixels, but must be at most half of the tiles, {half} pixels: set a smaller one, or a "
                "larger {tilesize} if the model takes it.",
                overlap=field("overlap"),
                given=given,
                half=smallest // 2,
                tilesize=field("tilesize"),
            )
        return given
    width, height = detector.size
    if region.width <= width and region.height <= height:
        return min(LEAST, smallest // 2)
    largest = _largest_object(detector, region, progress)
    wanted = max(LEAST, _UNIT * math.ceil(_MARGIN * largest / _UNIT))
    found = min(wanted, smallest // 2)
    progress.info(
        Phrase(
            "Overlap of tiles: {found} pixels. The largest object of a trial has {largest:.0f} pixels ({overlap}).",
            found=found,
            largest=largest,
            overlap=field("overlap"),
        )
    )
    return found


def _largest_object(detector: Detector, region: Box, progress: Progress) -> float:
    """Return the longer side of the largest object in some tiles that are spread over the region."""
    places = overlapping_tiles(region, *detector.size, 0)
    chosen = np.unique(np.linspace(0, len(places) - 1, min(_TILES, len(places))).round().astype(int))
    largest = 0.0
    for number in chosen.tolist():
        progress.check()
        tile = OverlappingTile(places[number].box, ALONE)
        around = hulls(detector.boxes(tile, detector.read(tile.box)))
        if len(around):
            largest = max(largest, float((around[:, 2:] - around[:, :2]).max()))
    return largest
