"""The labels of a land cover map: a raster, or features with a class."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np

from ..accuracy.mapcomparison import reference_raster
from ..base.jsonvalues import OddJson, parse
from ..base.progress import Progress
from ..classes.classfield import holds_names, numbers_of
from ..classes.legend import ClassEntry, Legend, TextLegend, known_classes, read_texts
from ..errors import ParameterError, VectorError
from ..errors import field as mention
from ..parameters.vectorsource import LayerSource
from ..phrases import Phrase
from ..rasters.rasteropening import grid_of, open_dataset
from ..rasters.rasterreference import Reference
from ..rasters.rasterstack import Stack
from ..samples.labelraster import LabelRaster, count_labels
from ..samples.shapes import Shapes, open_training_layer
from ..vectors.transformation import Transformation
from ..vectors.vectorlayer import TEXT, Field

_MOST_CLASSES = 1000  # more are no classes, but numbers
_STEPS = 21  # points along each side of an extent that is transformed

Names = TextLegend
"""Names and colours by label, as text."""


@dataclass(frozen=True)
class RasterLabels:
    """A raster of labels, on the grid of the image.

    Attributes:
        raster: the labels.
        counts: how many pixels each has.
        known: names and colours that are stored in the raster.
    """

    raster: LabelRaster
    counts: Counter[int]
    known: Names

    @property
    def covered(self) -> float:
        """The share of the image's pixels that have a label."""
        return sum(self.counts.values()) / self.raster.stack.grid.box.area


@dataclass(frozen=True)
class VectorLabels:
    """Features with a class.

    Attributes:
        source: `path` or `path|layername=name`.
        shapes: the features on the image's grid.
        known: names and colours that are kept beside the layer.
        named: whether the classes are names.
    """

    source: LayerSource
    shapes: Shapes
    known: Names
    named: bool

    @property
    def field(self) -> Field:
        """The field of the classes."""
        return self.shapes.field


Labels = Union[RasterLabels, VectorLabels]


def open_raster(source: Any, nodata: float | None, alpha: str, image: Stack, progress: Progress) -> RasterLabels:
    """Open a raster of labels and count them on the image's grid; from another grid the nearest label is taken.

    Args:
        source: what GDAL opens.
        nodata: the value of pixels without a label; None for the raster's own.
        alpha: what a second band is that is marked as alpha.
        image: the image.
        progress: may cancel.

    Raises:
        ParameterError, RasterError: it cannot be read, does not lie on the image, or holds no labels there.
    """
    dataset, _ = open_dataset(source)
    grid, reference = grid_of(dataset), Reference.of(dataset, source)
    bounds = (grid.x.origin, grid.x.end, -grid.y.end, -grid.y.origin)
    shown = Phrase("{grid} (coordinate system: {reference})", grid=grid.describe(), reference=reference.describe())
    parameter = mention("labels_raster")
    if reference.georeferenced and image.reference.georeferenced:
        check_overlap(
            Phrase("{parameter} is {source}, which covers {shown}", parameter=parameter, source=source, shown=shown),
            bounds,
            reference,
            image,
        )
    raster = reference_raster(source, image, nodata, True, parameter, alpha, progress)
    counts: Counter[int] = Counter()
    for _, _, labels in raster.blocks():
        progress.check()
        counts.update(count_labels(labels))
        if len(counts) > _MOST_CLASSES:
            raise ParameterError(
                "{parameter} is {source}, which holds more than {most_classes} different values, from {counts} to "
                "{counts2}, which is too many for classes: choose a raster of labels.",
                parameter=parameter,
                source=source,
                most_classes=_MOST_CLASSES,
                counts=min(counts),
                counts2=max(counts),
            )
    if not counts:
        raise ParameterError(
            "{parameter} is {source}, which has no label on the image: all its pixels there are no-data. Choose "
            "another raster, or check {mention}.",
            parameter=parameter,
            source=source,
            mention=mention("labels_nodata"),
        )
    return RasterLabels(raster, counts, {str(value): entry for value, entry in known_classes(dataset).items()})


def open_vector(source: LayerSource, field: str, image: Stack, progress: Progress) -> VectorLabels:
    """Open a layer of features with a class.

    Args:
        source: the layer.
        field: that holds the class.
        image: the image.
        progress: may cancel.

    Raises:
        VectorError: it cannot be opened, or has no such field.
        ParameterError: it does not lie on the image.
    """
    layer = open_training_layer(source, None)
    shapes = Shapes(layer, field, image.grid, image.reference)
    bounds, parameter = layer.extent(), mention("labels_vector")
    if not np.isfinite(bounds).all():
        raise VectorError(
            "{parameter} is {source}, which has no features: choose another layer.", parameter=parameter, source=source
        )
    check_overlap(
        Phrase(
            "{parameter} is {source}, which covers {layer}", parameter=parameter, source=source, layer=layer.describe()
        ),
        bounds,
        layer.reference,
        image,
    )
    named = holds_names([(layer, shapes.field)], progress)
    return VectorLabels(source, shapes, read_texts(source, shapes.field.name), named)


def check_overlap(
    what: str, bounds: tuple[float, ...], reference: Reference, image: Stack, kind: str = Phrase("labels")
) -> None:
    """Raise ParameterError where labels, or values, and image have no ground in common.

    Args:
        what: begins the message.
        bounds: xmin, xmax, ymin, ymax of the labels.
        reference: of the labels.
        image: the image.
        kind: what to choose instead, labels or values.
    """
    west, east, south, north = bounds
    shares = np.linspace(0.0, 1.0, _STEPS)
    x, y = (part.reshape(-1) for part in np.meshgrid(west + shares * (east - west), south + shares * (north - south)))
    x, y = Transformation(reference, image.reference).points(x, y)
    known = np.isfinite(x) & np.isfinite(y)
    x, y, grid = x[known], -y[known], image.grid
    if not len(x) or x.max() < grid.x.origin or x.min() > grid.x.end or y.max() < grid.y.origin or y.min() > grid.y.end:
        raise ParameterError(
            "{what}, but the image {name} covers {grid} (coordinate system: {reference}): they do not overlap. "
            "Choose {kind} of the same area, or correct the coordinate system of the layer.",
            what=what,
            kind=kind,
            name=image.names[0],
            grid=grid.describe(),
            reference=image.reference.describe(),
        )


# ------------------------------------------------------------------- classes


@dataclass(frozen=True)
class MapClasses:
    """The classes of a map.

    Attributes:
        values: their numbers in the map, in ascending order.
        legend: their names and colours.
        ignored: a number that is none of them: what pixels without a label, or without data, have.
        numbers: of the labels as text.
    """

    values: tuple[int, ...]
    legend: Legend
    ignored: int
    numbers: Mapping[str, int]


def classes_of(labels: Labels, found: Iterable[str], given: Names) -> MapClasses:
    """Return the classes of one image; see `joint_classes`."""
    return joint_classes([("", labels, found)], given)


def joint_classes(scenes: Sequence[tuple[str, Labels, Iterable[str]]], given: Names) -> MapClasses:
    """Return the classes of all scenes together.

    Whole numbers stay what they are, as texts too; names are numbered from 0 in alphabetical order.

    Args:
        scenes: for each its name, where its labels come from, and those that are found, as text.
        given: names and colours that win over the data's own.

    Raises:
        ParameterError: there are fewer than two, or one is a number, but no whole one; or a class has two names, a name two
            numbers, or classes are numbers in one scene and names in another.
    """
    _check_kinds(scenes)
    texts = sorted({text for _, _, found in scenes for text in found})
    if len(texts) < 2:
        raise ParameterError(
            "{where} has {text} on the image, but a map needs at least two: give labels of another class too.",
            where=_where(scenes[0][1]),
            text=Phrase("one class only ({text})", text=texts[0]) if texts else Phrase("no class"),
        )
    numbers: dict[str, int] = {}
    legend: Legend = {}
    known_by: dict[int, tuple[str, str]] = {}
    for name, labels, found in scenes:
        own = _numbers(labels, found, texts)
        numbers.update(own)
        for text, number in own.items():
            entry = _own_entry(labels, text, number)
            _check_one_name(known_by, number, entry.name, name)
            before = legend.get(number, ClassEntry())
            own_name = before.name if before.name not in ("", str(number)) else entry.name or before.name
            legend[number] = ClassEntry(own_name, before.color or entry.color)
    for text, number in numbers.items():
        wished = given.get(text if _named(scenes[0][1]) else str(number), ClassEntry())
        legend[number] = ClassEntry(wished.name or legend[number].name, wished.color or legend[number].color)
    values = tuple(sorted(set(numbers.values())))
    return MapClasses(values, legend, _free(values), numbers)


def _named(labels: Labels) -> bool:
    return isinstance(labels, VectorLabels) and labels.named


def _as_text(labels: Labels) -> bool:
    return isinstance(labels, VectorLabels) and labels.field.kind == TEXT


def _where(labels: Labels) -> str:
    if isinstance(labels, VectorLabels):
        return f"{mention('labels_field')} ({labels.field.name})"
    return mention("labels_raster")


def _numbers(labels: Labels, found: Iterable[str], every: Sequence[str]) -> dict[str, int]:
    """Return the numbers of a scene's labels; names are numbered among those of all scenes."""
    own = sorted(set(found))
    if not _as_text(labels):
        return {text: _whole(text, _where(labels)) for text in own}
    numbers = numbers_of(every if _named(labels) else own, _named(labels))
    return {text: numbers[text] for text in own}


def _own_entry(labels: Labels, text: str, number: int) -> ClassEntry:
    """Return the name and the colour that a class has in the data of a scene."""
    known = labels.known.get(text if _named(labels) else str(number), ClassEntry())
    name = "" if _named(labels) else known.name
    return ClassEntry(name or (text if _as_text(labels) else ""), known.color)


def _check_kinds(scenes: Sequence[tuple[str, Labels, Iterable[str]]]) -> None:
    """Raise ParameterError where classes are numbers in one scene and names in another."""
    (first, labels, _), *others = scenes
    for name, other, _ in others:
        if _named(labels) != _named(other):
            numeric, named = (first, name) if _named(other) else (name, first)
            raise ParameterError(
                "Classes are numbers in the scene {numeric}, but names in {named}: give labels whose classes are all numbers, "
                "or all names.",
                numeric=numeric,
                named=named,
            )


def _check_one_name(known: dict[int, tuple[str, str]], number: int, name: str, scene: str) -> None:
    """Raise ParameterError where scenes disagree about the name of a number, or the number of a name; and remember both.

    A number as text has no name of its own.
    """
    if not name or name == str(number):
        return
    for other, (its_name, its_scene) in known.items():
        same_number, same_name = other == number, its_name.casefold() == name.casefold()
        if its_scene != scene and same_number != same_name:
            raise ParameterError(
                "Class {number} is {name} in the scene {scene}, but class {other} is {its_name} in {its_scene}: give the labels "
                "of all scenes the same numbers and names.",
                number=number,
                name=name,
                scene=scene,
                other=other,
                its_name=its_name,
                its_scene=its_scene,
            )
    known.setdefault(number, (name, scene))


def _whole(text: str, where: str) -> int:
    number = float(text)
    if not math.isfinite(number) or number != int(number):
        raise ParameterError(
            "{where} holds {text}, but classes must be whole numbers or texts: choose another field, or round the "
            "values.",
            where=where,
            text=text,
        )
    return int(number)


_TYPES = (("uint8", 255), ("int16", -32768), ("uint16", 65535), ("int32", -(2**31)))
"""The pixel types of labels, the smallest first, and the value that is free in most of them."""


def smallest_type(values: Iterable[int]) -> np.dtype:
    """Return the smallest pixel type that holds all of some whole numbers, which `_free` has found to be possible."""
    found = tuple(values)
    names = (name for name, _ in _TYPES if np.iinfo(name).min <= min(found) and max(found) <= np.iinfo(name).max)
    return np.dtype(next(names))


def _free(values: tuple[int, ...]) -> int:
    """Return a number that is no class, in the smallest pixel type that holds the classes."""
    for name, free in _TYPES:
        info = np.iinfo(name)
        if info.min <= values[0] and values[-1] <= info.max:
            numbers = itertools.chain([free], range(info.max, info.min - 1, -1))
            found = next((number for number in numbers if number not in values), None)
            if found is not None:  # else the classes take up the whole type
                return found
    raise ParameterError(
        "Labels from {value} to {values} are too large for a map: renumber the classes.",
        value=values[0],
        values=values[-1],
    )


def parse_legend(text: str) -> dict[str, ClassEntry]:
    """Return the names and colours that the user gives, by label as text.

    Raises:
        ParameterError: it is not of that form.
    """
    if not text.strip():
        return {}
    try:
        found = {}
        for label, entry in parse(text).fields():
            name, color = entry.get("name"), entry.get("color")
            found[label] = ClassEntry(name.text() if name else "", color.text() if color else "")
        return found
    except OddJson as error:
        raise ParameterError(
            '{mention} is {text!r} ({error}), but must be JSON such as {{"1": {{"name": "water", "color": '
            '"#3060c0"}}}}.',
            mention=mention("legend"),
            text=text[:200],
            error=error,
        ) from error
