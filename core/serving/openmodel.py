"""A model and its sources, opened and ready to compute any part of the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..base.progress import Progress
from ..classes.modelclasses import Classes
from ..classes.palette import coloured
from ..errors import ModelError, ParameterError, field
from ..geometry.grid import Box
from ..machine import preloading
from ..machine.devices import Scope, device_scope, devices
from ..models.averagedmodel import AGREEMENT, VARIANCE
from ..models.modelinterface import Model, common_type
from ..models.sidecar import read_sidecar
from ..phrases import Phrase
from ..probing.appliedgeometry import ServingGeometry, serving_geometry
from ..probing.classprobabilities import ClassProbabilities
from ..probing.fixedcontext import windows_of
from ..probing.sources import (
    ModelInputs,
    OpenSource,
    assign_inputs,
    open_sources,
    order_told,
    output_names,
    settle_sources,
)
from ..probing.usersettings import GeometrySettings
from ..rasters.narrowing import Narrowing
from ..rasters.placement import handed_on
from ..rasters.rasterreference import Reference
from ..samples.mapmask import MapMask, open_mask
from .imageadaptation import adapted, check_maps
from .modelfields import applied_fields
from .servesettings import ServeSettings

if TYPE_CHECKING:  # these import TensorFlow
    from ..probing.compute import Compute
    from ..probing.geometryresolver import GeometryResolver
    from ..probing.modelcache import LoadedModel

_SPREAD_OUTPUTS = {"out_agreement": AGREEMENT, "out_variance": VARIANCE}
"""Outputs of `AveragedModel` that compare its models, by the fields of the rasters made of them."""


@dataclass(frozen=True)
class OpenModel:
    """A model and its sources.

    Attributes:
        loaded: the model, with what other runs have found out about it.
        sources: in order.
        outputs: names of what is mapped, in the order of their bands.
        inputs: what goes into the model.
        resolver: finds out by probing how it is applied.
        classes: that its sidecar names for these outputs.
        geometry: of the whole output, without tile margins.
        compute: calls the model, for `outputs`, then `probabilities` where these are not among them, then what compares
            several models; `key` stands for it among what is kept of it.
        scope: the device.
        device: its name, as the user gives it.
        padding: what stands beyond the images' edges.
        offsets: each source's receptive field beyond its share of the ground, where the user gives them.
        beside: what calls the model on further devices.
        probabilities: of the classes, or quantities in which models differ; None where they are not needed.
        mask: tells where the map is made; None for everywhere.
    """

    loaded: LoadedModel
    sources: list[OpenSource]
    outputs: list[str]
    inputs: ModelInputs
    resolver: GeometryResolver
    classes: Classes
    geometry: ServingGeometry
    key: Any
    compute: Compute
    scope: Scope
    device: str
    padding: str
    offsets: tuple[int, ...] | None
    beside: tuple[Compute, ...] = ()
    probabilities: ClassProbabilities | None = None
    mask: MapMask | None = None

    @property
    def dtype_name(self) -> str:
        """Name of the dtype that holds the values of all `outputs`."""
        return common_type(self.loaded.model.output(name) for name in self.outputs)

    def reference(self, box: Box) -> Reference:
        """Return the reference of the outputs in `box`.

        Raises:
            RasterError: they are no longer the pixels of the first source, and only points place it.
        """
        first = self.sources[0].stack
        why = Phrase(
            "by {out_box}, {extent} or {output_spcscale}, or because the model crops the border, which {padding} keeps",
            out_box=field("out_box"),
            extent=field("extent"),
            output_spcscale=field("output_spcscale"),
            padding=field("padding"),
        )
        return handed_on(first.names[0], first.reference, self.geometry.grid.part(box).same_as(first.grid), why)

    @property
    def masked(self) -> bool:
        """Whether outputs may be no-data."""
        return self.mask is not None or any(source.nodata is not None for source in self.sources)

    def probed_compute(self) -> Compute:
        """Return what calls the model for its probed outputs: for class numbers, the values behind them."""
        outputs = self.resolver.probed_outputs
        probed = _computing(self.loaded, self.resolver, self.geometry, outputs, self.sources, self.scope)[1]
        probed.alone = self.compute.alone
        return probed


def open_model(settings: ServeSettings, progress: Progress) -> OpenModel:
    """Open sources and model, and find out how the model is applied.

    Args:
        settings: what to open.
        progress: told what was found.

    Raises:
        ParameterError, RasterError, ModelError: bad input.
    """
    settings, sources = adapted(settings, open_sources(settings.sources), progress)
    asked, defaults = settings.model, settings.defaults
    preloading.wait(leaving=0 if asked.path.endswith(".keras") else 1)  # else Keras, which takes time
    # These import TensorFlow, so not sooner.
    from ..models.modelfiles import split_tags
    from ..probing.geometryresolver import GeometryResolver
    from ..probing.modelcache import loaded_model
    from ..probing.outputcrops import smallest_exact_crop

    first, *others = devices(asked.device)
    scope = device_scope(first)
    loaded = loaded_model(replace(asked, device=first), scope)
    model = loaded.model
    sidecar = read_sidecar(model.path, split_tags(asked.tags))
    offered = _offered(model, settings.preferred) or _offered(model, defaults.output if defaults else "")
    names = output_names(model, asked.outputs or offered)
    check_maps(model, names)
    sources = settle_sources(model, asked.placeholders, settings.sources, sources, names[0], sidecar, progress)

    def resolver_of(*outputs: str) -> GeometryResolver:
        inputs = assign_inputs(model, asked.placeholders, sources, outputs)
        return GeometryResolver(model, inputs, outputs, sources, scope, sidecar)

    if not asked.outputs:
        names = [smallest_exact_crop(model, names[0], resolver_of, settings.geometry, progress)]
    resolver = resolver_of(*names)
    classes = coloured(sidecar.classes_of(names)) if sidecar else ()
    averages = None
    if settings.averaging.averages:
        from .averages import Averages

        averages = Averages(settings, loaded, names, sources, scope)
        loaded, resolver = averages.loaded(first, scope), averages.resolver
        varies = averages.quantities if settings.certainty == ("out_variance",) else None
        settings = replace(settings, probabilities=settings.probabilities or averages.probabilities or varies)
        progress.info(averages.summary)
    fields = applied_fields(resolver, settings, sources, defaults.rfields if defaults else {})
    geometry = serving_geometry(sources, fields)
    probabilities = _probabilities(settings, resolver, names) if settings.certainty else None
    computed = list(dict.fromkeys([*names, *([probabilities.output] if probabilities else [])]))
    computed += [_SPREAD_OUTPUTS[name] for name in settings.certainty if name in _SPREAD_OUTPUTS]
    key, compute = _computing(loaded, resolver, geometry, computed, sources, scope)
    beside = []
    for device in others:
        there = device_scope(device)
        alike = averages.loaded(device, there) if averages else loaded_model(replace(asked, device=device), there)
        beside.append(_computing(alike, resolver, geometry, computed, sources, there)[1])
    for each in (compute, *beside):
        each.alone = resolver.alone(fields)
    opened = OpenModel(
        loaded,
        sources,
        names,
        resolver.inputs,
        resolver,
        classes,
        geometry,
        key,
        compute,
        scope,
        asked.device,
        settings.padding,
        settings.geometry.offsets(resolver.ratios),
        tuple(beside),
        probabilities,
        _mask(settings, sources, geometry, progress),
    )
    _tell(opened, settings.geometry, progress)
    return opened


def _computing(
    loaded: LoadedModel,
    resolver: GeometryResolver,
    geometry: ServingGeometry,
    outputs: Sequence[str],
    sources: list[OpenSource],
    scope: Scope,
) -> tuple[Any, Compute]:
    """Return what calls the model for some outputs, and a key that stands for it."""
    if not geometry.fields.windowed:
        return loaded.compute(resolver.inputs, outputs, sources, scope)
    from .blendedwindows import blended_windows  # it imports TensorFlow

    return blended_windows(loaded, resolver.inputs, outputs, sources, scope, windows_of(geometry), resolver)


def _mask(
    settings: ServeSettings, sources: list[OpenSource], geometry: ServingGeometry, progress: Progress
) -> MapMask | None:
    """Return the mask on the grid of the outputs."""
    first = sources[0].stack
    return open_mask(settings.mask, geometry.grid, first.reference, first.names[0], progress)


def _probabilities(settings: ServeSettings, resolver: GeometryResolver, outputs: list[str]) -> ClassProbabilities:
    """Return the class probabilities of what is mapped.

    Raises:
        ParameterError: several outputs are.
        ModelError: there are none.
    """
    wanted = field(settings.certainty[0])
    if len(outputs) > 1:
        raise ParameterError(
            "{wanted} is made of the class probabilities of one output, but {output_names} is {outputs}: name one of them.",
            wanted=wanted,
            output_names=field("output_names"),
            outputs=" ".join(outputs),
        )
    return settings.probabilities or resolver.class_probabilities(wanted)


def _tell(opened: OpenModel, given: GeometrySettings, progress: Progress) -> None:
    """Log what was opened and how the model is applied, and warn of what the user may not expect."""
    model, inputs, fields = opened.loaded.model, opened.inputs, opened.geometry.fields
    if opened.compute.alone:
        progress.warning(
            Phrase(
                "In the model {model}, the values of a patch depend on the other patches of its batch, as with "
                "batch normalisation in training mode. Each patch is computed alone, so that the map does not "
                "depend on tiles; this is slow. To avoid it, save the model for inference (with training=False).",
                model=model.path,
            )
        )
    names = ", ".join(opened.outputs)
    progress.info(
        Phrase(
            "{kind} {model}: {names} from {images}.",
            kind=model.kind,
            model=model.path,
            names=names,
            images=", ".join(info.name for info in inputs.images),
        )
    )
    for remark in model.remarks:
        progress.warning(remark)
    if model.transposed:
        progress.info(
            "The model has the bands first (batch x bands x height x width): its input images are transposed."
        )
    if opened.probabilities is not None and opened.probabilities.quantities:
        progress.info(
            Phrase(
                "The values of the output {output} are no class probabilities: {out_variance} is the variance of each value.",
                output=opened.probabilities.output,
                out_variance=field("out_variance"),
            )
        )
    elif opened.probabilities is not None:
        progress.info(
            Phrase(
                "Class probabilities: the output {output}, {classes} classes.",
                output=opened.probabilities.output,
                classes=opened.probabilities.classes,
            )
        )
    if told := order_told(model, inputs, opened.outputs, opened.sources):
        progress.warning(told)
    progress.info(Phrase("Geometry: {fields}", fields=fields.as_parameters()))
    if fields.windowed:
        progress.info(
            Phrase(
                "Context of fixed size: windows of {width} x {height} pixels of source 1, every {step} pixels from the "
                "first on, are computed one by one and blended.",
                width=fields.x.rfields[0],
                height=fields.y.rfields[0],
                step=fields.x.stride,
            )
        )
    if not fields.fullyconv and given.x.scale is None and fields.x.scale == 1:
        progress.info(
            Phrase(
                "The distance between patches is not known from the model: one output per pixel of source 1 is "
                "computed. For a coarser map in less time, set {output_spcscale}.",
                output_spcscale=field("output_spcscale"),
            )
        )
    for source, info in zip(opened.sources, inputs.images):
        narrowing = Narrowing(source.dtype, info.dtype)
        if narrowing.whole:
            progress.info(
                Phrase(
                    "Source {number} holds {dtype}, but the input {info} of the model accepts {info_dtype} "
                    "({range}): pixels outside this range become its nearest value; a warning will count them.",
                    number=source.number,
                    dtype=source.dtype.name,
                    info=info.name,
                    info_dtype=info.dtype,
                    range=narrowing.range,
                )
            )


def _offered(model: Model, name: str) -> str:
    """Return `name` where the model has such an output, else nothing."""
    try:
        return model.output(name).name if name else ""
    except ModelError:
        return ""
