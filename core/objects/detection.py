"""DetectObjects: the run itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from ..base.progress import Part, Progress
from ..classes.legend import as_rows, write_legend
from ..errors import ParameterError, field
from ..files.staging import check_file, write_text_file
from ..geometry.grid import Box
from ..machine.memory import gdal_cache
from ..operations.detectobjects import DetectObjects
from ..phrases import Phrase
from ..rasters.outputarea import wanted_box
from ..rasters.placement import check_placed
from ..serving.memorybudget import MemoryBudget
from ..serving.pipeline import IN_FLIGHT, stream
from ..vectors.vectoroutput import OutputVector, check_vector_output, vector_staging
from .boxes import BOX, NO_BOXES, NO_MASK, centres
from .detectedlayer import DetectedObjects, classes_in, drawn_objects
from .detectionreport import detection_report
from .detector import Detector, Pixels, open_detector
from .maskdecoding import LEAST
from .maskfiles import MaskFile
from .overlappingtiles import OverlappingTile, overlapping_tiles, region_around
from .suppression import suppressed
from .trialdetection import overlap_of

MOST_BOXES = 5_000_000
"""Boxes before suppression above which a run is refused: with so many, the smallest score is too low."""

_COPIES = 4
"""Times that the boxes are in memory while they are sorted and suppressed."""

_FLOAT = 4


def detect_objects(parameters: DetectObjects, progress: Progress) -> dict[str, Any]:
    """Write the objects of an image.

    Returns:
        `out` and `out.report`, their paths; `objects` and `classes`, their numbers; `overlap` of the tiles; `legend`, a
        JSON text with value, name and color of each class.

    Raises:
        ParameterError, RasterError, VectorError, ModelError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    check_vector_output(parameters.out, field("out"))
    if parameters.out_report:
        check_file(parameters.out_report, field("out_report"))
    with ExitStack() as stack:
        staging = stack.enter_context(vector_staging(parameters.out, progress, field("out")))
        detector = open_detector(parameters, progress)
        image = detector.source.stack
        check_placed(image.names[0], image.reference, Phrase("objects in it have no place on the ground"))
        wanted = wanted_box("", parameters.extent, image.grid, image.reference)
        budget = MemoryBudget.of(parameters.memory or parameters.ram, [detector.source])
        stack.enter_context(gdal_cache(budget.cache))
        most = _most_boxes(detector, budget)
        overlap = overlap_of(detector, wanted, parameters.overlap, Part(progress, 0, 0.05))
        masks = staging.folder / "masks" if detector.outlines is not None else None
        with MaskFile(masks) if masks is not None else nullcontext() as kept:
            found = _found(replace(detector, masks=kept), wanted, overlap, most, Part(progress, 0.05, 0.85))
        whole = found if masks is None else found[found["mask"] != NO_MASK]
        boxes = suppressed(whole, parameters.iou, _checking(Part(progress, 0.85, 0.95)))
        with (
            drawn_objects(detector, parameters.geometry, [masks] if masks is not None else []) as drawn,
            OutputVector(staging, drawn.fields, image.reference, progress, drawn.geometry) as out,
        ):
            drawn.write(out, boxes, Part(progress, 0.95, 0.99))
            out.close()
        if masks is not None:
            masks.unlink()
        rows = as_rows(classes_in(boxes), detector.legend)
        write_legend(staging.folder, staging.final.name, rows, "class")
        staging.commit()
    told = _told(detector, boxes, overlap)
    for sentence in told:
        progress.info(sentence)
    _warn(detector, parameters, boxes, drawn, progress)
    if len(whole) < len(found):
        progress.warning(_without_masks(len(found) - len(whole)))
    results: dict[str, Any] = {"out": parameters.out, "objects": len(boxes), "classes": len(rows), "overlap": overlap}
    if parameters.out_report:
        page = detection_report(parameters, boxes, detector.legend, told)
        write_text_file(parameters.out_report, page, progress, field("out_report"))
        results["out.report"] = parameters.out_report
    progress.fraction(1.0)
    return {**results, "legend": json.dumps(rows, ensure_ascii=False)}


def _checking(progress: Progress) -> Callable[[float], None]:
    def told(done: float) -> None:
        progress.check()
        progress.fraction(done)

    return told


def _most_boxes(detector: Detector, budget: MemoryBudget) -> int:
    """Return the number of boxes that fit into the memory beside the tiles.

    Raises:
        ParameterError: not even the tiles do.
    """
    width, height = detector.size
    tile = width * height * detector.source.stack.bands * max(_FLOAT, detector.source.dtype.itemsize)
    left = budget.planned - IN_FLIGHT * tile
    if left <= 0:
        raise ParameterError(
            "{memory} leaves {planned} MB for tiles of {width} x {height} pixels, which need {needed} MB: raise it, or set a "
            "smaller {tilesize} if the model takes it.",
            memory=field("memory"),
            planned=max(0, budget.planned) >> 20,
            width=width,
            height=height,
            needed=(IN_FLIGHT * tile >> 20) + 1,
            tilesize=field("tilesize"),
        )
    return min(MOST_BOXES, left // (_COPIES * BOX.itemsize))


def _found(detector: Detector, wanted: Box, overlap: int, most: int, progress: Progress) -> np.ndarray:
    """Return the boxes of all tiles whose centre lies in the wanted part of the image."""
    around = region_around(wanted, detector.source.stack.grid.box, *detector.size, overlap)
    tiles = overlapping_tiles(around, *detector.size, overlap)
    parts: list[np.ndarray] = []
    count = done = 0

    def keep(_: OverlappingTile, boxes: np.ndarray) -> None:
        nonlocal count, done
        rows, columns = centres(boxes)
        within = (rows >= wanted.y) & (rows < wanted.bottom) & (columns >= wanted.x) & (columns < wanted.right)
        parts.append(boxes[within])
        count, done = count + len(parts[-1]), done + 1
        if count > most:
            raise ParameterError(
                "More than {most} boxes have a score of {score} ({least:g}) or more after {done} of {tiles} tiles: raise "
                "{score}{memory}.",
                most=most,
                score=field("score"),
                least=detector.decoder.score,
                done=done,
                tiles=len(tiles),
                memory=Phrase(", or {memory}", memory=field("memory")) if most < MOST_BOXES else "",
            )
        progress.fraction(done / len(tiles))

    def read(tile: OverlappingTile) -> Pixels | None:
        return detector.read(tile.box)

    detector.decoder.full = 0
    stream(tiles, read, detector.boxes, keep, progress.check)
    return np.concatenate(parts) if parts else NO_BOXES


def _told(detector: Detector, boxes: np.ndarray, overlap: int) -> list[str]:
    width, height = detector.size
    return [
        Phrase(
            "{count} {count:object|objects} of {classes} {classes:class|classes}, from tiles of {width} x {height} pixels "
            "that share {overlap} pixels.",
            count=len(boxes),
            classes=len(classes_in(boxes)),
            width=width,
            height=height,
            overlap=overlap,
        )
    ]


def _without_masks(count: int) -> str:
    return Phrase(
        "{count} {count:detection has|detections have} a score of {score} or more but an empty mask (no value above {least}), "
        "and {count:is|are} left out: set {geometry} to boxes or points to have {count:it|them}.",
        count=count,
        score=field("score"),
        least=LEAST,
        geometry=field("geometry"),
    )


def _warn(
    detector: Detector, parameters: DetectObjects, boxes: np.ndarray, drawn: DetectedObjects, progress: Progress
) -> None:
    if not len(boxes):
        progress.warning(
            Phrase(
                "No object{of_classes} has a score of {score} ({least:g}) or more: the layer is empty. Lower {score}, or "
                "check that bands, pixel size and range of values of the image are those of the model's training.",
                of_classes=Phrase(" of {classes}", classes=field("classes")) if detector.classes else "",
                score=field("score"),
                least=parameters.score,
            )
        )
    cut = int(boxes["cut"].sum())
    if cut:
        progress.warning(
            Phrase(
                "{cut} {cut:object is|objects are} larger than the overlap of the tiles, so that no tile may see {cut:it|them} "
                "whole: set a larger {overlap}, or a larger {tilesize} if the model takes it.",
                cut=cut,
                overlap=field("overlap"),
                tilesize=field("tilesize"),
            )
        )
    if detector.decoder.full:
        progress.warning(
            Phrase(
                "For {full} {full:tile|tiles} the model returned as many objects as it can, so that objects may be missing: "
                "set a smaller {tilesize} if the model takes it, or export the model with a higher limit.",
                full=detector.decoder.full,
                tilesize=field("tilesize"),
            )
        )
    narrowed = detector.narrowing.told()
    if narrowed:
        progress.warning(
            Phrase(
                "The model accepts {dtype}, but of the pixels {counted} (pixels that several tiles share are counted several "
                "times). They became the nearest accepted value; NaN became 0. Scale the image like the training images.",
                dtype=detector.narrowing.target,
                counted=narrowed,
            )
        )
    if len(boxes) and not drawn.has_areas:
        progress.warning(
            Phrase(
                "{name} has no geographic or projected coordinate system (CRS), so the objects get no area in m2: assign "
                "the right one (Raster > Projections > Assign projection) and run again to have it.",
                name=detector.source.stack.names[0],
            )
        )
