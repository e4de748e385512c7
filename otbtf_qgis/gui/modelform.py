"""Which parameters of an operation name a model, its inputs and outputs, and the images for these."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..core.parameters.parsing import keys

_MODELS = ("deepmodel.dir", "model.dir")
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
        trains: whether it is trained on patches images, of which each must name the input or target that it feeds; then a
            template may stand for the model.
    """

    model: str
    reading: Mapping[str, str]
    outputs: str
    alpha: str
    sources: Mapping[int, SourceFields]
    applies: bool
    trains: bool

    @property
    def asked(self) -> list[str]:
        """All parameters on which what is shown depends."""
        fields = [name for source in self.sources.values() for name in (source.images, source.placeholder)]
        return [name for name in (self.model, *self.reading.values(), self.outputs, self.alpha, *fields) if name]


def form_of(operation: type, sources: int) -> ModelForm | None:
    """Return the form of an operation, with so many sources; None where it names no model."""
    known = {key.name: key for key in keys(operation, sources=sources)}
    model = next((name for name in _MODELS if name in known), None)
    if model is None:
        return None
    names = {name: key.parameter for name, key in known.items() if key.group <= sources}
    prefix = model.rpartition(".")[0]
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
            every = tuple(own for other, own in names.items() if other.startswith(start))
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
        any(name.startswith("training.source") for name in names),
    )
