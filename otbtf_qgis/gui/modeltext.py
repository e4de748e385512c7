"""What a dialog says of a model and of the images for it, as the rich text that a label shows."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable

from ..algorithms.translate import tr
from ..core.classes.modelclasses import Classes
from ..core.models.appliedmodel import Applied, applied
from ..core.models.detectorsummary import DetectorSummary
from ..core.models.modelinterface import TensorInfo
from ..core.models.modelsummary import ModelSummary
from ..core.models.sidecar import AxisNumbers, Geometry
from ..core.parameters.templatedescription import Template
from ..core.probing.imagefit import Fit

_BAD, _GOOD, _DOUBTFUL = "#b00020", "#2e7d32", "#b26a00"
_MOST_CLASSES = 40
_MOST_NAMES = 8
_LONGEST_NAME = 40
"""Characters of a class's name, at most: the names do not break, and the form is as wide as the longest."""


def of_template(template: Template) -> str:
    """Return what a template is."""
    rows = [
        (tr("Template"), f"<b>{_escaped(template.name)}</b>: {_escaped(template.use)}"),
        *((tr("Input"), _escaped(one)) for one in template.inputs),
        (tr("Training"), _escaped(template.training)),
    ]
    return _table(rows)


def of_model(
    summary: ModelSummary,
    output: str,
    marked: bool,
    whole: bool,
    detector: DetectorSummary | None = None,
    detects: bool = False,
) -> str:
    """Return what a model takes and returns.

    Args:
        summary: of the model.
        output: the one that is to be computed.
        marked: whether to say so beside it.
        whole: whether more cannot be had before it is run.
        detector: what is known of it if it is a detector.
        detects: whether it must be one.
    """
    listed = detector is not None and any(info.name == output and detector.lists(info) for info in summary.outputs)
    if detector is not None and (listed or not marked):
        return _of_detector(summary, marked, detector)
    geometry = summary.geometry(output)
    images = summary.image_inputs(output)
    imageless = marked and summary.inputs and not images
    unknown = tr("how it is applied is not known before Run") if whole and marked and output and not imageless else ""
    way = _applied(summary, geometry)
    verdict = tr(way.verdict) if way else unknown
    kind = [part for part in (summary.kind, verdict) if part]
    rows = [(tr("Model"), _escaped(", ".join(kind)))] if kind else []
    rows += _detector(detector)
    rows += [(tr("Input"), _input(summary, info, geometry)) for info in images]
    others = [info for info in summary.inputs if info.name not in {image.name for image in images}]
    rows += [(tr("Further input"), _named(info, info.dtype)) for info in others]
    if geometry and way and not way.by_patches and _is_bounded(geometry):
        rows.append((tr("Not known"), tr("the exact receptive field: “Describe a model” measures it")))
    if geometry and (size := patch_size(geometry)):
        rows.append((tr("Patch size"), tr("{} x {} pixels").format(*size)))
    rows += _training_images(summary)
    rows += [(tr("Output"), _output(summary, info, marked and info.name == output)) for info in summary.outputs]
    rows += _classes(summary.described.classes_of([output]) if output else ())
    if output and output not in {info.name for info in summary.outputs}:
        told = tr("“{}” is none of these outputs: it must be the name of a layer or tensor.").format(output)
        rows.append(("", _coloured(told, _DOUBTFUL)))
    if imageless:
        rows.append(("", _coloured(_without_images(summary, output), _BAD)))
    if detects and detector is None and summary.outputs:
        rows.append(("", _coloured(_no_detector(summary), _DOUBTFUL)))
    return _table(rows)


def _of_detector(summary: ModelSummary, marked: bool, detector: DetectorSummary) -> str:
    """Return what a detector takes and finds; receptive fields, and bands of the outputs that hold boxes, tell nothing."""
    rows = [(tr("Model"), _escaped(summary.kind))] if summary.kind else []
    rows += _detector(detector)
    for info in summary.inputs:
        if info.name == detector.image:
            rows.append((tr("Input"), _input(summary, info, None) if info.rank == 4 else _named(info, info.dtype)))
        else:
            rows.append((tr("Further input"), _named(info, info.dtype)))
    rows += _training_images(summary)
    rows += _classes(summary.described.classes_of(detector.head.outputs[-1:]))
    if marked:
        rows.append(("", _coloured(tr("A detector: use “Detect objects”."), _BAD)))
    return _table(rows)


def _detector(detector: DetectorSummary | None) -> list[tuple[str, str]]:
    return [(tr("Detector"), _escaped(tr(detector.describe())))] if detector is not None else []


def _no_detector(summary: ModelSummary) -> str:
    if all(info.rank == 4 for info in summary.outputs):
        return tr(
            "Not recognised as a detector: it returns maps, which “Serve a model (apply it to images)” writes. If it is one, "
            "set “Detector's outputs”."
        )
    return tr(
        "Not recognised as a detector by names and shapes of its outputs. If it is one, set “Detector's outputs”."
    )


def _classes(classes: Classes) -> list[tuple[str, str]]:
    return [(tr("Classes"), _swatches(classes))] if classes else []


def _without_images(summary: ModelSummary, output: str) -> str:
    """Return that no source can feed what is computed."""
    if any(info.takes_images for info in summary.inputs):
        return tr("The output {} of the model takes no images: choose another one.").format(output)
    return tr(
        "The model takes no images, so it cannot be applied to them: choose one with an input of shape (batch, height, width, "
        "bands)."
    )


def _training_images(summary: ModelSummary) -> list[tuple[str, str]]:
    """Return the pixel size and scaling of the images that the model was trained on, as far as its description tells."""
    defaults = summary.described.serving_defaults
    rows = []
    if defaults and defaults.pixel_size is not None:
        rows.append((tr("Pixel size"), tr("{:g} m").format(defaults.pixel_size)))
    if defaults and defaults.scaling:
        rows.append((tr("Scaling"), _escaped(defaults.scaling.describe())))
    return rows


def of_fit(fit: Fit, worded: Callable[[str], str]) -> str:
    """Return how images fit; `worded` names the parameters that its texts mention."""
    lines = [_escaped(worded(line)) for line in fit.images]
    lines += [_coloured(worded(line), _BAD) for line in fit.misfits]
    lines += [_coloured(worded(line), _DOUBTFUL) for line in fit.remarks]
    if fit.images and not fit.misfits:
        lines.append(_coloured(tr("The images fit the model."), _GOOD))
    return "<br>".join(lines)


def of_sources_of_qgis(numbers: Iterable[int]) -> str:
    """Return what becomes of the sources whose images only QGIS reads; empty for none."""
    return "<br>".join(of_state(tr("Source {} is read when the algorithm runs.").format(number)) for number in numbers)


def of_further_sources(fields: int, needed: int) -> str:
    """Return how to give the images of more sources than the form has fields for."""
    told = tr(
        "The model needs {} sources, but this form has fields for {}. Raise “Number of sources shown in dialogs” (Settings > "
        "Options > Processing > Providers > OTBTF), then open this form again."
    )
    return _coloured(told.format(needed, fields), _DOUBTFUL)


def of_slow_images(seconds: int) -> str:
    """Return that images took longer to open than the form waits."""
    told = tr("The images could not all be opened within {} s, so nothing is known of them here. Run opens them again.")
    return _coloured(told.format(seconds), _DOUBTFUL)


def of_problem(text: str) -> str:
    """Return why a model or an image cannot be used."""
    return _coloured(text, _BAD)


def of_state(text: str) -> str:
    """Return what is going on."""
    return f"<i>{_escaped(text)}</i>"


def patch_size(geometry: Geometry) -> tuple[int, int] | None:
    """Return width and height of the patches that a model takes; None where it takes regions of many sizes."""
    if geometry.patch:
        return geometry.patch
    if geometry.x and geometry.y and (geometry.x.fixed or geometry.y.fixed):
        return geometry.x.rfield, geometry.y.rfield
    return None


def bands_of(info: TensorInfo) -> str:
    """Return the number of bands of an input or output in words; empty where it is free."""
    number = 1 if info.rank == 3 else info.size(-1) if info.rank in (2, 4) else None
    if number is None:
        return ""
    return tr("1 band") if number == 1 else tr("{} bands").format(number)


def _applied(summary: ModelSummary, geometry: Geometry | None) -> Applied | None:
    return applied(geometry, summary.described.serving_defaults) if geometry else None


def _input(summary: ModelSummary, info: TensorInfo, geometry: Geometry | None) -> str:
    bands = bands_of(info)
    names = summary.bands.get(info.name, ())
    if names:
        listed = ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
        bands = f"{bands} ({listed})" if bands else listed
    parts = [bands, info.dtype]
    way = _applied(summary, geometry)
    if geometry and way and info.name in geometry.inputs:
        place = geometry.inputs.index(info.name)
        parts += [_pixel_size(geometry, place), _receptive_field(geometry, place, way)]
    return _named(info, ", ".join(part for part in parts if part))


def _pixel_size(geometry: Geometry, place: int) -> str:
    ratio = geometry.ratios[place]
    if ratio == 1:
        return ""
    return tr("pixel size {:g} times that of {}").format(float(1 / ratio), geometry.inputs[0])


def _receptive_field(geometry: Geometry, place: int, way: Applied) -> str:
    if place < len(geometry.seen):
        return tr("receptive field {} x {} pixels").format(*geometry.seen[place]) if all(geometry.seen[place]) else ""
    around = geometry.surroundings
    if way.by_patches or not _is_bounded(geometry) or geometry.x is None or geometry.y is None or around is None:
        return ""
    ratio, offset = float(geometry.ratios[place]), geometry.offsets[place]
    width = _bound(geometry.x, around.margin_x) * ratio + offset
    height = _bound(geometry.y, around.margin_y) * ratio + offset
    return tr("receptive field of at most {:g} x {:g} pixels").format(width, height)


def _bound(axis: AxisNumbers, margins: tuple[int, int]) -> float:
    """Return how many pixels of the first source an output depends on at most, along one axis.

    A region of `rfield` pixels gives `efield` outputs, which depend on pixels of the region and, where the network pads
    it, on as many outputs' widths beyond it as the tile margins have.
    """
    return axis.rfield + float(axis.scale) * (sum(margins) + 1 - axis.efield)


def _is_bounded(geometry: Geometry) -> bool:
    """Return whether it is known around which pixels an output sees others, but not which of them count."""
    around = geometry.surroundings
    return not geometry.seen and patch_size(geometry) is None and around is not None and not around.whole


def _output(summary: ModelSummary, info: TensorInfo, chosen: bool) -> str:
    geometry = summary.geometry(info.name)
    way = _applied(summary, geometry)
    parts = [bands_of(info), info.dtype]
    if geometry and geometry.inputs and way and way.scale != 1:
        parts.append(tr("pixel size {:g} times that of {}").format(float(way.scale), geometry.inputs[0]))
    if chosen and len(summary.outputs) > 1:
        parts.append(tr("used"))
    return _named(info, ", ".join(part for part in parts if part))


def _named(info: TensorInfo, about: str) -> str:
    return f"<b>{_escaped(info.name)}</b>" + (f": {_escaped(about)}" if about else "")


def _swatches(classes: Classes) -> str:
    shown = [
        f"{_swatch(item.color)}{_unbroken(_cut(item.name or str(item.value)))}" for item in classes[:_MOST_CLASSES]
    ]
    more = [tr("and {} more").format(len(classes) - _MOST_CLASSES)] if len(classes) > _MOST_CLASSES else []
    return " &nbsp; ".join([*shown, *more])


def _swatch(colour: str) -> str:
    return f'<span style="background-color: {colour}">&nbsp;&nbsp;&nbsp;&nbsp;</span>&nbsp;' if colour else ""


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1].rstrip()}…"


def _table(rows: Iterable[tuple[str, str]]) -> str:
    """Return rows of names and values, of which the values are HTML."""
    cells = (f'<tr><td style="padding-right: 8px">{_unbroken(name)}</td><td>{value}</td></tr>' for name, value in rows)
    return f"<table>{''.join(cells)}</table>"


def _coloured(text: str, colour: str) -> str:
    return f'<span style="color: {colour}">{_escaped(text)}</span>'


def _unbroken(text: str) -> str:
    return _escaped(text).replace(" ", "&nbsp;")


def _escaped(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")
