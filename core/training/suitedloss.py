"""The loss that a model was trained by before, or that its template has: the one that LOSS=auto stands for."""

from __future__ import annotations

from ..errors import ModelError
from ..models.sidecar import read_sidecar
from ..parameters.templatenames import template_of


def suited_loss(model_dir: str, output: str) -> str:
    """Return the loss of an output, as LOSS names it; empty where nothing tells it.

    Args:
        model_dir: a template, or a model that a training or CreateModel wrote, with its sidecar.
        output: name of the output that is trained.
    """
    template = template_of(model_dir)
    if template is not None:
        return template.loss_word
    try:
        sidecar = read_sidecar(model_dir)
    except ModelError:  # the search for its classes has told of it
        return ""
    return sidecar.losses.get(output, "") if sidecar else ""
