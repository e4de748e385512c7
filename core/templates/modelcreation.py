"""Creating a model: the run of CreateModel."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from ..bandmath.expression import Expression
from ..base.progress import Progress
from ..base.seeds import given_or_drawn
from ..classes.joinedclasses import joined
from ..errors import ParameterError, field
from ..files.staging import Staging
from ..machine.devices import device_scope
from ..models.loading import KerasModel, load_model
from ..models.modelinterface import Model
from ..models.modelseries import serving_facts
from ..models.savedmodelexport import export_saved_model
from ..models.sidecar import write_sidecar
from ..operations.createmodel import CreateModel, ModelSource
from ..parameters.fillings import MEAN
from ..parameters.rastersource import path_of
from ..parameters.templatedescription import CLASSIFICATION
from ..parameters.templatenames import TEMPLATES
from ..patches.imagestatistics import computed_statistics, described_statistics, variables_of
from ..patches.patchesimage import read_description, rows_legend
from ..phrases import Phrase
from ..probing.exportrun import check_replaceable
from ..probing.modeldescription import Description, describe, item
from ..rasters.alpha import open_images
from ..rasters.dates import days_of
from ..rasters.missingpixels import Missing
from ..rasters.rasterstack import Stack
from ..rasters.seriesbands import SeriesLayout
from .catalogue import create
from .filling import is_series
from .normalization import Scaling, scaling_of
from .serieslayout import Row, layouts
from .sourceoptions import SourceFacts, facts_of_patches, facts_of_rasters, source_options, usable_statistics
from .templateoptions import resolve


def create_model(parameters: CreateModel, progress: Progress) -> dict[str, Any]:
    """Create the model.

    Returns:
        The outputs' paths by key; `parameters` (number of weights), `verdict` and `geometry` (how it is applied, in
        words and as parameters of TensorflowModelServe), `inputs` and `outputs` (names, separated by spaces), `loss`
        (the loss that suits it, as LOSS of TensorflowModelTrain names it; empty where there is nothing to train).

    Raises:
        ParameterError, ModelError, RasterError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop; nothing is left behind.
    """
    if parameters.out_savedmodel:
        check_replaceable(Path(parameters.out_savedmodel), field("out_savedmodel"))
    given = _options(parameters, progress)
    options = resolve(parameters.template, given)  # before images are read for their statistics
    series = layouts(options) if is_series(options.template, options.fill) else []
    given.update(_statistics(parameters, given, series, progress))
    if parameters.weights != "none" and parameters.normalization == "none":
        progress.warning(
            Phrase(
                "Pretrained weights expect pixels with mean 0 and deviation 1, so results may be poor: set "
                "{normalization} to standard.",
                normalization=field("normalization"),
            )
        )
    keras.utils.set_random_seed(given_or_drawn(parameters.seed, field("seed"), progress))
    scope = device_scope("cpu")
    with scope():
        model = create(parameters.template, **given)
    described, paths = _write(model, parameters, progress)
    first = described.outputs[0]
    progress.info(
        Phrase("{template}: {count_params} weights.", template=parameters.template, count_params=model.count_params())
    )
    return {
        **paths,
        "parameters": model.count_params(),
        "verdict": first.verdict,
        "geometry": first.parameters,
        "inputs": " ".join(described.model.inputs),
        "outputs": " ".join(described.model.outputs),
        "loss": TEMPLATES[parameters.template].loss_word,
    }


# ------------------------------------------------------------- options


def _options(parameters: CreateModel, progress: Progress) -> dict[str, Any]:
    """Return the template's options but for what follows from statistics."""
    stacks = [_images(parameters, number, progress) for number in range(len(parameters.sources))]
    given: dict[str, Any] = {
        "bands": _bands(parameters.bands, stacks),
        "classes": parameters.classes,
        "width": parameters.width,
        "depth": parameters.depth,
        "factor": parameters.factor,
        "stride": parameters.stride,
        "patch": parameters.patchsize,
        "period": parameters.period,
        "harmonics": parameters.harmonics,
        "expression": parameters.expression or None,
        "weights": None if parameters.weights == "none" else parameters.weights,
        "weights_file": parameters.weights_file,
        "layer": parameters.layer or None,
        "image_pooling": parameters.image_pooling or None,
    }
    template = TEMPLATES[parameters.template]
    if parameters.classes is None and template.task == CLASSIFICATION:
        given["classes"] = _described_classes(parameters, progress)
    facts = [_facts(parameters, *each) for each in zip(parameters.sources, stacks)]
    given.update(source_options(template, parameters, facts, len(given["bands"]), progress))
    if parameters.template == "harmonic":
        given["nodata"] = facts[0].nodata if facts else parameters.nodata
        if given["times"] is None and facts:
            names = Phrase("The band names of source 1 ({dates} is empty)", dates=field("dates"))
            given["times"] = (days_of(facts[0].names, names),)
    return given


def _facts(parameters: CreateModel, source: ModelSource, stack: Stack) -> SourceFacts:
    told = facts_of_patches(source.il[0]) if len(source.il) == 1 else None
    if told is None:
        return facts_of_rasters(stack, parameters.nodata, parameters.nodata_from_layer)
    return told if parameters.nodata is None else replace(told, nodata=parameters.nodata)


def _images(parameters: CreateModel, number: int, progress: Progress) -> Stack:
    """Open the images of a source; in patches all bands are what they are."""
    paths = parameters.sources[number].il
    if all(read_description(path_of(path)).get("content") == "patches" for path in paths):
        return Stack(paths, placed=False)
    told = parameters.bands.replace(",", " ").split()
    wanted = int(told[number]) if number < len(told) and told[number].isdecimal() else None
    return open_images(paths, parameters.alpha, progress, wanted, placed=False)


def _bands(text: str, stacks: Sequence[Stack]) -> tuple[int, ...]:
    words = text.replace(",", " ").split()
    if any(not word.isdecimal() for word in words):
        raise ParameterError(
            "{bands} is {text!r}, but must be whole numbers separated by spaces, such as 1 4.",
            bands=field("bands"),
            text=text,
        )
    found = tuple(stack.bands for stack in stacks)
    told = tuple(int(word) for word in words)
    if told and told[: len(found)] != found:
        raise ParameterError(
            "{bands} is {text!r}, but the images given as sources have {found} bands: leave {bands} empty, or give "
            "other images.",
            bands=field("bands"),
            text=text,
            found=" ".join(map(str, found)),
        )
    return told or found


def _described_classes(parameters: CreateModel, progress: Progress) -> int | None:
    """The number of classes that the patches were cut for; None where it is not known."""
    for source in parameters.sources:
        paths = [path for path in map(path_of, source.il) if path and rows_legend(read_description(path))]
        if paths:
            together, _ = joined([rows_legend(read_description(path)) for path in paths])
            told = Phrase(" and ").join(f"{path}.json" for path in paths)
            progress.info(
                Phrase(
                    "{together_count} {together_count:class|classes}, according to {told}.",
                    together_count=len(together),
                    told=told,
                )
            )
            return len(together)
    return None


def _missing(parameters: CreateModel, stack: Stack) -> Missing:
    return stack.missing(parameters.nodata, parameters.nodata_from_layer)


# ------------------------------------------------------------- statistics


def _statistics(
    parameters: CreateModel, given: dict[str, Any], series: Sequence[SeriesLayout], progress: Progress
) -> dict[str, Any]:
    """Return the options that follow from the images' statistics; of a series those of each band over all dates."""
    if parameters.template == "band_arithmetic":
        return {"statistics": _variables(parameters, given["bands"], progress)}
    scaled, mean = parameters.normalization != "none", parameters.nodata_fill == MEAN
    if not scaled and not mean:
        return {}
    of_each = series or (None,) * len(given["bands"])
    found = [
        _source_statistics(parameters, number, bands, layout, mean, progress)
        for number, (bands, layout) in enumerate(zip(given["bands"], of_each))
    ]
    means = tuple(tuple(row.get("mean") or 0.0 for row in rows) for _, rows in found)
    return {
        **({"scalings": tuple(scaling for scaling, _ in found)} if scaled else {}),
        **({"means": means} if mean else {}),
    }


def _source_statistics(
    parameters: CreateModel, number: int, bands: int, layout: SeriesLayout | None, mean: bool, progress: Progress
) -> tuple[Scaling | None, Sequence[Row]]:
    """Return the scaling of a source, and the statistics of its bands where they are needed; `mean` needs them, too."""
    kind, where = parameters.normalization, Phrase("source {number}", number=number + 1)
    if kind in ("none", "scale") and not mean:
        return scaling_of(kind, parameters.scale, bands, (), where), ()
    if number >= len(parameters.sources):
        key, word = ("nodata_fill", MEAN) if mean else ("normalization", kind)
        raise ParameterError(
            "{field} is {word}, but {il} is missing: give the images to take the statistics from, or choose scale.",
            field=field(key),
            word=word,
            il=field("il", of="sources", number=number + 1),
        )
    paths = parameters.sources[number].il
    rows = described_statistics(paths)
    if rows is None or len(rows) != bands:
        stack = _images(parameters, number, Progress())
        progress.info(Phrase("Computing the statistics of {names}.", names=", ".join(stack.names)))
        rows = list(computed_statistics(stack, _missing(parameters, stack), progress).rows())
    usable = usable_statistics(rows, layout, parameters.nodata_fill, where, progress)
    return scaling_of(kind, parameters.scale, bands, usable, where), usable


def _variables(parameters: CreateModel, bands: Sequence[int], progress: Progress) -> dict[str, float]:
    """The statistics that the expression names."""
    expression = Expression.of_pixels(parameters.expression)
    expression.check(bands)
    found: dict[str, float] = {}
    for image in expression.images_with_statistics:
        if image > len(parameters.sources):
            raise ParameterError(
                "{expression} holds statistics of im{image}, but {il} is missing: give the images to take the "
                "statistics from.",
                expression=field("expression"),
                image=image,
                il=field("il", of="sources", number=image),
            )
        stack = _images(parameters, image - 1, Progress())
        progress.info(Phrase("Computing the statistics of {names}.", names=", ".join(stack.names)))
        found.update(variables_of(image, computed_statistics(stack, _missing(parameters, stack), progress)))
    chosen = {name: found[name] for name in expression.statistics}
    for name, value in chosen.items():
        progress.info(Phrase("{name} = {value:.9g}", name=name, value=value))
    return chosen


# ------------------------------------------------------------- writing


def _described(model: Model, progress: Progress) -> Description:
    return describe(model, (), device_scope("cpu"), progress, probing="fast")


def _item(described: Description, model: keras.Model, parameters: CreateModel) -> dict[str, Any]:
    """Return what the sidecar tells: also the loss that a training takes where it is given none."""
    losses = {output.info.name: TEMPLATES[parameters.template].loss_word for output in described.outputs}
    return item(described, {}, ".", None, serving_facts(model), losses=losses)


def _write(model: keras.Model, parameters: CreateModel, progress: Progress) -> tuple[Description, dict[str, str]]:
    """Write the model in both forms, each with its sidecar; return its description, and the paths by key."""
    scope = device_scope("cpu")
    paths: dict[str, str] = {}
    described: Description | None = None
    with ExitStack() as stack:
        places: list[Staging] = []
        if parameters.out_keras:
            place = stack.enter_context(Staging.of_file(parameters.out_keras, progress, field("out_keras")))
            model.save(place.path)
            with scope():
                made = load_model(str(place.path))
            described = _described(made, progress)
            write_sidecar(str(place.path), _item(described, model, parameters))
            places.append(place)
            paths["out.keras"] = parameters.out_keras
        if parameters.out_savedmodel:
            target = str(Path(parameters.out_savedmodel).absolute())
            place = stack.enter_context(Staging(target, progress, field("out_savedmodel")))
            part = KerasModel(target, model)
            export_saved_model(part, list(part.outputs), (), place.path)
            with scope():
                made = load_model(str(place.path))
            described = dataclasses.replace(described, model=made) if described else _described(made, progress)
            write_sidecar(made.path, _item(described, model, parameters))
            places.append(place)
            paths["out.savedmodel"] = parameters.out_savedmodel
        progress.check()
        for place in places:
            place.commit()
    if described is None:
        raise ParameterError(
            "{out_keras} or {out_savedmodel} is missing: name at least one of them.",
            out_keras=field("out_keras"),
            out_savedmodel=field("out_savedmodel"),
        )
    return described, paths
