"""What is known of a model, kept beside it: a STAC MLM item with OTBTF's numbers under `otbtf:`.

For a SavedModel it is `mlm.json` in the model's folder, so that both move together (TensorFlow does not
look at files that it does not know); for `net.keras` it is `net.keras.json` beside it. Serve reads it
instead of probing the model, and names and colours its output by the classes in it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..base.jsonvalues import Json, OddJson, read
from ..base.progress import Progress
from ..classes.modelclasses import Classes, ModelClass
from ..errors import ModelError, ParameterError, RasterError
from ..files.staging import write_text_file
from ..phrases import Phrase
from .identity import file_fingerprint, fingerprint
from .modelcalibration import CALIBRATION, Calibration, calibration_from_json
from .modelfiles import PROGRAM, is_onnx, model_place
from .onnxmetadata import OnnxMetadata, metadata_of
from .servingdefaults import ServingDefaults
from .servingdefaults import as_json as defaults_as_json
from .servingdefaults import from_json as defaults_from_json
from .wholereasons import reason_as_json, reason_from_json

FILE_NAME = "mlm.json"
"""The sidecar's name inside a SavedModel's folder."""

LOSS = "otbtf:loss"
"""Where an output of an item holds its loss, as LOSS names it."""

SERVING_DEFAULTS = "otbtf:serving"
"""Where an item holds the model's serving defaults."""

_CURE = Phrase("Delete the sidecar, or have “Describe a model” write a new one.")


@dataclass(frozen=True)
class AxisNumbers:
    """What one axis of the model does to sizes; see `core.probing.sizelaw.AxisSizeLaw`."""

    scale: Fraction
    lattice: int
    rfield: int
    efield: int
    fixed: bool = False


@dataclass(frozen=True)
class Surroundings:
    """Tile margins of a model, and the stride of its regions; see `core.probing.tilemargins.TileMargins`.

    It is right for regions that differ from `size` (width and height in pixels of the first source) by
    multiples of the stride.
    """

    size: tuple[int, int]

    whole: bool
    stride: int = 1
    margin_x: tuple[int, int] = (0, 0)
    margin_y: tuple[int, int] = (0, 0)
    reason: str = ""


@dataclass(frozen=True)
class Geometry:
    """How a model is applied for one of its outputs.

    Attributes:
        output: its name.
        inputs: names of the inputs that sources feed, in the order of the sources.
        bands: bands of each source.
        ratios: pixels of each source per pixel of the first.
        offsets: what each source's size has beyond its share of the ground, in its own pixels.
        verdict: in words: pixel-wise, fully convolutional, ...
        placeholders: the user placeholders' values with which it was found.
        x, y: along both axes; None where the model returns one output for a patch.
        patch: width and height of the patches of such a model; None where any size is taken.
        surroundings: its tile margins; None where they were not found.
        seen: (width, height) in pixels of each source that a single output depends on, at most; empty where
            that was not found.
    """

    output: str
    inputs: tuple[str, ...]
    bands: tuple[int, ...]
    ratios: tuple[Fraction, ...]
    offsets: tuple[int, ...]
    verdict: str = ""
    placeholders: tuple[tuple[str, tuple[float, ...]], ...] = ()
    x: AxisNumbers | None = None
    y: AxisNumbers | None = None
    patch: tuple[int, int] | None = None
    surroundings: Surroundings | None = None
    seen: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Sidecar:
    """A sidecar as it was read.

    Attributes:
        path: its file.
        digest: of its text.
        fingerprint: of the model it describes; empty where another program wrote it.
        tags: of the graph that it describes, sorted; empty for a `.keras` file.
        geometries: by name of the output.
        classes: by name of the output, where it has any.
        alpha: by name of the input, what bands marked as alpha were in training, `mask` or `band`.
        serving_defaults: what serving follows where the user says nothing; None where there are none.
        calibration: of the class probabilities; None where there is none.
        losses: by name of the output, what LOSS is in its training, or is to be; only of outputs for which that is known.
    """

    path: str
    digest: str
    fingerprint: str
    tags: tuple[str, ...] = ()
    geometries: dict[str, Geometry] = field(default_factory=dict)
    classes: dict[str, Classes] = field(default_factory=dict)
    alpha: dict[str, str] = field(default_factory=dict)
    serving_defaults: ServingDefaults | None = None
    calibration: Calibration | None = None
    losses: dict[str, str] = field(default_factory=dict)

    def classes_of(self, outputs: Sequence[str]) -> Classes:
        """Return the classes of a map of these outputs: of the only one, or of what it is a crop of."""
        if len(outputs) != 1:
            return ()
        return self.classes.get(outputs[0]) or self.classes.get(_uncropped(outputs[0]), ())

    def calibration_of(self, outputs: Collection[str]) -> Calibration | None:
        """Return the calibration if it is that of one of these outputs, or of what one is a crop of."""
        names = {*outputs, *map(_uncropped, outputs)}
        return self.calibration if self.calibration and self.calibration.output in names else None

    def contradiction(self, what: str, here: object, there: object) -> ModelError:
        """Return the error for a value of the sidecar that the model shows to be wrong."""
        return ModelError(
            "The sidecar {path} does not belong to its model: {what} is {here} in the sidecar, but {there} in the "
            "model. {cure}",
            path=self.path,
            what=what,
            here=here,
            there=there,
            cure=_CURE,
        )


def _uncropped(output: str) -> str:
    return re.sub(r"_crop\d+$", "", output)


def sidecar_path(model_path: str) -> Path:
    """Return where the sidecar of a model lies: inside a SavedModel's folder, beside a `.keras` file."""
    place = model_place(model_path)
    return place / FILE_NAME if place.is_dir() else place.with_name(place.name + ".json")


def read_sidecar(model_path: str, tags: Sequence[str] | None = None) -> Sidecar | None:
    """Return the sidecar of a model; None where it has none.

    For an ONNX file without one, its own metadata are that.

    Its geometries are left out where they are not known to hold: those of another graph of the model, and those of a
    SavedModel whose sidecar knows only its program, as sidecars did before they told tags; its variables may be others.

    Args:
        model_path: the model.
        tags: of the graph whose geometries are asked for; None where they do not matter.

    Raises:
        ModelError: it cannot be read, or it belongs to another model.
    """
    path = sidecar_path(model_path)
    if not path.is_file():
        return _inside(model_place(model_path))
    sidecar = read_item(path)
    if not sidecar.fingerprint:
        return sidecar
    place = model_place(model_path)
    if place.is_dir() and not sidecar.tags:
        own, holds = file_fingerprint(place / PROGRAM), False
    else:
        own, holds = fingerprint(model_path), not place.is_dir() or tags is None or set(tags) == set(sidecar.tags)
    if sidecar.fingerprint != own:
        raise sidecar.contradiction(Phrase("the fingerprint (otbtf:fingerprint)"), sidecar.fingerprint, own)
    return sidecar if holds else replace(sidecar, geometries={})


def _inside(place: Path) -> Sidecar | None:
    """Return what an ONNX file tells itself of classes and images; None where it tells nothing."""
    found = metadata_of(place) if is_onnx(place) and place.is_file() else OnnxMetadata()
    if not (found.classes or found.scaling or found.pixel_size):
        return None
    defaults = ServingDefaults(pixel_size=found.pixel_size, scaling=found.scaling)
    return Sidecar(str(place), repr(found), "", classes=dict(found.classes), serving_defaults=defaults)


def read_item(path: Path) -> Sidecar:
    """Return what an item says of its model, whether or not it says so of the model beside it.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        return _parse(path)
    except (OSError, OddJson) as error:
        raise ModelError(
            "The sidecar {path} cannot be read ({error}). {cure}", path=path, error=error, cure=_CURE
        ) from error


def write_sidecar(model_path: str, item: Mapping[str, Any]) -> str:
    """Write a model's sidecar, in one step, and return its path.

    Args:
        model_path: the model.
        item: as `core.models.mlm.build_item` returns it.

    Raises:
        ModelError: it cannot be written.
    """
    path = sidecar_path(model_path)
    try:
        write_text_file(str(path), as_text(item), Progress())
    except (ParameterError, RasterError) as error:
        reason = getattr(error.__cause__, "strerror", None) or str(error)
        raise ModelError(
            "The sidecar {path} cannot be written: {reason}. Copy the model to a folder that you can write to.",
            path=path,
            reason=reason.rstrip("."),
        ) from error
    return str(path)


def change_serving_defaults(model_path: str, change: Callable[[ServingDefaults], ServingDefaults]) -> None:
    """Change the serving defaults in the sidecar of a model.

    Args:
        model_path: a model that has a sidecar.
        change: returns the new serving defaults, given the present ones.

    Raises:
        ModelError: the sidecar cannot be read or written.
    """
    sidecar = read_sidecar(model_path)
    if sidecar is None:
        raise ModelError(
            "The model {model_path} has no sidecar {sidecar_path}.",
            model_path=model_path,
            sidecar_path=sidecar_path(model_path),
        )
    item = json.loads(Path(sidecar.path).read_text(encoding="utf-8"))
    item["properties"][SERVING_DEFAULTS] = defaults_as_json(change(sidecar.serving_defaults or ServingDefaults()))
    write_sidecar(model_path, item)


def as_text(item: Mapping[str, Any]) -> str:
    """Return an item as it is written to a file."""
    return json.dumps(item, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


# ----------------------------------------------------------------- as JSON


def geometry_as_json(geometry: Geometry) -> dict[str, Any]:
    """Return a geometry as it stands in the item, under `otbtf:geometry`."""
    described: dict[str, Any] = {
        "output": geometry.output,
        "verdict": geometry.verdict,
        "inputs": list(geometry.inputs),
        "bands": list(geometry.bands),
        "ratios": [str(ratio) for ratio in geometry.ratios],
        "offsets": list(geometry.offsets),
        "placeholders": {name: list(values) for name, values in geometry.placeholders},
    }
    if geometry.patch:
        described["patch"] = list(geometry.patch)
    for name, axis in (("x", geometry.x), ("y", geometry.y)):
        if axis:
            described[name] = {**vars(axis), "scale": str(axis.scale)}
    if geometry.surroundings:
        described["surroundings"] = {**vars(geometry.surroundings), **reason_as_json(geometry.surroundings.reason)}
    if geometry.seen:
        described["true_receptive_fields"] = [list(size) for size in geometry.seen]
    return described


_MANY = 1 << 24  # pixels along an axis, and bands


def _parse(path: Path) -> Sidecar:
    content = read(path)
    properties = content["properties"]
    geometries = [_geometry(item) for item in _items(properties, "otbtf:geometry")]
    classes = {
        output["name"].text(): tuple(_class(row) for row in output["classification:classes"].items())
        for output in _items(properties, "mlm:output")
        if output.has("classification:classes")
    }
    return Sidecar(
        str(path),
        hashlib.sha256(path.read_bytes()).hexdigest(),
        _text(properties, "otbtf:fingerprint"),
        tuple(sorted(tag.text() for tag in _items(properties, "otbtf:tags"))),
        {geometry.output: geometry for geometry in geometries},
        {name: rows for name, rows in classes.items() if rows},
        {
            entry["name"].text(): entry["otbtf:alpha"].text()
            for entry in _items(properties, "mlm:input")
            if entry.has("otbtf:alpha") and entry["otbtf:alpha"].value in ("mask", "band")
        },
        defaults_from_json(properties.get(SERVING_DEFAULTS)),
        calibration_from_json(properties.get(CALIBRATION)),
        {out["name"].text(): out[LOSS].text() for out in _items(properties, "mlm:output") if out.has(LOSS)},
    )


def patches_verdict(width: int, height: int) -> str:
    """Return the verdict on a model that takes patches of one size only."""
    return Phrase("patches of {width} x {height}", width=width, height=height)


def _geometry(described: Json) -> Geometry:
    inputs = described["inputs"].items()
    parts = [described[name].items() for name in ("bands", "ratios", "offsets")]
    if any(len(part) != len(inputs) for part in parts):
        raise described.odd(
            Phrase("of {inputs_count} bands, ratios and offsets, as it has inputs", inputs_count=len(inputs))
        )
    bands, ratios, offsets = parts
    patch, around = described.get("patch"), described.get("surroundings")
    placeholders = described.get("placeholders")
    x, y, size = _axis(described.get("x")), _axis(described.get("y")), None if patch is None else _pair(patch, 1)
    return Geometry(
        described["output"].text(),
        tuple(item.text() for item in inputs),
        tuple(item.whole(0, _MANY) for item in bands),
        tuple(item.ratio() for item in ratios),
        tuple(item.whole(-_MANY, _MANY) for item in offsets),
        _verdict(_text(described, "verdict"), size or (x.rfield, y.rfield) if x and y else size),
        tuple(sorted((name, tuple(_scalar(item) for item in values.items())) for name, values in placeholders.fields()))
        if placeholders
        else (),
        x,
        y,
        size,
        None if around is None else _surroundings(around),
        tuple(_pair(size, 0) for size in _items(described, "true_receptive_fields")),
    )


def _verdict(text: str, patch: tuple[int, int] | None) -> str:
    """Return a verdict as it was before it was written: with the size of the patches it is more than a literal."""
    told = patches_verdict(*patch) if patch else text
    return told if told == text else text


def _axis(numbers: Json | None) -> AxisNumbers | None:
    if numbers is None:
        return None
    lattice, rfield, efield = (numbers[name].whole(1, _MANY) for name in ("lattice", "rfield", "efield"))
    fixed = numbers.get("fixed")
    return AxisNumbers(numbers["scale"].ratio(), lattice, rfield, efield, fixed.flag() if fixed else False)


def _surroundings(around: Json) -> Surroundings:
    return Surroundings(
        _pair(around["size"], 1),
        around["whole"].flag(),
        around["stride"].whole(1, _MANY),
        _pair(around["margin_x"], -_MANY),
        _pair(around["margin_y"], -_MANY),
        reason_from_json(around),
    )


def _pair(values: Json, low: int) -> tuple[int, int]:
    found = [item.whole(low, _MANY) for item in values.items()]
    if len(found) != 2:
        raise values.odd(Phrase("two whole numbers"))
    return found[0], found[1]


def _items(content: Json, name: str) -> list[Json]:
    found = content.get(name)
    return found.items() if found else []


def _text(content: Json, name: str) -> str:
    found = content.get(name)
    return found.text() if found else ""


def _scalar(item: Json) -> Any:
    return item.value if isinstance(item.value, (bool, str)) else item.number()


def _class(row: Json) -> ModelClass:
    """One class of the STAC classification extension: `title` is for people, `name` for machines."""
    color = _text(row, "color_hint")
    name = _text(row, "title") or _text(row, "description") or _text(row, "name")
    known = re.fullmatch("[0-9A-Fa-f]{6}", color)
    return ModelClass(row["value"].whole(), name, f"#{color.lower()}" if known else "")
