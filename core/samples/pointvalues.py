"""SampleExtraction: the values of an image under points, as attributes of the points."""

from __future__ import annotations

import json
from typing import Any

from .. import errors
from ..base.progress import Progress
from ..classes.layerlegend import class_rows
from ..classes.legend import write_legend
from ..errors import NothingInsideError, ParameterError
from ..operations.sampleextraction import SampleExtraction
from ..phrases import Phrase
from ..rasters.alpha import open_images
from ..rasters.rasterstack import Stack
from ..vectors.transformation import Transformation
from ..vectors.vectorlayer import REAL, Field, VectorLayer
from ..vectors.vectoroutput import OutputVector, vector_staging
from .pixelvalues import values_under
from .shapes import open_training_layer

MOST_CLASSES = 1000


"""A field of more different values holds no classes."""


def extract_values(parameters: SampleExtraction, progress: Progress) -> dict[str, Any]:
    """Write the points with the values under them.

    Returns:
        `out`, its path; `samples`, the number of points; `outside`, how many lie outside the image; where FIELD is
        given and holds classes, `field`, its name in the output, and `legend`, a JSON text with value, name and color
        of each class.

    Raises:
        ParameterError, RasterError, VectorError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    with vector_staging(parameters.out, progress, errors.field("out")) as staging:
        image = open_images([parameters.image], parameters.alpha, progress)
        layer = open_training_layer(parameters.vec, parameters.layer)
        layer.check_points()
        field = layer.field(parameters.field) if parameters.field else None
        added = _new_fields(parameters, image.bands)
        names = "outfield_list_names" if parameters.outfield == "list" else "outfield_prefix_name"
        kept = _kept_fields(layer, added, errors.field(names))
        reference = image.reference if image.reference.wkt else layer.reference
        transformation = Transformation(layer.reference, image.reference)
        written = seen = without = 0
        classes: set[Any] = set()
        with OutputVector(staging, (*kept, *added), reference, progress) as output:
            for points in layer.read_points(kept, progress):
                x, y = transformation.points(points.x, points.y)
                values, inside = values_under(image, x, y, parameters.ram, progress)
                columns = [column[inside] for column in (*points.columns, *values.T)]
                output.write(columns, x[inside], y[inside])
                if field in kept and len(classes) <= MOST_CLASSES:
                    classes.update(columns[kept.index(field)].compressed().tolist())
                written += int(inside.sum())
                seen += len(points)
                without += points.without
                progress.fraction(min(1.0, seen / max(1, layer.count)))
            if not written:
                raise NothingInsideError(_none_inside(layer, image))
            output.close()
        _tell(written, seen - written, without, progress)
        results: dict[str, Any] = {"out": parameters.out, "samples": written, "outside": seen - written}
        if field in kept and len(classes) <= MOST_CLASSES:
            rows = class_rows(layer, field, sorted(classes), progress)
            results["field"] = output.names[kept.index(field)]
            write_legend(staging.folder, staging.final.name, rows, results["field"])
            results["legend"] = json.dumps(rows, ensure_ascii=False)
        staging.commit()
    return results


def _new_fields(parameters: SampleExtraction, bands: int) -> tuple[Field, ...]:
    names = [f"{parameters.outfield_prefix_name}{band}" for band in range(bands)]
    if parameters.outfield == "list":
        names = parameters.outfield_list_names.split()
        if len(names) != bands:
            raise ParameterError(
                "{outfield_list_names} has {names_count} names, but the image has {bands} bands: give one name for "
                "each.",
                outfield_list_names=errors.field("outfield_list_names"),
                names_count=len(names),
                bands=bands,
            )
        if len({name.lower() for name in names}) < bands:
            raise ParameterError(
                "{outfield_list_names} is {names!r}, but repeats a name: list each name only once.",
                outfield_list_names=errors.field("outfield_list_names"),
                names=" ".join(names),
            )
    return tuple(Field(name, REAL) for name in names)


def _kept_fields(layer: VectorLayer, added: tuple[Field, ...], name: str) -> tuple[Field, ...]:
    """Return the layer's fields without those that the new ones replace, as in OTB; `name` mentions the new ones'."""
    new = {field.name.lower() for field in added}
    for field in layer.fields:
        if field.name.lower() in new and field.kind != REAL:
            raise ParameterError(
                "The layer {layer} of {layer_path} has a field {field!r} that does not hold real numbers: change "
                "{name}.",
                layer=layer.name,
                layer_path=layer.path,
                field=field.name,
                name=name,
            )
    return tuple(field for field in layer.fields if field.name.lower() not in new)


def _none_inside(layer: VectorLayer, image: Stack) -> str:
    return Phrase(
        "No point of {layer} lies in the image {name}: the points cover {layer2}, the image {grid} (coordinate "
        "system: {reference}).",
        layer=layer.path,
        name=image.names[0],
        layer2=layer.describe(),
        grid=image.grid.describe(),
        reference=image.reference.describe(),
    )


def _tell(written: int, outside: int, without: int, progress: Progress) -> None:
    progress.info(Phrase("Points: {written}.", written=written))
    if outside or without:
        progress.warning(
            Phrase(
                "Points left out: {outside} outside the image, {without} without a geometry.",
                outside=outside,
                without=without,
            )
        )
