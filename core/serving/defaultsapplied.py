"""Serving defaults of a model, applied to the parameters that the user does not set."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from ..base.progress import Progress
from ..errors import field
from ..models.servingdefaults import ServingDefaults
from ..models.sidecar import read_sidecar
from ..operations.tensorflowmodelserve import TensorflowModelServe
from ..parameters.servedmodel import PADDINGS, ServedModel
from ..phrases import Phrase

Parameters = TypeVar("Parameters", bound=ServedModel)


def serving_defaults_of(model_path: str) -> ServingDefaults | None:
    """Return the serving defaults in the sidecar of a model; None where there are none.

    Raises:
        ModelError: the sidecar cannot be read, or belongs to another model.
    """
    try:
        sidecar = read_sidecar(model_path)
    except OSError:  # a folder without a model: loading it says so
        return None
    return sidecar.serving_defaults if sidecar else None


def with_serving_defaults(parameters: Parameters, defaults: ServingDefaults | None, progress: Progress) -> Parameters:
    """Return the parameters of a run, completed with the model's serving defaults.

    Sizes of patches are not among them: they go by the model's inputs, which are known later (`GeometryResolver.fields`).

    Args:
        parameters: as the user gives them.
        defaults: of the model.
        progress: told which defaults are applied.
    """
    if defaults is None:
        return parameters
    changes = {**_geometry(parameters, defaults), **_no_data(parameters, defaults), **_rule(parameters, defaults)}
    if defaults.context and parameters.model_context is None and parameters.model_fullyconv != "off":
        changes["model_context"] = defaults.context
    if parameters.images_scaling == "auto" and defaults.images_scaling:
        changes["images_scaling"] = defaults.images_scaling
    if parameters.images_pixelsize == "check" and defaults.images_pixelsize:
        changes["images_pixelsize"] = defaults.images_pixelsize
    if parameters.padding == "auto" and defaults.padding in PADDINGS[1:]:
        changes["padding"] = defaults.padding
    told = [f"{field(name)}={_plain(value)}" for name, value in changes.items()]
    sources = list(parameters.sources)
    for number, value in _source_nodata(parameters, defaults).items():
        sources[number] = dataclasses.replace(sources[number], nodata=value)
        told.append(f"{field('nodata', of='sources', number=number + 1)}={value:g}")
    if told:
        progress.info(Phrase("From the model's sidecar: {told}", told=" ".join(told)))
    return dataclasses.replace(parameters, sources=tuple(sources), **changes)


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _geometry(parameters: ServedModel, defaults: ServingDefaults) -> dict[str, Any]:
    """Return mode and spacing scale. They belong together: if the user sets another mode, neither is applied."""
    given = parameters.model_fullyconv
    several = any(size not in (None, 1) for size in (parameters.output_efieldx, parameters.output_efieldy))
    if not defaults.fullyconv or given not in ("auto", defaults.fullyconv) or (several and defaults.fullyconv == "off"):
        return {}
    changes: dict[str, Any] = {"model_fullyconv": defaults.fullyconv} if given == "auto" else {}
    if parameters.output_spcscale is None and defaults.spcscale is not None:
        changes["output_spcscale"] = float(defaults.spcscale)
    return changes


def _no_data(parameters: ServedModel, defaults: ServingDefaults) -> dict[str, Any]:
    """Return the background value, which is that of the default output."""
    if (
        not isinstance(parameters, TensorflowModelServe)
        or parameters.output_bv is not None
        or defaults.background is None
    ):
        return {}
    return {"output_bv": defaults.background} if parameters.output_names.strip() in ("", defaults.output) else {}


def _rule(parameters: ServedModel, defaults: ServingDefaults) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if defaults.nodata_rule and not parameters.nodata_rule.strip():
        changes["nodata_rule"] = defaults.nodata_rule
    if defaults.nodata_pixels is not None and parameters.nodata_pixels is None:
        changes["nodata_pixels"] = defaults.nodata_pixels
    return changes


def _source_nodata(parameters: ServedModel, defaults: ServingDefaults) -> dict[int, float]:
    """Return the no-data values of sources, by their number from 0; sources take the inputs in alphabetical order."""
    if not parameters.nodata_from_layer:
        return {}
    names = sorted(defaults.sources)
    found = {}
    for number, source in enumerate(parameters.sources):
        name = source.placeholder or (names[number] if number < len(names) else "")
        value = defaults.sources[name].nodata if name in defaults.sources else None
        if source.nodata is None and value is not None:
            found[number] = value
    return found
