"""Rows whose images overlap: what lies there counts in each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..base.progress import Progress
from ..errors import OtbtfError
from ..parameters.extendedfilenames import split
from ..phrases import Phrase
from ..rasters.rasteropening import open_dataset
from ..rasters.rasterreference import Reference
from .ground import Corners, corners, longitudes_and_latitudes
from .rowcalls import RowCall

_IMAGE, _IMAGES, _LAYER = "in", "il", "vec"
_MOST_TOLD = 5

_Box = tuple[float, float, float, float]
"""Smallest x and y, largest x and y."""


def warn_of_overlaps(calls: Sequence[RowCall], progress: Progress) -> None:
    """Warn of rows whose images overlap by more than half a pixel, and that have the same layer, if they have one.

    Features of different layers count by themselves also in one run over all.
    """
    count, pairs = 0, []
    for count, pair in enumerate(_pairs(_boxes(calls, progress)), 1):
        if count <= _MOST_TOLD:
            pairs.append(pair)
    if not pairs:
        return
    told = [Phrase("{one} and {other}", one=one.name, other=other.name) for one, other in pairs]
    progress.warning(
        Phrase(
            "The images of {count} pairs of rows overlap, so that what lies there counts twice in the merged result: {told}.",
            count=count,
            told=Phrase("; ").join(told),
        )
    )


def _boxes(calls: Sequence[RowCall], progress: Progress) -> list[tuple[_Box, RowCall]]:
    """Return where each row's image lies, less half a pixel: in its coordinates, or in degrees where these differ."""
    found: list[tuple[Corners, Reference, float, RowCall]] = []
    for call in calls:
        progress.check()
        for image in _images(call):
            try:
                source = split(image)[0]
                dataset = open_dataset(source)[0]
                half = abs(dataset.GetGeoTransform()[1]) / 2
                found.append((corners(dataset), Reference.of(dataset, source), half, call))
            except OtbtfError:  # the row itself fails, or tells
                continue
    if all(reference.same_as(found[0][1]) for _, reference, _, _ in found):
        return [(_box(places, half), call) for places, _, half, call in found]
    degrees = [(longitudes_and_latitudes(reference, places), call) for places, reference, _, call in found]
    return [(_box(places, 0.0), call) for places, call in degrees if places is not None]


def _images(call: RowCall) -> list[str]:
    """Return the images of a row, as it gives them."""
    given = call.values.get(_IMAGE) or call.values.get(_IMAGES) or ()
    return [str(each) for each in (given if isinstance(given, (list, tuple)) else (given,))]


def _box(places: Corners, less: float) -> _Box:
    x, y = zip(*places)
    return min(x) + less, min(y) + less, max(x) - less, max(y) - less


def _pairs(boxes: list[tuple[_Box, RowCall]]) -> Iterator[tuple[RowCall, RowCall]]:
    ordered = sorted(boxes, key=lambda each: each[0])
    for at, (box, call) in enumerate(ordered):
        for other, other_call in ordered[at + 1 :]:
            if other[0] >= box[2]:
                break
            same_layer = call.values.get(_LAYER) == other_call.values.get(_LAYER)
            if call is not other_call and same_layer and box[1] < other[3] and other[1] < box[3]:
                yield call, other_call
