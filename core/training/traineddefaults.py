"""How a trained model is meant to be served, as far as its training tells."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from ..errors import ModelError
from ..models.servingdefaults import Meant, MeantSource
from ..parameters.sampleroles import SampleRole
from ..serving.defaultsapplied import meant_by
from .network import template_of
from .samplebatches import Samples
from .trainingpreparation import Task

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain


def meant_to_be_served(parameters: TensorflowModelTrain, samples: Samples, task: Task) -> Meant:
    """Return how a model is meant to be served: on patches as those that it was trained on, where each has one target.

    A model that is trained on keeps what was said of it, as long as its patches are the same.
    """
    roles = task.source_roles[SampleRole.TRAINING]
    single = samples.shapes[roles.target][:2] == (1, 1)
    sizes = {name: samples.shapes[key] for key, name in roles.inputs.items()}
    sources = {name: MeantSource((shape[1], shape[0]) if single else None) for name, shape in sizes.items()}
    older = _older(parameters)
    if older is not None and older.rfields == {name: source.rfield for name, source in sources.items()}:
        return older if task.table is None else dataclasses.replace(older, background=_background(task, older))
    return Meant(background=_background(task, None), sources=sources)


def _background(task: Task, older: Meant | None) -> float | None:
    """Return the label that does not count, else what was said, unless it is a class now."""
    if task.table is None:
        return None
    ignored = task.table.ignored
    before = older.background if older else None
    return float(ignored) if ignored is not None else None if before in task.table.values else before


def _older(parameters: TensorflowModelTrain) -> Meant | None:
    if template_of(parameters.model_dir) is not None:
        return None
    try:
        return meant_by(parameters.model_dir)
    except ModelError:  # trained on nevertheless: it gets a sidecar of its own
        return None
