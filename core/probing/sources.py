"""The sources of a run: opened, checked against each other, and tied to the model's inputs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ..base.progress import Progress
from ..errors import ModelError, ParameterError
from ..models.modelinterface import Model, TensorInfo
from ..models.placeholders import FORM, Value, check_held, parse_userplaceholders
from ..models.sidecar import Sidecar
from ..rasters.alpha import decide
from ..rasters.missingpixels import Missing
from ..rasters.rasterreference import check_references
from ..rasters.rasterstack import Stack
from .feeding import described, fed_inputs, image_inputs
from .usersettings import SourceSettings, SourcesSettings


@dataclass(frozen=True)
class OpenSource:
    """A source whose rasters are open: what it feeds, and what says where it is no-data (None where it cannot be)."""

    number: int
    stack: Stack
    nodata: Missing | None
    settings: SourceSettings


def open_sources(settings: SourcesSettings) -> list[OpenSource]:
    """Open the rasters of every source.

    Raises:
        RasterError: a raster cannot be opened, is rotated, or lies in another coordinate system.
    """
    opened = []
    for number, source in enumerate(settings.sources, 1):
        stack = Stack(source.rasters, placed=False, takes_complex=True)
        opened.append(_opened(number, stack, source, settings.nodata_from_layer))
    check_references([(source.stack.names[0], source.stack.reference) for source in opened])
    return opened


def _opened(number: int, stack: Stack, settings: SourceSettings, nodata_from_layer: bool) -> OpenSource:
    missing = stack.missing(settings.nodata, nodata_from_layer)
    return OpenSource(number, stack, missing if missing.possible else None, settings)


@dataclass(frozen=True)
class ModelInputs:
    """What goes into the model: the input of each source in order, and the constants of the others."""

    images: tuple[TensorInfo, ...]
    constants: dict[str, np.ndarray]


def settle_alphas(
    model: Model,
    placeholders: str,
    settings: SourcesSettings,
    sources: Sequence[OpenSource],
    output: str,
    sidecar: Sidecar | None,
    progress: Progress,
) -> list[OpenSource]:
    """Return the sources with what is decided of their bands that are marked as alpha, which depends on the model.

    Args:
        model: the model.
        placeholders: values of the user placeholders.
        settings: of the sources.
        sources: of which nothing has been read yet.
        output: one that is asked for.
        sidecar: of the model, which tells what they were in training.
        progress: is told.

    Raises:
        ModelError: see `assign_inputs`.
    """
    settled = []
    for source, info in zip(sources, _fed(model, placeholders, sources, [output])):
        known = sidecar.alpha.get(info.name, "") if sidecar else ""
        decide(source.stack, settings.alpha, progress, info.size(3), known)
        if source.stack.masks:
            source = _opened(source.number, source.stack, source.settings, settings.nodata_from_layer)
        settled.append(source)
    return settled


def assign_inputs(
    model: Model, placeholders: str, sources: Sequence[OpenSource], outputs: Sequence[str]
) -> ModelInputs:
    """Find the input that each source feeds, and the values of the user placeholders.

    Raises:
        ModelError: an unknown name, a wrong number of bands, or an input that nothing feeds.
        ParameterError: a user placeholder cannot be read or has another type.
    """
    values = parse_userplaceholders(placeholders)
    constants = {model.input(name).name: _constant(model.input(name), value) for name, value in values.items()}
    used = model.used_inputs(outputs)
    inputs: list[TensorInfo] = []
    for source, info in zip(sources, _fed(model, placeholders, sources, outputs)):
        if info.name in constants or info in inputs:
            raise ModelError(
                f"The input {info.name} of the model is fed twice: check SOURCE{source.number}_PLACEHOLDER."
            )
        _check_input(info, source, _choice(model, outputs, constants, sources))
        inputs.append(info)
    missing = sorted(set(model.needed_inputs(outputs)) - {info.name for info in inputs} - set(constants))
    texts = [name for name in missing if not model.inputs[name].holds_numbers]
    if texts:
        raise ModelError(
            f"The model {model.path} also needs {', '.join(model.inputs[name].describe() for name in texts)}, which cannot be "
            "given: export it with inputs that are tensors of numbers."
        )
    if missing:
        listed = ", ".join(model.inputs[name].describe() for name in missing)
        raise ModelError(
            f"The model {model.path} also needs {listed}: feed it by another source (SOURCE{len(sources) + 1}_IL), or "
            f"give its value in MODEL_USERPLACEHOLDERS as {FORM}."
        )
    if not any(info.name in used for info in inputs):
        raise ModelError(
            f"{', '.join(outputs)} of the model {model.path} depends on no image that is fed: it is computed from "
            f"{', '.join(used) or 'none of its inputs'}. Name another output in OUTPUT_NAMES, or another input in "
            "SOURCE1_PLACEHOLDER."
        )
    return ModelInputs(tuple(inputs), {name: value for name, value in constants.items() if name in used})


def _fed(model: Model, placeholders: str, sources: Sequence[OpenSource], outputs: Sequence[str]) -> list[TensorInfo]:
    """Return the input that each source feeds."""
    constants = [model.input(name).name for name in parse_userplaceholders(placeholders)]
    names, bands = [s.settings.placeholder for s in sources], [s.stack.bands for s in sources]
    return fed_inputs(model, outputs, constants, names, bands)


def order_told(model: Model, inputs: ModelInputs, outputs: Sequence[str], sources: Sequence[OpenSource]) -> str:
    """Say so where sources that name no input feed them in another order than the usual; empty where they do not."""
    unnamed = [info for info, source in zip(inputs.images, sources) if not source.settings.placeholder]
    usual = [info.name for info in image_inputs(model, outputs, inputs.constants)]
    places = [usual.index(info.name) for info in unnamed]
    if places == sorted(places):
        return ""
    return (
        f"The sources feed {described(inputs.images)}, in this order: the only one that fits their numbers of bands. To "
        "choose another, name the inputs in SOURCE1_PLACEHOLDER, ..."
    )


def _choice(model: Model, outputs: Sequence[str], constants: Collection[str], sources: Sequence[OpenSource]) -> str:
    """Say which inputs the sources may feed, and how to name them; empty where there is no choice."""
    images = image_inputs(model, outputs, constants)
    if len(images) < 2:
        return ""
    named = " ".join(f"SOURCE{number}_PLACEHOLDER={info.name}" for number, info in enumerate(images[: len(sources)], 1))
    return (
        f" The model takes {described(images)}, and sources feed them in this order if they are not named: put the sources "
        f"into it, or name the input of each ({named}, say)."
    )


def _check_input(info: TensorInfo, source: OpenSource, choice: str = "") -> None:
    if not info.holds_numbers:
        raise ModelError(
            f"The input {info.name} of the model takes {'text' if info.dtype == 'string' else info.dtype}, not images: "
            f"name another in SOURCE{source.number}_PLACEHOLDER, or save the model with one that takes tensors of numbers."
        )
    if info.rank not in (None, 4):
        raise ModelError(
            f"The input {info.describe()} of the model has {info.rank} dimensions, but images are fed as batch x height "
            f"x width x bands: save the model with such an input, name another in SOURCE{source.number}_PLACEHOLDER, or give "
            f"this one's value in MODEL_USERPLACEHOLDERS as {FORM}."
        )
    bands = info.size(3)
    if bands is not None and bands != source.stack.bands:
        raise ModelError(
            f"The input {info.name} of the model expects {bands} bands, but source {source.number} has "
            f"{source.stack.bands} ({', '.join(source.stack.names)}): choose the images that the model was trained on."
            f"{_about_alpha(source.stack, bands)}{_about_layout(info, source.stack.bands)}{choice}"
        )
    if not info.dtype.startswith("complex"):
        source.stack.check_real(f"the input {info.name} of the model takes {info.dtype}")


def _about_layout(info: TensorInfo, bands: int) -> str:
    """Say that the second dimension may be that of the bands, where it has their number."""
    if info.size(1) != bands:
        return ""
    return (
        f" The input's second dimension is {bands}, too: if it is batch x bands x height x width, save the model with inputs "
        "that have their bands last, and begin it with tf.transpose(image, [0, 3, 1, 2])."
    )


def _about_alpha(stack: Stack, bands: int) -> str:
    """Say what another choice of ALPHA would do, where it would do."""
    if stack.masks and stack.bands + len(stack.masks) == bands:
        return " Its band that is marked as alpha is one of them with ALPHA=band."
    bare = stack.bands + len(stack.masks) - len(stack.alphas)
    return " Its band that is marked as alpha is a mask with ALPHA=mask." if bare == bands else ""


def _constant(info: TensorInfo, value: Value) -> np.ndarray:
    """Return a user placeholder's value with the dtype and rank that the model asks for."""
    if not info.holds_numbers:
        raise ParameterError(
            f"The user placeholder {info.name}={value} is given, but this input of the model takes "
            f"{'text' if info.dtype == 'string' else info.dtype}, and only numbers and booleans can be given."
        )
    dtype = np.dtype("float32") if info.dtype == "bfloat16" else np.dtype(info.dtype)
    array = np.asarray(value)
    check_held(array, dtype, f"The user placeholder {info.name}={value}")
    array = array.astype(dtype)
    if info.rank is None or array.ndim == info.rank:
        return array
    if array.ndim < info.rank:
        return array.reshape((1,) * (info.rank - array.ndim) + array.shape)
    if array.size == 1:
        return array.reshape(())
    raise ParameterError(
        f"The user placeholder {info.name} has {array.size} values, but the model asks for a single one: {info.describe()}."
    )


def check_numbers(model: Model, output: TensorInfo) -> None:
    """Raise ModelError where an output is no tensor of numbers, but text, or sparse or ragged."""
    if not output.holds_numbers:
        raise ModelError(
            f"The output {output.describe()} of the model {model.path} is no tensor of numbers: choose another in "
            "OUTPUT_NAMES, or export the model with one."
        )


def output_names(model: Model, text: str) -> list[str]:
    """Return the names of the outputs to compute: those asked for, else the first in alphabetical order.

    Raises:
        ModelError: an output does not exist, or the model names none by itself.
    """
    names = text.split()
    if not names:
        if not model.outputs:
            raise ModelError(f"The model {model.path} names no outputs: give a tensor's name in OUTPUT_NAMES.")
        maps = [name for name, info in model.outputs.items() if info.holds_numbers and info.rank != 0]  # no loss
        names = [min(maps or model.outputs)]
    for name in names:
        check_numbers(model, model.output(name))
    return names
