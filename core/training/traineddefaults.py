"""Serving defaults of a trained model, derived from its training."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from ..errors import ModelError
from ..models.modelseries import source_facts
from ..models.servingdefaults import ServingDefaults, SourceDefaults
from ..parameters.sampleroles import SampleRole
from ..parameters.templatenames import template_of
from ..serving.defaultsapplied import serving_defaults_of
from .network import Network
from .samplebatches import Samples
from .trainingtask import Task

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain


def serving_defaults_of_training(
    parameters: TensorflowModelTrain, samples: Samples, task: Task, network: Network
) -> ServingDefaults:
    """Return a model's serving defaults: patches of the size that it was trained on, where each has one target.

    A model that is trained further keeps its serving defaults, as long as its patches have the same size.
    """
    roles = task.source_roles[SampleRole.TRAINING]
    single = samples.shapes[roles.target][:2] == (1, 1)
    facts = source_facts(network.whole)
    sources = {
        name: dataclasses.replace(facts.get(name, SourceDefaults()), rfield=size if single else None)
        for name, size in patch_sizes(samples, task).items()
    }
    older = _older(parameters)
    if older is not None and older.rfields == {name: source.rfield for name, source in sources.items()}:
        return older if task.table is None else dataclasses.replace(older, background=_background(task, older))
    return ServingDefaults(background=_background(task, None), sources=sources)


def patch_sizes(samples: Samples, task: Task) -> dict[str, tuple[int, int]]:
    """Return width and height of the patches by input."""
    inputs = task.source_roles[SampleRole.TRAINING].inputs
    return {name: (samples.shapes[key][1], samples.shapes[key][0]) for key, name in inputs.items()}


def _background(task: Task, older: ServingDefaults | None) -> float | None:
    """Return the label that does not count, else the older background value, unless it is a class now."""
    if task.table is None:
        return None
    ignored = task.table.ignored
    before = older.background if older else None
    return float(ignored) if ignored is not None else None if before in task.table.values else before


def _older(parameters: TensorflowModelTrain) -> ServingDefaults | None:
    if template_of(parameters.model_dir) is not None:
        return None
    try:
        return serving_defaults_of(parameters.model_dir)
    except ModelError:  # trained further nevertheless: it gets a sidecar of its own
        return None
