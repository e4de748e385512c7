"""Arranging patches as a picture, each with its label below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

_GLYPHS = {
    "0": "75557",
    "1": "26227",
    "2": "71747",
    "3": "71717",
    "4": "55711",
    "5": "74717",
    "6": "74757",
    "7": "71122",
    "8": "75757",
    "9": "75717",
    "-": "00700",
    ".": "00002",
    "e": "07746",
}
"""Five rows of three pixels per character, each row an octal digit."""

_BACKGROUND, _INK = 32, 255
_STRIP = 7  # height in pixels of the strip with the label
_LOW, _HIGH = 2.0, 98.0  # percentiles that become black and white


def sheet(
    patches: np.ndarray, labels: Sequence[float] | None, colors: Mapping[float, str], columns: int, zoom: int
) -> np.ndarray:
    """Return the picture, uint8, shape (height, width, 3).

    Args:
        patches: shape (n, height, width, 1 or 3), any real dtype.
        labels: of the patches; None to leave them out.
        colors: of labels, as `#rrggbb`: the colour of the strip below a patch.
        columns: patches in a row.
        zoom: by how much a patch's pixels are enlarged.
    """
    shown = _stretched(patches).repeat(zoom, axis=1).repeat(zoom, axis=2)
    if shown.shape[3] == 1:
        shown = shown.repeat(3, axis=3)
    count, height, width, _ = shown.shape
    cell_height = height + 1 + (0 if labels is None else _STRIP)
    rows = -(-count // columns)
    picture = np.full((rows * cell_height + 1, columns * (width + 1) + 1, 3), _BACKGROUND, "uint8")
    for number in range(count):
        top, left = number // columns * cell_height + 1, number % columns * (width + 1) + 1
        picture[top : top + height, left : left + width] = shown[number]
        if labels is not None:
            strip = picture[top + height : top + height + _STRIP, left : left + width]
            _label(strip, labels[number], colors.get(labels[number], ""))
    return picture


def _stretched(patches: np.ndarray) -> np.ndarray:
    """Return the patches as uint8, each band stretched over all patches."""
    result = np.zeros(patches.shape, "uint8")
    for band in range(patches.shape[3]):
        values = patches[..., band].astype("float64")
        known = values[np.isfinite(values)]
        if not len(known):
            continue
        low, high = np.percentile(known, (_LOW, _HIGH))
        scaled = (values - low) / (high - low if high > low else 1.0) * 255
        result[..., band] = np.clip(np.nan_to_num(scaled), 0, 255)
    return result


def _label(strip: np.ndarray, label: float, color: str) -> None:
    ink = _INK
    if color:
        rgb = [int(color[place : place + 2], 16) for place in (1, 3, 5)]
        strip[:] = rgb
        ink = 0 if sum(rgb) > 384 else _INK
    column = 1
    for character in f"{label:g}":
        for row, digit in enumerate(_GLYPHS.get(character, "00000")):
            for bit in range(3):
                if int(digit) >> (2 - bit) & 1 and column + bit < strip.shape[1]:
                    strip[1 + row, column + bit] = ink
        column += 4


def choose(labels: np.ndarray | None, patches: int, count: int, seed: int | None) -> np.ndarray:
    """Return which patches are shown, in the order of the sheet: by label, as many of each as there can be.

    Args:
        labels: of all patches, shape (patches,), or None.
        patches: their number.
        count: how many are shown at most.
        seed: draws them at random; None takes them at equal distances.
    """
    groups = [np.arange(patches)]
    if labels is not None:
        groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    random = None if seed is None else np.random.default_rng(seed)
    chosen: dict[int, np.ndarray] = {}
    left = count
    for place in sorted(range(len(groups)), key=lambda index: len(groups[index])):  # small groups leave room to others
        members = groups[place]
        number = min(len(members), left // (len(groups) - len(chosen)))
        left -= number
        if random is not None:
            taken = np.sort(random.choice(len(members), number, replace=False))  # nosec B311 (draws samples, not secrets)
        else:
            taken = np.arange(number) * len(members) // max(1, number)
        chosen[place] = members[taken]
    return np.concatenate([chosen[place] for place in range(len(groups))])
