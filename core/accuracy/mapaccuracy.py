"""The work of ComputeConfusionMatrix: from map and reference to the matrix, the scores and the report."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.progress import Progress
from ..classes.classfield import holds_names
from ..classes.classnames import ClassNames, Label, classes_of_field, classes_of_numbers
from ..classes.legend import known_classes, read_legend
from ..errors import NothingInsideError, ParameterError, field
from ..files.staging import Staging
from ..machine import preloading
from ..phrases import Phrase
from ..rasters.placement import check_placed
from ..rasters.rasteropening import open_dataset
from ..samples.labelraster import LabelRaster
from ..samples.shapes import Shapes, open_training_layer
from ..vectors.vectorlayer import TEXT
from .mapcomparison import Comparison, compare_features, compare_rasters, reference_raster
from .matrixfile import text
from .olofsson import AreaEstimates, estimate
from .report import Report
from .scores import ClassScores, class_scores_of, described, numbers

if TYPE_CHECKING:
    from ..operations.computeconfusionmatrix import ComputeConfusionMatrix


@dataclass(frozen=True)
class _Areas:
    """Estimates of areas, their unit and, where there are none, why not."""

    estimates: AreaEstimates | None
    unit: str
    reason: str = ""


def assess_map(parameters: ComputeConfusionMatrix, progress: Progress) -> dict[str, Any]:
    """Compare map and reference, and write the matrix and the report.

    Returns:
        `out` and `out.report`, the paths of what was written; `kappa`, `overall_accuracy` and `f1_macro`, where they
        are defined; `samples`, the pixels or points compared; `overall_accuracy_adjusted` and
        `overall_accuracy_adjusted_ci` (half of its 95 % confidence interval), where each mapped class has samples;
        `classes`, a JSON text with the scores of each class.

    Raises:
        ParameterError, RasterError, VectorError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    nodata, from_layer, alpha = parameters.nodatalabel, parameters.nodata_from_layer, parameters.alpha
    image = LabelRaster(parameters.image, nodata, from_layer, field("image"), math.nan, alpha, progress, placed=False)
    with ExitStack() as stack:
        outputs = {
            key: stack.enter_context(Staging.of_file(path, progress, field(key.replace(".", "_"))))
            for key, path in (("out", parameters.out), ("out.report", parameters.out_report))
            if path
        }
        names = ClassNames(parameters.class_names, image.stack.datasets[0])
        comparison, pairs = _compared(parameters, image, names, progress)
        names.tell_strangers({label for label, _ in pairs}, comparison.mapped, progress)
        preloading.wait()  # scikit-learn is needed from here on, and shares packages with what may be loading
        scores = _scores(pairs, comparison.mapped, names)
        areas = _areas(scores, comparison)
        outputs["out"].write_text(text(scores, parameters.format))
        if "out.report" in outputs:
            outputs["out.report"].write_text(_report(parameters, scores, areas, comparison.without))
        for staging in outputs.values():
            staging.commit()
    _log_scores(scores, comparison.without, areas, progress)
    return {
        **{key: str(staging.final) for key, staging in outputs.items()},
        **numbers(scores),
        **_adjusted(areas),
        "samples": int(scores.support.sum()),
        "classes": json.dumps(_class_rows(scores, areas), ensure_ascii=False),
    }


# --------------------------------------------------------------- comparing

_HECTARES, _PIXELS = Phrase("ha"), Phrase("pixels")  # units of areas
_Pairs = Mapping[tuple[Label, int], int]
"""Label of the reference and of the map, to samples."""


def _compared(
    parameters: ComputeConfusionMatrix, image: LabelRaster, names: ClassNames, progress: Progress
) -> tuple[Comparison, _Pairs]:
    pairs: _Pairs
    if parameters.ref == "raster":
        source, nodata = parameters.ref_raster_in, parameters.ref_raster_nodata
        from_layer, alpha = parameters.nodata_from_layer, parameters.alpha
        raster = field("ref_raster_in")
        reference = reference_raster(source, image.stack, nodata, from_layer, raster, alpha, progress)
        legend = known_classes(open_dataset(source)[0])  # of the raster itself: what is warped has lost it
        if not any(entry.name for entry in legend.values()):
            names.check_numbers(f"{raster} ({reference.stack.names[0]})", _BY_NAME["raster"])
        comparison = compare_rasters(image, reference, progress)
        numbers = sorted({number for number, _ in comparison.pairs})
        labels = names.labels(classes_of_numbers(numbers, legend), raster)
        names.add({number: legend[number] for number in numbers if number in legend and number in labels})
        pairs = _by_label(comparison.pairs, dict(zip(numbers, labels)))
        where = Phrase("the raster {name}", name=reference.stack.names[0])
    else:
        check_placed(image.stack.names[0], image.stack.reference)
        layer = open_training_layer(parameters.ref_vector_in or "", None)
        shapes = Shapes(layer, str(parameters.ref_vector_field), image.stack.grid, image.stack.reference)
        called = f"{field('ref_vector_field')} ({shapes.field.name})"
        named, legend = holds_names([(layer, shapes.field)], progress), read_legend(layer.source, shapes.field.name)
        if shapes.field.kind != TEXT and not any(entry.name for entry in legend.values()):
            names.check_numbers(called, _BY_NAME["vector"])
        comparison, texts = compare_features(image, shapes, parameters.ram, progress)
        classes = classes_of_field(texts, shapes.field, named, legend)
        without = parameters.ref_vector_nodata
        counted = [at for at, item in enumerate(classes) if item.number is None or item.number != without]
        labels = names.labels([classes[at] for at in counted], called)
        names.add({n: legend[n] for n in (classes[at].number for at in counted) if n in labels and n in legend})
        pairs = _by_label(comparison.pairs, dict(zip(counted, labels)))
        where = Phrase("the layer {layer}", layer=layer.path)
    if not pairs:
        raise NothingInsideError(
            "No pixel can be compared: where {where} has a class, the map {name} has no data or does not reach. The "
            "map covers {grid} (coordinate system: {reference}). Check the no-data values and the extents.",
            where=where,
            name=image.stack.names[0],
            grid=image.stack.grid.describe(),
            reference=image.stack.reference.describe(),
        )
    return comparison, pairs


_BY_NAME = {
    "raster": Phrase(
        "Give a reference raster that names its classes, or a layer with a field of texts, to compare by name."
    ),
    "vector": Phrase("Choose a field of texts (the field calculator's to_string makes one), to compare by name."),
}
"""How the user can have classes compared by name."""


def _by_label(pairs: Mapping[tuple[int, int], int], labels: Mapping[int, Label]) -> _Pairs:
    """Return pairs whose first part is that of `labels` for it; those that have none there are left out."""
    found: Counter[tuple[Label, int]] = Counter()
    for (key, mapped), number in pairs.items():
        if key in labels:
            found[labels[key], mapped] += number
    return found


def _scores(pairs: _Pairs, mapped: Mapping[int, int], names: ClassNames) -> ClassScores:
    labels = sorted(
        {*(label for pair in pairs for label in pair), *mapped}, key=lambda label: (str(label) == label, label)
    )
    at = {label: index for index, label in enumerate(labels)}
    matrix = np.zeros((len(labels), len(labels)), np.int64)
    for (reference, found), number in pairs.items():
        matrix[at[reference], at[found]] = number
    return class_scores_of(matrix, labels, [names.name(label) for label in labels])


# ------------------------------------------------------------------- areas


def _areas(scores: ClassScores, comparison: Comparison) -> _Areas:
    mapped, unit = _mapped_areas(comparison)
    try:
        return _Areas(estimate(scores.matrix, [mapped.get(label, 0) for label in scores.labels]), unit)
    except ParameterError as error:
        missing = [
            name
            for name, label, found in zip(scores.names, scores.labels, scores.matrix.sum(axis=0))
            if mapped.get(label) and not found
        ]
        return _Areas(
            None, unit, Phrase("{error} Without samples: {missing}.", error=error, missing=", ".join(missing))
        )


def _mapped_areas(comparison: Comparison) -> tuple[Mapping[int, float], str]:
    """Return the area of each class on the map and its unit: hectares on the ellipsoid where the map tells it."""
    if comparison.areas is None:
        return comparison.mapped, _PIXELS
    return {label: area / 1e4 for label, area in comparison.areas.items()}, _HECTARES


def _adjusted(areas: _Areas) -> dict[str, float]:
    if areas.estimates is None:
        return {}
    found = {
        "overall_accuracy_adjusted": areas.estimates.overall,
        "overall_accuracy_adjusted_ci": areas.estimates.overall_ci,
    }
    return {key: value for key, value in found.items() if math.isfinite(value)}


# ---------------------------------------------------------------- telling


def _class_rows(scores: ClassScores, areas: _Areas) -> list[dict[str, Any]]:
    """Return what is known of each class, without what is undefined."""
    rows = []
    for at, (label, name) in enumerate(zip(scores.labels, scores.names)):
        row: dict[str, Any] = {"label": label, "name": name, "support": int(scores.support[at])}
        values = {"precision": scores.precision[at], "recall": scores.recall[at], "fscore": scores.fscore[at]}
        if areas.estimates is not None:
            each = ("mapped", "area", "area_ci", "users", "users_ci", "producers", "producers_ci")
            values.update({key: getattr(areas.estimates, key)[at] for key in each})
            row["unit"] = areas.unit
        row.update({key: float(value) for key, value in values.items() if math.isfinite(value)})
        rows.append(row)
    return rows


def _log_scores(scores: ClassScores, without: int, areas: _Areas, progress: Progress) -> None:
    if without:
        progress.info(
            Phrase(
                "{without} {without:sample of the reference lies|samples of the reference lie} "
                "where the map has no data.",
                without=without,
            )
        )
    progress.info(
        Phrase(
            "{support} {support:sample|samples}: {scores}.", support=int(scores.support.sum()), scores=described(scores)
        )
    )
    if areas.estimates is None:
        progress.warning(Phrase("Adjusted accuracies and areas are not available: {reason}", reason=areas.reason))
    else:
        progress.info(
            Phrase(
                "Adjusted for area: overall accuracy {overall:.4f} ± {overall_ci:.4f}.",
                overall=areas.estimates.overall,
                overall_ci=areas.estimates.overall_ci,
            )
        )


def _report(parameters: ComputeConfusionMatrix, scores: ClassScores, areas: _Areas, without: int) -> str:
    report = Report(Phrase("Accuracy of a map"))
    of_pixels = parameters.ref == "raster"
    report.text(
        Phrase(
            "The map {image} against {ref_raster_in}.",
            image=parameters.image,
            ref_raster_in=parameters.ref_raster_in if of_pixels else parameters.ref_vector_in,
        )
    )
    if without:
        report.text(
            Phrase(
                "{without} {without:sample of the reference lies|samples of the reference lie} where the map "
                "has no data: ignored.",
                without=without,
            )
        )
    report.class_scores(Phrase("Agreement of the samples"), scores)
    report.heading(Phrase("Accuracies and areas, adjusted for the mapped areas of the classes"))
    if areas.estimates is None:
        report.text(areas.reason)
    else:
        _area_tables(report, scores, areas.estimates, areas.unit)
    report.parameters(parameters)
    return report.html()


def _area_tables(report: Report, scores: ClassScores, found: AreaEstimates, unit: str) -> None:
    report.text(
        Phrase(
            "After Olofsson et al. (2014): each sample represents its part of the mapped class that it lies in. ± is a "
            "95 % confidence interval. It is valid if the reference is a random sample of each mapped class. "
            "Neighbouring pixels, as under a polygon or in a raster, are not independent samples; their intervals are "
            "too narrow."
        )
    )
    report.text(
        Phrase("Overall accuracy: {with_interval}", with_interval=_with_interval(found.overall, found.overall_ci, 3))
    )
    digits = 2 if unit == _HECTARES else 0
    rows = [
        (
            name,
            _with_interval(found.users[at], found.users_ci[at], 3),
            _with_interval(found.producers[at], found.producers_ci[at], 3),
            f"{found.mapped[at]:,.{digits}f}",
            _with_interval(found.area[at], found.area_ci[at], digits),
        )
        for at, name in enumerate(scores.names)
    ]
    header = (
        Phrase("Class"),
        Phrase("User's accuracy"),
        Phrase("Producer's accuracy"),
        Phrase("Mapped area ({unit})", unit=unit),
        Phrase("Estimated area ({unit})", unit=unit),
    )
    report.table("", header, rows)
    if unit == _PIXELS:
        report.text(
            Phrase(
                "Areas are in pixels, because the coordinate system (CRS) of the map is unknown, or part of the map is not "
                "on the Earth in it: assign the right one (Raster > Projections > Assign projection)."
            )
        )


def _with_interval(value: float, interval: float, digits: int) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:,.{digits}f}" + (f" ± {interval:,.{digits}f}" if math.isfinite(interval) else "")
