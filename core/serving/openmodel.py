"""A model tied to rasters, ready to compute any part of its output: what serving begins with, whatever comes after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..base.progress import Progress
from ..classes.modelclasses import Classes
from ..classes.palette import coloured
from ..errors import ModelError, ParameterError
from ..geometry.grid import Box
from ..machine import preloading
from ..machine.devices import Scope, computing, device_scope, on_gpu
from ..machine.memory import MB, budget
from ..models.modelinterface import Model
from ..models.servingdefaults import ServingDefaults
from ..models.sidecar import read_sidecar
from ..parameters.servedmodel import ServedModel
from ..probing.appliedgeometry import ServingGeometry, serving_geometry
from ..probing.sources import (
    ModelInputs,
    OpenSource,
    assign_inputs,
    open_sources,
    order_told,
    output_names,
    settle_alphas,
)
from ..rasters.conversion import Converter
from ..rasters.narrowing import Narrowing
from ..rasters.placement import handed_on
from ..rasters.rasteroutput import same_file
from ..rasters.rasterreference import Reference

if TYPE_CHECKING:  # these import TensorFlow
    from ..probing.compute import Compute
    from ..probing.geometryresolver import GeometryResolver
    from ..probing.modelcache import LoadedModel
    from .job import Job, Rate

PLANNED_SHARE = 0.85
"""Share of the memory budget for which tiles are planned: the C library keeps some of what was freed."""


FREEZING_PAYS, FREEZING_PAYS_PER_MB = 0.5, 0.5
"""Seconds of computing, and more for each MB of the model's file, from which making its weights constants pays: ten times
what that takes, since computing then takes up to a tenth less."""

LARGEST_REBUILT = 16 * MB
"""The largest file of a model of patches that is built anew, which takes a second then."""

LARGEST_FROZEN = 256 * MB
"""The largest file of a model whose weights are made constants: they are held twice then."""


@dataclass(frozen=True)
class Budget:
    """Memory in bytes: all of it, what GDAL may keep of blocks, and what tiles are planned for."""

    memory: int
    cache: int

    @classmethod
    def of(cls, parameters: Any, sources: Sequence[OpenSource]) -> Budget:
        """Return the budget that MEMORY or RAM gives.

        GDAL keeps what neighbouring tiles read twice, two lines of blocks, and little more: outputs are written faster
        through a small cache, which stays in the processor's.
        """
        memory = budget(parameters.memory or parameters.ram)
        lines = sum(source.stack.line_of_blocks for source in sources)
        return cls(memory, max(16 * MB, min(32 * MB + 2 * lines, 512 * MB, memory // 8)))

    @property
    def planned(self) -> int:
        """What tiles are planned for."""
        return int(PLANNED_SHARE * self.memory) - self.cache


@dataclass(frozen=True)
class OpenModel:
    """A model and its sources.

    Attributes:
        loaded: the model, with what other runs have found out about it.
        sources: in order.
        outputs: names of what is computed, in the order of their bands.
        inputs: what goes into the model.
        resolver: finds out how it is applied.
        classes: that its sidecar names for these outputs.
        geometry: the geometry of the whole output.
        compute: calls the model, and `key` stands for it among what is kept of it.
        scope: the device.
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

    def reference(self, box: Box) -> Reference:
        """Return the reference of the outputs in `box`.

        Raises:
            RasterError: they are no longer the pixels of the first source, and only points place it.
        """
        first = self.sources[0].stack
        return handed_on(first.names[0], first.reference, self.geometry.grid.part(box).same_as(first.grid))

    @property
    def masked(self) -> bool:
        """Whether a source has a no-data value."""
        return any(source.nodata is not None for source in self.sources)

    def job(self, parameters: ServedModel, box: Box, converter: Converter, background: Any) -> Job:
        """Return what reads, computes and writes the outputs in `box`; see `Job`."""
        from .job import Job

        padding = "reflect" if parameters.padding in ("auto", "none") else parameters.padding
        return Job(self.sources, self.geometry, box, self.compute, converter, background, padding)

    def tell_types(self, progress: Progress) -> None:
        """Say where a source may hold pixels that the model's input cannot."""
        for source, info in zip(self.sources, self.inputs.images):
            narrowing = Narrowing(source.stack.dtype, info.dtype)
            if narrowing.whole:
                progress.info(
                    f"Source {source.number} holds {source.stack.dtype.name}, but the input {info.name} of the model takes "
                    f"{info.dtype} ({narrowing.range}): other pixels become the nearest value, and are counted."
                )

    def choose_way(self, job: Job, memory: int, progress: Progress) -> None:
        """Choose how patches are computed, and say so; nothing to choose where regions are.

        Args:
            job: of this model.
            memory: bytes for images and computation.
            progress: told which way, and why.
        """
        if not self.geometry.fields.fullyconv:
            job.choose_way(self._probed(), memory, progress, self.loaded.bytes <= LARGEST_REBUILT)

    def _probed(self) -> Compute:
        """Return what calls the model for the values that numbers of classes are made of."""
        probed = self.loaded.compute(self.inputs, self.resolver.probed_outputs, self.sources, self.scope)[1]
        probed.alone = self.compute.alone
        return probed

    def tile(self, parameters: ServedModel, job: Job, memory: int, bands: int, progress: Progress) -> tuple[int, int]:
        """Return width and height of the tiles, after measuring what computing takes; see `plan_tiles`."""
        from .tileplanning import overlap, plan_tiles

        rate = None
        if not self.geometry.fields.fixed:
            key = (self.key, job.trial, memory)
            kept = job.finish is None  # what comes after the model is not the model's
            rate = self.loaded.once(key, lambda: job.calibrate(memory)) if kept else job.calibrate(memory)
        tile = plan_tiles(parameters, job, self.resolver, memory, bands, rate, progress)
        weights = ", weights as constants" if rate and self._freeze(parameters, job, rate) else ""
        ways = dict.fromkeys(source.stack.way for source in self.sources)
        progress.info(
            f"Chosen: read {' and '.join(ways)}; computed on {computing(parameters.device)}{weights}; "
            f"{overlap(job, *tile):.1%} more pixels computed than at once, where tiles meet."
        )
        return tile

    def _freeze(self, parameters: ServedModel, job: Job, rate: Rate) -> bool:
        """Make the model's weights constants where that pays and changes no bit of the output; return whether it did."""
        if job.constant:
            return True
        self.loaded.seconds += rate.seconds * job.computed(job.box).area
        pays = self.loaded.seconds >= FREEZING_PAYS + self.loaded.bytes / MB * FREEZING_PAYS_PER_MB
        if not pays or self.loaded.bytes > LARGEST_FROZEN or on_gpu(parameters.device):
            return False
        probed = self._probed()
        trial = partial(job.trial_values, rate.side)
        try:
            return probed.freeze(trial) and self.compute.freeze(trial)
        except ModelError:  # what numbers of classes are made of may have another size
            return False


def open_model(
    parameters: ServedModel, outputs: Sequence[str], progress: Progress, defaults: ServingDefaults | None = None, preferred: str = ""
) -> OpenModel:
    """Open sources and model, and find out how the model is applied.

    Args:
        parameters: what to open, as `with_serving_defaults` returns them.
        outputs: paths that will be written, and must be no input.
        progress: told what was found.
        defaults: the model's serving defaults.
        preferred: name of the output to take where none is asked for and the model has one of that name.

    Raises:
        ParameterError, RasterError, ModelError: bad input.
    """
    sources = open_sources(parameters)
    for source in sources:
        for name in source.stack.names:
            clash = next((path for path in outputs if same_file(name, path)), None)
            if clash is not None:
                raise ParameterError(f"The output {clash} is also an input: choose another path.")

    preloading.wait(leaving=0 if parameters.model_dir.endswith(".keras") else 1)  # else Keras, which takes time
    # These import TensorFlow, so not sooner.
    from ..models.layout import ChannelsLast
    from ..models.loading import split_tags
    from ..probing.geometryresolver import GeometryResolver
    from ..probing.modelcache import loaded_model
    from ..probing.outputcrops import smallest_exact_crop

    scope = device_scope(parameters.device)
    loaded = loaded_model(parameters, scope)
    model = loaded.model
    sidecar = read_sidecar(model.path, split_tags(parameters.model_tagsets))
    offered = _offered(model, preferred) or _offered(model, defaults.output if defaults else "")
    names = output_names(model, parameters.output_names or offered)
    sources = settle_alphas(model, parameters, sources, names[0], sidecar, progress)
    if not parameters.output_names:
        names = [smallest_exact_crop(model, names[0], parameters, sources, scope, sidecar, progress)]
    inputs = assign_inputs(model, parameters, sources, names)
    resolver = GeometryResolver(model, inputs, names, sources, scope, sidecar)
    classes = coloured(sidecar.classes_of(names)) if sidecar else ()
    fields = resolver.fields(parameters, defaults.rfields if defaults else {})
    geometry = serving_geometry(sources, fields)
    key, compute = loaded.compute(inputs, names, sources, scope)
    compute.alone = resolver.alone(fields)
    if compute.alone:
        progress.warning(
            f"The model {model.path} gives a patch other values in another batch: it normalises by what is in the batch, say, "
            "as in training. Each patch is computed alone, so that the map does not depend on tiles; that takes long. Save the "
            "model for inference (with training=False) if that is not meant."
        )
    progress.info(f"{model.kind} {model.path}: {', '.join(names)} from {', '.join(i.name for i in inputs.images)}.")
    if isinstance(model, ChannelsLast):
        progress.info("The model has the bands first (batch x bands x height x width): its images are transposed.")
    if told := order_told(model, inputs, names, sources):
        progress.warning(told)
    progress.info(f"Geometry: {fields.as_parameters()}")
    if not fields.fullyconv and parameters.output_spcscale is None and fields.x.scale == 1:
        progress.info(
            "A model of patches does not show how far apart they shall lie: one for each pixel of source 1 is computed. "
            "For a coarser map in less time give OUTPUT_SPCSCALE."
        )
    opened = OpenModel(loaded, sources, names, inputs, resolver, classes, geometry, key, compute, scope)
    opened.tell_types(progress)
    return opened


def _offered(model: Model, name: str) -> str:
    """Return `name` where the model has such an output, else nothing."""
    try:
        return model.output(name).name if name else ""
    except ModelError:
        return ""
