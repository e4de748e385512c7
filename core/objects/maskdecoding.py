"""From the masks that a detector returns for one tile to the pixels of its objects.

What the models of each form return is written in

- `exporter_lib_v2.py` and `utils/ops.py` (`reframe_box_masks_to_image_masks`) of TensorFlow's Object Detection API: the mask
  of an object is that of its box, with its first and last rows and columns on the edges of the box, or is already one of
  the whole image;
- `models/detection/roi_heads.py` (`paste_masks_in_image`) of torchvision: masks of the whole image;
- `utils/ops.py` (`process_mask_native`) of Ultralytics: the sum of prototypes, by the object's coefficients, is the logit of its
  mask, and is interpolated to the image and cut by the box.

Masks of the whole image may end one pixel beyond their box, since torchvision rounds boxes before it draws masks. Those of
TensorFlow are masks of the whole image where they have its size, unless this is their size for images of any size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ..errors import ModelError, field
from ..geometry.grid import Box
from ..models.detectorhead import DetectorHead
from ..models.masksoutput import FIRST, NAMES, STRIDE, prototypes_first
from ..models.modelinterface import Model
from ..phrases import Phrase
from .maskfiles import Mask

LEAST = 0.5
"""Probability above which a pixel belongs to an object."""

_ROUNDING = 1e-3
"""By how much a probability may be below 0 or exceed 1."""


class _Window(NamedTuple):
    """Some rows and columns of a tile."""

    rows: np.ndarray
    columns: np.ndarray


class MaskDecoder:
    """Decodes the masks of a detector."""

    def __init__(self, head: DetectorHead, model: Model) -> None:
        """Take what the outputs are; it has an output of masks."""
        self._head, self._path = head, model.path
        self._moved, self._first = model.moves_bands(head.masks), prototypes_first(model)
        self._of_boxes = head.form == "tensorflow" and _grow_with_boxes(model, head.masks)

    def __call__(
        self, masks: np.ndarray, boxes: np.ndarray, numbers: np.ndarray, listed: np.ndarray, tile: Box, within: Box
    ) -> Iterator[Mask]:
        """Yield the masks of some boxes.

        Args:
            masks: the output with masks or prototypes.
            boxes: y1, x1, y2, x2 in pixels of the tile, shape (n, 4).
            numbers: of the boxes among those that the model returns, shape (n,).
            listed: the first output of the head, in which YOLO has the coefficients of prototypes.
            tile: the tile in the image.
            within: the part of it, in the image, that pixels of objects lie in.

        Raises:
            ModelError: the output is not what the head says.
        """
        if not len(boxes):
            return
        if self._moved and masks.ndim == 4:
            masks = np.transpose(masks, FIRST)
        decode = self._of_objects if self._head.form in NAMES else self._of_prototypes
        reading = decode(masks, numbers, listed, tile)
        for place, box in enumerate(boxes):
            window = _window(box, tile, within, reading.margin)
            inside = np.zeros((len(window.rows), len(window.columns)), bool)
            if inside.size:
                inside = reading.inside(place, box, window)
            yield Mask(tile.y + _begin(window.rows), tile.x + _begin(window.columns), inside)

    def _of_objects(self, masks: np.ndarray, numbers: np.ndarray, _: np.ndarray, tile: Box) -> _Reading:
        """Return what tells the pixels of masks that are one for each object."""
        shape = masks.shape
        if masks.ndim == 4 and 1 in (shape[0], shape[1]):
            masks = masks[0] if shape[0] == 1 and self._head.form == "tensorflow" else masks[:, 0]
        if masks.ndim != 3 or (len(numbers) and len(masks) <= numbers.max()):
            raise self._odd(Phrase("the shape {shape}, which is not that of a mask for each object", shape=shape))
        if masks.shape[1:] == (tile.height, tile.width) and not self._of_boxes:
            return _Reading(1, lambda place, _, window: self._checked(masks[numbers[place]][np.ix_(*window)]) > LEAST)
        if self._head.form != "tensorflow":
            raise self._odd(
                Phrase(
                    "the shape {shape}, which is not that of masks of {width} x {height} pixels",
                    shape=shape,
                    width=tile.width,
                    height=tile.height,
                )
            )

        def inside(place: int, box: np.ndarray, window: _Window) -> np.ndarray:
            return _of_box(self._checked(masks[numbers[place]]), box, window, tile) > LEAST

        return _Reading(1, inside)

    def _of_prototypes(self, maps: np.ndarray, numbers: np.ndarray, listed: np.ndarray, tile: Box) -> _Reading:
        """Return what tells the pixels of masks that are sums of prototypes."""
        maps = maps[0] if maps.ndim == 4 and len(maps) == 1 else maps
        if maps.ndim == 3 and not self._first:
            maps = np.moveaxis(maps, -1, 0)
        if maps.ndim != 3 or tuple(STRIDE * side for side in maps.shape[1:]) != (tile.height, tile.width):
            raise self._odd(
                Phrase(
                    "the shape {shape}, which is not that of prototypes of a quarter of {width} x {height} pixels",
                    shape=maps.shape,
                    width=tile.width,
                    height=tile.height,
                )
            )
        table = listed[0] if listed.ndim == 3 else listed
        rows = table.T if self._head.form == "yolov8" else table
        count, behind = len(maps), rows.shape[1] - self._before(rows.shape[1] - len(maps))
        if behind != count:
            raise self._odd(
                Phrase("{count} prototypes, but the boxes have {behind} coefficients", count=count, behind=behind)
            )
        weights = rows[numbers, -count:].astype("float32")
        return _Reading(0, lambda place, _, window: _summed(weights[place], maps, window) > 0)

    def _before(self, otherwise: int) -> int:
        """Return how many values of a box come before its coefficients, as far as that is known."""
        if self._head.form == "suppressed":
            return 6
        if self._head.scores is None:
            return otherwise
        return self._head.scores + (5 if self._head.form == "yolov5" else 4)

    def _checked(self, values: np.ndarray) -> np.ndarray:
        least, most = float(values.min(initial=0)), float(values.max(initial=0))
        if not -_ROUNDING <= least <= most <= 1 + _ROUNDING:
            raise self._odd(
                Phrase(
                    "values from {least:.4g} to {most:.4g}, but masks are probabilities from 0 to 1",
                    least=least,
                    most=most,
                )
            )
        return values

    def _odd(self, what: str) -> ModelError:
        return ModelError(
            "The output {output} of the model {model}, read as masks of {form}, has {what}: export the model as its makers "
            "do, or set {geometry} to boxes.",
            output=self._head.masks,
            model=self._path,
            form=self._head.form,
            what=what,
            geometry=field("geometry"),
        )


class _Reading(NamedTuple):
    """Tells the pixels of objects.

    Attributes:
        margin: pixels around its box in which an object may have pixels.
        inside: takes the place of an object, its box and a window, and returns which pixels of the window belong to it.
    """

    margin: int
    inside: Callable[[int, np.ndarray, _Window], np.ndarray]


def _grow_with_boxes(model: Model, output: str) -> bool:
    """Return whether masks are those of boxes because they have one size, whatever the size of the image."""
    images = [info for info in model.inputs.values() if info.rank == 4]
    sides = (model.output(output).shape or (None,))[-2:]
    return bool(images) and None in (images[0].size(1), images[0].size(2)) and None not in sides


def _window(box: np.ndarray, tile: Box, within: Box, margin: int) -> _Window:
    """Return the pixels of a part of a tile with their centre in a box, and those around them."""
    spans = []
    for low, high, start, begin, end in (
        (box[0], box[2], tile.y, within.y, within.bottom),
        (box[1], box[3], tile.x, within.x, within.right),
    ):
        first, last = int(np.ceil(low - 0.5)) - margin, int(np.ceil(high - 0.5)) + margin
        spans.append(np.arange(max(first, begin - start), max(min(last, end - start), max(first, begin - start))))
    return _Window(*spans)


def _begin(places: np.ndarray) -> int:
    return int(places[0]) if len(places) else 0


def _of_box(mask: np.ndarray, box: np.ndarray, window: _Window, tile: Box) -> np.ndarray:
    """Return the probabilities in a window of a mask whose first and last rows and columns lie on the edges of its box.

    A pixel's place is its number divided by that of the last one, as `tf.image.crop_and_resize` has it.
    """
    height, width = mask.shape
    low, high = box[:2] / (tile.height, tile.width), box[2:] / (tile.height, tile.width)
    down = (window.rows / (tile.height - 1) - low[0]) / (high[0] - low[0]) * (height - 1)
    across = (window.columns / (tile.width - 1) - low[1]) / (high[1] - low[1]) * (width - 1)
    found = _interpolated(mask, down, across)
    found[(down < 0) | (down > height - 1)] = 0
    found[:, (across < 0) | (across > width - 1)] = 0
    return found


def _summed(weights: np.ndarray, maps: np.ndarray, window: _Window) -> np.ndarray:
    """Return the logits in a window of a weighted sum of maps."""
    rows, columns = ((places + 0.5) / STRIDE - 0.5 for places in window)
    top, left = (max(0, int(np.floor(places[0]))) for places in (rows, columns))
    part = maps[:, top : int(rows[-1]) + 2, left : int(columns[-1]) + 2]
    logits = np.tensordot(weights, part.astype("float32"), 1)
    return _interpolated(logits, rows - top, columns - left)


def _interpolated(values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return values between rows and columns, bilinear; beyond the edges the nearest ones count.

    Args:
        values: shape (height, width).
        rows, columns: places, 0 for the first row or column; shapes (h,) and (w,).

    Returns:
        float64 of shape (h, w).
    """
    found = values.astype("float64")
    for axis, places in enumerate((rows, columns)):
        places = np.clip(places, 0, values.shape[axis] - 1)
        before = np.floor(places).astype("int64")
        after = np.minimum(before + 1, values.shape[axis] - 1)
        share = (places - before).reshape((1, -1) if axis else (-1, 1))
        found = np.take(found, before, axis) * (1 - share) + np.take(found, after, axis) * share
    return found
