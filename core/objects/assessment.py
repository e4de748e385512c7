"""AssessDetections: the run itself."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from ..base.progress import Part, Progress
from ..errors import NothingInsideError, ParameterError, field
from ..files.staging import check_file, write_text_file
from ..operations.assessdetections import AssessDetections
from ..phrases import Phrase
from ..rasters.rasterreference import Reference
from ..rasters.rasterstack import Stack
from ..vectors.transformation import warn_of_unknown_system
from ..vectors.vectorlayer import INTEGER, REAL, TEXT, Field
from ..vectors.vectoroutput import NO_GEOMETRY, POLYGONS, OutputVector, check_vector_output, vector_staging
from .assessedobjects import AssessedObjects, read_objects
from .assessmentreport import assessment_report
from .classresults import ClassResult, best_score, together
from .errorlayer import write_errors
from .matching import OVERLAPS, Pairs, average_precision, matched
from .objectpairs import containing, overlapping

LEAST_SCORES = tuple(round(0.05 * step, 2) for step in range(20))
"""Smallest scores of the table."""

_LAYERS = {"in": field("detections"), "ref": field("ref")}

_MOST_LISTED = 20
"""Classes that a message lists."""

_TABLE = (
    *(Field("class", TEXT), Field("score", REAL), Field("hits", INTEGER), Field("misses", INTEGER)),
    *(Field("falsealarm", INTEGER), Field("precision", REAL), Field("recall", REAL), Field("f1", REAL)),
)


def assess_detections(parameters: AssessDetections, progress: Progress) -> dict[str, Any]:
    """Compare detections with a reference.

    Returns:
        `out`, `out.errors` and `out.report`, their paths; `precision`, `recall`, `f1`, `hits`, `misses` and `falsealarms` at
        the smallest score; `ap` and `ap50`, means of the classes; `best.score` and `best.f1`; `classes`, a JSON text.

    Raises:
        ParameterError, VectorError, RasterError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    for name in ("out", "out_errors"):
        if getattr(parameters, name):
            check_vector_output(getattr(parameters, name), field(name), NO_GEOMETRY if name == "out" else POLYGONS)
    if parameters.out_report:
        check_file(parameters.out_report, field("out_report"))
    detections, objects = _read(parameters, progress)
    progress.fraction(0.3)
    pairs = _pairs(detections, objects, Part(progress, 0.3, 0.5))
    progress.fraction(0.5)
    results = list(_class_results(parameters, detections, objects, pairs, progress))
    every = together(results)
    progress.fraction(0.8)
    with ExitStack() as stack:
        staging = stack.enter_context(vector_staging(parameters.out, progress, field("out")))
        with OutputVector(staging, _TABLE, Reference("", False), progress, NO_GEOMETRY) as out:
            out.write(_columns([*results, every] if len(results) > 1 else results))
            out.close()
        drawn = None
        if parameters.out_errors:
            drawn = stack.enter_context(vector_staging(parameters.out_errors, progress, field("out_errors")))
            write_errors(drawn, parameters.score, detections, objects, results, progress)
        staging.commit()
        if drawn is not None:
            drawn.commit()
    found = _found(parameters, results, every)
    if parameters.out_report:
        page = assessment_report(parameters, results, every, detections.points or objects.points)
        write_text_file(parameters.out_report, page, progress, field("out_report"))
        found["out.report"] = parameters.out_report
    _tell(parameters, found, detections, objects, progress)
    progress.fraction(1.0)
    return found


def _read(parameters: AssessDetections, progress: Progress) -> tuple[AssessedObjects, AssessedObjects]:
    """Return the detections and the reference objects in the coordinate system of the detections."""
    classes = parameters.in_field if parameters.ref_field else ""
    detections = read_objects(parameters.detections, classes, parameters.in_score, "detections", progress)
    objects = read_objects(parameters.ref, parameters.ref_field or "", "", "ref", progress, detections.reference)
    if detections.points and objects.points:
        raise ParameterError(
            "{in} and {ref} both hold points, of which none contains another: choose polygons for one of them, such as boxes "
            "of otbtf:detectobjects.",
            **_LAYERS,
        )
    if not len(objects):
        raise NothingInsideError("{ref} holds no object: choose the layer with the reference.", ref=field("ref"))
    if parameters.image is not None:
        objects = _inside(parameters, objects, progress)
        _warn_of_detections(parameters, detections, progress)
    if parameters.detections == parameters.ref:
        told = Phrase("{in} and {ref} are the same layer, so all is found: choose the reference in {ref}.", **_LAYERS)
        progress.warning(told)
    if not len(detections):
        progress.warning(Phrase("{in} holds no detection: every object is missed.", **{"in": field("detections")}))
    else:
        _check_places(detections, objects, progress)
        _check_scores(detections, progress)
    _check_classes(set(detections.classes), set(objects.classes), progress)
    return detections, objects


def _check_places(detections: AssessedObjects, objects: AssessedObjects, progress: Progress) -> None:
    """Warn where all detections lie beside the whole reference."""
    (x1, y1, x2, y2), (left, low, right, high) = detections.extent, objects.extent
    if x1 > right or x2 < left or y1 > high or y2 < low:
        progress.warning(
            Phrase(
                "{in} and {ref} lie in different places, so nothing is a hit: the detections cover x {x1:.10g} to {x2:.10g}, y "
                "{y1:.10g} to {y2:.10g}, the reference x {left:.10g} to {right:.10g}, y {low:.10g} to {high:.10g} (coordinate "
                "system: {system}). Choose the reference of the same place, or check the coordinate systems.",
                **_LAYERS,
                **{
                    "system": detections.reference.describe(),
                    "x1": x1,
                    "x2": x2,
                    "y1": y1,
                    "y2": y2,
                    "left": left,
                    "right": right,
                    "low": low,
                    "high": high,
                },
            )
        )


def _check_scores(detections: AssessedObjects, progress: Progress) -> None:
    """Warn of scores that the smallest ones, from 0 to 1, do not suit."""
    low, high = float(detections.scores.min()), float(detections.scores.max())
    if low < 0 or high > 1:
        progress.warning(
            Phrase(
                "The scores of {in} are between {low:.6g} and {high:.6g}, but {score} and the table are for scores between 0 and "
                "1: only the average precision is right. Scale the scores, or choose another field in {in_score}.",
                **{"in": field("detections"), "score": field("score"), "in_score": field("in_score")},
                **{"low": low, "high": high},
            )
        )


def _check_classes(found: set[str], known: set[str], progress: Progress) -> None:
    """Raise ParameterError where detections and reference have no class in common; warn where each has others."""
    if found and not found & known:
        raise ParameterError(
            "The detections have the classes {found}, but the reference has {known}: none in common. Set {in_field} and "
            "{ref_field} to fields with the same numbers or names.",
            found=_listed(found),
            known=_listed(known),
            in_field=field("in_field"),
            ref_field=field("ref_field"),
        )
    if found - known and known - found:
        progress.warning(
            Phrase(
                "Only the detections have the classes {found}, and only the reference has {known}. If their classes are "
                "numbered differently, set {in_field} and {ref_field} to fields with names.",
                found=_listed(found - known),
                known=_listed(known - found),
                in_field=field("in_field"),
                ref_field=field("ref_field"),
            )
        )


def _listed(classes: set[str]) -> str:
    return ", ".join(sorted(classes, key=_order)[:_MOST_LISTED])


def _inside(parameters: AssessDetections, objects: AssessedObjects, progress: Progress) -> AssessedObjects:
    """Return the objects with their centre in the image."""
    stack = Stack([parameters.image])
    warn_of_unknown_system(field("ref"), objects.reference, field("image"), stack.reference, progress)
    within = objects.centred_in(stack.grid, stack.reference)
    outside = int((~within).sum())
    if outside == len(objects):
        raise NothingInsideError(
            "All objects of {ref} lie outside the image {name}: choose the reference of the same place, or check the "
            "coordinate systems ({system} and {image_system}).",
            ref=field("ref"),
            name=stack.names[0],
            system=objects.reference.describe(),
            image_system=stack.reference.describe(),
        )
    if outside:
        progress.warning(
            Phrase(
                "{outside} of {count} objects of {ref} have their centre outside the image {name}, and are left out.",
                outside=outside,
                count=len(objects),
                ref=field("ref"),
                name=stack.names[0],
            )
        )
    return objects.part(within)


def _warn_of_detections(parameters: AssessDetections, detections: AssessedObjects, progress: Progress) -> None:
    """Warn of detections that the image cannot have."""
    stack = Stack([parameters.image])
    beyond = int((~detections.centred_in(stack.grid, stack.reference)).sum())
    if beyond:
        progress.warning(
            Phrase(
                "{beyond} of {count} detections have their centre outside the image {name}, and count as false alarms: choose "
                "the image in which they were detected.",
                beyond=beyond,
                count=len(detections),
                name=stack.names[0],
            )
        )


def _pairs(detections: AssessedObjects, objects: AssessedObjects, progress: Progress) -> Pairs:
    """Return the pairs of one class."""
    if detections.points:
        shapes = objects.shapes, detections.shapes
        pairs = containing(*shapes, objects.envelopes, detections.envelopes, progress).turned()
    else:
        find = containing if objects.points else overlapping
        pairs = find(detections.shapes, objects.shapes, detections.envelopes, objects.envelopes, progress)
    numbers = {name: number for number, name in enumerate(sorted({*detections.classes, *objects.classes}))}
    one, other = (np.array([numbers[name] for name in each.classes], "int64") for each in (detections, objects))
    same = one[pairs.detections] == other[pairs.objects]
    return Pairs(pairs.detections[same], pairs.objects[same], pairs.overlaps[same])


def _class_results(
    parameters: AssessDetections,
    detections: AssessedObjects,
    objects: AssessedObjects,
    pairs: Pairs,
    progress: Progress,
) -> Iterator[ClassResult]:
    """Yield the result of each class, by name; the numbers of objects stay those of all."""
    by_points = detections.points or objects.points
    least = 0.0 if by_points else parameters.iou
    asked = matched(pairs.at_least(least), detections.scores, len(objects))
    each: dict[float, np.ndarray] = {}
    for overlap in () if by_points else OVERLAPS:
        progress.check()
        each[overlap] = matched(pairs.at_least(overlap), detections.scores, len(objects)) >= 0
    for name in sorted({*detections.classes, *objects.classes}, key=_order):
        own, count = detections.of_class(name), int(objects.of_class(name).sum())
        scores = detections.scores[own]
        hits = [each.get(overlap, asked >= 0)[own] for overlap in OVERLAPS]
        precisions = tuple(average_precision(hit, scores, count) for hit in hits)
        yield ClassResult(name, asked[own], scores, count, precisions)


def _order(name: str) -> tuple[float, str]:
    try:
        return float(name), name
    except ValueError:
        return math.inf, name


def _columns(results: Sequence[ClassResult]) -> list[np.ma.MaskedArray]:
    rows = [(result.name, least, result.counts(least)) for result in results for least in LEAST_SCORES]
    numbers = [
        [[counts.hits, counts.misses, counts.alarms] for _, _, counts in rows],
        [[counts.precision, counts.recall, counts.fscore] for _, _, counts in rows],
    ]
    whole, shares = (np.array(part, kind) for part, kind in zip(numbers, ("int64", "float64")))
    return [
        np.ma.MaskedArray(np.array([name for name, _, _ in rows], object)),
        np.ma.MaskedArray(np.array([least for _, least, _ in rows], "float64")),
        *(np.ma.MaskedArray(column) for column in whole.T),
        *(np.ma.masked_invalid(column) for column in shares.T),
    ]


def _found(parameters: AssessDetections, results: Sequence[ClassResult], every: ClassResult) -> dict[str, Any]:
    counts, best = every.counts(parameters.score), best_score(every)
    classes = []
    for result in results:
        own = result.counts(parameters.score)
        numbers = {
            "ap": result.ap,
            "ap50": result.precisions[0],
            "precision": own.precision,
            "recall": own.recall,
            "f1": own.fscore,
        }
        known = {key: value for key, value in numbers.items() if not math.isnan(value)}
        classes.append(
            {"name": result.name, "hits": own.hits, "misses": own.misses, "falsealarms": own.alarms, **known}
        )
    numbers = {"precision": counts.precision, "recall": counts.recall, "f1": counts.fscore, "ap": every.ap}
    numbers = {**numbers, "ap50": every.precisions[0], "best.score": best[0], "best.f1": best[1]}
    return {
        "out": parameters.out,
        **({"out.errors": parameters.out_errors} if parameters.out_errors else {}),
        **{key: value for key, value in numbers.items() if not math.isnan(value)},
        "hits": counts.hits,
        "misses": counts.misses,
        "falsealarms": counts.alarms,
        "classes": json.dumps(classes, ensure_ascii=False),
    }


def _tell(
    parameters: AssessDetections,
    found: dict[str, Any],
    detections: AssessedObjects,
    objects: AssessedObjects,
    progress: Progress,
) -> None:
    progress.info(
        Phrase(
            "With scores of {least:g} or more: {hits} {hits:hit|hits}, {misses} {misses:miss|misses}, {alarms} "
            "{alarms:false alarm|false alarms}; F-score {f1:.3f}. Average precision: {ap:.3f}.",
            least=parameters.score,
            hits=found["hits"],
            misses=found["misses"],
            alarms=found["falsealarms"],
            f1=found.get("f1", math.nan),
            ap=found.get("ap", math.nan),
        )
    )
    if detections.points or objects.points:
        progress.info(
            "Points and polygons are compared: a point in a polygon is a hit, and the average precision knows no overlap."
        )
