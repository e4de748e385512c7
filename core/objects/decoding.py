"""From the outputs of a detector for one tile to boxes in its pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ModelError, field
from ..models.detectorhead import DetectorHead
from ..parameters.detectionmaps import GEOMETRY
from ..phrases import Phrase
from .centrepoints import centred_boxes

_ROUNDING = 1e-3
"""By how much a score may exceed 1."""

_LIMITS = 50
"""Exports limit the number of objects of an image to a multiple of this: 100, 200 or 300 by default."""
_NO_OBJECT = -1.0
"""Score with which KerasCV and KerasHub fill their lists."""

_BEYOND = 2.0
"""Shares of an image up to which boxes may reach beyond it, and pixels below which no box of a real object is."""

_FAR = 100
"""Sides of a tile up to which boxes in pixels may reach beyond it."""

_LARGEST_CLASS = 2**31 - 1


@dataclass(frozen=True)
class _Found:
    """Boxes as the model orders them, shape (n, 4); scores, classes and angles, shape (n,)."""

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray
    angles: np.ndarray | None = None


class Decoder:
    """Decodes the outputs of a detector.

    Attributes:
        head: what the outputs are.
        score: the smallest one that is kept.
        full: number of tiles for which the model returned as many objects as it can.
        tiles: number of tiles that were decoded.
    """

    def __init__(
        self, head: DetectorHead, model: str, score: float, most: int | None = None, labels: Sequence[int] = ()
    ) -> None:
        """Prepare.

        Args:
            head: what the outputs are; its order and scale are known.
            model: path of the model, for messages.
            score: the smallest one that is kept.
            most: objects that the model can return; None where that is not known.
            labels: of maps, the label of each class; empty for their numbers from 0 on.
        """
        self.head, self.full, self.tiles, self.score = head, 0, 0, score
        self._model, self._most, self._labels = model, most, np.array(labels, "int64")
        self._in_pixels = False  # whether a tile has shown that boxes are
        self._largest = 0

    def __call__(self, outputs: Sequence[np.ndarray], height: int, width: int) -> np.ndarray:
        """Return the boxes of a tile; see `numbered`."""
        return self.numbered(outputs, height, width)[0]

    def numbered(self, outputs: Sequence[np.ndarray], height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the boxes of a tile, and the number of each among those that the model returns.

        Args:
            outputs: of the model for one image, in the order of the head's.
            height, width: of the tile in pixels.

        Returns:
            float64 of shape (n, 7): y1, x1, y2, x2 in pixels of the tile, score, class, angle in radians; int64 of shape
            (n,).

        Raises:
            ModelError: the outputs are not what the head says.
        """
        self.tiles += 1
        resizing = outputs[-1] if self.head.resizing else None
        outputs = outputs[: len(outputs) - bool(self.head.resizing)]
        found = (
            self._points(outputs[0], height, width)
            if self.head.facts.maps
            else _READERS.get(self.head.form, _lists)(self, outputs)
        )
        kept = found.scores >= self.score
        self._check_scores(found.scores)
        self._check_classes(found.classes, kept)
        angles = np.zeros(len(kept)) if found.angles is None else found.angles
        kept &= found.classes >= 0
        boxes = _edges(found.boxes[kept].astype("float64"), self.head.order)
        if not (np.isfinite(boxes).all() and np.isfinite(angles[kept]).all()):
            raise self._odd(Phrase("boxes that are no numbers"), Phrase("the model is damaged"))
        self._check(boxes, height, width)
        if self.head.scale == "relative":
            boxes *= np.array([height, width, height, width], "float64")
        elif resizing is not None:
            boxes = self._before_resizing(boxes, resizing)
        columns = [found.scores[kept], found.classes[kept], angles[kept]]
        rows = np.concatenate([boxes, *(np.asarray(each, "float64")[:, None] for each in columns)], axis=1)
        has_area = (rows[:, 2] > rows[:, 0]) & (rows[:, 3] > rows[:, 1])  # what fills a list has none
        self._count(int(has_area.sum()), len(kept))
        return rows[has_area], np.flatnonzero(kept)[has_area]

    def _before_resizing(self, boxes: np.ndarray, resizing: np.ndarray) -> np.ndarray:
        """Return boxes of the image that the model has resized, in pixels of the tile."""
        told = np.asarray(resizing, "float64").reshape(-1, 2)
        if told.shape != (4, 2) or not (told[2] > 0).all():
            raise self.unequal([np.shape(resizing)])
        factor, cut = (np.tile(each, 2) for each in told[2:])
        before: np.ndarray = (boxes + cut) / factor
        return before

    def _count(self, kept: int, returned: int) -> None:
        """Note whether the model returned as many objects as it can; where the file tells no limit, the largest number."""
        if self._most is not None:
            self.full += int(kept >= self._most)
        elif self.head.facts.suppressed and kept == returned and kept >= max(self._largest, 1):
            self.full = self.full * (kept == self._largest) + (kept % _LIMITS == 0)
            self._largest = kept

    def _points(self, output: np.ndarray, height: int, width: int) -> _Found:
        """Read the maps of objects that are found as points."""
        maps = np.asarray(output)
        maps = maps[0] if maps.ndim == 4 and len(maps) == 1 else maps
        if maps.ndim != 3 or maps.shape[-1] <= len(GEOMETRY):
            raise self.unequal([maps.shape])
        self._check_scores(maps[..., : -len(GEOMETRY)].reshape(-1))
        boxes, scores, classes = centred_boxes(maps, height, width, self.score)
        fits = len(self._labels) == maps.shape[-1] - len(GEOMETRY)
        return _Found(boxes, scores, self._labels[classes] if fits else classes)

    def unequal(self, shapes: Sequence[tuple[int, ...]]) -> ModelError:
        """Return the error for outputs that do not fit each other or the form."""
        return ModelError(
            "The outputs {outputs} of the model {model} have the shapes {shapes}, which is not what {head}={form} needs: "
            "boxes, scores and classes must be of equal number. Set {head} and {output_names} to what the outputs are.",
            outputs=", ".join(self.head.all_outputs),
            model=self._model,
            shapes=", ".join(str(shape) for shape in shapes),
            head=field("head"),
            form=self.head.form,
            output_names=field("output_names"),
        )

    def _check_scores(self, scores: np.ndarray) -> None:
        if np.isnan(scores).any():
            raise self._odd(
                Phrase("scores that are no numbers"),
                Phrase(
                    "check that the values of the image are those of the model's training; else the model is damaged"
                ),
            )
        told = scores[(scores != _NO_OBJECT) & (scores != -np.inf)]
        wrong = told[(told > 1 + _ROUNDING) | (told < -_ROUNDING)]
        if len(wrong):
            least, most = float(told.min()), float(told.max())
            raise self._odd(
                Phrase("scores up to {score:.4g}, but they are shares from 0 to 1", score=most)
                if most > 1 + _ROUNDING
                else Phrase("scores down to {score:.4g}, but they are shares from 0 to 1", score=least),
                Phrase("export the model with a sigmoid or softmax, or set {head} to what its outputs are", head=_HEAD),
            )

    def _check_classes(self, classes: np.ndarray, kept: np.ndarray) -> None:
        """Raise ModelError where numbers of classes are others; what a model fills its lists with may be anything."""
        lists = self.head.facts.lists
        checked = classes[kept] if lists else classes
        whole = (checked == np.floor(checked)).all()  # not of NaN
        if not whole or (checked > _LARGEST_CLASS).any():
            raise self._odd(
                Phrase("classes up to {most:.4g}", most=float(checked.max()))
                if whole
                else Phrase("classes that are no whole numbers"),
                Phrase("set {output_names} to boxes, scores and classes", output_names=field("output_names"))
                if lists
                else Phrase("set {head} to what its outputs are, rtdetr for example", head=_HEAD),
            )

    def _check(self, boxes: np.ndarray, height: int, width: int) -> None:
        """Raise ModelError where boxes cannot be in the order and unit of the head."""
        if not len(boxes):
            return
        turned = (boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])
        if turned.mean() >= 0.5 and not self.head.facts.maps:
            raise self._odd(
                Phrase("boxes whose end lies before their begin if their order is {order}", order=self.head.order),
                Phrase("set {head_order}", head_order=field("head_order")),
            )
        largest = float(np.abs(boxes).max())
        if self.head.scale == "relative" and largest > 1 + _BEYOND:
            raise self._odd(
                Phrase("boxes with numbers up to {largest:.5g}, which are no shares of an image", largest=largest),
                Phrase("set {head_scale} to pixels", head_scale=field("head_scale")),
            )
        if self.head.scale == "pixels":
            self._check_pixels(largest, height, width)

    def _check_pixels(self, largest: float, height: int, width: int) -> None:
        if largest > _FAR * max(height, width) or (largest < _BEYOND and not self._in_pixels):
            raise self._odd(
                Phrase(
                    "boxes with numbers up to {largest:.3g} in a tile of {width} x {height} pixels",
                    largest=largest,
                    width=width,
                    height=height,
                ),
                Phrase("set {head_scale} to relative", head_scale=field("head_scale"))
                if largest < _BEYOND
                else Phrase("the model is damaged"),
            )
        self._in_pixels = True

    def _odd(self, what: str, cure: str) -> ModelError:
        return ModelError(
            "The outputs {outputs} of the model {model}, read as {form}, hold {what}: {cure}.",
            outputs=", ".join(self.head.all_outputs),
            model=self._model,
            form=self.head.form,
            what=what,
            cure=cure,
        )


_HEAD = field("head")


def _edges(boxes: np.ndarray, order: str) -> np.ndarray:
    """Return y1, x1, y2, x2 of boxes in another order."""
    one, two, three, four = boxes.T
    if order == "yxyx":
        return boxes
    if order == "xyxy":
        return boxes[:, [1, 0, 3, 2]]
    if order == "xywh":
        return np.stack((two, one, two + four, one + three), axis=1)
    return np.stack((two - four / 2, one - three / 2, two + four / 2, one + three / 2), axis=1)


def _lists(decoder: Decoder, outputs: Sequence[np.ndarray]) -> _Found:
    """Read boxes, scores and classes that are outputs of their own, each with or without the image's dimension."""
    shapes = [np.shape(output) for output in outputs]
    boxes, scores, classes = (
        array[0] if array.ndim == rank + 1 and len(array) == 1 else array
        for array, rank in zip(map(np.asarray, outputs[:3]), (2, 1, 1))
    )
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != classes.shape or scores.shape != boxes.shape[:1]:
        raise decoder.unequal(shapes)
    if len(outputs) > 3:
        count = np.asarray(outputs[3]).reshape(-1)
        if count.size != 1 or not 0 <= count[0] <= len(boxes):
            raise decoder.unequal(shapes)
        boxes, scores, classes = (array[: int(count[0])] for array in (boxes, scores, classes))  # others are filling
    return _Found(boxes, scores, classes)


def _table(decoder: Decoder, output: np.ndarray) -> np.ndarray:
    """Return a list of one image as a table of two dimensions."""
    array = np.asarray(output)
    if array.ndim == 3 and len(array) == 1:
        array = array[0]
    if array.ndim != 2:
        raise decoder.unequal([array.shape])
    return array


def _yolov5(decoder: Decoder, outputs: Sequence[np.ndarray]) -> _Found:
    rows = _table(decoder, outputs[0])
    count = decoder.head.scores if decoder.head.scores is not None else rows.shape[1] - 5 - decoder.head.prototypes
    if count < 1 or rows.shape[1] < 5 + count:
        raise decoder.unequal([rows.shape])
    each = rows[:, 5 : 5 + count]
    classes = each.argmax(axis=1)
    return _Found(rows[:, :4], rows[:, 4] * each[np.arange(len(each)), classes], classes)


def _yolov8(decoder: Decoder, outputs: Sequence[np.ndarray]) -> _Found:
    columns = _table(decoder, outputs[0])
    angles = 1 if decoder.head.facts.oriented else 0
    count = (
        decoder.head.scores
        if decoder.head.scores is not None
        else columns.shape[0] - 4 - angles - decoder.head.prototypes
    )
    if count < 1 or columns.shape[0] < 4 + count + angles:
        raise decoder.unequal([columns.shape])
    each = columns[4 : 4 + count]
    classes = each.argmax(axis=0)
    scores = each[classes, np.arange(each.shape[1])]
    return _Found(columns[:4].T, scores, classes, columns[-1] if angles else None)


def _suppressed(decoder: Decoder, outputs: Sequence[np.ndarray]) -> _Found:
    angles = 1 if decoder.head.facts.oriented else 0
    rows = _table(decoder, outputs[0])
    if rows.shape[1] < 6 + angles:
        raise decoder.unequal([rows.shape])
    return _Found(rows[:, :4], rows[:, 4], rows[:, 5], rows[:, -1] if angles else None)


def _rtdetr(decoder: Decoder, outputs: Sequence[np.ndarray]) -> _Found:
    rows = _table(decoder, outputs[0])
    if rows.shape[1] < 5:
        raise decoder.unequal([rows.shape])
    classes = rows[:, 4:].argmax(axis=1)
    return _Found(rows[:, :4], rows[np.arange(len(rows)), 4 + classes], classes)


def _yolov7(decoder: Decoder, outputs: Sequence[np.ndarray]) -> _Found:
    rows = _table(decoder, outputs[0])
    if rows.shape[1] != 7:
        raise decoder.unequal([rows.shape])
    return _Found(rows[:, 1:5], rows[:, 6], rows[:, 5])


_READERS: dict[str, Callable[[Decoder, Sequence[np.ndarray]], _Found]] = {
    "yolov5": _yolov5,
    "yolov8": _yolov8,
    "yolov8_obb": _yolov8,
    "suppressed": _suppressed,
    "suppressed_obb": _suppressed,
    "rtdetr": _rtdetr,
    "yolov7": _yolov7,
}
"""How each form that is one output is read; the others are lists."""
