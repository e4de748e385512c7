"""What the description of a model says of its inputs and outputs, read where TensorFlow is not: in QGIS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..base.jsonvalues import Json, OddJson, read
from ..errors import ModelError
from .mlm import BANDS_FIRST
from .modelinterface import TensorInfo
from .sidecar import Geometry, Sidecar, read_item, read_sidecar, sidecar_path

_DATA_TYPES = {"cfloat32": "complex64", "cfloat64": "complex128", "other": ""}


@dataclass(frozen=True)
class ModelSummary:
    """A model, as its sidecar or the JSON of DescribeModel tells.

    Attributes:
        kind: `TF1 SavedModel`, `TF2 SavedModel`, `Keras`, `ONNX`, or the program that made it.
        inputs, outputs: in the order of the description; a dtype is empty where it is none of NumPy's.
        bands: names of the bands by name of the input, where they are known.
        described: geometries, classes, and how to serve it.
        bands_first: names of the inputs and outputs that have the bands first in the model; here these are the last.
    """

    kind: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    described: Sidecar
    bands: dict[str, tuple[str, ...]] = field(default_factory=dict)
    bands_first: frozenset[str] = frozenset()

    def output(self, names: str) -> str:
        """Return the first of the outputs that are named, else the one that serving writes; empty where there is none."""
        if names.split():
            return names.split()[0]
        defaults = self.described.serving_defaults
        if defaults is not None and defaults.output:
            return defaults.output
        maps = [info.name for info in self.outputs if info.rank != 0]
        return min(maps or [info.name for info in self.outputs], default="")

    def geometry(self, output: str) -> Geometry | None:
        """Return how the model is applied for an output; None where that is not known."""
        return self.described.geometries.get(output)

    def image_inputs(self, output: str) -> list[TensorInfo]:
        """Return the inputs that sources feed for an output, in the order of the sources."""
        geometry = self.geometry(output)
        if geometry is None:
            return [info for info in self.inputs if info.takes_images]
        known = {info.name: info for info in self.inputs}
        fed = zip(geometry.inputs, geometry.bands)
        return [known.get(name) or TensorInfo(name, (None, None, None, bands), "") for name, bands in fed]


def sidecar_summary(model_path: str, tags: Sequence[str]) -> ModelSummary | None:
    """Return what the sidecar of a model says; None where it has none.

    Args:
        model_path: the model.
        tags: of the graph of a SavedModel.

    Raises:
        ModelError: see `read_sidecar`.
    """
    sidecar = read_sidecar(model_path, tags) if sidecar_path(model_path).is_file() else None
    return None if sidecar is None else _summary(sidecar)


def item_summary(path: Path) -> ModelSummary:
    """Return what a STAC item says, as DescribeModel writes it.

    Raises:
        ModelError: it cannot be read.
    """
    return _summary(read_item(path))


def _summary(sidecar: Sidecar) -> ModelSummary:
    try:
        properties = read(sidecar.path)["properties"]
        inputs = list(properties["mlm:input"].items()) if properties.has("mlm:input") else []
        outputs = list(properties["mlm:output"].items()) if properties.has("mlm:output") else []
        return ModelSummary(
            _kind(properties),
            tuple(_tensor(described, "input") for described in inputs),
            tuple(_tensor(described, "result") for described in outputs),
            sidecar,
            {described["name"].text(): names for described in inputs if (names := _bands(described))},
            frozenset(
                described["name"].text()
                for tensors, structure in ((inputs, "input"), (outputs, "result"))
                for described in tensors
                if _order(described.get(structure)) == list(BANDS_FIRST)
            ),
        )
    except (OSError, OddJson) as error:
        raise ModelError(
            "The description {sidecar} of the model cannot be read ({error}).", sidecar=sidecar.path, error=error
        ) from error


def _kind(properties: Json) -> str:
    named = properties.get("otbtf:model_kind") or properties.get("mlm:framework")
    return named.text() if named else ""


def _tensor(described: Json, structure: str) -> TensorInfo:
    """Return a tensor as `mlm.build_item` describes it; other programs may leave the structure out."""
    name, found = described["name"].text(), described.get(structure)
    if found is None or not found.has("shape"):
        return TensorInfo(name, None, "")
    sizes = [size.whole(-1) for size in found["shape"].items()]
    data_type = found["data_type"].text() if found.has("data_type") else ""
    shape = tuple(None if size < 0 else size for size in sizes)
    order = _order(found)
    if order == list(BANDS_FIRST) and len(shape) == len(order):  # serving transposes it
        shape = (shape[0], *shape[2:], shape[1])
    if order == ["value"]:  # a scalar, or of unknown rank
        return TensorInfo(name, None if shape == (None,) else (), _DATA_TYPES.get(data_type, data_type))
    return TensorInfo(name, shape, _DATA_TYPES.get(data_type, data_type))


def _order(structure: Json | None) -> list[Any]:
    """Return the names of the dimensions; empty where they are not told."""
    return [axis.value for axis in structure["dim_order"].items()] if structure and structure.has("dim_order") else []


def _bands(described: Json) -> tuple[str, ...]:
    """Return names of bands, which are texts, or have their text under `name`."""
    found = described["bands"].items() if described.has("bands") else []
    return tuple(band["name"].text() if band.has("name") else band.text() for band in found)
