"""ExportSavedModel: a .keras file to a SavedModel, with chosen outputs, crops and a sidecar."""

from __future__ import annotations

from dataclasses import dataclass

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
        "its layers. Crops add further outputs without the border that depends on what lies outside, as OTBTF's "
        "models have them (predictions_crop16).\n\n"
        "The model's geometry is found and kept in the sidecar mlm.json in the folder; class names and colours are "
        "taken over from the .keras file's own sidecar."
    )
    RESULTS = (
        TextResult("outputs", "Names of the SavedModel's outputs"),
        TextResult("sidecar.path", "The sidecar that was written"),
    )
    RUN = "probing.exportrun:export_model"
    NEEDS_ENGINE = True

    model_dir: str = voc.file(
        "model.dir", "Model", "A .keras file.", file_filter="Keras models (*.keras);;All files (*)"
    )
    output_names: str = voc.text(
        "output.names",
        "Model outputs",
        "Names of the outputs to keep, separated by spaces: the model's own, or those of any of its layers. Empty: "
        "the model's own.",
    )
    crops: str = voc.text(
        "crops",
        "Crops",
        "Adds outputs without so many pixels at each side, where values depend on what lies outside: 16 32 adds "
        "NAME_crop16 and NAME_crop32 for each output.",
    )
    model_userplaceholders: str = voc.text(
        "model.userplaceholders",
        "User placeholders",
        "Values for further inputs of the model, with which its geometry is found for the sidecar: name=value, "
        "several separated by spaces.",
        advanced=True,
    )
    trust_model: bool = shared.trust_model()
    out: str = voc.folder_out("out", "SavedModel", "The folder to write. An older SavedModel there is replaced.")
