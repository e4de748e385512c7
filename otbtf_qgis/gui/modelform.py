"""Which parameters of an operation name a model, its inputs and outputs, and the images for these."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from ..core.parameters.kinds import Key
from ..core.parameters.parsing import keys
from ..core.parameters.traininggroups import FOR_KERAS_ONLY, GraphTraining

_MODELS = ("deepmodel.dir", "model.dir")
_SCORED = ("validation.", "test.")
"""Where training has further images of a source."""
_SOURCE = re.compile(r"((?:training\.)?)source(\d+)\.(il|placeholder)")


@dataclass(frozen=True)
class SourceFields:
    """The parameters of one source.

    Attributes:
        images: its images.
        placeholder: the input that it feeds; empty where the operation does not ask for it.
        every: these, and all others of the source.
    """

    images: str
    placeholder: str
    every: tuple[str, ...]


@dataclass(frozen=True)
class ModelForm:
    """Names of Processing parameters; one that the operation does not have is empty.

    Attributes:
        model: the model.
        reading: what decides how the model is read, by the key that DescribeModel has for the same.
        outputs: names of outputs.
        alpha: what bands are that are marked as alpha.
        sources: by number.
        applies: whether the model is applied to images, for an output that is chosen.
        detects: whether it is to be a detector.
        trains: whether it is trained on patches images, of which each must name the input or target that it feeds; then a
            template may stand for the model.
        target_among_sources: whether one of the sources holds what the model is to learn.
        fullyconv: whether whole regions are computed.
        template: a network instead of the model.
        options: for a parameter that is a choice of methods, those of each method.
        for_keras, for_graphs: what only the training of a Keras model, or of a TensorFlow 1 graph, uses.
    """

    model: str
    reading: Mapping[str, str]
    outputs: str
    alpha: str
    sources: Mapping[int, SourceFields]
    applies: bool
    detects: bool
    trains: bool
    target_among_sources: bool
    fullyconv: str
    template: str
    options: Mapping[str, Mapping[str, Sequence[str]]]
    for_keras: Sequence[str]
    for_graphs: Sequence[str]

    @property
    def asked(self) -> list[str]:
        """All parameters on which what is shown depends."""
        own = [name for source in self.sources.values() for name in (source.images, source.placeholder)]
        asked = (self.model, *self.reading.values(), self.outputs, self.alpha, *own, *self.options)
        return [name for name in asked if name]


def form_of(operation: type, sources: int) -> ModelForm | None:
    """Return the form of an operation, with so many sources; None where it names no model."""
    known = {key.name: key for key in keys(operation, sources=sources)}
    model = next((name for name in _MODELS if name in known), None)
    if model is None:
        return None
    names = {name: key.parameter for name, key in known.items() if key.group <= sources}
    prefix = model.rpartition(".")[0]
    trains = any(name.startswith("training.source") for name in known)
    own: dict[str, str] = {}
    if issubclass(operation, GraphTraining):
        own = {each.name: each.metadata["key"].parameter for each in fields(operation) if "key" in each.metadata}
    reading = {
        "model.tagsets": names.get(f"{prefix}.tagsets", ""),
        "model.userplaceholders": names.get(f"{prefix}.userplaceholders", ""),
        "trust_model": names.get("trust_model", ""),
    }
    found: dict[int, SourceFields] = {}
    for name, parameter in names.items():
        match = _SOURCE.fullmatch(name)
        if match and match[3] == "il":
            start, number = name[: -len("il")], int(match[2])
            starts = (start, *(f"{scored}source{number}." for scored in _SCORED))
            every = tuple(own for other, own in names.items() if other.startswith(starts))
            found[number] = SourceFields(parameter, names.get(start + "placeholder", ""), every)
    if "in" in names:
        found[1] = SourceFields(names["in"], "", (names["in"],))
    return ModelForm(
        names[model],
        {key: parameter for key, parameter in reading.items() if parameter},
        names.get("output.names", ""),
        names.get("alpha", ""),
        found,
        f"{prefix}.fullyconv" in names,
        "head" in names,
        trains,
        trains and "training.target.il" not in known,
        names.get(f"{prefix}.fullyconv", ""),
        names.get("template", ""),
        _options(known, names),
        tuple(own[name] for name in FOR_KERAS_ONLY if name in own),
        tuple(own[each.name] for each in fields(GraphTraining) if each.name in own),
    )


def _options(known: Mapping[str, Key], names: Mapping[str, str]) -> dict[str, dict[str, list[str]]]:
    """Return the options of each method that may be chosen, such as `classifier.rf.max` of `classifier`."""
    found: dict[str, dict[str, list[str]]] = {}
    for name in names:
        choices = known[name].choices
        own = {choice: [names[each] for each in names if each.startswith(f"{name}.{choice}.")] for choice in choices}
        if any(own.values()):
            found[names[name]] = own
    return found
