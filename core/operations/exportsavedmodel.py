"""ExportSavedModel: a .keras file exported as a SavedModel, with selected outputs, crops and a sidecar."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import Operation, TextResult


@dataclass(frozen=True)
class ExportSavedModel(Operation):
    """OTBTF has no such application."""

    TITLE = "Export a Keras model as a SavedModel"
    GROUP = "models"
    DESCRIPTION = (
        "Writes a .keras file as a SavedModel, with the outputs that you choose: the model's own, or those of any of "
        "its layers. Crops add outputs without the border whose values depend on pixels outside, as in OTBTF's "
        "models (predictions_crop16).\n\n"
        "The model's geometry is determined and stored in the sidecar mlm.json in the folder; the class names and "
        "colours are those of the .keras file's own sidecar."
    )
    RESULTS = (
        TextResult("outputs", "Names of the SavedModel's outputs"),
        TextResult("sidecar.path", "Path of the sidecar"),
    )
    RUN = "probing.exportrun:export_model"
    NEEDS_ENGINE = True

    model_dir: str = voc.file(
        "model.dir",
        "Model",
        "A .keras file.",
        file_filter="Keras models (*.keras);;All files (*)",
        section=sections.MODEL,
    )
    output_names: str = voc.text(
        "output.names",
        "Model outputs",
        "Names of the outputs to keep, separated by spaces: the model's own, or those of any of its layers. Default: "
        "the model's own.",
        section=sections.MODEL,
    )
    crops: str = voc.text(
        "crops",
        "Crops",
        "Numbers of pixels to remove at each side, where values depend on pixels outside, separated by spaces: 16 32 "
        "adds NAME_crop16 and NAME_crop32 for each output.",
        section=sections.MODEL,
    )
    model_userplaceholders: str = voc.text(
        "model.userplaceholders",
        "User placeholders",
        "Values of further inputs of the model, used to determine its geometry for the sidecar: name=value, "
        "separated by spaces.",
        advanced=True,
        section=sections.MODEL,
    )
    model_context: int | None = shared.context_size(
        "model.context",
        "model",
        "Serving takes it from the sidecar. 0: none. Default: the value in the model's sidecar, if it has one.",
    )
    trust_model: bool = shared.trust_model()
    out: str = voc.folder_out(
        "out",
        "SavedModel",
        "Folder of the SavedModel. It replaces an older SavedModel.",
        kept_as="exported_model",
    )
