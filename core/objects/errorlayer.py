"""The layer of hits, misses and false alarms."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from osgeo import ogr

from ..base.progress import Progress
from ..files.staging import Staging
from ..vectors.vectorlayer import REAL, TEXT, Field
from ..vectors.vectoroutput import OutputVector
from .assessedobjects import AssessedObjects
from .classresults import ClassResult

HIT, MISS, ALARM = "hit", "miss", "false alarm"
"""Values of the field `kind`."""

_FIELDS = (Field("kind", TEXT), Field("class", TEXT), Field("score", REAL))


def write_errors(
    staging: Staging,
    least: float,
    detections: AssessedObjects,
    objects: AssessedObjects,
    results: Sequence[ClassResult],
    progress: Progress,
) -> None:
    """Write the detections with a score of `least` or more as hits or false alarms, then the objects that are missed."""
    kinds: list[str] = []
    shapes: list[Any] = []
    classes: list[str] = []
    scores: list[float] = []
    found, expected = _drawn(detections, objects), _drawn(objects, detections)
    missed = np.ones(len(objects), bool)
    for result in results:
        own = np.flatnonzero(detections.of_class(result.name))
        for place, taken, score in zip(own.tolist(), result.taken.tolist(), result.scores.tolist()):
            if score < least:
                continue
            if taken >= 0:
                missed[taken] = False
            kinds.append(HIT if taken >= 0 else ALARM)
            shapes.append(found[place])
            classes.append(result.name)
            scores.append(score)
    lost = np.flatnonzero(missed).tolist()
    kinds += [MISS] * len(lost)
    shapes += [expected[place] for place in lost]
    classes += [objects.classes[place] for place in lost]
    columns: list[np.ma.MaskedArray] = [
        np.ma.MaskedArray(np.array(kinds, object)),
        np.ma.MaskedArray(np.array(classes, object), [not name for name in classes]),
        np.ma.MaskedArray(np.array([*scores, *[0.0] * len(lost)]), [False] * len(scores) + [True] * len(lost)),
    ]
    several = any(shape.GetGeometryType() == ogr.wkbMultiPolygon for shape in shapes)
    kind = ogr.wkbMultiPolygon if several else ogr.wkbPolygon
    with OutputVector(staging, _FIELDS, detections.reference, progress, kind) as out:
        out.write_shapes(columns, [_wkb(shape, several) for shape in shapes])
        out.close()


def _wkb(shape: Any, several: bool) -> bytes:
    return bytes((ogr.ForceToMultiPolygon(shape.Clone()) if several else shape).ExportToWkb(ogr.wkbNDR))


def _drawn(objects: AssessedObjects, others: AssessedObjects) -> Sequence[Any]:
    """Return the shapes of objects; points become squares as large as most of the others."""
    if not objects.points:
        return objects.shapes
    side = _usual_side(others)
    return [_square(envelope, side) for envelope in objects.envelopes]


def _usual_side(objects: AssessedObjects) -> float:
    """Return the median of the longer sides; 1 without any objects."""
    sides = (objects.envelopes[:, 2:] - objects.envelopes[:, :2]).max(axis=1) if len(objects) else np.ones(1)
    return float(np.median(sides))


def _square(envelope: np.ndarray, side: float) -> Any:
    x, y = envelope[0], envelope[1]
    half = side / 2
    ring = [
        (x - half, y - half),
        (x + half, y - half),
        (x + half, y + half),
        (x - half, y + half),
        (x - half, y - half),
    ]
    numbers = [number for point in ring for number in point]
    return ogr.CreateGeometryFromWkb(struct.pack("<BIII10d", 1, ogr.wkbPolygon, 1, 5, *numbers))
