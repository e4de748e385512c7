"""SampleAugmentation: further samples of a class, made from those of a layer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..base.progress import Progress
from ..base.seeds import given_or_drawn
from ..classes.layerlegend import class_rows
from ..classes.legend import write_legend
from ..errors import ParameterError, field
from ..files.staging import Staging
from ..operations.sampleaugmentation import SampleAugmentation
from ..phrases import Phrase
from ..vectors.vectorlayer import DTYPES, INTEGER, TEXT, Field, VectorLayer
from ..vectors.vectoroutput import NO_GEOMETRY, POINTS, Column, OutputVector, vector_staging
from .classsamples import ClassSamples, read_class
from .newsamples import interpolated, jittered, repeated
from .shapes import layer_source

_ROWS = 50_000  # written at a time

_NUMBERS_OF_FEATURES = ("fid", "ogc_fid", "originfid")
"""Usual names of fields that number features."""


def augment_samples(parameters: SampleAugmentation, progress: Progress) -> dict[str, Any]:
    """Make the samples and write them.

    Returns:
        `out`, its path; `samples` and `sources`, the numbers of new samples and of those they were made from; `field`, the
        name of the class field in the output; `legend`, a JSON text with value, name, color and number of new samples.

    Raises:
        ParameterError, VectorError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    with vector_staging(parameters.out, progress, field("out")) as staging:
        layer = VectorLayer(layer_source(parameters.samples_in, parameters.layer))
        class_field = layer.field(parameters.field)
        layer.check_class_field(class_field, progress)
        features = _feature_fields(layer, class_field, parameters.exclude, progress)
        found = read_class(layer, class_field, features, parameters.label, progress)
        _check(parameters, found, progress)
        progress.fraction(0.5)
        own = _write(parameters, layer, class_field, found, staging, progress)
        rows = class_rows(layer, class_field, [found.label], progress)
        write_legend(staging.folder, staging.final.name, rows, own)
        staging.commit()
    progress.info(
        Phrase(
            "New samples of the class {label}: {samples}, made from {sources}.",
            label=parameters.label,
            samples=parameters.samples,
            sources=found.count,
        )
    )
    for row in rows:
        row["count"] = parameters.samples
    return {
        "out": parameters.out,
        "samples": parameters.samples,
        "sources": found.count,
        "field": own,
        "legend": json.dumps(rows, ensure_ascii=False),
    }


def _feature_fields(
    layer: VectorLayer, class_field: Field, exclude: tuple[str, ...], progress: Progress
) -> tuple[Field, ...]:
    """Return the features: the fields of numbers that are neither excluded nor the class."""
    excluded = [layer.field(name) for name in exclude]
    if len({each.index for each in excluded}) < len(excluded):
        raise ParameterError(
            "{exclude} is {names!r}, but repeats a field: list each field only once.",
            exclude=field("exclude"),
            names=" ".join(exclude),
        )
    left = {class_field.index, *(each.index for each in excluded)}
    features = tuple(each for each in layer.fields if each.kind != TEXT and each.index not in left)
    if not features:
        raise ParameterError(
            "The layer {layer} of {path} has no field of numbers that is a feature, apart from {field} and {exclude}: "
            "add pixel values with SampleExtraction (otbtf:sampleextraction), or exclude fewer fields.",
            layer=layer.name,
            path=layer.path,
            field=field("field"),
            exclude=field("exclude"),
        )
    progress.info(Phrase("Features: {names}.", names=", ".join(each.name for each in features)))
    others = [each.name for each in layer.fields if each not in features and each != class_field]
    if others:
        progress.info(
            Phrase(
                "Fields that are excluded or hold no numbers, and keep the values of the first sample: {names}.",
                names=", ".join(others),
            )
        )
    numbering = [each.name for each in features if each.name.lower() in _NUMBERS_OF_FEATURES]
    if numbering:
        progress.warning(
            Phrase(
                "The features include {names}, a usual name of feature numbers: if it holds these, add it to {exclude}.",
                names=", ".join(numbering),
                exclude=field("exclude"),
            )
        )
    return features


def _check(parameters: SampleAugmentation, found: ClassSamples, progress: Progress) -> None:
    """Refuse or warn of samples that the strategy can make little of."""
    neighbors = parameters.strategy_smote_neighbors
    if parameters.strategy == "smote" and found.count <= neighbors:
        raise ParameterError(
            "{neighbors} is {number}, but the class {label} has {count} samples: choose fewer neighbours than samples, or "
            "another {strategy}.",
            neighbors=field("strategy_smote_neighbors"),
            number=neighbors,
            label=parameters.label,
            count=found.count,
            strategy=field("strategy"),
        )
    if parameters.strategy == "replicate":
        return
    constant = [each.name for each, values in zip(found.features, found.columns) if (values == values[0]).all()]
    if constant:
        progress.warning(
            Phrase(
                "All samples of the class {label} have the same value in {names}: it stays as it is.",
                label=parameters.label,
                names=", ".join(constant),
            )
        )


def _new_values(
    parameters: SampleAugmentation, found: ClassSamples, progress: Progress
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield the features' values of some new samples, by feature; in fields of whole numbers they are rounded."""
    if parameters.strategy == "replicate":
        places = repeated(found.count, parameters.samples)
        for start in range(0, len(places), _ROWS):
            yield tuple(column[places[start : start + _ROWS]] for column in found.columns)
        return
    random = np.random.default_rng(given_or_drawn(parameters.seed, field("seed"), progress))
    if parameters.strategy == "jitter":
        parts = jittered(found.values(), parameters.samples, parameters.strategy_jitter_stdfactor, random)
    else:
        parts = interpolated(found.values(), parameters.samples, parameters.strategy_smote_neighbors, random, progress)
    for values in parts:
        yield tuple(
            np.rint(column).astype(DTYPES[INTEGER]) if each.kind == INTEGER else column
            for each, column in zip(found.features, values.T)
        )


def _write(
    parameters: SampleAugmentation,
    layer: VectorLayer,
    class_field: Field,
    found: ClassSamples,
    staging: Staging,
    progress: Progress,
) -> str:
    """Write the new samples; return the name of the class field in the output."""
    first, done = found.first, 0
    with OutputVector(staging, layer.fields, layer.reference, progress, first.geometry_type) as output:
        for values in _new_values(parameters, found, progress):
            progress.check()
            count = len(values[0])
            made = dict(zip(found.features, values))
            columns = [
                made[each] if each in made else _constant(first.attributes[each.index], each, count)
                for each in layer.fields
            ]
            if first.geometry_type == NO_GEOMETRY:
                output.write(columns)
            elif first.geometry_type == POINTS:
                output.write(columns, *(np.full(count, coordinate) for coordinate in first.point))
            else:
                output.write_shapes(columns, [first.wkb] * count)
            done += count
            progress.fraction(0.5 + 0.5 * done / parameters.samples)
        output.close()
        return dict(zip(layer.fields, output.names)).get(class_field, class_field.name)


def _constant(value: Any, of: Field, count: int) -> Column:
    """Return a column that holds one value, or null."""
    if value is None:
        return np.ma.masked_all(count, DTYPES[of.kind])
    return np.full(count, value, DTYPES[of.kind])
