"""The sources of a run: opened, checked against each other, and tied to the model's inputs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..base.progress import Progress
from ..errors import ModelError, ParameterError, field
from ..geometry.grid import Box
from ..models.modelinterface import Model, TensorInfo
from ..models.placeholders import FORM, Value, check_held, parse_userplaceholders
from ..models.servingdefaults import ServingDefaults, SourceDefaults
from ..models.sidecar import Sidecar
from ..parameters.nodatarules import WITHOUT_BANDS, NodataRule
from ..phrases import Phrase
from ..rasters.alpha import decide
from ..rasters.missingpixels import Missing, gap_type
from ..rasters.rasterreference import check_references
from ..rasters.rasterstack import Stack
from .feeding import described, fed_inputs, image_inputs
from .sourcedates import check_dates
from .usersettings import SourceSettings, SourcesSettings

_VALUES, _OUTPUTS = field("model_userplaceholders"), field("output_names")


@dataclass(frozen=True)
class OpenSource:
    """A source whose rasters are open.

    Attributes:
        number: 1 for the first source.
        stack: the rasters.
        nodata: says which pixels are no-data; None where none can be.
        settings: of the user.
        rule: says how many of the pixels below an output may be no-data.
        gaps: says which bands get the value that stands for missing ones in the model; None where they have it already, or
            the model knows none.
    """

    number: int
    stack: Stack
    nodata: Missing | None
    settings: SourceSettings
    rule: NodataRule = WITHOUT_BANDS
    gaps: tuple[Missing, float] | None = None

    @property
    def dtype(self) -> np.dtype:
        """Type of the pixels as the model takes them."""
        return self.stack.dtype if self.gaps is None else gap_type(self.stack.dtype, self.gaps[1])

    def read(self, box: Box, padding: str) -> np.ndarray:
        """Return the pixels of `box` as the model takes them; see `Stack.read_padded`."""
        return self.with_gaps(self.stack.read_padded(box, padding), box, padding)

    def with_gaps(self, pixels: np.ndarray, box: Box, padding: str) -> np.ndarray:
        """Return pixels of `box` with the model's value where bands are missing."""
        if self.gaps is None:
            return pixels
        missing, value = self.gaps
        return missing.with_gaps(pixels, box, value, padding).astype(self.dtype, copy=False)


def open_sources(settings: SourcesSettings) -> list[OpenSource]:
    """Open the rasters of every source.

    Raises:
        RasterError: a raster cannot be opened, is rotated, or lies in another coordinate system.
    """
    opened = []
    for number, source in enumerate(settings.sources, 1):
        stack = Stack(source.rasters, placed=False, takes_complex=True)
        opened.append(_opened(number, stack, source, settings))
    check_references([(source.stack.names[0], source.stack.reference) for source in opened])
    return opened


def _opened(
    number: int, stack: Stack, source: SourceSettings, settings: SourcesSettings, filled: float | None = None
) -> OpenSource:
    """Return a source; `filled` is what stands for missing values in a model that fills them."""
    rule = settings.rule if filled is None else replace(settings.rule, nan=True)
    taken = filled if settings.nodata_from_layer else None  # whoever switches no-data off wants all pixels mapped
    missing = stack.missing(source.nodata, settings.nodata_from_layer, rule=rule, filled=taken)
    gaps = (missing, filled) if filled is not None and missing.changes(filled) else None
    return OpenSource(number, stack, missing if missing.possible else None, source, rule, gaps)


@dataclass(frozen=True)
class ModelInputs:
    """What goes into the model: the input of each source in order, and the constants of the others."""

    images: tuple[TensorInfo, ...]
    constants: dict[str, np.ndarray]


def settle_sources(
    model: Model,
    placeholders: str,
    settings: SourcesSettings,
    sources: Sequence[OpenSource],
    output: str,
    sidecar: Sidecar | None,
    progress: Progress,
) -> list[OpenSource]:
    """Return the sources with what depends on the model: what bands marked as alpha are, and the value of missing bands.

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
    defaults = (sidecar.serving_defaults if sidecar else None) or ServingDefaults()
    for source, info in zip(sources, _fed(model, placeholders, sources, [output])):
        known = sidecar.alpha.get(info.name, "") if sidecar else ""
        decide(source.stack, settings.alpha, progress, info.size(3), known)
        told = defaults.sources.get(info.name, SourceDefaults())
        filled = told.filled
        if told.series is not None:
            check_dates(source.stack, source.number, told.series, progress)
        if source.stack.masks or filled is not None:
            source = _opened(source.number, source.stack, source.settings, settings, filled)
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
                "The input {info} of the model is fed twice: check {placeholder}.",
                info=info.name,
                placeholder=_placeholder(source.number),
            )
        _check_input(info, source, _choice(model, outputs, constants, sources))
        inputs.append(info)
    missing = sorted(set(model.needed_inputs(outputs)) - {info.name for info in inputs} - set(constants))
    texts = [name for name in missing if not model.inputs[name].holds_numbers]
    if texts:
        raise ModelError(
            "The model {model} also needs {texts}, but only numeric tensors are supported: export the model with "
            "numeric inputs.",
            model=model.path,
            texts=Phrase(", ").join(model.inputs[name].describe() for name in texts),
        )
    if missing:
        listed = Phrase(", ").join(model.inputs[name].describe() for name in missing)
        raise ModelError(
            "The model {model} also needs {listed}: add a source that feeds it ({il}), or set its value in {values} "
            "as {form}.",
            model=model.path,
            listed=listed,
            il=field("il", of="sources", number=len(sources) + 1),
            values=_VALUES,
            form=FORM,
        )
    if not any(info.name in used for info in inputs):
        raise ModelError(
            "{outputs} of the model {model} does not depend on the images of the sources, but on {used}. Name "
            "another output in {outputs2}, or another input in {placeholder}.",
            outputs=", ".join(outputs),
            model=model.path,
            used=", ".join(used) or Phrase("none of its inputs"),
            outputs2=_OUTPUTS,
            placeholder=_placeholder(1),
        )
    return ModelInputs(tuple(inputs), {name: value for name, value in constants.items() if name in used})


def _fed(model: Model, placeholders: str, sources: Sequence[OpenSource], outputs: Sequence[str]) -> list[TensorInfo]:
    """Return the input that each source feeds."""
    constants = [model.input(name).name for name in parse_userplaceholders(placeholders)]
    names, bands = [s.settings.placeholder for s in sources], [s.stack.bands for s in sources]
    return fed_inputs(model, outputs, constants, names, bands)


def order_told(model: Model, inputs: ModelInputs, outputs: Sequence[str], sources: Sequence[OpenSource]) -> str:
    """Return a warning if sources without an input name feed the inputs in an unusual order; else an empty text."""
    unnamed = [info for info, source in zip(inputs.images, sources) if not source.settings.placeholder]
    usual = [info.name for info in image_inputs(model, outputs, inputs.constants)]
    places = [usual.index(info.name) for info in unnamed]
    if places == sorted(places):
        return ""
    return Phrase(
        "The sources feed {images}, in this order: the only one that fits their numbers of bands. To choose "
        "another, name the inputs in {placeholder}, ...",
        images=described(inputs.images),
        placeholder=_placeholder(1),
    )


def _placeholder(number: int) -> str:
    """Return a mention of the input's name that a source feeds."""
    return field("placeholder", of="sources", number=number)


def _choice(model: Model, outputs: Sequence[str], constants: Collection[str], sources: Sequence[OpenSource]) -> str:
    """Return which inputs the sources may feed, and how to name them; empty if there is no choice."""
    images = image_inputs(model, outputs, constants)
    if len(images) < 2:
        return ""
    named = " ".join(f"{_placeholder(number)}={info.name}" for number, info in enumerate(images[: len(sources)], 1))
    return Phrase(
        " The model has the inputs {images}, fed in this order by default: list the sources in this order, or name "
        "the input of each ({named}, for example).",
        images=described(images),
        named=named,
    )


def _check_input(info: TensorInfo, source: OpenSource, choice: str = "") -> None:
    if not info.holds_numbers:
        raise ModelError(
            "The input {info} of the model accepts {text}, not images: name another in {placeholder}, or save the "
            "model with a numeric input.",
            info=info.name,
            text=Phrase("text") if info.dtype == "string" else info.dtype,
            placeholder=_placeholder(source.number),
        )
    if info.rank not in (None, 4):
        raise ModelError(
            "The input {info} of the model has {rank} dimensions, but images are fed as batch x height x width x "
            "bands: save the model with such an input, name another in {placeholder}, or set the value of this one "
            "in {values} as {form}.",
            info=info.describe(),
            rank=info.rank,
            placeholder=_placeholder(source.number),
            values=_VALUES,
            form=FORM,
        )
    bands = info.size(3)
    if bands is not None and bands != source.stack.bands:
        raise ModelError(
            "The input {info} of the model expects {bands} bands, but source {number} has {stack_bands} ({names}): "
            "choose the images that the model was trained on.{about_alpha}{about_layout}{choice}",
            info=info.name,
            bands=bands,
            number=source.number,
            stack_bands=source.stack.bands,
            names=", ".join(source.stack.names),
            about_alpha=_about_alpha(source.stack, bands),
            about_layout=_about_layout(info, source.stack.bands),
            choice=choice,
        )
    if not info.dtype.startswith("complex"):
        source.stack.check_real(
            Phrase("the input {info} of the model accepts {dtype}", info=info.name, dtype=info.dtype)
        )


def _about_layout(info: TensorInfo, bands: int) -> str:
    """Return a hint that the second dimension may be that of the bands, if it has their number; else an empty text."""
    if info.size(1) != bands:
        return ""
    return Phrase(
        " The input's second dimension is {bands}, too: if it is batch x bands x height x width, save the model "
        "with inputs that have their bands last, and begin it with tf.transpose(image, [0, 3, 1, 2]).",
        bands=bands,
    )


def _about_alpha(stack: Stack, bands: int) -> str:
    """Return a hint on another choice for alpha bands, if it would fit; else an empty text."""
    if stack.masks and stack.bands + len(stack.masks) == bands:
        return Phrase(" With {alpha}=band, its band that is marked as alpha is one of them.", alpha=field("alpha"))
    bare = stack.bands + len(stack.masks) - len(stack.alphas)
    return (
        Phrase(" With {alpha}=mask, its band that is marked as alpha is a mask.", alpha=field("alpha"))
        if bare == bands
        else ""
    )


def _constant(info: TensorInfo, value: Value) -> np.ndarray:
    """Return a user placeholder's value with the dtype and rank that the model asks for."""
    if not info.holds_numbers:
        raise ParameterError(
            "The user placeholder {info}={value} is given, but this input of the model accepts {text}: only numbers "
            "and booleans are supported. Leave it out.",
            info=info.name,
            value=value,
            text=Phrase("text") if info.dtype == "string" else info.dtype,
        )
    dtype = np.dtype("float32") if info.dtype == "bfloat16" else np.dtype(info.dtype)
    array = np.asarray(value)
    check_held(array, dtype, Phrase("The user placeholder {info}={value}", info=info.name, value=value))
    array = array.astype(dtype)
    if info.rank is None or array.ndim == info.rank:
        return array
    if array.ndim < info.rank:
        return array.reshape((1,) * (info.rank - array.ndim) + array.shape)
    if array.size == 1:
        return array.reshape(())
    raise ParameterError(
        "The user placeholder {info} has {size} values, but the model accepts a single one: {info2}.",
        info=info.name,
        size=array.size,
        info2=info.describe(),
    )


def check_numbers(model: Model, output: TensorInfo) -> None:
    """Raise ModelError where an output is no tensor of numbers, but text, or sparse or ragged."""
    if not output.holds_numbers:
        raise ModelError(
            "The output {output} of the model {model} is not a numeric tensor: choose another in {outputs}, or "
            "export the model with one.",
            output=output.describe(),
            model=model.path,
            outputs=_OUTPUTS,
        )


def output_names(model: Model, text: str) -> list[str]:
    """Return the names of the outputs to compute: those asked for, else the first in alphabetical order.

    Raises:
        ModelError: an output does not exist, or the model names none by itself.
    """
    names = text.split()
    if not names:
        if not model.outputs:
            raise ModelError(
                "The model {model} names no outputs: enter the name of a tensor in {outputs}.",
                model=model.path,
                outputs=_OUTPUTS,
            )
        maps = [name for name, info in model.outputs.items() if info.holds_numbers and info.rank != 0]  # no loss
        names = [min(maps or model.outputs)]
    for name in names:
        check_numbers(model, model.output(name))
    return names
