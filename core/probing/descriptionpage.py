"""A model's description as a page to read: plain HTML with drawings, for any browser and QGIS's results viewer."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ..base.languages import spoken, tr
from ..classes.modelclasses import Classes
from ..errors import as_key, worded
from ..models.appliedmodel import applied
from ..models.modelcalibration import Calibration
from ..models.modelfiles import is_onnx
from ..models.modelinterface import TensorInfo
from ..models.onnxmetadata import metadata_of
from ..models.servingdefaults import ServingDefaults
from ..models.sidecar import Geometry
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from .modeldescription import Description
from .outputdescription import ANY_PATCHES, FULLY_CONVOLUTIONAL, PIXELWISE, WHOLE, OutputDescription
from .probedsidecar import size_law_of
from .receptivefield import ReceptiveField

_PAGE = """<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font-family: sans-serif; margin: 1.5em; color: #222; max-width: 60em; }}
table {{ border-collapse: collapse; margin: 0.5em 0 1em 0; }}
th, td {{ text-align: left; vertical-align: top; padding: 0.25em 1em 0.25em 0; border-bottom: 1px solid #ccc; }}
th {{ font-weight: normal; color: #666; white-space: nowrap; }}
h2 {{ margin: 1.4em 0 0.3em 0; font-size: 1.2em; }}
code {{ background: #f2f2f2; padding: 0.1em 0.3em; word-wrap: break-word; }}
.no {{ color: #a40000; }} .yes {{ color: #2e6b00; }} .key {{ color: #666; font-size: 0.9em; }}
.swatch {{ border: 1px solid #888; padding: 0 0.7em; }}
</style></head><body>
{body}
</body></html>
"""

_MEANING: dict[str, Phrase] = {
    PIXELWISE: Phrase("Each output pixel depends only on the pixel at its place."),
    FULLY_CONVOLUTIONAL: Phrase(
        "The model accepts regions of many sizes; an output pixel depends on the pixels around it."
    ),
    ANY_PATCHES: Phrase(
        "The model returns one output for a patch of any size: set the size of the patches that it was trained on."
    ),
    WHOLE: Phrase("Each output pixel depends on the whole image: the image is computed without tiles."),
}


_WINDOWS = Phrase(
    "Each output pixel depends on all that the model is shown: the image is computed in windows of this size, in pixels of "
    "the first source, which overlap by half and are blended."
)

_PATCHES = Phrase(
    "By default each output pixel is computed from a patch of its own, as the sidecar of the model says. The numbers below "
    "tell what the model accepts."
)


_ROLES = {str(role): str(role) for role in SampleRole}
"""The words of roles as phrases, by what a sidecar says."""

_LONGEST = 500
"""Characters of a text of the metadata, at most."""


def page(
    description: Description,
    classes: Mapping[str, Classes],
    serving_defaults: ServingDefaults | None = None,
    calibration: Calibration | None = None,
) -> str:
    """Return the page.

    Args:
        description: of the model.
        classes: by name of the output.
        serving_defaults: what serving follows where the user says nothing.
        calibration: of the class probabilities.
    """
    model = description.model
    parts = [
        f"<h1>{_text(Path(model.path).name)}</h1>",
        _table([(Phrase("Kind"), _text(model.kind)), (Phrase("Path"), _text(model.path))]),
        *_rasters(description),
        *_training_images(serving_defaults),
        *_detector(description),
        f"<h2>{_text(Phrase('Inputs'))}</h2>",
        _tensors(model.inputs.values(), dict(description.bands)),
        f"<h2>{_text(Phrase('Outputs'))}</h2>",
        _tensors((output.info for output in description.outputs), {}),
    ]
    for output in description.outputs:
        parts += _output(output, description.probed_on, serving_defaults)
        parts += _classes(classes.get(output.info.name, ()))
    parts += _calibration(calibration)
    place = Path(model.path)
    parts += _metadata(metadata_of(place).texts if is_onnx(place) else {})
    return _PAGE.format(language=spoken().name, title=_text(Path(model.path).name), body="\n".join(parts))


def _text(value: object) -> str:
    return html.escape(tr(value) if isinstance(value, Phrase) else str(value))


def _table(rows: Iterable[tuple[str, str]]) -> str:
    """A table of names and values; values are HTML."""
    return "<table>" + "".join(f"<tr><th>{_text(name)}</th><td>{value}</td></tr>" for name, value in rows) + "</table>"


def _tensors(infos: Iterable[TensorInfo], bands: Mapping[str, Sequence[str]]) -> str:
    rows = []
    for info in infos:
        shape = (
            Phrase("unknown") if info.shape is None else " x ".join("?" if n is None else str(n) for n in info.shape)
        )
        names = f" ({', '.join(bands[info.name])})" if info.name in bands else ""
        rows.append((info.name, f"{_text(shape or Phrase('scalar'))}, {_text(info.dtype)}{_text(names)}"))
    return _table(rows)


def _training_images(defaults: ServingDefaults | None) -> list[str]:
    """Return what is known of the images that the model was trained on, from its metadata or its sidecar."""
    rows = []
    if defaults and defaults.pixel_size is not None:
        rows.append((Phrase("Pixel size"), _text(Phrase("{size:g} m", size=defaults.pixel_size))))
    if defaults and defaults.scaling:
        rows.append((Phrase("Scaling of bytes"), _text(defaults.scaling.describe())))
    return [f"<h2>{_text(Phrase('Images of the training'))}</h2>", _table(rows)] if rows else []


def _calibration(calibration: Calibration | None) -> list[str]:
    if calibration is None:
        return []
    errors = Phrase(
        "{before:.4g} before, {after:.4g} after, on data for {role}",
        before=calibration.error_before,
        after=calibration.error_after,
        role=_ROLES.get(calibration.measured_on, calibration.measured_on),
    )
    rows = [
        (Phrase("Output"), calibration.output),
        (Phrase("Temperature"), Phrase("{temperature:.4g}", temperature=calibration.temperature)),
        (Phrase("Validation labels"), str(calibration.samples)),
        (Phrase("Expected calibration error"), errors),
    ]
    shown = [(name, _text(value)) for name, value in rows]
    return [f"<h2>{_text(Phrase('Calibrated class probabilities'))}</h2>", _table(shown)]


def _detector(description: Description) -> list[str]:
    """Return what the outputs of a detector are."""
    head = description.head
    if head is None:
        return []
    rows = [
        (Phrase("Form"), f"<code>{_text(head.form)}</code>"),
        (Phrase("Outputs"), f"<code>{_text(', '.join(head.all_outputs))}</code>"),
        (Phrase("Order of boxes"), f"<code>{_text(head.order)}</code>" if head.order else _text(Phrase("unknown"))),
        (Phrase("Unit of boxes"), f"<code>{_text(head.scale)}</code>" if head.scale else _text(Phrase("unknown"))),
    ]
    if head.scores:
        rows.append((Phrase("Classes"), str(head.scores)))
    if head.masks:
        rows.append((Phrase("Masks of objects"), f"<code>{_text(head.masks)}</code>"))
    use = f"<p>{_text(Phrase('Objects are found with otbtf:detectobjects.'))}</p>"
    return [f"<h2>{_text(Phrase('Detector'))}</h2>", _table(rows), use]


def _metadata(texts: Mapping[str, str]) -> list[str]:
    rows = [
        (name, f"<code>{_text(text[:_LONGEST])}{'…' if len(text) > _LONGEST else ''}</code>")
        for name, text in texts.items()
    ]
    return [f"<h2>{_text(Phrase('Metadata'))}</h2>", _table(rows)] if rows else []


def _rasters(description: Description) -> list[str]:
    if not description.rasters and not description.misfits:
        return []
    if description.misfits:
        items = "".join(f"<li>{_text(worded(misfit, as_key))}</li>" for misfit in description.misfits)
        verdict = f'<p class="no"><b>{_text(Phrase("The rasters do not fit the model."))}</b></p><ul>{items}</ul>'
    else:
        verdict = f'<p class="yes"><b>{_text(Phrase("The rasters fit the model."))}</b></p>'
    rows = "".join(f"<li>{_text(raster)}</li>" for raster in description.rasters)
    return [f"<h2>{_text(Phrase('Rasters'))}</h2>", f"<ul>{rows}</ul>" if rows else "", verdict]


def _output(output: OutputDescription, probed_on: str, defaults: ServingDefaults | None) -> list[str]:
    geometry = output.geometry
    way = applied(geometry, defaults) if geometry else None
    verdict = way.verdict if way else output.verdict
    parts = [f"<h2>{_text(Phrase('{name}: {verdict}', name=output.info.name, verdict=verdict))}</h2>"]
    if geometry is None or way is None:
        return [*parts, f"<p>{_text(worded(output.problem, as_key))}</p>"]
    otherwise = _PATCHES if way.by_patches else _WINDOWS
    meaning = _MEANING.get(verdict) if verdict == geometry.verdict else otherwise
    if meaning:
        parts.append(f"<p>{_text(meaning)}</p>")
    parts.append(_table(_numbers(geometry, output.fields)))
    if geometry.verdict not in (ANY_PATCHES, WHOLE):
        parts.append(drawing(geometry, output.fields))
    if output.parameters:
        parts.append(
            f"<p>{_text(Phrase('As parameters:'))} <code>{_text(worded(output.parameters, as_key))}</code></p>"
        )
    told = Phrase("Determined by calling the model on {pixels}.", pixels=probed_on)
    return [*parts, f'<p class="key">{_text(told)}</p>']


def _numbers(geometry: Geometry, fields: Sequence[ReceptiveField]) -> list[tuple[str, str]]:
    return [(name, _text(value)) for name, value in _facts(geometry, fields)]


def _facts(geometry: Geometry, fields: Sequence[ReceptiveField]) -> Iterator[tuple[str, str]]:
    """Yield the numbers of a geometry as phrases: what each is, and its value."""
    x, y, around = geometry.x, geometry.y, geometry.surroundings
    for number, (name, bands, ratio) in enumerate(zip(geometry.inputs, geometry.bands, geometry.ratios), 1):
        text = Phrase("{input}, {bands} {bands:band|bands}", input=name, bands=bands)
        if ratio != 1:
            text += Phrase(", {ratio} {ratio:pixel|pixels} per pixel of source 1", ratio=ratio)
        if geometry.offsets[number - 1]:
            text += Phrase(", {offset:+d} {offset:pixel|pixels}", offset=geometry.offsets[number - 1])
        yield Phrase("Source {number}", number=number), text
    if geometry.patch:
        yield Phrase("Receptive field"), _in_pixels(*geometry.patch)
    if x and y:
        more = Phrase(" (no other size)") if x.fixed else Phrase(" or more")
        yield Phrase("Receptive field"), _in_pixels(x.rfield, y.rfield) + more
        yield Phrase("Expression field"), _in_pixels(x.efield, y.efield)
        yield Phrase("Spacing scale"), Phrase("{scale:.6g}", scale=float(x.scale))
        if not x.fixed:
            yield Phrase("Step of the accepted sizes"), Phrase("{count} {count:pixel|pixels}", count=x.lattice)
    for number, field in enumerate(fields, 1):
        which = Phrase("True receptive field in source {number}", number=number)
        yield which if len(fields) > 1 else Phrase("True receptive field"), _in_pixels(field.x.size, field.y.size)
    if around and around.whole:
        yield Phrase("Reason"), around.reason
    elif around:
        yield Phrase("Stride"), Phrase("{count} {count:pixel|pixels}", count=around.stride)
        columns, rows = max(around.margin_x), max(around.margin_y)
        yield Phrase("Tile margins"), Phrase("{columns} x {rows} output pixels", columns=columns, rows=rows)


def _in_pixels(columns: int, rows: int) -> Phrase:
    return Phrase("{columns} x {rows} pixels", columns=columns, rows=rows)


def _classes(classes: Classes) -> list[str]:
    if not classes:
        return []
    rows = []
    for item in classes:
        swatch = f'<span class="swatch" style="background: {_text(item.color)}">&nbsp;</span> ' if item.color else ""
        rows.append((str(item.value), swatch + _text(item.name)))
    return [f"<p>{_text(Phrase('Classes:'))}</p>", _table(rows)]


# -------------------------------------------------------------- the drawing

_SIZE = 190.0
"""Side of a drawing, in CSS pixels."""


def drawing(geometry: Geometry, fields: Sequence[ReceptiveField]) -> str:
    """Return one drawing (inline SVG) of receptive and expression field, and one of each true receptive field."""
    law = size_law_of(geometry)
    drawings = []
    if law.x and law.y:
        width, height = law.x.rfield, law.y.rfield
        inner = (float(law.x.crop) / 2, float(law.y.crop) / 2, width - float(law.x.crop), height - float(law.y.crop))
        labels = _labels(width, height, law.x.efield, law.y.efield)
    elif law.patch:
        width, height = law.patch
        inner = (float(width // 2), float(height // 2), 1.0, 1.0)
        labels = _labels(width, height, 1, 1)
    else:
        return ""
    drawings.append(_fields_drawing(width, height, inner, labels))
    scale = float(law.x.scale) if law.x else 1.0
    for number, (field, ratio) in enumerate(zip(fields, geometry.ratios), 1):
        side = scale * float(ratio)
        size = {"columns": field.x.size, "rows": field.y.size}
        label = Phrase("one output depends on {columns} x {rows}", **size)
        if len(fields) > 1:
            label = Phrase("source {number}: one output depends on {columns} x {rows}", number=number, **size)
        left, top = max(field.x.before, 0), max(field.y.before, 0)
        width, height = field.x.size + max(-field.x.before, 0), field.y.size + max(-field.y.before, 0)
        labels = label, Phrase("the output pixel")
        drawings.append(_fields_drawing(max(width, side), max(height, side), (left, top, side, side), labels))
    return "<p>" + " ".join(drawings) + "</p>"


def _labels(width: int, height: int, columns: int, rows: int) -> tuple[str, str]:
    receptive = Phrase("receptive field {columns} x {rows}", columns=width, rows=height)
    return receptive, Phrase("expression field {columns} x {rows}", columns=columns, rows=rows)


def _fields_drawing(
    width: float, height: float, inner: tuple[float, float, float, float], labels: tuple[str, str]
) -> str:
    """A rectangle of width x height pixels with another inside (x, y, width, height), and what they are."""
    unit = _SIZE / max(width, height)
    ox, oy = 10 + (_SIZE - width * unit) / 2, 10 + (_SIZE - height * unit) / 2
    x, y, w, h = inner
    lines = []
    if max(width, height) <= 32:  # few enough pixels to show each
        lines += [_line(ox + i * unit, oy, ox + i * unit, oy + height * unit) for i in range(1, int(width))]
        lines += [_line(ox, oy + i * unit, ox + width * unit, oy + i * unit) for i in range(1, int(height))]
    w, h = max(w * unit, 1.5), max(h * unit, 1.5)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="290" height="250" viewBox="0 0 290 250">'
        f'<rect x="{ox:.1f}" y="{oy:.1f}" width="{width * unit:.1f}" height="{height * unit:.1f}" '
        f'fill="#dbe7f3" stroke="#30648f"/>{"".join(lines)}'
        f'<rect x="{ox + x * unit:.1f}" y="{oy + y * unit:.1f}" width="{w:.1f}" height="{h:.1f}" '
        f'fill="#e8a33d" fill-opacity="0.75" stroke="#8a5a0c"/>'
        f'<rect x="10" y="211" width="10" height="10" fill="#dbe7f3" stroke="#30648f"/>'
        f'<text x="26" y="220" font-size="12" font-family="sans-serif">{_text(labels[0])}</text>'
        f'<rect x="10" y="229" width="10" height="10" fill="#e8a33d" stroke="#8a5a0c"/>'
        f'<text x="26" y="238" font-size="12" font-family="sans-serif">{_text(labels[1])}</text></svg>'
    )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#b5c9dc" stroke-width="0.5"/>'
