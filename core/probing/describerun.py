"""The run of DescribeModel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..base.progress import Progress
from ..classes.legend import Legend, raster_legend, read_legend
from ..classes.modelclasses import Classes, ModelClass
from ..classes.palette import coloured
from ..errors import ModelError, ParameterError, as_key, field, worded
from ..files.staging import check_file, write_text_file
from ..machine.devices import device_scope
from ..models.appliedmodel import applied
from ..models.loading import load_model
from ..models.servingdefaults import ServingDefaults
from ..models.sidecar import Sidecar, as_text, read_sidecar, write_sidecar
from ..operations.describemodel import DescribeModel
from ..phrases import Phrase
from ..rasters.rasterstack import Stack
from .descriptionpage import page
from .fixedcontext import given_context
from .modeldescription import Description, describe, item
from .usersettings import SourceSettings, SourcesSettings


def describe_model(parameters: DescribeModel, progress: Progress) -> dict[str, Any]:
    """Describe the model.

    Returns:
        Paths of the files written under `out.html`, `out.json` and `sidecar.path`; `verdict` (of the first
        output), `fits` (`yes`, `no`, or empty without rasters), `misfits` (a text, one reason per line),
        `parameters` (of the first output, as parameters of TensorflowModelServe; empty for a detector, which makes no
        map).

    Raises:
        ModelError, ParameterError: the model cannot be loaded, or a file cannot be written. Rasters that do
            not fit are no error.
        Cancelled: `progress` asked to stop.
    """
    files = {"out.html": parameters.out_html, "out.json": parameters.out_json}
    for key, path in files.items():
        if path:
            check_file(path, field(key.replace(".", "_")))
    scope = device_scope("auto")
    with scope():
        model = load_model(parameters.model_dir, parameters.model_tagsets, parameters.trust_model)
    progress.info(Phrase("{kind} {model}.", kind=model.kind, model=model.path))
    sources = tuple(SourceSettings(source.il, source.placeholder) for source in parameters.sources)
    described = describe(
        model,
        parameters.output_names.split(),
        scope,
        progress,
        SourcesSettings(sources, alpha=parameters.alpha),
        parameters.model_userplaceholders,
        parameters.probing,
    )
    names = [output.info.name for output in described.outputs]
    older = _older(model.path, progress)
    classes = _classes(parameters.classes, names, older, progress)
    alpha, defaults = (older.alpha, older.serving_defaults) if older else ({}, None)
    defaults = given_context(parameters.model_context, described.geometries, defaults)
    calibration = older.calibration if older else None
    losses = older.losses if older else None
    results: dict[str, Any] = _results(described, defaults)
    if parameters.sidecar:
        results["sidecar.path"] = write_sidecar(
            model.path, item(described, classes, ".", alpha, defaults, calibration, losses)
        )
        progress.info(Phrase("Sidecar: {sidecar_path}", sidecar_path=results["sidecar.path"]))
    for misfit in described.misfits:
        progress.warning(Phrase("The rasters do not fit: {misfit}", misfit=misfit))
    for key, path in files.items():
        if path:
            text = (
                page(described, classes, defaults, calibration)
                if key == "out.html"
                else as_text(item(described, classes, _uri(model.path), alpha, defaults, calibration, losses))
            )
            write_text_file(path, text, progress, field(key.replace(".", "_")))
            results[key] = path
    return results


def _results(described: Description, defaults: ServingDefaults | None) -> dict[str, Any]:
    first = described.outputs[0]
    rasters = bool(described.rasters or described.misfits)
    return {
        "verdict": _verdict(described, defaults),
        "parameters": "" if described.head is not None else worded(first.parameters, as_key),
        "fits": ("no" if described.misfits else "yes") if rasters else "",
        "misfits": "\n".join(worded(misfit, as_key) for misfit in described.misfits),
    }


def _verdict(described: Description, defaults: ServingDefaults | None) -> str:
    first = described.outputs[0]
    if described.head is not None:
        return Phrase("detector")
    return applied(first.geometry, defaults).verdict if first.geometry else first.verdict


def _uri(path: str) -> str:
    return Path(path).absolute().as_uri()


def _older(model_path: str, progress: Progress) -> Sidecar | None:
    """The model's sidecar as it was, for its classes; one that contradicts the model is about to be replaced."""
    try:
        return read_sidecar(model_path)
    except ModelError as error:
        progress.warning(error.message)
        return None


def _classes(path: str | None, names: Sequence[str], older: Sidecar | None, progress: Progress) -> dict[str, Classes]:
    """The classes of each output: those of the file that the user gives, else those of the older sidecar."""
    if path is None:
        return {name: older.classes_of([name]) for name in names if older.classes_of([name])} if older else {}
    legend = read_legend(path, warn=progress.warning) or _used(raster_legend(Stack([path], placed=False).datasets[0]))
    if not legend:
        raise ParameterError(
            "{classes} is {path}, but names no classes: it has neither a colour table nor category names nor an "
            "attribute table, and there is no {path2}.json beside it. Choose a label raster that has one.",
            classes=field("classes"),
            path=path,
            path2=Path(path).name,
        )
    found = coloured(tuple(ModelClass(value, entry.name, entry.color) for value, entry in sorted(legend.items())))
    return dict.fromkeys(names, found)


def _used(legend: Legend) -> Legend:
    """Leave out what only fills a colour table up: formats store 256 entries or more, black where none was given."""
    if any(entry.name for entry in legend.values()):
        return {value: entry for value, entry in legend.items() if entry.name}
    last = max((value for value, entry in legend.items() if entry.color != "#000000"), default=-1)
    return {value: entry for value, entry in legend.items() if value <= last}
