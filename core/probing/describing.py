"""What a model is: its inputs and outputs, how far it looks, and whether given rasters fit it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from osgeo import gdal

from ..base.progress import Progress
from ..errors import ModelError, OtbtfError
from ..machine.devices import Scope
from ..models.layout import channels_last
from ..models.modelinterface import Model, TensorInfo
from ..models.placeholders import parse_userplaceholders
from ..models.sidecar import Geometry
from ..operations.tensorflowmodelserve import TensorflowModelServe
from ..parameters.servedmodel import Source
from ..rasters.pixeltypes import gdal_type, written_type
from ..rasters.rasterreference import check_references
from ..rasters.rasterstack import Stack
from .appliedgeometry import choose_fields, given_axes, serving_geometry
from .feeding import image_inputs
from .geometryresolver import SAMPLE, GeometryResolver
from .probedsidecar import as_geometry, size_law_of
from .receptivefield import ReceptiveField, find_receptive_fields
from .sizelaw import SizeLaw
from .sources import ModelInputs, OpenSource, assign_inputs, check_numbers, order_told, settle_alphas
from .tilemargins import SIDES, TileMargins, find_tile_margins

LARGEST = 512
"""Largest square, in pixels of the first source, on which true receptive fields are sought."""

RATIOS = (Fraction(1), Fraction(1, 2), Fraction(2), Fraction(1, 4), Fraction(4))
"""Pixels of a further source per pixel of the first that are tried where no rasters tell."""

PIXELWISE = "pixel-wise"
FULLY_CONVOLUTIONAL = "fully convolutional"
ANY_PATCHES = "patches of any size"
WHOLE = "whole image only"


@dataclass(frozen=True)
class OutputDescription:
    """One output of a model.

    Attributes:
        info: name, shape and dtype.
        geometry: how the model is applied for it; None where that was not found.
        parameters: the same as parameters of Serve that can be copied; empty where it was not found.
        fields: true receptive field per source; empty where it was not found.
        problem: why the geometry was not found.
    """

    info: TensorInfo
    geometry: Geometry | None = None
    parameters: str = ""
    fields: tuple[ReceptiveField, ...] = ()
    problem: str = ""

    @property
    def verdict(self) -> str:
        """In words: how the model is applied."""
        return self.geometry.verdict if self.geometry else "not probed"


@dataclass(frozen=True)
class Description:
    """A model, its outputs, and how rasters fit.

    Attributes:
        model: the model.
        outputs: those that were asked for, else all.
        probed_on: what the model was probed on, for people.
        rasters: the rasters, for people; empty where none were given.
        misfits: why the rasters do not fit; empty where they do.
        bands: names of the bands by name of the input, where the rasters have them.
    """

    model: Model
    outputs: tuple[OutputDescription, ...]
    probed_on: str
    rasters: tuple[str, ...] = ()
    misfits: tuple[str, ...] = ()
    bands: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def geometries(self) -> list[Geometry]:
        """The geometries that were found."""
        return [output.geometry for output in self.outputs if output.geometry]


def describe(
    model: Model,
    names: Sequence[str],
    scope: Scope,
    progress: Progress,
    sources: Sequence[Source] = (),
    placeholders: str = "",
    receptive_fields: bool = True,
    alpha: str = "auto",
) -> Description:
    """Describe a model.

    Args:
        model: the model.
        names: outputs to describe; empty for all that it names.
        scope: the device.
        progress: receives a line per output.
        sources: rasters to compare with the model, and to probe it on.
        placeholders: values of the user placeholders.
        receptive_fields: False to leave out the true receptive fields, which serving does not need: they take most of the
            time, minutes for a deep U-Net.
        alpha: what bands are that are marked as alpha; see `core.rasters.alpha.decide`.

    Raises:
        ModelError: an output does not exist.
        Cancelled: `progress` asked to stop.
    """
    infos = [model.output(name) for name in names or model.outputs]
    if not infos:
        raise ModelError(f"The model {model.path} names no outputs: give a tensor's name in OUTPUT_NAMES.")
    parameters = TensorflowModelServe(sources=tuple(sources) or (Source(),), model_dir=model.path)
    parameters = _with(parameters, model_userplaceholders=placeholders, alpha=alpha)
    described, model = model, channels_last(model)
    opened, misfits = _opened(model, parameters, infos, progress) if sources else ([], [])
    usable = bool(opened) and not misfits
    if usable and (
        told := order_told(model, assign_inputs(model, parameters, opened, [infos[0].name]), [infos[0].name], opened)
    ):
        progress.info(told)
    outputs = []
    for number, info in enumerate(infos):
        progress.check()
        given = opened if usable else []
        outputs.append(_describe_output(model, info, parameters, given, scope, progress, receptive_fields))
        progress.info(f"{info.name}: {outputs[-1].verdict}. {outputs[-1].parameters or outputs[-1].problem}")
        progress.fraction((number + 1) / len(infos))
    if usable:
        misfits = list(dict.fromkeys(_geometry_misfit(output, parameters, opened) for output in outputs))
    return Description(
        described,
        tuple(outputs),
        "the rasters" if usable else "random images",
        tuple(f"source {source.number}: {_listed(source.stack)}" for source in opened),
        tuple(misfit for misfit in misfits if misfit),
        _band_names(model, parameters, opened, infos[0].name) if usable else {},
    )


def _with(parameters: TensorflowModelServe, **values: Any) -> TensorflowModelServe:
    return TensorflowModelServe(**{**vars(parameters), **values})


def _listed(stack: Stack) -> str:
    grid = stack.grid
    return f"{', '.join(stack.names)} ({stack.bands} bands, {grid.width} x {grid.height} pixels, {stack.reference.describe()})"


def _opened(
    model: Model, parameters: TensorflowModelServe, infos: Sequence[TensorInfo], progress: Progress
) -> tuple[list[OpenSource], list[str]]:
    """Open the rasters, and say all that keeps them from the model's inputs."""
    misfits, opened = [], []
    for number, source in enumerate(parameters.sources, 1):
        try:
            opened.append(OpenSource(number, Stack(source.il, placed=False, takes_complex=True), None, source))
        except OtbtfError as error:
            misfits.append(str(error))
    tests: list[Callable[[], object]] = [
        lambda: check_references([(source.stack.names[0], source.stack.reference) for source in opened])
    ]
    if len(opened) == len(parameters.sources):
        tests.append(lambda: settle_alphas(model, parameters, opened, infos[0].name, None, progress))
        tests += [lambda info=info: assign_inputs(model, parameters, opened, [info.name]) for info in infos]  # type: ignore[misc]
    for test in tests if opened else []:
        try:
            test()
        except OtbtfError as error:
            misfits.append(str(error))
    return opened, list(dict.fromkeys(misfits))


def _geometry_misfit(output: OutputDescription, parameters: TensorflowModelServe, sources: Sequence[OpenSource]) -> str:
    """Say why the sources' sizes or places do not suit an output; empty where they do."""
    if output.geometry is None or output.problem:
        return output.problem
    if output.geometry.verdict == ANY_PATCHES:
        return ""
    try:
        law = size_law_of(output.geometry)
        serving_geometry(sources, choose_fields("auto", given_axes(parameters), law, output.geometry.ratios))
    except OtbtfError as error:
        return str(error)
    return ""


def _band_names(
    model: Model, parameters: TensorflowModelServe, sources: Sequence[OpenSource], output: str
) -> dict[str, tuple[str, ...]]:
    """The bands' own names, for the inputs whose bands all have one."""
    found = {}
    for info, source in zip(assign_inputs(model, parameters, sources, [output]).images, sources):
        names = tuple(source.stack.band_names)
        if all(names) and len(set(names)) == len(names):
            found[info.name] = names
    return found


def _describe_output(
    model: Model,
    info: TensorInfo,
    parameters: TensorflowModelServe,
    given: Sequence[OpenSource],
    scope: Scope,
    progress: Progress,
    receptive_fields: bool,
) -> OutputDescription:
    try:
        check_numbers(model, info)
        if given:
            return _probed(model, info, parameters, given, scope, progress, receptive_fields)
        return _probed_on_noise(model, info, parameters, scope, progress, receptive_fields)
    except OtbtfError as error:
        return OutputDescription(info, problem=str(error))


def _probed_on_noise(
    model: Model,
    info: TensorInfo,
    parameters: TensorflowModelServe,
    scope: Scope,
    progress: Progress,
    receptive_fields: bool,
) -> OutputDescription:
    """Probe a model on random images with its own numbers of bands, at the pixel sizes that it takes."""
    values = {model.input(name).name for name in parse_userplaceholders(parameters.model_userplaceholders)}
    taken = image_inputs(model, [info.name], values)
    images = [item for item in taken if item.rank == 4]
    unknown = [item.name for item in taken if item.rank is None or (item.rank == 4 and item.size(3) is None)]
    if unknown:
        raise ModelError(
            f"Not probed: the model does not say how many bands its input {', '.join(unknown)} takes. Give rasters as "
            "SOURCE1_IL, ..."
        )
    if not images:
        raise ModelError("Not probed: the output depends on no input of batch x height x width x bands.")
    parameters = _with(parameters, sources=tuple(Source(placeholder=item.name) for item in images))
    for ratios in _ratios(images):
        progress.check()
        sources = [_noise(k, item, ratio, parameters.sources[k]) for k, (item, ratio) in enumerate(zip(images, ratios))]
        if len(images) == 1 or _accepts(model, info, parameters, sources, scope):
            return _probed(model, info, parameters, sources, scope, progress, receptive_fields, (0,) * len(images))
    # Their sizes may differ by some pixels: that is sought at one pixel size only.
    sources = [_noise(k, item, Fraction(1), parameters.sources[k]) for k, item in enumerate(images)]
    return _probed(model, info, parameters, sources, scope, progress, receptive_fields)


def _accepts(
    model: Model, info: TensorInfo, parameters: TensorflowModelServe, sources: Sequence[OpenSource], scope: Scope
) -> bool:
    """Return whether the model takes common sizes of these sources together."""
    resolver = GeometryResolver(
        model, assign_inputs(model, parameters, sources, [info.name]), [info.name], sources, scope
    )
    fixed = any(size is not None for sizes in resolver.probe.fixed for size in sizes)
    return fixed or any(resolver.probe.size(side * resolver.probe.unit) for side in SIDES[:2])


def _ratios(images: Sequence[TensorInfo]) -> list[tuple[Fraction, ...]]:
    """The pixel sizes to try: those of fixed sizes where the model has them."""
    sizes = [item.size(2) for item in images]
    if all(size is not None for size in sizes):
        return [tuple(Fraction(size or 1, sizes[0] or 1) for size in sizes)]
    return [(Fraction(1), *others) for others in itertools.product(RATIOS, repeat=len(images) - 1)][:25]


def _noise(index: int, info: TensorInfo, ratio: Fraction, given: Source) -> OpenSource:
    """A source of random pixels in the range that its dtype suggests."""
    side, bands = max(1, min(SAMPLE, int(SAMPLE * ratio))), info.size(3) or 1  # no more is looked at
    dtype = written_type(info.dtype)
    generator = np.random.default_rng(index)
    if dtype.kind in "iu":
        pixels = generator.integers(0, min(255, np.iinfo(dtype).max), (bands, side, side)).astype(dtype)
    else:
        pixels = generator.random((bands, side, side)).astype(dtype)
    dataset = gdal.GetDriverByName("MEM").Create("", side, side, bands, gdal_type(dtype))
    spacing = float(1 / ratio)
    dataset.SetGeoTransform((0.0, spacing, 0.0, 0.0, 0.0, -spacing))
    dataset.WriteRaster(0, 0, side, side, pixels.tobytes(), buf_type=gdal_type(dtype))
    return OpenSource(index + 1, Stack([dataset], placed=False, takes_complex=True), None, given)


def _probed(
    model: Model,
    info: TensorInfo,
    parameters: TensorflowModelServe,
    sources: Sequence[OpenSource],
    scope: Scope,
    progress: Progress,
    receptive_fields: bool,
    offsets: tuple[int, ...] | None = None,
) -> OutputDescription:
    inputs: ModelInputs = assign_inputs(model, parameters, sources, [info.name])
    resolver = GeometryResolver(model, inputs, [info.name], sources, scope)
    law = resolver.size_law(offsets)
    resolver.check_repeatable(law)
    margins: TileMargins | None = None
    size = (0, 0)
    fields: tuple[ReceptiveField, ...] = ()
    if law.x is not None and law.y is not None:
        size = _typical(law)
        margins = find_tile_margins(resolver.probe, law, lambda side: side <= SIDES[-1], size)
        if not margins.whole and (receptive_fields or _sees_nothing_around(law, margins)):
            largest = LARGEST if receptive_fields else SIDES[0]
            found = find_receptive_fields(
                resolver.probe, law, margins.stride, lambda side: side <= largest, progress.check
            )
            fields = tuple(found)
    verdict = _verdict(law, margins, fields)
    bands = [source.stack.bands for source in sources]
    seen = [(item.x.size, item.y.size) for item in fields]
    geometry = as_geometry(info.name, inputs, bands, resolver.ratios, law, margins, size, verdict, seen)
    try:
        given = _with(parameters, sources=tuple(Source() for _ in sources))
        text = choose_fields("auto", given_axes(given), law, resolver.ratios).as_parameters()
    except OtbtfError:  # patches of any size: only the user knows
        text = ""
    return OutputDescription(info, geometry, text, fields)


def _sees_nothing_around(law: SizeLaw, margins: TileMargins) -> bool:
    """Return whether an output may depend on one pixel alone."""
    return margins.margin_x == margins.margin_y == (0, 0) and law.x is not None and law.x.crop == 0


def _typical(law: SizeLaw) -> tuple[int, int]:
    """Width and height of a region that the model takes: a multiple of 128 where it takes one, as most strides divide it."""
    sizes = []
    for axis in (law.x, law.y):
        assert axis is not None  # nosec B101 (tells mypy)
        jump = math.lcm(axis.lattice, axis.scale.numerator)
        tried = [axis.rfield] if axis.fixed else range(axis.rfield, axis.rfield + 128 * jump, jump)
        sizes.append(next((size for size in tried if size % 128 == 0), axis.rfield))
    return sizes[0], sizes[1]


def _verdict(law: SizeLaw, margins: TileMargins | None, fields: Sequence[ReceptiveField]) -> str:
    if law.x is None or law.y is None:
        return f"patches of {law.patch[0]} x {law.patch[1]}" if law.patch else ANY_PATCHES
    if law.x.fixed or law.y.fixed:
        return f"patches of {law.x.rfield} x {law.y.rfield}"
    if margins is not None and margins.whole:
        return WHOLE
    if fields and all((item.x.size, item.y.size) == (1, 1) for item in fields) and law.x.scale == 1 and law.x.crop == 0:
        return PIXELWISE
    return FULLY_CONVOLUTIONAL
