"""MapToPolygons: reads a map, and writes its polygons and the areas of its classes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Union

import numpy as np

from .. import errors
from ..accuracy.matrixfile import read_counts
from ..base.progress import Part, Progress
from ..base.temporaries import scratch_folder
from ..classes.legend import Legend, as_rows, known_classes, write_legend
from ..errors import ParameterError
from ..operations.maptopolygons import MapToPolygons
from ..phrases import Phrase
from ..rasters.ellipsoid import Ellipsoid
from ..rasters.pixelareas import PixelAreas
from ..vectors.vectorlayer import INTEGER, REAL, TEXT, Field
from ..vectors.vectoroutput import NO_GEOMETRY, POLYGONS, OutputVector, check_vector_output, vector_staging
from .arcs import Arc
from .classareas import ClassAreas, names_of, numbered, whole_numbers, write_areas
from .instances import InstanceReader
from .mapreading import MapReader, Placed
from .polygonizing import Polygon, Prepare, Strip, polygons_of
from .polygonshapes import Measuring, Shape
from .sieving import sieved
from .simplification import Simplification
from .tolerance import check_right_angles, checked_tolerance
from .wkb import polygon_wkb

_FIELDS = (Field("class", INTEGER), Field("name", TEXT), Field("area_m2", REAL), Field("perimeter", REAL))
_PROBABILITY = Field("mean_prob", REAL)

Reader = Union[MapReader, InstanceReader]

_UNEVEN = 0.05
"""How much the areas of pixels may differ from that in the middle before a smallest area in pixels is warned of."""


def map_to_polygons(parameters: MapToPolygons, progress: Progress) -> dict[str, Any]:
    """Write the polygons of a map.

    Returns:
        `out` and `outtable`, their paths; `polygons` and `classes`, their numbers; `legend`, a JSON text with value, name
        and color of each class.

    Raises:
        ParameterError, RasterError, VectorError, EngineError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    check_vector_output(parameters.out, errors.field("out"))
    if parameters.outtable:
        check_vector_output(parameters.outtable, errors.field("outtable"), NO_GEOMETRY)
    counted = read_counts(parameters.matrix) if parameters.matrix else None
    reader = InstanceReader(parameters, progress) if parameters.instances else MapReader(parameters, progress)
    tolerance = checked_tolerance(parameters.simplify, reader.placed, progress) if parameters.simplify else 0.0
    if parameters.rightangles:
        check_right_angles(tolerance, reader.placed)
    ellipsoid = _ellipsoid(reader, progress)
    if counted is not None and ellipsoid is None:
        raise ParameterError(
            "{matrix} adjusts areas, but {name} has no geographic or projected coordinate system (CRS), so its areas are "
            "unknown: assign the right one (Raster > Projections > Assign projection), or leave {matrix} empty.",
            matrix=errors.field("matrix"),
            name=reader.placed.stack.names[0],
        )
    smallest = _pixels_of(parameters.minarea, reader, ellipsoid, progress) if parameters.minarea else 0
    with ExitStack() as stack:
        staging = stack.enter_context(vector_staging(parameters.out, progress, errors.field("out")))
        fields = (*_FIELDS, _PROBABILITY) if reader.has_values else _FIELDS
        out = stack.enter_context(OutputVector(staging, fields, reader.placed.reference, progress, POLYGONS))
        legend = (
            {} if parameters.threshold is not None or parameters.instances else known_classes(reader.placed.dataset)
        )
        matrix = (numbered(counted[0], legend), counted[1]) if counted is not None else None
        out.check_values([whole_numbers(list(legend)), names_of(list(legend), legend)])
        rest = progress
        if isinstance(reader, InstanceReader):
            reader.separate(stack.enter_context(scratch_folder()), Part(progress, 0, 0.5))
            rest = Part(progress, 0.5, 1)
        totals = ClassAreas()
        measuring = Measuring(ellipsoid, reader.placed.transform)
        for shapes in _shapes(reader, smallest, tolerance, parameters.rightangles, measuring, rest):
            progress.check()
            totals.add(shapes, reader.classes)
            outlines = [polygon_wkb(shape.rings, reader.placed.transform) for shape in shapes]
            out.write_shapes(_columns(shapes, reader, legend), outlines)
        out.close()
        rows = as_rows(sorted(totals.polygons), legend)
        write_legend(staging.folder, staging.final.name, rows, "class")
        table = None
        if parameters.outtable:
            table = stack.enter_context(vector_staging(parameters.outtable, progress, errors.field("outtable")))
            write_areas(table, totals, legend, matrix, progress)
        staging.commit()
        if table is not None:
            table.commit()
    progress.fraction(1.0)
    count = sum(totals.polygons.values())
    if ellipsoid is not None and totals.unmeasured:
        progress.warning(
            Phrase(
                "{unmeasured} {unmeasured:polygon has|polygons have} no area or perimeter, since {name} reaches beyond the "
                "region where its coordinate system (CRS) has a place for each point: check that it is the right one.",
                unmeasured=totals.unmeasured,
                name=reader.placed.stack.names[0],
            )
        )
    if not count:
        progress.warning(
            Phrase("{name} has no pixel of a class: the output holds no polygon.", name=reader.placed.stack.names[0])
        )
    result = {"out": parameters.out, "polygons": count, "classes": len(rows)}
    more = {"outtable": parameters.outtable} if parameters.outtable else {}
    return {**result, **more, "legend": json.dumps(rows, ensure_ascii=False)}


def _ellipsoid(reader: Reader, progress: Progress) -> Ellipsoid | None:
    wkt = reader.placed.reference.wkt
    if Ellipsoid.knows(wkt):
        return Ellipsoid(wkt)
    progress.warning(
        Phrase(
            "{name} has no geographic or projected coordinate system (CRS), so the polygons get neither area nor "
            "perimeter: assign the right one (Raster > Projections > Assign projection) and run again to have them.",
            name=reader.placed.stack.names[0],
        )
    )
    return None


def _pixels_of(area: float, reader: Reader, ellipsoid: Ellipsoid | None, progress: Progress) -> int:
    """Return the smallest number of pixels that have an area, in the middle of the map."""
    if ellipsoid is None:
        raise ParameterError(
            "{minarea} is {area:g} m2, but {name} has no geographic or projected coordinate system (CRS), so the area "
            "of its pixels is unknown: assign the right one (Raster > Projections > Assign projection).",
            minarea=errors.field("minarea"),
            area=area,
            name=reader.placed.stack.names[0],
        )
    areas = _pixel_areas(reader.placed, ellipsoid)
    middle = areas[len(areas) // 2]
    if not math.isfinite(middle) or middle <= 0:
        raise ParameterError(
            "{minarea} is {area:g} m2, but the area of the pixels of {name} cannot be computed from its coordinate "
            "system (CRS): check that it is the right one.",
            minarea=errors.field("minarea"),
            area=area,
            name=reader.placed.stack.names[0],
        )
    grid = reader.placed.stack.grid
    count = math.ceil(min(area / middle, grid.width * grid.height + 1))
    if count > grid.width * grid.height:
        progress.warning(
            Phrase(
                "{minarea} is {area:g} m2, but all pixels of {name} together have {whole:.6g} m2: no area becomes part of "
                "another.",
                minarea=errors.field("minarea"),
                area=area,
                name=reader.placed.stack.names[0],
                whole=middle * grid.width * grid.height,
            )
        )
    progress.info(
        Phrase(
            "{minarea} is {area:g} m2: areas of less than {count} pixels of {middle:.6g} m2 become part of their "
            "largest neighbour.",
            minarea=errors.field("minarea"),
            area=area,
            count=count,
            middle=middle,
        )
    )
    known = [other for other in areas if math.isfinite(other)]
    if max(known) - middle > _UNEVEN * middle or middle - min(known) > _UNEVEN * middle:
        progress.warning(
            Phrase(
                "The pixels of {name} have areas from {least:.4g} to {most:.4g} m2, so {minarea} is exact in its middle "
                "only. Warp it to an equal-area coordinate system for one smallest area everywhere.",
                name=reader.placed.stack.names[0],
                least=min(known),
                most=max(known),
                minarea=errors.field("minarea"),
            )
        )
    return count


def _pixel_areas(placed: Placed, ellipsoid: Ellipsoid) -> list[float]:
    """Return the areas in m2 of nine pixels: row by row those at the corners and edges of the map, and in its middle."""
    grid = placed.stack.grid
    columns, rows = [0, grid.width // 2, grid.width - 1], [0, grid.height // 2, grid.height - 1]
    areas = PixelAreas(ellipsoid, placed.transform).of(np.tile(columns, 3), np.repeat(rows, 3))
    return [float(area) for area in areas]


def _shapes(
    reader: Reader, smallest: int, tolerance: float, squares: bool, measuring: Measuring, progress: Progress
) -> Iterator[list[Shape]]:
    """Yield the polygons, some at a time, as they are drawn."""
    if not tolerance:
        for polygons in _polygons(reader, smallest, measuring.measure, Part(progress, 0, 0.95)):
            yield [measuring.shape(polygon) for polygon in polygons]
        return
    grid = reader.placed.stack.grid
    size = grid.width, grid.height
    with (
        scratch_folder() as folder,
        Simplification(
            folder, size, reader.rows, reader.placed.transform, tolerance, squares, measuring
        ) as simplification,
    ):

        def prepare(arcs: Sequence[Arc]) -> None:
            measuring.measure(arcs)
            simplification.add_arcs(arcs)

        for polygons in _polygons(reader, smallest, prepare, Part(progress, 0, 0.6)):
            simplification.add_shapes([measuring.shape(polygon) for polygon in polygons])
        restored, squared = simplification.decide(Part(progress, 0.6, 0.8))
        progress.info(
            Phrase(
                "{restored} {restored:piece of a border is|pieces of borders are} not simplified, so as to meet no other "
                "border.",
                restored=restored,
            )
        )
        if squares:
            progress.info(Phrase("{squared} {squared:outline has|outlines have} right angles.", squared=squared))
        yield from simplification.shapes(Part(progress, 0.8, 0.95))


def _polygons(reader: Reader, smallest: int, prepare: Prepare, progress: Progress) -> Iterator[list[Polygon]]:
    """Yield the polygons strip by strip."""
    passes = 1 if smallest <= 1 else 3
    done = 0

    def told(strips: Iterable[Any]) -> Iterator[Any]:
        nonlocal done
        for strip in strips:
            yield strip
            done += 1
            progress.fraction(done / (passes * reader.steps))

    strips: Iterable[Strip] = told(reader.strips())
    if smallest > 1:
        merge, merged = sieved(lambda: told(reader.codes()), smallest)
        progress.info(Phrase("{merged} {merged:area|areas} became part of the largest neighbour.", merged=merged))
        strips = _merged(told(reader.strips()), merge)
    yield from polygons_of(strips, reader.placed.stack.grid.width, prepare)


def _merged(strips: Iterable[Strip], merge: Callable[[int, np.ndarray], np.ndarray]) -> Iterator[Strip]:
    for number, strip in enumerate(strips):
        yield replace(strip, codes=merge(number, strip.codes))


def _columns(shapes: Sequence[Shape], reader: Reader, legend: Legend) -> list[np.ma.MaskedArray]:
    values = [reader.classes[shape.code] for shape in shapes]
    numbers = [[shape.area for shape in shapes], [shape.perimeter for shape in shapes]]
    if reader.has_values:
        numbers.append([total / number if number else math.nan for total, number in (shape.sums for shape in shapes)])
    return [
        whole_numbers(values),
        names_of(values, legend),
        *(np.ma.masked_invalid(np.array(one, "float64")) for one in numbers),
    ]
