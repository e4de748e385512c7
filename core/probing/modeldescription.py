"""Description of a model: inputs, outputs, geometry, and whether given rasters fit it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..base.progress import Progress
from ..classes.modelclasses import Classes
from ..errors import ModelError, OtbtfError, field
from ..machine.devices import Scope
from ..models.detectorhead import DetectorHead, recognised_head
from ..models.layout import channels_last
from ..models.mlm import build_item
from ..models.modelcalibration import Calibration
from ..models.modelinterface import Model, TensorInfo
from ..models.servingdefaults import ServingDefaults
from ..models.sidecar import Geometry
from ..phrases import Phrase
from ..rasters.rasterreference import check_references
from ..rasters.rasterstack import Stack
from .appliedgeometry import choose_fields, serving_geometry
from .outputdescription import ANY_PATCHES, OutputDescription, OutputProbing
from .probedsidecar import size_law_of
from .sources import OpenSource, assign_inputs, order_told, settle_sources
from .usersettings import GeometrySettings, SourcesSettings

_NOT_PROBED = Phrase("Not probed, since {probing} is none.", probing=field("probing"))

_DETECTOR = Phrase("A list of objects, no map: otbtf:detectobjects applies the model.")


@dataclasses.dataclass(frozen=True)
class Description:
    """A model, its outputs, and how rasters fit.

    Attributes:
        model: the model.
        outputs: those that were asked for, else all.
        probed_on: what the model was probed on, for people.
        rasters: the rasters, for people; empty where none were given.
        misfits: why the rasters do not fit, with mentions of parameters; empty where they do.
        bands: names of the bands by name of the input, where the rasters have them.
        head: what the outputs of a detector are; None for other models.
    """

    model: Model
    outputs: tuple[OutputDescription, ...]
    probed_on: str
    rasters: tuple[str, ...] = ()
    misfits: tuple[str, ...] = ()
    bands: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    head: DetectorHead | None = None

    @property
    def geometries(self) -> list[Geometry]:
        """The geometries that were found."""
        return [output.geometry for output in self.outputs if output.geometry]


def describe(
    model: Model,
    names: Sequence[str],
    scope: Scope,
    progress: Progress,
    sources: SourcesSettings | None = None,
    placeholders: str = "",
    probing: str = "full",
) -> Description:
    """Describe a model.

    Args:
        model: the model.
        names: outputs to describe; empty for all that it names.
        scope: the device.
        progress: receives a line per output.
        sources: rasters to compare with the model, and to probe it on; None for random images.
        placeholders: values of the user placeholders.
        probing: `fast` leaves out the receptive fields of single outputs, which serving does not need: they take most of
            the time, minutes for a deep U-Net. `none` computes nothing: no geometry is found.

    Raises:
        ModelError: an output does not exist.
        Cancelled: `progress` asked to stop.
    """
    infos = [model.output(name) for name in names or model.outputs]
    if not infos:
        raise ModelError(
            "The model {model} names no outputs: enter the name of a tensor in {output_names}.",
            model=model.path,
            output_names=field("output_names"),
        )
    head = recognised_head(model)
    if head is not None:
        progress.info(Phrase("Detector: {head}. {use}", head=head.describe(), use=_DETECTOR))
    if probing == "none":
        unprobed = tuple(OutputDescription(info, problem=_NOT_PROBED) for info in infos)
        return Description(model, unprobed, Phrase("nothing"), head=head)
    described, model = model, channels_last(model)
    opened, misfits = _opened(model, placeholders, sources or SourcesSettings(), infos, progress)
    probed_on = opened if not misfits else []
    first = [infos[0].name]
    if probed_on and (told := order_told(model, assign_inputs(model, placeholders, opened, first), first, opened)):
        progress.info(told)
    output_probing = OutputProbing(model, placeholders, scope, progress.check, probing == "full")
    outputs = []
    for number, info in enumerate(infos):
        progress.check()
        listed = OutputDescription(info, problem=_DETECTOR)
        if _is_list(listed, head):
            outputs.append(listed)
            continue
        outputs.append(output_probing.describe(info, probed_on))
        progress.info(
            Phrase(
                "{info}: {verdict}. {parameters}",
                info=info.name,
                verdict=outputs[-1].verdict,
                parameters=outputs[-1].parameters or outputs[-1].problem,
            )
        )
        progress.fraction((number + 1) / len(infos))
    if probed_on:
        misfits = list(
            dict.fromkeys(_geometry_misfit(output, opened) for output in outputs if not _is_list(output, head))
        )
    return Description(
        described,
        tuple(outputs),
        Phrase("the rasters") if probed_on else Phrase("random images"),
        tuple(
            Phrase("source {number}: {listed}", number=source.number, listed=_listed(source.stack)) for source in opened
        ),
        tuple(misfit for misfit in misfits if misfit),
        _band_names(model, placeholders, opened, first) if probed_on else {},
        head,
    )


def _is_list(output: OutputDescription, head: DetectorHead | None) -> bool:
    return head is not None and not head.facts.maps and output.info.name in (*head.all_outputs, head.masks)


def _listed(stack: Stack) -> str:
    grid = stack.grid
    return Phrase(
        "{names} ({bands} bands, {width} x {height} pixels, {reference})",
        names=", ".join(stack.names),
        bands=stack.bands,
        width=grid.width,
        height=grid.height,
        reference=stack.reference.describe(),
    )


def _opened(
    model: Model, placeholders: str, settings: SourcesSettings, infos: Sequence[TensorInfo], progress: Progress
) -> tuple[list[OpenSource], list[str]]:
    """Open the rasters; return them, and the reasons why they do not fit the model's inputs."""
    misfits, opened = [], []
    for number, source in enumerate(settings.sources, 1):
        try:
            opened.append(OpenSource(number, Stack(source.rasters, placed=False, takes_complex=True), None, source))
        except OtbtfError as error:
            misfits.append(error.message)
    tests: list[Callable[[], object]] = [
        lambda: check_references([(source.stack.names[0], source.stack.reference) for source in opened])
    ]
    if len(opened) == len(settings.sources):
        tests.append(lambda: settle_sources(model, placeholders, settings, opened, infos[0].name, None, progress))
        tests += [partial(assign_inputs, model, placeholders, opened, [info.name]) for info in infos]
    for test in tests if opened else []:
        try:
            test()
        except OtbtfError as error:
            misfits.append(error.message)
    return opened, list(dict.fromkeys(misfits))


def _geometry_misfit(output: OutputDescription, sources: Sequence[OpenSource]) -> str:
    """Return why the sizes or positions of the sources do not fit an output; empty if they do."""
    if output.geometry is None or output.problem:
        return output.problem
    if output.geometry.verdict == ANY_PATCHES:
        return ""
    try:
        law = size_law_of(output.geometry)
        open_settings = GeometrySettings.open(len(sources))
        serving_geometry(sources, choose_fields(open_settings, law, output.geometry.ratios))
    except OtbtfError as error:
        return error.message
    return ""


def _band_names(
    model: Model, placeholders: str, sources: Sequence[OpenSource], outputs: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """The bands' own names, for the inputs whose bands all have one."""
    found = {}
    for info, source in zip(assign_inputs(model, placeholders, sources, outputs).images, sources):
        names = tuple(source.stack.band_names)
        if all(names) and len(set(names)) == len(names):
            found[info.name] = names
    return found


def item(
    described: Description,
    classes: dict[str, Classes],
    href: str,
    alpha: Mapping[str, str] | None = None,
    serving_defaults: ServingDefaults | None = None,
    calibration: Calibration | None = None,
    losses: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the description as a STAC item; in `href`, `.` is the model relative to its sidecar."""
    path = Path(described.model.path)
    if href == "." and not path.is_dir():
        href = f"./{path.name}"
    infos = [output.info for output in described.outputs]
    return build_item(
        described.model,
        infos,
        described.geometries,
        classes,
        described.bands,
        href,
        alpha,
        serving_defaults,
        calibration,
        losses,
    )
