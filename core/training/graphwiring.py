"""What each source is to a TensorFlow 1 graph: which placeholder it feeds, and which output is scored against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ParameterError
from ..models.modelinterface import plain_name
from .graph import TrainableGraph

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain


@dataclass(frozen=True)
class Wiring:
    """Which tensor of the graph each source feeds, and which output is scored against which source.

    Attributes:
        fed: placeholders by source, for training.
        reference: the source that holds what the scored output shall be; empty where nothing is scored.
        scored: that output, a tensor; None where nothing is scored.
    """

    fed: Mapping[str, Any]
    reference: str
    scored: Any


def wire(
    parameters: TensorflowModelTrain, graph: TrainableGraph, sources: Sequence[str], user: Mapping[Any, np.ndarray]
) -> Wiring:
    """Return what each source feeds, and what is scored.

    Raises:
        ParameterError, ModelError: a name is not in the graph, or comes twice.
    """
    given = {f"source{n}": source.placeholder for n, source in enumerate(parameters.sources, 1) if source.placeholder}
    fed = {key: graph.tensor(name, f"TRAINING_{key.upper()}_PLACEHOLDER") for key, name in given.items()}
    free = graph.free_inputs([tensor.name for tensor in (*fed.values(), *user)])
    for key in sources:
        if key not in fed:
            if not free:
                raise ParameterError(
                    f"{key} feeds nothing: the graph's inputs ({', '.join(graph.inputs)}) are taken already. Name its "
                    f"placeholder in TRAINING_{key.upper()}_PLACEHOLDER, or leave it out."
                )
            fed[key] = graph.tensor(free.pop(0), "")
    fed = {key: fed[key] for key in sources}
    names = [tensor.name for tensor in fed.values()]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ParameterError(
            f"Two sources feed the placeholder {plain_name(twice)}: correct TRAINING_SOURCE*_PLACEHOLDER."
        )
    if parameters.validation_mode == "none":
        return Wiring(fed, "", None)
    return _scored(parameters, graph, fed)


def _scored(parameters: TensorflowModelTrain, graph: TrainableGraph, fed: Mapping[str, Any]) -> Wiring:
    found: dict[str, Any] = {}
    for what, items in (("VALIDATION", parameters.validation_sources), ("TEST", parameters.test_sources)):
        for number, source in enumerate(items, 1):
            key = f"source{number}"
            if source.name and key in fed:
                tensor = graph.tensor(source.name, f"{what}_{key.upper()}_NAME")
                if tensor.name != fed[key].name:
                    found[key] = tensor
    if len(found) > 1:
        raise ParameterError(
            f"VALIDATION_SOURCE*_NAME names {len(found)} outputs to score "
            f"({', '.join(plain_name(tensor.name) for tensor in found.values())}): name one."
        )
    if found:
        ((key, tensor),) = found.items()
        return Wiring(fed, key, tensor)
    if not graph.outputs:
        raise ParameterError(
            f"VALIDATION_MODE is {parameters.validation_mode}, but no output to score is named, and the graph has none in its "
            "signature: name one in VALIDATION_SOURCE*_NAME, for the source that it is scored against."
        )
    return Wiring(fed, list(fed)[-1], graph.tensor(min(graph.outputs), "VALIDATION_SOURCE*_NAME"))


def as_target(found: np.ndarray, target: np.ndarray, name: str, mode: str) -> np.ndarray:
    """Return predictions in the shape of their targets; of probabilities the number of the largest.

    Raises:
        ParameterError: there is another number of them.
    """
    if mode == "class" and found.ndim > 1 and found.size != target.size and found.shape[-1] * target.size == found.size:
        found = found.argmax(axis=-1)
    if found.size != target.size:
        raise ParameterError(
            f"The output {name} gives {found.size / len(target):g} values for a sample, but the patches to score it against "
            f"have {target.size / len(target):g}: name another output in VALIDATION_SOURCE*_NAME."
        )
    found = found.reshape(target.shape)
    return np.rint(found) if mode == "class" else found
