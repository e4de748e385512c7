"""Bands that are marked as alpha: masks of the other bands, or bands like these.

The mark alone is no evidence: GDAL gives it to the fourth band of any GeoTIFF of four bytes per pixel that a program
creates without saying what its bands are, near infrared too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from osgeo import gdal

from ..base.progress import Progress
from ..errors import field
from ..geometry.grid import Box
from ..phrases import Phrase
from .pixeltypes import numpy_type
from .rasterstack import Stack

AUTO, MASK, BAND = "auto", "mask", "band"

_PIXELS = 1 << 22  # that are looked at together


def open_images(
    sources: Sequence[Any],
    choice: str,
    progress: Progress,
    wanted: int | None = None,
    known: str = "",
    placed: bool = True,
) -> Stack:
    """Open rasters on one grid, and decide what their alpha bands are; see `Stack`, and `decide`."""
    stack = Stack(sources, placed)
    decide(stack, choice, progress, wanted, known)
    return stack


def decide(stack: Stack, choice: str, progress: Progress, wanted: int | None = None, known: str = "") -> None:
    """Decide whether the bands of a stack that are marked as alpha are masks or bands, and report the decision.

    Args:
        stack: nothing of it has been read yet.
        choice: `auto`, `mask` or `band`. With `auto` they are masks where they hold nothing but 0 and the largest value of
            their type, unless that many bands are wanted that they must be bands.
        progress: is told what was decided, and asked to cancel.
        wanted: how many bands the user of the pixels takes; None where any.
        known: `mask` or `band`, where that was decided when a model was trained; empty where it was not.
    """
    if not stack.alphas:
        return
    why: str
    if choice == AUTO and wanted == stack.bands:
        choice, why = BAND, Phrase(", because {wanted} bands are needed", wanted=wanted)
    elif choice == AUTO and known:
        choice, why = known, Phrase(", as it was for the model's training")
    else:
        why = "" if choice == AUTO else Phrase(" ({alpha}={choice})", alpha=field("alpha"), choice=choice)
    masks = [alpha for alpha in stack.alphas if choice == MASK or (choice == AUTO and _is_mask(stack, alpha, progress))]
    stack.take_as_masks(masks)
    for alpha in stack.alphas:
        if choice != AUTO or alpha in masks:
            what = (
                Phrase("used as the mask of the other bands: where it is 0, they are no-data")
                if alpha in masks
                else Phrase("read as a band")
            )
            progress.info(
                Phrase(
                    "{stack} is marked as alpha; it is {what}{why}.", stack=_called(stack, alpha), what=what, why=why
                )
            )


def said(stack: Stack) -> str:
    """Return what was decided, as it is kept for a model: `mask` or `band`.

    Nothing where no band is marked as alpha, or where files differ, so that each must be looked at again.
    """
    if not stack.alphas or 0 < len(stack.masks) < len(stack.alphas):
        return ""
    return MASK if stack.masks else BAND


def _called(stack: Stack, alpha: tuple[int, int]) -> str:
    return Phrase("Band {alpha} of {names}", alpha=alpha[1], names=stack.names[alpha[0]])


def _is_mask(stack: Stack, alpha: tuple[int, int], progress: Progress) -> bool:
    """Return whether a band holds nothing but 0 and the largest value of its type; warn where it does not."""
    why = Phrase("whose values are not read, because the raster is remote")
    if not stack.is_remote(alpha[0]):
        other = _other_value(stack, alpha, progress)
        if other is None:
            return True
        why = Phrase("but also holds {other:g}, which is not a value of a mask", other=other)
    progress.warning(
        Phrase(
            "{stack} is marked as alpha, {why}: it is read as a band. If it is a mask, set {alpha}=mask; "
            "{alpha}=band keeps it a band without this warning.",
            stack=_called(stack, alpha),
            why=why,
            alpha=field("alpha"),
        )
    )
    return False


def _other_value(stack: Stack, alpha: tuple[int, int], progress: Progress) -> float | None:
    """Return the first value of the band that a mask cannot have; None if there is none."""
    band: gdal.Band = stack.datasets[alpha[0]].GetRasterBand(alpha[1])
    dtype, grid = numpy_type(band.DataType), stack.grid
    most = np.iinfo(dtype).max if dtype.kind in "iu" else 1.0
    rows = max(1, _PIXELS // grid.width // band.GetBlockSize()[1]) * band.GetBlockSize()[1]
    for top in range(0, grid.height, rows):
        progress.check()
        values = stack.read_alpha(alpha, Box(0, top, grid.width, min(rows, grid.height - top)))
        found = np.flatnonzero((values != 0) & (values != most))
        if len(found):
            return float(values.reshape(-1)[found[0]])
    return None
