"""Boxes of objects, as they are kept while an image is computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BOX = np.dtype(
    {
        "names": ["y1", "x1", "y2", "x2", "mask", "score", "class", "angle", "cut", "tile"],
        "formats": ["f8", "f8", "f8", "f8", "i8", "f4", "i4", "f4", "?", "u1"],
        "itemsize": 56,
    }
)
"""A box: its upper and lower, left and right edges in pixels, before it is turned by the angle (radians, clockwise as seen
on the image) around its centre; where its mask is in the files of masks, `NO_MASK` for none; score and class; whether the
inner edge of a tile cuts it; the kind of its tile, see `overlappingtiles.KINDS`."""

NO_MASK = -1

_FINE = 16

NO_BOXES = np.empty(0, BOX)


def boxes_of(rows: np.ndarray) -> np.ndarray:
    """Return boxes of what `decoding.Decoder` returns, shape (n, 7)."""
    boxes = np.zeros(len(rows), BOX)
    boxes["mask"] = NO_MASK
    for name, column in zip(("y1", "x1", "y2", "x2", "score", "class", "angle"), rows.T):
        boxes[name] = column
    return boxes


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return boxes one after the other; NumPy would leave out the bytes behind their fields."""
    return np.concatenate([NO_BOXES, *parts], out=np.empty(sum(map(len, parts)), BOX))


def centres(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and columns of the boxes' centres, float64."""
    return (boxes["y1"] + boxes["y2"]) / 2, (boxes["x1"] + boxes["x2"]) / 2


def places(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres to a sixteenth of a pixel, float64.

    What is less is rounding, which differs from tile to tile. Centres often lie on the edge between two pixels.
    """
    rows, columns = (np.rint(_FINE * each) / _FINE for each in centres(boxes))
    return rows, columns


def hulls(boxes: np.ndarray) -> np.ndarray:
    """Return the upright rectangles around the turned boxes: y1, x1, y2, x2, shape (n, 4)."""
    rows, columns = centres(boxes)
    height, width = (boxes["y2"] - boxes["y1"]) / 2, (boxes["x2"] - boxes["x1"]) / 2
    cosine, sine = np.abs(np.cos(boxes["angle"].astype("float64"))), np.abs(np.sin(boxes["angle"].astype("float64")))
    straight = boxes["angle"] == 0
    tall = np.where(straight, height, width * sine + height * cosine)
    wide = np.where(straight, width, width * cosine + height * sine)
    return np.stack((rows - tall, columns - wide, rows + tall, columns + wide), axis=1)


def corners(boxes: np.ndarray) -> np.ndarray:
    """Return the corners of the turned boxes in order around them: column and row, shape (n, 4, 2)."""
    rows, columns = centres(boxes)
    height, width = (boxes["y2"] - boxes["y1"]) / 2, (boxes["x2"] - boxes["x1"]) / 2
    angle = boxes["angle"].astype("float64")
    cosine, sine = np.cos(angle), np.sin(angle)
    found = np.empty((len(boxes), 4, 2))
    for number, (across, down) in enumerate(((-1, -1), (1, -1), (1, 1), (-1, 1))):
        found[:, number, 0] = columns + across * width * cosine - down * height * sine
        found[:, number, 1] = rows + across * width * sine + down * height * cosine
    return found
