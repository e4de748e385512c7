"""The network that is trained: a model that there is, or a template made for the samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..parameters.fillings import MEAN
from ..parameters.sampleroles import SampleRole
from ..parameters.templatedescription import Template
from ..parameters.templatenames import DETECTOR, template_of
from ..patches.patchesimage import read_description, without_gaps
from ..rasters.seriesbands import SeriesLayout
from ..samples.bandstatistics import BandStatistics
from ..templates.filling import is_series
from ..templates.normalization import scaling_of
from ..templates.serieslayout import layouts
from ..templates.sourceoptions import source_options, usable_statistics
from ..templates.templateoptions import Options
from .classlabels import class_table
from .detectiontargets import detector_options
from .network import Network, load_network, make_network, restore
from .patchfacts import facts_of
from .samplebatches import PatchSamples, Samples
from .samplesets import LabelCounts, SampleSets

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain


def open_network(
    parameters: TensorflowModelTrain, sets: SampleSets, labels: LabelCounts, progress: Progress
) -> Network:
    """Load the model, or make the template's for the bands and classes of the sources.

    Args:
        parameters: of the operation.
        sets: the samples.
        labels: counts them where they are asked for.
        progress: told what is known of the dates of a template's sources.

    Raises:
        ParameterError, ModelError: it cannot be loaded or made.
    """
    template = template_of(parameters.model_dir)
    if template is None:
        if parameters.tells:
            raise ParameterError(
                "{nodata_fill}, {dates} and {step} are for templates, but {model_dir} is {model_dir2}, a model that fills "
                "missing values as it was made to: leave them out.",
                nodata_fill=field("nodata_fill"),
                dates=field("dates"),
                step=field("step"),
                model_dir=field("model_dir"),
                model_dir2=parameters.model_dir,
            )
        if parameters.width or parameters.depth:
            raise ParameterError(
                "{width} and {depth} are for templates, but {model_dir} is {model_dir2}, a model that has its size: leave "
                "them out.",
                width=field("width"),
                depth=field("depth"),
                model_dir=field("model_dir"),
                model_dir2=parameters.model_dir,
            )
        network = load_network(parameters.model_dir, parameters.trust_model)
    else:
        network = make_network(template, **_template_options(template, parameters, sets, labels, progress))
        network.follow_each_epoch(-(-sets.training.size // parameters.batchsize))
    if parameters.model_restorefrom:
        restore(network, parameters.model_restorefrom, parameters.trust_model)
    return network


def _template_options(
    template: Template, parameters: TensorflowModelTrain, sets: SampleSets, labels: LabelCounts, progress: Progress
) -> dict[str, Any]:
    """What follows from the samples: bands, classes, sizes, and the scaling to mean 0 and deviation 1."""
    *images, target = sets.training.keys
    shapes = sets.training.shapes
    bands = [shapes[key][-1] for key in images]
    facts = [facts_of(sets.training, key) for key in images]
    options: dict[str, Any] = {"bands": tuple(bands), "width": parameters.width, "depth": parameters.depth}
    options.update(source_options(template, parameters, facts, len(bands), progress))
    options.update(_statistics(template, parameters.nodata_fill, sets.training, options, progress))
    if template.loss == "sparse_categorical_crossentropy":
        counts = {role: labels(role, target) for role in sets.by_role}
        table = class_table(counts, None, parameters.remap_labels, parameters.ignored_label, {})
        options["classes"] = len(table.values)
    elif template.name == DETECTOR:
        options.update(detector_options(sets.training, images[0], target))
    elif "classes" in template.takes:
        options["classes"] = shapes[target][-1]
    if "factor" in template.takes:
        options["factor"] = shapes[target][0] // shapes[images[0]][0]
    if "patch" in template.takes:
        options["patch"] = shapes[images[-1]][0]
    return options


def _statistics(
    template: Template, fill: str, samples: Samples, options: Mapping[str, Any], progress: Progress
) -> dict[str, Any]:
    """Return the scalings to mean 0 and deviation 1, of a time series for each band over its dates, and the means."""
    *images, _ = samples.keys
    series: Sequence[SeriesLayout | None] = [None] * len(images)
    if is_series(template, fill):
        given = {"bands": options["bands"], **{name: options[name] for name in ("times", "order") if options[name]}}
        series = layouts(Options(template, **given))
    rows = [
        usable_statistics(
            _band_statistics(samples, key), layout, fill, SampleRole.TRAINING.mention("il", key), progress
        )
        for key, layout in zip(images, series)
    ]
    scalings = [
        scaling_of("standard", 1.0, len(found), found, SampleRole.TRAINING.mention("il", key))
        for key, found in zip(images, rows)
    ]
    means = tuple(tuple(row.get("mean") or 0.0 for row in found) for found in rows)
    return {"scalings": tuple(scalings), **({"means": means} if fill == MEAN else {})}


def _band_statistics(samples: Samples, key: str) -> Sequence[Mapping[str, float | None]]:
    """Return smallest, largest, mean and standard deviation per band of one source, from its JSON or its patches."""
    if isinstance(samples, PatchSamples) and len(samples.files[key]) == 1:
        described = read_description(samples.files[key][0])
        if described.get("statistics") and described.get("patches") == samples.size:
            rows: Sequence[Mapping[str, float | None]] = described["statistics"]
            return rows
    found, gap = BandStatistics(samples.shapes[key][-1]), facts_of(samples, key).nodata
    for values in samples.values(key):
        found.add(without_gaps(values, gap))
    return found.rows()
