"""SampleSelection: points on the pixels of a training layer's features, with the requested number for each class."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import numpy as np

from ..base.progress import Progress
from ..base.seeds import given_or_drawn
from ..classes.layerlegend import class_rows
from ..classes.legend import write_legend
from ..errors import NothingInsideError, ParameterError, field
from ..files.staging import Staging
from ..operations.sampleselection import SampleSelection
from ..parameters.nodatarules import WITHOUT_BANDS, rule_of
from ..phrases import Phrase
from ..rasters.alpha import open_images
from ..vectors.vectoroutput import OutputVector, vector_staging
from . import allocation
from .allocation import Rates, Totals
from .classtotals import read_class_totals
from .counting import Counted, count, otb_tiles
from .positions import Selection
from .samplers import Periodic, Random, Sampler
from .traininglayer import open_shapes
from .validity import Validity


def select_samples(parameters: SampleSelection, progress: Progress) -> dict[str, Any]:
    """Choose the samples and write them.

    Returns:
        `out` and `outrates`, their paths; `classes` and `samples`, their numbers; `field`, the name of the class field
        in the output; `legend`, a JSON text with value, name, color and number of samples of each class.

    Raises:
        ParameterError, RasterError, VectorError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    with ExitStack() as stack:
        staging = stack.enter_context(vector_staging(parameters.out, progress, field("out")))
        rates_file = None
        if parameters.outrates:
            rates_file = stack.enter_context(Staging.of_file(parameters.outrates, progress, field("outrates")))
        given = read_class_totals(parameters.instats) if parameters.instats else None
        numbers = wanted_numbers(parameters)

        image = open_images([parameters.image], parameters.alpha, progress)
        validity = Validity(
            image, parameters.nodata, parameters.nodata_from_layer, parameters.mask, rule_of(parameters, WITHOUT_BANDS)
        )
        shapes = open_shapes(parameters, image)
        # What is drawn at random must not depend on RAM, as OTB's tiles do.
        tiles = () if parameters.sampler == "random" else otb_tiles(image.grid.box, image.bands, parameters.ram)
        counted = count(shapes, validity, parameters.ram, progress, share=0.5, tiles=tiles)
        totals = _totals(counted, given, progress)
        rates = rates_of(parameters, totals, numbers)
        _tell(rates, numbers, progress)

        selection = Selection(shapes, counted, validity, _samplers(parameters, rates, progress), parameters.ram)
        output = stack.enter_context(OutputVector(staging, selection.fields, image.reference, progress))
        written = selection.write(output, progress)
        output.close()
        for name, number in written.items():
            progress.info(
                Phrase(
                    "Class {name}: {number} of {totals} {totals:pixel|pixels}.",
                    name=name,
                    number=number,
                    totals=totals[name],
                )
            )
        if rates_file is not None:
            rates_file.write_text(allocation.rates_table(rates))
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


def wanted_numbers(parameters: SampleSelection) -> Totals:
    """Return the numbers of samples in the file of the strategy byclass; nothing for another strategy.

    Raises:
        ParameterError: it cannot be read.
    """
    if parameters.strategy != "byclass" or not parameters.strategy_byclass_in:
        return {}
    return allocation.read_numbers(parameters.strategy_byclass_in)


def _totals(counted: Counted, given: Totals | None, progress: Progress) -> Totals:
    """Return the pixels of each class: those of the statistics file, where there is one."""
    here = counted.statistics().per_class
    if not any(here.values()):
        raise NothingInsideError(
            "No feature holds a valid pixel: the features are smaller than the image's pixels, masked, or lie "
            "where it has no data."
        )
    if given is None:
        return here
    unknown = [name for name, number in here.items() if number and name not in given]
    if unknown:
        raise ParameterError(
            "{instats} has no class {unknown} (it has {given}): compute the statistics again from the same layer "
            "and field, or leave {instats} empty.",
            instats=field("instats"),
            unknown=", ".join(unknown),
            given=", ".join(given),
        )
    for name, number in here.items():
        if number != given.get(name, 0):
            progress.warning(
                Phrase(
                    "Class {name} has {number} {number:pixel|pixels} here, but {given} in the statistics: were "
                    "they computed with "
                    "another image, mask or no-data value? The numbers of samples will differ from those requested.",
                    name=name,
                    number=number,
                    given=given[name],
                )
            )
    return {**dict.fromkeys(here, 0), **given}


def rates_of(parameters: SampleSelection, totals: Totals, numbers: Totals) -> Rates:
    """Return the rate of each class by the strategy.

    Args:
        parameters: with the strategy.
        totals: pixels of each class.
        numbers: of samples wanted, for the strategy byclass.
    """
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
    """Warn of results that differ from the request; raise ParameterError if there would be no sample at all."""
    if not any(rate.needed for rate in rates.values()):
        raise ParameterError("No class would get a sample: raise the number or share of the strategy.")
    strange = [name for name in numbers if name not in rates]
    if strange:
        progress.warning(
            Phrase(
                "{strategy_byclass_in} has the class {strange}, which no feature has.",
                strategy_byclass_in=field("strategy_byclass_in"),
                strange=", ".join(strange),
            )
        )
    for name, rate in rates.items():
        if rate.total == 0:
            progress.warning(Phrase("Class {name} has no valid pixel and gets no sample.", name=name))
        elif rate.required > rate.total:
            progress.warning(
                Phrase(
                    "Class {name} has {total} {total:pixel|pixels}, fewer than the {required} requested: all are used.",
                    name=name,
                    total=rate.total,
                    required=rate.required,
                )
            )
        elif rate.required == 0:
            progress.warning(Phrase("Class {name} gets no sample.", name=name))


def _samplers(parameters: SampleSelection, rates: Rates, progress: Progress) -> dict[str, Sampler]:
    drawn = parameters.sampler == "random" or parameters.sampler_periodic_jitter
    random = np.random.default_rng(given_or_drawn(parameters.rand, field("rand"), progress) if drawn else 0)
    if parameters.sampler == "random":
        return {name: Random(rate.needed, rate.total, random) for name, rate in rates.items()}
    jitter = parameters.sampler_periodic_jitter
    return {name: Periodic(rate.needed, rate.total, jitter, random) for name, rate in rates.items()}
