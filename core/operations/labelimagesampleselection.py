"""LabelImageSampleSelection: points on the pixels of a label raster, as many of each class as asked for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..base.progress import Progress
from ..classes.legend import as_rows, known_classes, write_legend
from ..errors import ParameterError
from ..parameters import vocabulary as voc
from ..samples.labelraster import LabelRaster, count_labels, group_by_label
from ..samples.labelselection import Quota, pickers, quotas
from ..vectors.vectoropening import INTEGER, Field
from ..vectors.vectoroutput import OutputVector, check_vector_output, vector_staging

STRATEGIES = ("constant", "total", "smallest", "all", "atmost")


@dataclass(frozen=True)
class LabelImageSampleSelection:
    """Parameters of `run`; see OTBTF's application of the same name."""

    NEEDS_ENGINE: ClassVar[bool] = False

    inref: Any = voc.raster("inref", "Label raster", "A raster of one band whose pixels are class labels.")
    strategy: str = voc.choice(
        "strategy",
        "Strategy",
        "constant: the same number for each class, no more than the smallest class has. total: so many altogether, each "
        "class by its share. smallest: as many as the smallest class has. all: every pixel. atmost: the number of constant for "
        "each class, and all of a class that has fewer.",
        STRATEGIES,
    )
    strategy_constant_nb: int = voc.integer(
        "strategy.constant.nb", "Samples per class", "For the strategies constant and atmost.", default=1000, minimum=1
    )
    strategy_total_v: int = voc.integer(
        "strategy.total.v", "Samples altogether", "For the strategy total.", default=1000, minimum=1
    )
    nodata: float | None = voc.number(
        "nodata",
        "No-data value",
        "Value of pixels without a label. Not given: the layer's own, where NODATA_FROM_LAYER is on and it has one, "
        "else -1.",
    )
    pad: int = voc.integer(
        "pad", "Border", "Width in pixels of a border of the raster in which no sample is taken.", default=0, minimum=0
    )
    seed: int | None = voc.integer(
        "seed",
        "Seed",
        "Any whole number from 0: draws the samples at random, the same ones each time. Not given: every n-th pixel of a "
        "class, as OTBTF does.",
        minimum=0,
    )
    nodata_from_layer: bool = voc.boolean(
        "nodata_from_layer",
        "No-data value from the layer",
        "Where the no-data value is not given, use the layer's own. Off: its masks, and no-data values set in its "
        "properties, do not count either.",
        default=True,
        advanced=True,
    )
    alpha: str = voc.alpha()
    outvec: str = voc.vector_out(
        "outvec", "Samples", "Points at the centres of the chosen pixels, with a field class.", geometry="point"
    )


def run(parameters: LabelImageSampleSelection, progress: Progress) -> dict[str, Any]:
    """Choose the samples and write them as points.

    Returns:
        `outvec`, its path; `samples` and `classes`, their numbers; `legend`, a JSON text with value, name, color and
        number of samples (count) of each class.

    Raises:
        ParameterError, RasterError, VectorError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    check_vector_output(parameters.outvec, "OUTVEC")
    raster = LabelRaster(
        parameters.inref, parameters.nodata, parameters.nodata_from_layer, alpha=parameters.alpha, progress=progress
    )
    counts = _count(raster, parameters.pad, progress)
    wanted = quotas(counts, parameters.strategy, parameters.strategy_constant_nb, parameters.strategy_total_v)
    rows = as_rows(sorted(wanted), known_classes(raster.stack.datasets[0]))
    for row in rows:
        quota = wanted[row["value"]]
        progress.info(f"Class {row['value']} {row.get('name', '')}: {quota.target} of {quota.count} pixels.")
    with vector_staging(parameters.outvec, progress, "OUTVEC") as staging:
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
        raise ParameterError(f"PAD is {pad}, which leaves nothing of a raster of {grid.width} x {grid.height} pixels.")
    for number, box in enumerate(boxes):
        progress.check()
        counts.update(count_labels(raster.read(box)[1]))
        progress.fraction(0.4 * (number + 1) / len(boxes))
    if not counts:
        raise ParameterError(
            f"No pixel of {raster.stack.names[0]} has a label: all are no-data ({raster.nodata:g})"
            f"{f' outside the border of {pad} pixels' if pad else ''}. Check NODATA{' and PAD' if pad else ''}."
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
