"""SampleSelection: points on the pixels of a training layer's features, as many of each class as asked for."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..base.progress import Progress
from ..classes.layerlegend import class_rows
from ..classes.legend import write_legend
from ..errors import ParameterError
from ..parameters import vocabulary as voc
from ..parameters.rastersource import path_of
from ..rasters.alpha import open_images
from ..samples import allocation
from ..samples.allocation import Rates, Totals
from ..samples.classtotals import read_class_totals
from ..samples.counting import Counted, count, otb_tiles
from ..samples.positions import Selection
from ..samples.samplers import Periodic, Random, Sampler
from ..samples.traininglayer import TrainingLayer, file_staging, write_text
from ..samples.validity import Validity
from ..vectors.vectoroutput import OutputVector, vector_staging

SAMPLERS = ("periodic", "random")


@dataclass(frozen=True)
class SampleSelection(TrainingLayer):
    """Parameters of `run`; see OTB's application of the same name."""

    NEEDS_ENGINE: ClassVar[bool] = False

    mask: Any = voc.raster(
        "mask",
        "Mask",
        "Raster of one band on the image's grid: samples are taken only where it is not 0.",
        required=False,
    )
    instats: str | None = voc.file(
        "instats",
        "Statistics",
        "XML file of PolygonClassStatistics for the same image, layer and mask. Not given: the pixels are counted here.",
        required=False,
        file_filter="XML files (*.xml)",
    )
    strategy: str = voc.choice(
        "strategy",
        "Strategy",
        "byclass: the numbers in a file. constant: the same number for each class. percent: a share of each class. "
        "total: so many altogether, in the classes' proportions. smallest: as many for each as the smallest class has. "
        "all: every pixel. A class that has fewer gives all it has.",
        allocation.STRATEGIES,
        default="smallest",
    )
    strategy_byclass_in: str | None = voc.file(
        "strategy.byclass.in",
        "Numbers by class",
        "For the strategy byclass: text file with a class and a number of samples on each line, separated by a comma, "
        "semicolon or tab. A class that is not named gets none.",
        required=False,
        file_filter="Tables (*.csv *.txt);;All files (*)",
    )
    strategy_constant_nb: int | None = voc.integer(
        "strategy.constant.nb", "Samples per class", "For the strategy constant.", minimum=1
    )
    strategy_percent_p: float = voc.number(
        "strategy.percent.p", "Share", "For the strategy percent: from 0 to 1 (all).", default=0.5, minimum=0, maximum=1
    )
    strategy_total_v: int = voc.integer(
        "strategy.total.v", "Samples altogether", "For the strategy total.", default=1000, minimum=1
    )
    sampler: str = voc.choice(
        "sampler",
        "Sampler",
        "periodic: every n-th pixel of a class, feature by feature and row by row (in large images tile by tile, as in "
        "OTB, where the size of the tiles depends on RAM). random: drawn with RAND.",
        SAMPLERS,
    )
    sampler_periodic_jitter: int = voc.integer(
        "sampler.periodic.jitter",
        "Jitter",
        "For the sampler periodic: each sample is moved on by a random number of pixels of its class, up to this one.",
        default=0,
        minimum=0,
        advanced=True,
    )
    rand: int | None = voc.integer(
        "rand",
        "Random seed",
        "Any whole number from 0: repeats the draw. Not given: another draw each time.",
        minimum=0,
    )
    out: str = voc.vector_out(
        "out",
        "Samples",
        "Points at pixel centres (or the points of the layer themselves), with all attributes of the feature that each "
        "lies in, and its id in the field originfid.",
        geometry="point",
    )
    outrates: str | None = voc.file_out(
        "outrates",
        "Rates",
        "Text table of each class: samples asked for, pixels, rate.",
        file_filter="Tables (*.csv)",
    )

    def __post_init__(self) -> None:
        if self.strategy == "byclass" and not self.strategy_byclass_in:
            raise ParameterError(
                "STRATEGY is byclass, but STRATEGY_BYCLASS_IN is missing: give a file of class,number lines."
            )
        if self.strategy == "constant" and self.strategy_constant_nb is None:
            raise ParameterError(
                "STRATEGY is constant, but STRATEGY_CONSTANT_NB is missing: give the number of samples per class."
            )


def run(parameters: SampleSelection, progress: Progress) -> dict[str, Any]:
    """Choose the samples and write them.

    Returns:
        `out` and `outrates`, their paths; `classes` and `samples`, their numbers; `field`, the name of the class field
        in the output; `legend`, a JSON text with value, name, color and number of samples of each class.

    Raises:
        ParameterError, RasterError, VectorError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    with ExitStack() as stack:
        inputs = [*map(path_of, (parameters.image, parameters.vec, parameters.mask))]
        staging = stack.enter_context(vector_staging(parameters.out, progress, "OUT", inputs))
        rates_file = None
        if parameters.outrates:
            texts = (parameters.instats, parameters.strategy_byclass_in, *inputs)
            rates_file = stack.enter_context(file_staging(parameters.outrates, progress, "OUTRATES", texts))
        given = read_class_totals(parameters.instats) if parameters.instats else None
        numbers = _numbers(parameters)

        image = open_images([parameters.image], parameters.alpha, progress)
        validity = Validity(image, parameters.nodata, parameters.nodata_from_layer, parameters.mask)
        shapes = parameters.open(image)
        tiles = otb_tiles(image.grid.box, image.bands, parameters.ram)
        counted = count(shapes, validity, parameters.ram, progress, share=0.5, tiles=tiles)
        totals = _totals(counted, given, progress)
        rates = _rates(parameters, totals, numbers)
        _tell(rates, numbers, progress)

        selection = Selection(shapes, counted, validity, _samplers(parameters, rates), parameters.ram)
        output = stack.enter_context(OutputVector(staging, selection.fields, image.reference, progress))
        written = selection.write(output, progress)
        output.close()
        for name, number in written.items():
            progress.info(f"Class {name}: {number} of {totals[name]} pixels.")
        if rates_file is not None:
            write_text(rates_file, allocation.rates_table(rates))
            rates_file.commit()
        own = dict(zip(selection.fields, output.names)).get(shapes.field, shapes.field.name)
        rows = class_rows(shapes.layer, shapes.field, [label for label, number in written.items() if number], progress)
        write_legend(staging.folder, staging.final.name, rows, own)
        staging.commit()
    for row in rows:
        row["count"] = written[str(row["value"])]
    return {
        "out": parameters.out,
        **({"outrates": parameters.outrates} if parameters.outrates else {}),
        "classes": len(rows),
        "samples": sum(written.values()),
        "field": own,
        "legend": json.dumps(rows, ensure_ascii=False),
    }


def _numbers(parameters: SampleSelection) -> Totals:
    if parameters.strategy != "byclass" or not parameters.strategy_byclass_in:
        return {}
    return allocation.read_numbers(parameters.strategy_byclass_in)


def _totals(counted: Counted, given: Totals | None, progress: Progress) -> Totals:
    """Return the pixels of each class: those of the statistics file, where there is one."""
    here = counted.statistics().per_class
    if not any(here.values()):
        raise ParameterError(
            "No feature holds a valid pixel: they are smaller than the image's pixels, masked, or lie where it has no data."
        )
    if given is None:
        return here
    unknown = [name for name, number in here.items() if number and name not in given]
    if unknown:
        raise ParameterError(
            f"INSTATS says nothing of the class {', '.join(unknown)} (it has {', '.join(given)}): compute the statistics "
            "again from the same layer and field, or leave INSTATS out."
        )
    for name, number in here.items():
        if number != given.get(name, 0):
            progress.warning(
                f"Class {name} has {number} pixels here, but {given[name]} in the statistics: were they computed with "
                "another image, mask or no-data value? The numbers of samples will differ from those asked for."
            )
    return {**dict.fromkeys(here, 0), **given}


def _rates(parameters: SampleSelection, totals: Totals, numbers: Totals) -> Rates:
    if parameters.strategy == "byclass":
        return allocation.by_class(totals, numbers)
    if parameters.strategy == "constant":
        return allocation.constant(totals, parameters.strategy_constant_nb or 0)
    if parameters.strategy == "percent":
        return allocation.percent(totals, parameters.strategy_percent_p)
    if parameters.strategy == "total":
        return allocation.total(totals, parameters.strategy_total_v)
    return allocation.smallest(totals) if parameters.strategy == "smallest" else allocation.every(totals)


def _tell(rates: Rates, numbers: Totals, progress: Progress) -> None:
    """Warn of what does not come out as asked for; raise ParameterError where there would be no sample at all."""
    if not any(rate.needed for rate in rates.values()):
        raise ParameterError("No class would get a sample: raise the number or share of the strategy.")
    strange = [name for name in numbers if name not in rates]
    if strange:
        progress.warning(f"STRATEGY_BYCLASS_IN names {', '.join(strange)}, which no feature has.")
    for name, rate in rates.items():
        if rate.total == 0:
            progress.warning(f"Class {name} has no valid pixel, so no sample.")
        elif rate.required > rate.total:
            progress.warning(
                f"Class {name} has {rate.total} pixels, fewer than the {rate.required} asked for: all are taken."
            )
        elif rate.required == 0:
            progress.warning(f"Class {name} gets no sample.")


def _samplers(parameters: SampleSelection, rates: Rates) -> dict[str, Sampler]:
    random = np.random.default_rng(parameters.rand)
    if parameters.sampler == "random":
        return {name: Random(rate.needed, rate.total, random) for name, rate in rates.items()}
    jitter = parameters.sampler_periodic_jitter
    return {name: Periodic(rate.needed, rate.total, jitter, random) for name, rate in rates.items()}
