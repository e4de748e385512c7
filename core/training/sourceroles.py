"""Source roles: which input of the model each source feeds, and which source is the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import ParameterError
from ..models.modelinterface import plain_name
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase


@dataclass(frozen=True)
class SourceRoles:
    """Sources of training (`source1`, ...) and the tensors of a model.

    Attributes:
        inputs: by source, the name of the model's input that it feeds.
        target: the source that one output is to equal.
        output: the name of that output.
    """

    inputs: Mapping[str, str]
    target: str
    output: str


def assign_sources(
    role: SampleRole, names: Sequence[str], inputs: Sequence[str], outputs: Sequence[str]
) -> SourceRoles:
    """Return what each source is.

    Sources without a name feed the inputs that are left, in alphabetical order; one more is the target.

    Args:
        role: of the samples, for messages.
        names: for each source, that of an input or output; empty where none is given.
        inputs: the model's.
        outputs: the model's; the target belongs to the one called `predictions`, else to the first, unless it is named.

    Raises:
        ParameterError: a name is neither, or comes twice; an input has no source; there is not one target.
    """
    found: dict[str, str] = {}
    targets: dict[str, str] = {}
    for number, name in enumerate((plain_name(name) for name in names), 1):
        if not name:
            continue
        parameter = role.mention("placeholder" if role is SampleRole.TRAINING else "name", f"source{number}")
        if name not in inputs and name not in outputs:
            raise ParameterError(
                "{parameter} is {name!r}, but the model has the inputs {inputs} and the outputs {outputs}: name one "
                "of them.",
                parameter=parameter,
                name=name,
                inputs=", ".join(inputs),
                outputs=", ".join(outputs),
            )
        if name in found.values() or name in targets.values():
            raise ParameterError(
                "{parameter} is {name!r}, which another source has already: name another input or output.",
                parameter=parameter,
                name=name,
            )
        (found if name in inputs else targets)[f"source{number}"] = name
    left = sorted(set(inputs) - set(found.values()))
    for number, name in enumerate(names, 1):
        if not name and left:
            found[f"source{number}"] = left.pop(0)
        elif not name:
            targets[f"source{number}"] = "predictions" if "predictions" in outputs else sorted(outputs)[0]
    if left or len(targets) != 1:
        raise ParameterError(
            "The model has {inputs_count} {inputs_count:input|inputs} ({inputs}), so {inputs_count2} sources "
            "are needed, the last for "
            "the target; there are {names_count}: {found}. Give the patches for each input and one image of labels "
            "or values.",
            inputs_count=len(inputs),
            inputs=", ".join(inputs),
            inputs_count2=len(inputs) + 1,
            names_count=len(names),
            found=Phrase(", ").join(_described(found, len(names))),
        )
    ((target, output),) = targets.items()
    return SourceRoles(dict(sorted(found.items())), target, output)


def _described(found: Mapping[str, str], count: int) -> list[str]:
    keys = [f"source{number}" for number in range(1, count + 1)]
    return [
        Phrase("source {number} feeds {key}", number=number, key=found[key])
        if key in found
        else Phrase("source {number} is a target", number=number)
        for number, key in enumerate(keys, 1)
    ]
