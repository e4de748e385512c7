"""Following how a model is meant to be served, where the user says nothing."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from ..base.progress import Progress
from ..models.servingdefaults import Meant
from ..models.sidecar import read_sidecar
from ..operations.tensorflowmodelserve import PADDINGS, ServedModel, TensorflowModelServe

Parameters = TypeVar("Parameters", bound=ServedModel)


def meant_by(model_path: str) -> Meant | None:
    """Return how the sidecar of a model says that it is meant to be served; None where it says nothing.

    Raises:
        ModelError: the sidecar cannot be read, or belongs to another model.
    """
    try:
        sidecar = read_sidecar(model_path)
    except OSError:  # a folder without a model: loading it says so
        return None
    return sidecar.meant if sidecar else None


def as_meant(parameters: Parameters, meant: Meant | None, progress: Progress) -> Parameters:
    """Return the parameters of a run, with what the model is meant to be served with where nothing is given.

    Sizes of patches are not among them: they go by the model's inputs, which are known later (`Resolver.fields`).

    Args:
        parameters: as the user gives them.
        meant: how the model is meant to be served.
        progress: told what is followed.
    """
    if meant is None:
        return parameters
    changes = {**_geometry(parameters, meant), **_no_data(parameters, meant)}
    if parameters.padding == "auto" and meant.padding in PADDINGS[1:]:
        changes["padding"] = meant.padding
    told = [f"{key.upper()}={_plain(value)}" for key, value in changes.items()]
    sources = list(parameters.sources)
    for number, value in _source_nodata(parameters, meant).items():
        sources[number] = dataclasses.replace(sources[number], nodata=value)
        told.append(f"SOURCE{number + 1}_NODATA={value:g}")
    if told:
        progress.info(f"Not given, and taken from the model's sidecar: {' '.join(told)}")
    return dataclasses.replace(parameters, sources=tuple(sources), **changes)


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _geometry(parameters: ServedModel, meant: Meant) -> dict[str, Any]:
    """Return mode and spacing scale; they belong together, so that another mode that is given sets aside both."""
    given = parameters.model_fullyconv
    several = any(field not in (None, 1) for field in (parameters.output_efieldx, parameters.output_efieldy))
    if not meant.fullyconv or given not in ("auto", meant.fullyconv) or (several and meant.fullyconv == "off"):
        return {}
    changes: dict[str, Any] = {"model_fullyconv": meant.fullyconv} if given == "auto" else {}
    if parameters.output_spcscale is None and meant.spcscale is not None:
        changes["output_spcscale"] = float(meant.spcscale)
    return changes


def _no_data(parameters: ServedModel, meant: Meant) -> dict[str, Any]:
    """Return the background value, which is that of the output that is meant."""
    if not isinstance(parameters, TensorflowModelServe) or parameters.output_bv is not None or meant.background is None:
        return {}
    return {"output_bv": meant.background} if parameters.output_names.strip() in ("", meant.output) else {}


def _source_nodata(parameters: ServedModel, meant: Meant) -> dict[int, float]:
    """Return the no-data values of sources, by their number from 0; sources take the inputs in alphabetical order."""
    if not parameters.nodata_from_layer:
        return {}
    names = sorted(meant.sources)
    found = {}
    for number, source in enumerate(parameters.sources):
        name = source.placeholder or (names[number] if number < len(names) else "")
        value = meant.sources[name].nodata if name in meant.sources else None
        if source.nodata is None and value is not None:
            found[number] = value
    return found
