"""The objects that a detector is trained on: from a layer of boxes or points to boxes in pixels and their classes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.progress import Progress
from ..classes.classfield import holds_names, numbers_of
from ..classes.legend import ClassEntry, as_rows, of_texts, read_texts
from ..errors import VectorError, field
from ..phrases import Phrase
from ..rasters.rasterstack import Stack
from ..vectors.objectshapes import objects_in
from ..vectors.transformation import Transformation, warn_of_unknown_system
from ..vectors.vectorlayer import TEXT, Field, VectorLayer
from .detectiontarget import TargetObjects

if TYPE_CHECKING:
    from ..operations.patchesextraction import PatchesExtraction

ONLY_CLASS = 1
"""The class of all objects where no field tells it."""


def read_target_objects(
    parameters: PatchesExtraction, stack: Stack, progress: Progress
) -> tuple[TargetObjects, list[dict[str, Any]]]:
    """Read the objects of an image.

    Args:
        parameters: name the layer, and what its fields are.
        stack: the images, whose pixels count.
        progress: told what is left out; may cancel.

    Returns:
        The objects with their centre in the image, and a row for each class of the layer: value, name and color.

    Raises:
        VectorError: the layer cannot be read, holds lines, points without a size, or no object of the image.
        Cancelled: `progress` asked to stop.
    """
    assert parameters.objects is not None  # nosec B101 (tells mypy; the caller asked)
    layer = VectorLayer(parameters.objects)
    wanted = layer.field(parameters.objects_field) if parameters.objects_field else None
    if wanted is not None:
        layer.check_class_field(wanted, progress)
    warn_of_unknown_system(layer.path, layer.reference, stack.names[0], stack.reference, progress)
    rows = _rows(layer, wanted, _size_of(layer, parameters), progress)
    whole = [(shape, *told) for shapes, *told in rows if None not in told for shape in shapes]
    left_out = sum(not shapes or None in told for shapes, *told in rows)
    if left_out:
        progress.warning(
            Phrase(
                "{count} {count:feature|features} of {path} ({objects}) {count:has|have} no geometry, class or size, and "
                "{count:is|are} left out.",
                count=left_out,
                path=layer.path,
                objects=field("objects"),
            )
        )
    if not whole:
        raise VectorError(
            "{path} ({objects}) holds no object with a geometry, a class and, of points, a size: choose another layer, or other "
            "fields.",
            path=layer.path,
            objects=field("objects"),
        )
    boxes = _boxes([(row[0], row[2]) for row in whole], layer, stack)
    places, classes = _classes(parameters, layer, wanted, [row[1] for row in whole], progress)
    grid, middle = stack.grid, (boxes[:, :2] + boxes[:, 2:]) / 2
    with np.errstate(invalid="ignore"):
        inside = ((middle >= 0) & (middle < (grid.height, grid.width))).all(axis=1)
    if not inside.any():
        raise VectorError(
            "None of the {count} {count:object|objects} of {path} ({objects}) has its centre in {image}. The layer: "
            "{layer}; the image: {grid} (coordinate system: {reference}). Choose another layer, or correct its coordinate "
            "system.",
            count=len(whole),
            path=layer.path,
            objects=field("objects"),
            image=stack.names[0],
            layer=layer.describe(),
            grid=grid.describe(),
            reference=stack.reference.describe(),
        )
    return TargetObjects.of(boxes[inside], places[inside]), classes


def _size_of(layer: VectorLayer, parameters: PatchesExtraction) -> Callable[[Any], float | None]:
    """Return a function of a feature that tells the size of its point."""
    if not parameters.objects_sizefield:
        size = parameters.objects_size

        def given(_: Any) -> float:
            if size is None:
                raise VectorError(
                    "{objects} is {path}, a layer of points, which have no size: give a field in {sizefield}, or one size "
                    "for all in {size}.",
                    objects=field("objects"),
                    path=layer.path,
                    sizefield=field("objects_sizefield"),
                    size=field("objects_size"),
                )
            return size

        return given
    own = layer.field(parameters.objects_sizefield)
    if own.kind == TEXT:
        raise VectorError(
            "The field {field} of {path} holds texts, but sizes are numbers: choose another in {sizefield}.",
            field=own.name,
            path=layer.path,
            sizefield=field("objects_sizefield"),
        )
    return layer.getter(own)


def _rows(
    layer: VectorLayer, wanted: Field | None, size_of: Callable[[Any], float | None], progress: Progress
) -> list[tuple[list[Any], Any, Any]]:
    """Return shapes, class and size of each feature; None for what it has not. Polygons have the size 0."""
    class_of = (lambda _: ONLY_CLASS) if wanted is None else layer.getter(wanted)

    def take(feature: Any) -> tuple[list[Any], Any, Any]:
        shapes, value = objects_in(feature.GetGeometryRef()), class_of(feature)
        if isinstance(value, str):
            value = value.strip() or None
        if not shapes:
            return shapes, value, 0.0
        dimension = shapes[0].GetDimension()
        if dimension == 1:
            raise VectorError(
                "{objects} is {path}, which holds lines: choose a layer of polygons, or of points.",
                objects=field("objects"),
                path=layer.path,
            )
        size = size_of(feature) if dimension == 0 else 0.0
        known = dimension or (size is not None and 0 < size < math.inf)
        return shapes, value, size if known else None

    return [row for part in layer.taken(take, progress) for row in part]


def _boxes(shapes: Sequence[tuple[Any, float]], layer: VectorLayer, stack: Stack) -> np.ndarray:
    """Return the boxes y1, x1, y2, x2 in pixels, float64 of shape (n, 4).

    Raises:
        VectorError: a shape cannot be transformed to the image's coordinate system.
    """
    Transformation(layer.reference, stack.reference).apply((shape for shape, _ in shapes), layer.path)
    edges = np.array([shape.GetEnvelope() for shape, _ in shapes], "float64").reshape(-1, 4)  # x from, to, y from, to
    half = np.array([size for _, size in shapes], "float64")[:, None] / 2
    edges += half * np.array([-1, 1, -1, 1])
    grid = stack.grid
    columns = (edges[:, :2] - grid.x.origin) / grid.x.spacing
    rows = (-edges[:, 3:1:-1] - grid.y.origin) / grid.y.spacing
    return np.stack((rows[:, 0], columns[:, 0], rows[:, 1], columns[:, 1]), axis=1)


def _classes(
    parameters: PatchesExtraction, layer: VectorLayer, wanted: Field | None, given: Sequence[Any], progress: Progress
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Return for each object the place of its class, and a row for each class.

    Raises:
        VectorError: a class is no whole number.
    """
    known = read_texts(parameters.objects, parameters.objects_field or "") if parameters.objects else {}
    legend: dict[int, ClassEntry]
    if wanted is not None and wanted.kind == TEXT:
        named = holds_names([(layer, wanted)], progress)
        numbers = numbers_of(given, named)
        labels = np.array([numbers[text] for text in given], "int64")
        legend = of_texts(numbers, named, known)
    else:
        exact = np.array(given, "float64")
        labels = exact.astype("int64")
        if (labels != exact).any():
            raise VectorError(
                "The class field {field} of {path} holds {value:g}, but classes are whole numbers or names: choose another "
                "in {objects_field}.",
                field=wanted.name if wanted else "",
                path=layer.path,
                value=float(exact[labels != exact][0]),
                objects_field=field("objects_field"),
            )
        legend = {value: known[str(value)] for value in np.unique(labels).tolist() if str(value) in known}
    values, places = np.unique(labels, return_inverse=True)
    return places.reshape(-1), as_rows(values.tolist(), legend)
