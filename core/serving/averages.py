"""The model that a run applies where several are averaged, or one in several positions of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..classes.modelclasses import Classes, ModelClass
from ..errors import ModelError, ParameterError, field
from ..geometry.fields import AxisFields, ServingAxis, Span
from ..geometry.grid import TOLERANCE
from ..machine.devices import Scope, devices
from ..models.averagedmodel import TURNS, Average, AveragedModel, ClassNumbers, MemberNames
from ..models.modelfiles import split_tags
from ..models.modelinterface import Model, is_real
from ..models.sidecar import Sidecar, read_sidecar
from ..phrases import Phrase
from ..probing.appliedgeometry import Fields, serving_geometry
from ..probing.classprobabilities import ClassProbabilities, flaw, holds_labels
from ..probing.geometryresolver import GeometryResolver
from ..probing.modelcache import LoadedModel, loaded_model
from ..probing.probedoutputs import tried_pixels
from ..probing.sources import OpenSource, assign_inputs
from ..probing.usersettings import ModelSettings
from .imageadaptation import other_model
from .modelfields import applied_fields
from .servesettings import ServeSettings

_MORE, _TURNED = field("model_more"), field("augment_serve")


@dataclass(frozen=True)
class _Held:
    """What an output holds.

    Attributes:
        bands: of the values that are averaged.
        numbers: how class numbers follow from these; None where they are the output itself.
        quantities: whether these are no class probabilities, as far as the sidecar and a trial tell.
    """

    bands: int
    numbers: ClassNumbers | None = None
    quantities: bool = False


class _Member:
    """One model of several, with its sidecar."""

    def __init__(self, model: Model, settings: ServeSettings, sources: list[OpenSource], scope: Scope) -> None:
        self.model, self._sources, self._scope = model, sources, scope
        self._sidecar: Sidecar | None = read_sidecar(model.path, split_tags(settings.model.tags))
        self._placeholders = settings.model.placeholders
        self._wanted = _MORE if settings.averaging.model_more else _TURNED
        self._resolvers: dict[tuple[str, ...], GeometryResolver] = {}

    def resolver(self, names: Sequence[str]) -> GeometryResolver:
        """Return what probes it for some outputs, one for all calls: it reads samples and traces the model."""
        key = tuple(names)
        if key not in self._resolvers:
            inputs = assign_inputs(self.model, self._placeholders, self._sources, names)
            probing = GeometryResolver(self.model, inputs, names, self._sources, self._scope, self._sidecar)
            self._resolvers[key] = probing
        return self._resolvers[key]

    def held(self, name: str) -> _Held:
        """Return what an output holds.

        Raises:
            ModelError: class numbers without the probabilities that they are made of.
        """
        resolver, info = self.resolver([name]), self.model.output(name)
        pixels = tried_pixels(resolver.probe_of([name]))
        if is_real(info) and not holds_labels(pixels):
            return _Held(pixels.shape[1], quantities=bool(flaw(pixels)) and not self.classes([name]))
        found = resolver.class_probabilities(self._wanted)
        pixels = tried_pixels(resolver.probe_of([name, found.output]))
        bands = pixels[:, 1:]
        best = (bands[:, 0] > 0.5).astype(int) if found.bands == 1 else bands.argmax(axis=1)
        values = self._values(name, found.classes, best, pixels[:, 0])
        if not (pixels[:, 0] == np.array(values)[best]).all():
            raise ModelError(
                "{wanted} needs the number of each class, but neither the sidecar of the model {model} nor a trial tells "
                "those of the output {output}: describe the model with its classes (otbtf:describemodel), or set "
                "{output_names}={probabilities} to map the probabilities.",
                wanted=self._wanted,
                output=name,
                model=self.model.path,
                output_names=field("output_names"),
                probabilities=found.output,
            )
        return _Held(found.bands, ClassNumbers(found.output, values))

    def _values(self, name: str, count: int, places: np.ndarray, numbers: np.ndarray) -> tuple[int, ...]:
        """Return the number of each class: those of the sidecar, or of a trial that shows all classes, or else 0, 1, 2, ..."""
        known, seen = self.classes([name]), dict(zip(places.tolist(), numbers.tolist()))
        if len(known) == count:
            return tuple(item.value for item in known)
        return tuple(int(seen[place]) for place in range(count)) if len(seen) == count else tuple(range(count))

    def classes(self, names: Sequence[str]) -> Classes:
        """Return the classes that the sidecar names."""
        return self._sidecar.classes_of(names) if self._sidecar else ()

    def own_outputs(self, first: Model, names: Sequence[str]) -> list[str]:
        """Return its names for outputs of the first model: the same, or that of its only output for the only one.

        Raises:
            ModelError: it has no such output.
        """
        if len(first.outputs) == len(self.model.outputs) == len(names) == 1 and names[0] in first.outputs:
            return list(self.model.outputs)
        return [self.model.output(name).name for name in names]


class Averages:
    """What a run averages.

    Attributes:
        resolver: finds out by probing how the average is applied.
        quantities: what is mapped, if it is no class probabilities; else None.
    """

    def __init__(
        self, settings: ServeSettings, first: LoadedModel, names: Sequence[str], sources: list[OpenSource], scope: Scope
    ) -> None:
        """Load the further models, and compare them with the first.

        Args:
            settings: of the run.
            first: the first model, on the first device.
            names: of its outputs that are mapped.
            sources: that feed it.
            scope: the first device.

        Raises:
            ParameterError, ModelError: the models do not fit each other, or cannot be turned.
        """
        self._settings, self._sources, self._scope = settings, sources, scope
        self._names = list(names)
        self._rfields = settings.defaults.rfields if settings.defaults else {}
        self._device = devices(settings.model.device)[0]
        self._others = [other_model(settings, path, sources) for path in settings.averaging.model_more]
        self._models = {self._device: [first, *self._load(self._others, self._device, scope)]}
        self._check_different()
        self._first = _Member(first.model, settings, sources, scope)
        self._inputs = self._first.resolver(names).inputs
        self._average = self._found()
        self.resolver = self._resolver()

    def _check_different(self) -> None:
        """Raise ParameterError where a model is given twice, which would count twice, and agree with itself."""
        known = set()
        for one in self._models[self._device]:
            if one.model.identity in known:
                raise ParameterError(
                    "{more} names the model {path} again: give each model once.", more=_MORE, path=one.model.path
                )
            known.add(one.model.identity)

    @property
    def probabilities(self) -> ClassProbabilities | None:
        """The class probabilities behind the class numbers that are mapped; None where the map shows none."""
        numbers = dict(self._average.numbers).get(self._names[0])
        return (
            ClassProbabilities(numbers.probabilities, dict(self._average.bands)[numbers.probabilities])
            if numbers
            else None
        )

    @property
    def summary(self) -> str:
        """What is averaged, for the log."""
        return Phrase(
            "The map averages {models} {models:model|models} in {positions} {positions:position|positions} of the image.",
            models=1 + len(self._settings.averaging.model_more),
            positions=len(TURNS[self._average.turns]),
        )

    def loaded(self, device: str, scope: Scope) -> LoadedModel:
        """Return the model that returns the averages, on a device."""
        return self._loaded(self._average, device, scope)

    def _loaded(self, average: Average, device: str, scope: Scope) -> LoadedModel:
        if device not in self._models:
            self._models[device] = self._load([self._settings.model, *self._others], device, scope)
        each = self._models[device]
        key = ("average", tuple(one.model.identity for one in each), average)
        models, size = [one.model for one in each], sum(one.bytes for one in each)
        return each[0].once(key, lambda: LoadedModel(AveragedModel(models, average), size))

    @staticmethod
    def _load(asked: Sequence[ModelSettings], device: str, scope: Scope) -> list[LoadedModel]:
        """Load models; they are kept here, since the engine's cache may hold fewer than a run averages."""
        return [loaded_model(replace(one, device=device), scope) for one in asked]

    def _found(self) -> Average:
        """Return what is averaged."""
        held = [self._first.held(name) for name in self._names]
        members = [self._member_names(self._first, self._names, held, held)]
        for other in self._models[self._device][1:]:
            member = _Member(other.model, self._settings, self._sources, self._scope)
            own = member.own_outputs(self._first.model, self._names)
            theirs = [member.held(name) for name in own]
            self._check_alike(member, own, held, theirs)
            members.append(self._member_names(member, own, held, theirs))
        numbers = tuple((name, one.numbers) for name, one in zip(self._names, held) if one.numbers is not None)
        behind = held[0].numbers.probabilities if held[0].numbers else self._names[0]
        self.quantities = self._quantities(held)
        bands = tuple(
            (one.numbers.probabilities if one.numbers else name, one.bands) for name, one in zip(self._names, held)
        )
        return Average(
            tuple(members), numbers, self._settings.averaging.augment_serve, behind, bands, self.quantities is not None
        )

    def _quantities(self, held: Sequence[_Held]) -> ClassProbabilities | None:
        """Return the quantities that are mapped; None where there are none, or where a plan tells probabilities."""
        planned = self._settings.probabilities
        if planned is not None:
            return planned if planned.quantities else None
        alone = len(held) == 1 and held[0].quantities
        return ClassProbabilities(self._names[0], held[0].bands, True) if alone else None

    def _member_names(
        self, member: _Member, own: Sequence[str], held: Sequence[_Held], theirs: Sequence[_Held]
    ) -> MemberNames:
        """Return the names in a model of the inputs and outputs of the first."""
        outputs = dict(zip(self._names, own))
        outputs.update(
            (mine.numbers.probabilities, their.numbers.probabilities)
            for mine, their in zip(held, theirs)
            if mine.numbers is not None and their.numbers is not None
        )
        images = zip(self._inputs.images, member.resolver(own).inputs.images)
        inputs = {mine_.name: info.name for mine_, info in images}
        inputs.update((name, name) for name in self._inputs.constants)
        return MemberNames(tuple(inputs.items()), tuple(outputs.items()))

    def _check_alike(self, member: _Member, own: Sequence[str], held: Sequence[_Held], theirs: Sequence[_Held]) -> None:
        """Raise ModelError where a model has other classes, types or sizes than the first."""
        for name, other, mine, their in zip(self._names, own, held, theirs):
            self._check_classes(member, (name, mine), (other, their))
        resolver = member.resolver(own)
        for mine_, info in zip(self._inputs.images, resolver.inputs.images):
            if info.dtype != mine_.dtype:
                raise ModelError(
                    "{more} cannot be averaged: the input {info} of the model {path} takes {dtype}, but that of {first} takes "
                    "{mine}. Choose models with the same inputs.",
                    more=_MORE,
                    info=info.name,
                    path=member.model.path,
                    dtype=info.dtype,
                    first=self._first.model.path,
                    mine=mine_.dtype,
                )
        self._check_geometry(member, resolver)

    def _check_classes(self, member: _Member, mine: tuple[str, _Held], their: tuple[str, _Held]) -> None:
        """Raise ModelError where an output, by its name and what it holds, has other classes than that of the first model."""
        classes = self._first.classes([mine[0]]), member.classes([their[0]])
        here, there = _described(classes[0], mine[1]), _described(classes[1], their[1])
        if not _same(mine[1], their[1]) or (all(classes) and here != there):
            raise ModelError(
                "{more} cannot be averaged: the output {output} of the model {path} has {there}, but that of {first} has "
                "{here}. Choose models of the same classes, in the same order.",
                more=_MORE,
                output=their[0],
                path=member.model.path,
                there=there,
                first=self._first.model.path,
                here=here,
            )

    def _check_geometry(self, member: _Member, resolver: GeometryResolver) -> None:
        """Raise ModelError where a model returns outputs of another size, or at other places, than the first."""
        names = {mine.name: info.name for mine, info in zip(self._inputs.images, resolver.inputs.images)}
        sizes = {names[name]: size for name, size in self._rfields.items() if name in names}
        there = applied_fields(resolver, self._settings, self._sources, sizes)
        here = self._fields(self._first.resolver(self._names))
        if not _same_geometry(here, there):
            raise ModelError(
                "{more} cannot be averaged: the models have different geometries, {path}: {there}; {first}: {here}. Choose "
                "models with equal receptive fields, crops and spacing scales.",
                more=_MORE,
                path=member.model.path,
                there=there.as_parameters(),
                first=self._first.model.path,
                here=here.as_parameters(),
            )

    def _fields(self, resolver: GeometryResolver) -> Fields:
        return applied_fields(resolver, self._settings, self._sources, self._rfields)

    def _resolver(self) -> GeometryResolver:
        """Return what probes the average: the sizes before it is turned, which hides what moves, and the margins after it."""
        plain = self._first.resolver(self._names)
        if self._settings.averaging.model_more:
            unturned = replace(self._average, turns="none")
            plain = self._probed(self._loaded(unturned, self._device, self._scope).model)
        if self._average.turns == "none":
            return plain
        _check_turns(self._average.turns, self._sources, self._fields(plain))
        return self._probed(self._loaded(self._average, self._device, self._scope).model, plain)

    def _probed(self, model: Model, like: GeometryResolver | None = None) -> GeometryResolver:
        return GeometryResolver(model, self._inputs, self._names, self._sources, self._scope, like=like)


def _same(one: _Held, other: _Held) -> bool:
    numbers = [held.numbers and held.numbers.values for held in (one, other)]
    return one.bands == other.bands and numbers[0] == numbers[1]


def _described(classes: Classes, held: _Held) -> str:
    """Return the classes of an output, or else how many values it has, for a message."""
    if not classes:
        return Phrase("{bands} bands", bands=held.bands)
    return Phrase("the classes {names}", names=", ".join(map(_called, classes)))


def _called(item: ModelClass) -> str:
    named = item.name and item.name != str(item.value)
    return f"{item.value} {item.name}" if named else str(item.value)


def _same_geometry(one: Fields, other: Fields) -> bool:
    """Return whether two models return outputs of the same size, at the same places, for a region."""
    return all(_same_axis(*axes) for axes in ((one.x, other.x), (one.y, other.y)))


def _same_axis(one: AxisFields, other: AxisFields) -> bool:
    if (one.fullyconv, one.fixed, one.scale) != (other.fullyconv, other.fixed, other.scale):
        return False
    if one.fixed or not one.fullyconv:
        return one.rfields == other.rfields
    return one.rfields[0] - one.efield * one.scale == other.rfields[0] - other.efield * other.scale


# ------------------------------------------------------------------- turns


def _check_turns(kind: str, sources: Sequence[OpenSource], fields: Fields) -> None:
    """Raise ParameterError where an image in another position gives outputs at other places.

    Patches lie around the same pixel in each position. Regions must be symmetric around their outputs.
    """
    if kind == "flips_turns":
        _check_square(sources, fields)
    geometry = serving_geometry(sources, fields)
    if fields.fullyconv and not (_symmetric(geometry.x) and _symmetric(geometry.y)):
        raise ParameterError(
            "{turned} is {kind}, but the model does not crop its input symmetrically ({fields}), so that the outputs of a "
            "mirrored image lie elsewhere: set {turned}=none.",
            turned=_TURNED,
            kind=kind,
            fields=fields.as_parameters(),
        )


def _check_square(sources: Sequence[OpenSource], fields: Fields) -> None:
    first = sources[0].stack.grid.x.spacing
    for source in sources:
        width, height = source.stack.grid.x.spacing, source.stack.grid.y.spacing
        if max(abs(width - first), abs(height - first)) > TOLERANCE * first:
            raise ParameterError(
                "{turned} is flips_turns, but source {number} has pixels of {width:g} x {height:g}, and source 1 of {first:g} "
                "x {first_height:g}; quarter turns need square pixels of one size: set {turned}=flips.",
                turned=_TURNED,
                number=source.number,
                width=width,
                height=height,
                first=first,
                first_height=sources[0].stack.grid.y.spacing,
            )
    if fields.x != fields.y:
        raise ParameterError(
            "{turned} is flips_turns, but the model takes regions that are no squares ({fields}) and cannot be turned: set "
            "{turned}=flips.",
            turned=_TURNED,
            fields=fields.as_parameters(),
        )


def _symmetric(axis: ServingAxis) -> bool:
    """Return whether the regions of all sources have their middle where their outputs have it.

    A single output stands for its region, wherever its pixel is drawn.
    """
    outputs = axis.computable(Span(0, 1))
    regions = [axis.region(number, outputs) for number in range(len(axis.axes))]
    middles = [own.origin + (part.start + part.size / 2) * own.spacing for own, part in zip(axis.axes, regions)]
    if axis.fields.efield > 1:
        middles.append(axis.out.origin + (outputs.start + outputs.size / 2) * axis.out.spacing)
    return max(middles) - min(middles) <= TOLERANCE * axis.axes[0].spacing
