"""A model as a STAC item with the machine learning model extension (MLM) 1.5.0.

https://github.com/stac-extensions/mlm; classes are those of the classification extension, whose `name`
is for machines, so the name that people read stands in `title` (2.0.0) and in `description` (1.1.0).
"""

from __future__ import annotations

import datetime
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..base.archives import DAMAGED, read_json
from ..base.jsonvalues import OddJson
from ..classes.modelclasses import Classes
from ..parameters.detectionmaps import OUTPUT as MAPS
from .identity import Identity, fingerprint
from .layout import ChannelsLast, bands_first, channels_last
from .modelcalibration import CALIBRATION, Calibration, calibration_as_json
from .modelinterface import Model, TensorInfo
from .onnxmetadata import metadata_of
from .servingdefaults import ServingDefaults, as_json
from .sidecar import LOSS, SERVING_DEFAULTS, Geometry, geometry_as_json

MLM = "https://stac-extensions.github.io/mlm/v1.5.0/schema.json"
CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"

_DATA_TYPES = {"complex64": "cfloat32", "complex128": "cfloat64"}
_PLAIN_TYPES = {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)} | {
    f"float{bits}" for bits in (16, 32, 64)
}
BANDS_FIRST = ("batch", "channel", "height", "width")
"""Order of dimensions of images with their bands first."""

_DIMENSIONS = {
    4: ("batch", "height", "width", "channel"),
    3: ("batch", "height", "width"),
    2: ("batch", "channel"),
    1: ("batch",),
}


def build_item(
    model: Model,
    outputs: Sequence[TensorInfo],
    geometries: Sequence[Geometry],
    classes: Mapping[str, Classes],
    bands: Mapping[str, Sequence[str]],
    href: str,
    alpha: Mapping[str, str] | None = None,
    serving_defaults: ServingDefaults | None = None,
    calibration: Calibration | None = None,
    losses: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a model's STAC item.

    Args:
        model: the model.
        outputs: those that are described.
        geometries: of the outputs for which one was found.
        classes: by name of the output.
        bands: names of the bands by name of the input, where they are known.
        href: the model's place as seen from the item.
        alpha: by name of the input, what bands marked as alpha were in training; see `Sidecar`.
        serving_defaults: what serving follows where the user says nothing; None where that is not known.
        calibration: of the class probabilities; None where there is none.
        losses: by name of the output, what LOSS is in its training; see `Sidecar`.
    """
    found = {geometry.output: geometry for geometry in geometries}
    layout = channels_last(model)
    first = bands_first(model)
    described = [
        _output(
            info,
            found.get(info.name),
            classes.get(info.name, ()),
            (losses or {}).get(info.name, ""),
            isinstance(layout, ChannelsLast) and layout.moves(info),
        )
        for info in outputs
    ]
    origin = _origin(model)
    name = _name(Path(model.path).stem)
    properties: dict[str, Any] = {
        "datetime": _modified(model.path),
        "mlm:name": name,
        "mlm:architecture": origin.pop("name", "") or "unknown",
        "mlm:tasks": sorted({task for output in described for task in output["tasks"]}),
        **origin,
        "mlm:input": [
            _input(info, bands.get(info.name, ()), (alpha or {}).get(info.name, ""), info.name in first)
            for info in model.inputs.values()
        ],
        "mlm:output": described,
        "otbtf:model_kind": model.kind,
        "otbtf:fingerprint": fingerprint(model.path),
        **_tags(model),
        "otbtf:geometry": [geometry_as_json(geometry) for geometry in geometries],
    }
    if serving_defaults is not None:
        properties[SERVING_DEFAULTS] = as_json(serving_defaults)
    if calibration is not None:
        properties[CALIBRATION] = calibration_as_json(calibration)
    every = list(dict.fromkeys(band for names in bands.values() for band in names))
    if every:  # MLM asks that bands named by an input are defined somewhere
        properties["bands"] = [{"name": band} for band in every]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [MLM, *([CLASSIFICATION] if any(classes.values()) else [])],
        "id": name,
        "geometry": None,
        "properties": properties,
        "links": [],
        "assets": {
            "model": {
                "href": href,
                "title": f"{model.kind} {Path(model.path).name}",
                "roles": ["mlm:model", "mlm:weights"],
                "mlm:artifact_type": _ARTIFACTS.get(model.kind, "tf.saved_model.save"),
            }
        },
    }


_ARTIFACTS = {"Keras": "tf.keras.Model.save", "ONNX": "onnx.save"}


def _input(info: TensorInfo, bands: Sequence[str], alpha: str, first: bool) -> dict[str, Any]:
    marked = {"otbtf:alpha": alpha} if alpha else {}
    return {"name": info.name, "bands": list(bands), "input": _structure(info, first), **marked}


def _output(info: TensorInfo, geometry: Geometry | None, classes: Classes, loss: str, first: bool) -> dict[str, Any]:
    output: dict[str, Any] = {
        "name": info.name,
        "tasks": _tasks(info, geometry, classes),
        "result": _structure(info, first),
        **({LOSS: loss} if loss else {}),
    }
    if classes:
        output["classification:classes"] = [
            {
                "value": item.value,
                "name": re.sub(r"[^0-9A-Za-z_-]+", "_", item.name).strip("_")
                or f"class_{item.value}".replace("-", "m"),
                "title": item.name or str(item.value),
                "description": item.name or str(item.value),
                **({"color_hint": item.color.lstrip("#").upper()} if item.color else {}),
            }
            for item in classes
        ]
    return output


def _tasks(info: TensorInfo, geometry: Geometry | None, classes: Classes) -> list[str]:
    """The tasks that follow from what is known; none is guessed."""
    regions = geometry is not None and geometry.x is not None
    if info.name == MAPS:
        return ["object-detection"]
    if classes or info.dtype == "bool" or info.dtype.startswith(("int", "uint")):
        return ["semantic-segmentation" if regions else "classification"]
    if geometry is not None and geometry.x is not None and geometry.x.scale < 1:
        return ["super-resolution"]
    return []


def _structure(info: TensorInfo, first: bool = False) -> dict[str, Any]:
    data_type = _DATA_TYPES.get(info.dtype, info.dtype if info.dtype in _PLAIN_TYPES else "other")
    if not info.shape:  # a scalar, or of unknown rank
        return {"shape": [-1 if info.shape is None else 1], "dim_order": ["value"], "data_type": data_type}
    letters = "abcdefgh"
    order = (BANDS_FIRST if first else _DIMENSIONS.get(len(info.shape))) or tuple(
        f"dimension-{letters[i % 8] * (1 + i // 8)}" for i in range(len(info.shape))
    )
    return {
        "shape": [-1 if size is None else size for size in info.shape],
        "dim_order": list(order),
        "data_type": data_type,
    }


def _name(text: str) -> str:
    """A name as MLM asks for: it begins with a letter, ends with a letter or figure, and has three of them."""
    name = re.sub(r"[^a-zA-Z0-9_.-]+", "-", text).strip("-_.")
    if not re.match("[a-zA-Z]", name):
        name = f"model-{name}".rstrip("-")
    return name if len(name) > 2 else f"model-{name}"


def _modified(path: str) -> str:
    file = Path(path) / "saved_model.pb" if Path(path).is_dir() else Path(path)
    moment = datetime.datetime.fromtimestamp(int(file.stat().st_mtime), datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _tags(model: Model) -> dict[str, Any]:
    """The tags of the graph that was described; nothing for a file."""
    tags = model.identity.tags if isinstance(model.identity, Identity) else ()
    return {"otbtf:tags": list(tags)} if tags else {}


def _origin(model: Model) -> dict[str, Any]:
    """What the model's file says of the program that wrote it, and of its name."""
    if model.kind == "Keras":
        return {"mlm:framework": "Keras", **_origin_of_keras(model.path)}
    if model.kind == "ONNX":
        texts = dict(metadata_of(Path(model.path)).texts)
        return {"mlm:framework": "ONNX", **({"otbtf:metadata": texts} if texts else {})}
    from .modelfiles import read_saved_model

    version = next((graph.meta_info_def.tensorflow_version for graph in read_saved_model(model.path).meta_graphs), "")
    return {"mlm:framework": "TensorFlow", **_version(version)}


def _origin_of_keras(path: str) -> dict[str, str]:
    """Name and version; a help only, so that what cannot be read in a model that the user trusts is left out."""
    try:
        with zipfile.ZipFile(path) as archive:
            written = read_json(archive, "metadata.json").get("keras_version")
            config = read_json(archive, "config.json").get("config")
        called = config.get("name") if config else None
        version = _version(written.text() if written else "")
        return {"name": called.text() if called else "", **version}
    except (*DAMAGED, KeyError, OddJson):
        return {}


def _version(text: str) -> dict[str, str]:
    match = re.match(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", text)
    return {"mlm:framework_version": match[0]} if match else {}
