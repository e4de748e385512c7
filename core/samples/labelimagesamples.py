"""LabelImageSampleSelection: points on the pixels of a label raster, with the requested number for each class."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import errors
from ..base.progress import Progress
from ..classes.legend import as_rows, known_classes, write_legend
from ..errors import ParameterError
from ..operations.labelimagesampleselection import LabelImageSampleSelection
from ..phrases import Phrase
from ..vectors.vectorlayer import INTEGER, Field
from ..vectors.vectoroutput import OutputVector, check_vector_output, vector_staging
from .labelraster import LabelRaster, count_labels, group_by_label
from .labelselection import Quota, pickers, quotas


def select_labelled_pixels(parameters: LabelImageSampleSelection, progress: Progress) -> dict[str, Any]:
    """Choose the samples and write them as points.

    Returns:
        `outvec`, its path; `samples` and `classes`, their numbers; `legend`, a JSON text with value, name, color and
        number of samples (count) of each class.

    Raises:
        ParameterError, RasterError, VectorError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    check_vector_output(parameters.outvec, errors.field("outvec"))
    raster = LabelRaster(
        parameters.inref,
        parameters.nodata,
        parameters.nodata_from_layer,
        errors.field("inref"),
        alpha=parameters.alpha,
        progress=progress,
    )
    counts = _count(raster, parameters.pad, progress)
    wanted = quotas(counts, parameters.strategy, parameters.strategy_constant_nb, parameters.strategy_total_v)
    rows = as_rows(sorted(wanted), known_classes(raster.stack.datasets[0]))
    for row in rows:
        quota = wanted[row["value"]]
        called = f"{row['value']} ({row['name']})" if row.get("name") else str(row["value"])
        progress.info(
            Phrase(
                "Class {called}: {target} of {count} {count:pixel|pixels}.",
                called=called,
                target=quota.target,
                count=quota.count,
            )
        )
    with vector_staging(parameters.outvec, progress, errors.field("outvec")) as staging:
        fields = (Field("class", INTEGER),)
        with OutputVector(staging, fields, raster.stack.reference, progress) as out:
            for labels, x, y in _chosen(raster, wanted, parameters, progress):
                out.write([labels], x, y)
            out.close()
        write_legend(staging.folder, staging.final.name, rows, "class")
        staging.commit()
    for row in rows:
        row["count"] = wanted[row["value"]].target
    samples = sum(quota.target for quota in wanted.values())
    legend = json.dumps(rows, ensure_ascii=False)
    return {"outvec": parameters.outvec, "samples": samples, "classes": len(rows), "legend": legend}


def _count(raster: LabelRaster, pad: int, progress: Progress) -> Counter[int]:
    counts: Counter[int] = Counter()
    boxes = raster.boxes(pad)
    if not boxes:
        grid = raster.stack.grid
        raise ParameterError(
            "{pad} is {pad2}, which leaves no pixel of a raster of {width} x {height} pixels: choose a smaller one.",
            pad=errors.field("pad"),
            pad2=pad,
            width=grid.width,
            height=grid.height,
        )
    for number, box in enumerate(boxes):
        progress.check()
        counts.update(count_labels(raster.read(box)[1]))
        progress.fraction(0.4 * (number + 1) / len(boxes))
    if not counts:
        where, more = (
            (Phrase(" outside the border of {pad} pixels", pad=pad), Phrase(" and {pad}", pad=errors.field("pad")))
            if pad
            else ("", "")
        )
        raise ParameterError(
            "No pixel of {name} has a label: all are no-data ({nodata:g}){where}. Check {nodata_key}{more}.",
            name=raster.stack.names[0],
            nodata=raster.nodata,
            where=where,
            nodata_key=errors.field("nodata"),
            more=more,
        )
    return counts


def _chosen(
    raster: LabelRaster, wanted: dict[int, Quota], parameters: LabelImageSampleSelection, progress: Progress
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield labels and coordinates of the chosen pixels in scan order."""
    grid = raster.stack.grid
    classes = np.array(sorted(wanted), "int64")
    by_class = pickers(wanted, parameters.seed)
    boxes = raster.boxes(parameters.pad)
    for number, box in enumerate(boxes):
        progress.check()
        where, labels = raster.read(box)
        if not len(where):
            continue
        order, starts = group_by_label(labels, classes)
        taken = [
            order[start + picker.pick(int(end - start))] for picker, start, end in zip(by_class, starts, starts[1:])
        ]
        here = np.sort(np.concatenate(taken))
        rows, columns = np.divmod(where[here], box.width)
        x = grid.x.origin + (box.x + columns + 0.5) * grid.x.spacing
        y = -(grid.y.origin + (box.y + rows + 0.5) * grid.y.spacing)
        yield labels[here].astype("int64"), x, y
        progress.fraction(0.4 + 0.5 * (number + 1) / len(boxes))
