"""The objects of a layer, as they are compared: shapes, envelopes, classes and scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.progress import Progress
from ..errors import VectorError, field
from ..files.gdalcalls import collected_errors
from ..geometry.grid import Box, Grid
from ..parameters.vectorsource import LayerSource
from ..phrases import Phrase
from ..rasters.rasterreference import Reference
from ..vectors.objectshapes import objects_in, polygons_in, repaired
from ..vectors.texts import field_text
from ..vectors.transformation import Transformation, warn_of_unknown_system
from ..vectors.vectorlayer import INTEGER, REAL, Field, VectorLayer

ALL = "all"
"""The class of all objects where classes are not compared, and what all classes together are called."""


@dataclass(frozen=True)
class AssessedObjects:
    """Objects of a layer, in its order.

    Attributes:
        shapes: OGR's geometries: polygons and multipolygons that are valid, or points.
        envelopes: x1, y1, x2, y2 of each, shape (n, 4).
        classes: as text; `ALL` where they are not compared.
        scores: shape (n,); zeros where there are none.
        points: whether they are points.
        reference: coordinate system.
    """

    shapes: tuple[Any, ...]
    envelopes: np.ndarray
    classes: tuple[str, ...]
    scores: np.ndarray
    points: bool
    reference: Reference

    def __len__(self) -> int:
        return len(self.shapes)

    @property
    def extent(self) -> tuple[float, ...]:
        """x1, y1, x2, y2 of all of them, of which there is at least one."""
        return (*self.envelopes[:, :2].min(axis=0).tolist(), *self.envelopes[:, 2:].max(axis=0).tolist())

    def part(self, chosen: np.ndarray) -> AssessedObjects:
        """Return some of them, by a mask."""
        places = np.flatnonzero(chosen).tolist()
        return AssessedObjects(
            tuple(self.shapes[place] for place in places),
            self.envelopes[chosen],
            tuple(self.classes[place] for place in places),
            self.scores[chosen],
            self.points,
            self.reference,
        )

    def of_class(self, name: str) -> np.ndarray:
        """Return which of them are of a class."""
        return np.array([each == name for each in self.classes], bool)

    def centred_in(self, grid: Grid, reference: Reference) -> np.ndarray:
        """Return which of them have their centre in an image."""
        middle = (self.envelopes[:, :2] + self.envelopes[:, 2:]) / 2
        x, y = Transformation(self.reference, reference).points(middle[:, 0], middle[:, 1])
        with np.errstate(invalid="ignore"):
            columns, rows = (x - grid.x.origin) / grid.x.spacing, (-y - grid.y.origin) / grid.y.spacing
            box: Box = grid.box
            found: np.ndarray = (columns >= 0) & (columns < box.width) & (rows >= 0) & (rows < box.height)
        return found


def read_objects(
    source: LayerSource,
    class_field: str,
    score_field: str,
    name: str,
    progress: Progress,
    target: Reference | None = None,
) -> AssessedObjects:
    """Read the objects of a layer.

    Args:
        source: the layer.
        class_field: name of the field with the class; empty where classes are not compared.
        score_field: name of the field with the score; empty for none.
        name: field of the parameters that names the layer, for messages.
        progress: told what is left out; may cancel.
        target: coordinate system to transform them to; None to leave them as they are.

    Raises:
        VectorError: the layer cannot be read, or holds lines, points and polygons, or no numbers as scores.
        Cancelled: `progress` asked to stop.
    """
    layer = VectorLayer(source)
    if layer.geometry == "none":
        raise VectorError(
            "{name} is {path}, a table without geometry: choose a layer of polygons or of points.",
            name=field(name),
            path=layer.path,
        )
    wanted = layer.field(class_field) if class_field else None
    score = layer.field(score_field) if score_field else None
    if score is not None and score.kind not in (REAL, INTEGER):
        raise VectorError(
            "The field {field} of {path} holds texts, but scores are numbers: choose another in {in_score}.",
            field=score.name,
            path=layer.path,
            in_score=field("in_score"),
        )
    score_of = layer.getter(score) if score is not None else None

    def take(feature: Any) -> tuple[list[Any], str | None, float | None]:
        found = None
        if wanted is None or wanted.index < 0 or feature.IsFieldSetAndNotNull(wanted.index):
            found = ALL if wanted is None else _class_text(feature, wanted.index, wanted.kind, layer.path)
        sure = 0.0 if score_of is None else score_of(feature)
        known = sure is not None and math.isfinite(sure)
        return objects_in(feature.GetGeometryRef()), found, sure if known else None

    rows = [row for part in layer.taken(take, progress) for row in part]
    whole = [(shape, *told) for shapes, *told in rows if None not in told for shape in shapes]
    left_out = sum(not shapes or None in told for shapes, *told in rows)
    if left_out and not whole:
        _refuse(rows, wanted, score, layer, name)
    if left_out:
        progress.warning(
            Phrase(
                "{count} {count:feature|features} of {path} ({name}) {count:has|have} no geometry, class or score, and "
                "{count:is|are} left out.",
                count=left_out,
                path=layer.path,
                name=field(name),
            )
        )
    shapes = [row[0] for row in whole]
    dimensions = {shape.GetDimension() for shape in shapes}
    if not dimensions <= {0} and not dimensions <= {2}:
        raise VectorError(
            "{name} is {path}, which holds lines, or points and polygons together: choose a layer of polygons or of points.",
            name=field(name),
            path=layer.path,
        )
    if dimensions == {2}:
        shapes = _valid(shapes, layer.path, name, progress)
    if target is not None:
        warn_of_unknown_system(field(name), layer.reference, field("detections"), target, progress)
        Transformation(layer.reference, target).apply(shapes, layer.path)
    envelopes = np.array([shape.GetEnvelope() for shape in shapes], "float64").reshape(-1, 4)[:, [0, 2, 1, 3]]
    scores = np.array([row[2] for row in whole], "float64")
    classes = tuple(row[1] or "" for row in whole)
    return AssessedObjects(tuple(shapes), envelopes, classes, scores, dimensions == {0}, target or layer.reference)


def _refuse(rows: Sequence[Any], wanted: Field | None, score: Field | None, layer: VectorLayer, name: str) -> None:
    """Raise VectorError where no feature has all that is needed: with the field that is empty in all of them, if one is."""
    chosen = "in_field" if name == "detections" else "ref_field"
    for place, given, key in ((1, wanted, chosen), (2, score, "in_score")):
        if given is not None and all(row[place] is None for row in rows):
            raise VectorError(
                "None of the {count} {count:feature|features} of {path} ({name}) has a value in the field {field}: choose "
                "another in {key}.",
                count=len(rows),
                path=layer.path,
                name=field(name),
                field=given.name,
                key=field(key),
            )
    raise VectorError(
        "None of the {count} {count:feature|features} of {path} ({name}) has a geometry, a class and a score: choose another "
        "layer.",
        count=len(rows),
        path=layer.path,
        name=field(name),
    )


def _valid(shapes: Sequence[Any], path: str, name: str, progress: Progress) -> list[Any]:
    """Return polygons whose borders do not cross; those that enclose no area stay as they are."""
    flat = [polygons_in(shape) for shape in shapes]
    with collected_errors():
        found = [repaired(shape) for shape in flat]
    wrong = sum(one is not other for one, other in zip(flat, found))
    if wrong:
        progress.warning(
            Phrase(
                "The borders of {wrong} {wrong:polygon|polygons} of {path} ({name}) cross: {wrong:it is|they are} compared as "
                "Fix geometries of QGIS repairs {wrong:it|them}.",
                wrong=wrong,
                path=path,
                name=field(name),
            )
        )
    return found


def _class_text(feature: Any, index: int, kind: str, path: str) -> str:
    """Return a class as text: whole numbers as such, whatever the type of the field."""
    if index < 0:
        return str(feature.GetFID())
    if kind == REAL:
        return f"{feature.GetFieldAsDouble(index):.15g}"
    if kind == INTEGER:
        return str(feature.GetFieldAsInteger64(index))
    text: str = field_text(feature, index, path)
    return text.strip()
