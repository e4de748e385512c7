"""Which fields of a dialog do not apply to the model that is chosen, and why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..algorithms.translate import tr
from ..core.models.modelfiles import is_onnx
from ..core.models.modelsummary import ModelSummary
from .modelform import ModelForm
from .modelreading import Found
from .modeltext import patch_size


def not_applicable(form: ModelForm, path: str, found: Found | None, output: str) -> dict[str, str]:
    """Return why fields do not apply, by name of their parameters.

    Args:
        form: the dialog.
        path: of the model.
        found: what is known of it; None for a template.
        output: the output that is to be computed.
    """
    reasons: dict[str, str] = {}

    def mark(why: str, *names: str) -> None:
        reasons.update({name: why for name in names if name})

    if found is None:
        template = tr("A template is made by this plugin: there is no file to load.")
        mark(template, form.reading.get("model.tagsets", ""), form.reading.get("trust_model", ""))
    elif path.endswith(".keras"):
        mark(tr("A .keras file has no tag sets."), form.reading.get("model.tagsets", ""))
    elif is_onnx(Path(path)):
        mark(tr("An .onnx file has no tag sets."), form.reading.get("model.tagsets", ""))
        mark(tr("An .onnx file is always checked: it holds no code."), form.reading.get("trust_model", ""))
    mark(tr("The model is trained further, instead of a template."), form.template)
    if found is not None and found.graph:
        mark(tr("The model is a TensorFlow 1 graph, which holds its own loss and optimizer."), *form.for_keras)
    else:
        mark(tr("Only for a TensorFlow 1 graph."), *form.for_graphs)
    if found is not None:
        _mark_for(found.summary, form, output, mark)
    return reasons


def _mark_for(summary: ModelSummary, form: ModelForm, output: str, mark: Callable[..., None]) -> None:
    geometry = summary.geometry(output)
    size = patch_size(geometry) if geometry is not None else None
    if size is not None:
        mark(tr("The model takes patches of {} x {} pixels only.").format(*size), form.fullyconv)
    images = {info.name for info in summary.image_inputs(output)}
    # A TensorFlow 1 graph may have placeholders that its signature does not name.
    if summary.kind.startswith(("Keras", "ONNX", "TF2")) and all(info.name in images for info in summary.inputs):
        mark(tr("The model has no further inputs."), form.reading.get("model.userplaceholders", ""))
