"""Exporting a model: the run of ExportSavedModel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..base.progress import Progress, Quiet
from ..errors import ParameterError, field
from ..files.staging import Staging
from ..machine.devices import device_scope
from ..models.loading import KerasModel, load_model
from ..models.modelfiles import is_onnx
from ..models.savedmodelexport import crops_of, export_saved_model
from ..models.sidecar import read_sidecar, sidecar_path, write_sidecar
from ..operations.exportsavedmodel import ExportSavedModel
from ..phrases import Phrase
from .fixedcontext import given_context
from .modeldescription import describe, item


def export_model(parameters: ExportSavedModel, progress: Progress) -> dict[str, Any]:
    """Export the model.

    Returns:
        `out` (the folder), `outputs` (names of what it returns, separated by spaces) and `sidecar.path`.

    Raises:
        ModelError, ParameterError, RasterError: it is no `.keras` file, an output does not exist or cannot be
            cropped, or the folder cannot be written.
        Cancelled: `progress` asked to stop; nothing is left behind.
    """
    crops = crops_of(parameters.crops)
    target = str(Path(parameters.out).absolute())
    check_replaceable(Path(target), field("out"))
    if is_onnx(Path(parameters.model_dir)):
        raise ParameterError(
            "{model_dir} is {parameters_model_dir}, an ONNX model, which TensorFlow does not compute: choose a .keras file.",
            model_dir=field("model_dir"),
            parameters_model_dir=parameters.model_dir,
        )
    if Path(parameters.model_dir).is_dir() or Path(parameters.model_dir).name.startswith("saved_model.pb"):
        raise ParameterError(
            "{model_dir} is {parameters_model_dir}, which is already a SavedModel: choose a .keras file.",
            model_dir=field("model_dir"),
            parameters_model_dir=parameters.model_dir,
        )
    scope = device_scope("cpu")
    with scope():
        model = load_model(parameters.model_dir, trust=parameters.trust_model)
    assert isinstance(model, KerasModel)  # nosec B101 (tells mypy)
    older = read_sidecar(model.path)
    outputs = parameters.output_names.split() or list(model.outputs)
    with Staging(target, progress, field("out")) as staging:
        renamed = export_saved_model(model, outputs, crops, staging.path)
        for old, new in renamed.items():
            progress.warning(
                Phrase(
                    "The input {old!r} is named {new} in the SavedModel, which does not allow the other characters.",
                    old=old,
                    new=new,
                )
            )
        progress.check()
        with scope():
            made = load_model(str(staging.path), trust=parameters.trust_model)
        described = describe(
            made, (), scope, Quiet(progress), placeholders=parameters.model_userplaceholders, probing="fast"
        )
        classes = {name: older.classes_of([name]) for name in made.outputs if older and older.classes_of([name])}
        alpha = {renamed.get(name, name): told for name, told in older.alpha.items()} if older else {}
        defaults = (
            older.serving_defaults.exported(list(made.outputs), renamed) if older and older.serving_defaults else None
        )
        defaults = given_context(parameters.model_context, described.geometries, defaults)
        calibration = older.calibration_of(made.outputs) if older else None
        write_sidecar(
            made.path, item(described, classes, ".", alpha, defaults, calibration, older.losses if older else None)
        )
        staging.commit()
    progress.info(
        Phrase(
            "SavedModel {target}: {outputs} from {inputs}.",
            target=target,
            outputs=", ".join(made.outputs),
            inputs=", ".join(made.inputs),
        )
    )
    return {"out": parameters.out, "outputs": " ".join(made.outputs), "sidecar.path": str(sidecar_path(target))}


def check_replaceable(folder: Path, name: str) -> None:
    """Check that a folder is new, empty or a SavedModel, and may be replaced; `name` is the parameter's mention.

    Raises:
        ParameterError: it is a file, or holds other files.
    """
    if folder.is_file():
        raise ParameterError("{name} is {folder}, which is a file: choose a folder.", name=name, folder=folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "saved_model.pb").is_file():
        raise ParameterError(
            "{name} is {folder}, which holds other files: choose a new folder, or one with a SavedModel.",
            name=name,
            folder=folder,
        )
