"""The layer of objects and its report, made of the boxes of all tiles."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ..base.progress import Part, Progress
from ..classes.legend import as_rows, write_legend
from ..errors import field
from ..files.staging import check_file, write_text_file
from ..operations.detectobjects import DetectObjects
from ..phrases import Phrase
from ..vectors.vectoroutput import OutputVector, check_vector_output, vector_staging
from .boxes import NO_MASK, hulls
from .detectedlayer import DetectedObjects, classes_in, drawn_objects
from .detectionreport import detection_report
from .detector import Detector
from .maskdecoding import LEAST
from .suppression import suppressed

COMPUTING = 0.85
"""The share of the progress until all boxes are found."""


def check_outputs(parameters: DetectObjects) -> None:
    """Raise ParameterError or VectorError where layer or report cannot be written."""
    check_vector_output(parameters.out, field("out"))
    if parameters.out_report:
        check_file(parameters.out_report, field("out_report"))


class ObjectLayer:
    """The layer, made beside its final place. Used as a context manager: leaving it removes what is not finished."""

    def __init__(self, parameters: DetectObjects, progress: Progress) -> None:
        """Take the parameters of the run, and who is told of the hidden folder.

        Raises:
            ParameterError, VectorError: it cannot be written there.
        """
        self._parameters, self._progress = parameters, progress
        self._staging = vector_staging(parameters.out, progress, field("out"))

    def __enter__(self) -> ObjectLayer:
        return self

    def __exit__(self, *error: object) -> None:
        self._staging.__exit__(*error)

    @property
    def masks(self) -> Path:
        """Place for a file of masks that is not needed any more once the layer is written."""
        return self._staging.folder / "masks"

    def write(
        self, detector: Detector, boxes: np.ndarray, masks: Sequence[Path], overlap: int, progress: Progress
    ) -> dict[str, Any]:
        """Write the objects, and return the results of the operation.

        Args:
            detector: that has found them, with what it has counted.
            boxes: of all tiles, in the order of these.
            masks: files of their masks, where these are wanted; boxes name places in all of them together.
            overlap: of the tiles in pixels.
            progress: told what was found, and warned of what is odd.

        Raises:
            VectorError: the layer cannot be written.
            Cancelled: `progress` asked to stop.
        """
        parameters, staging, image = self._parameters, self._staging, detector.source.stack
        whole = boxes if detector.outlines is None else boxes[boxes["mask"] != NO_MASK]
        kept = suppressed(whole, parameters.iou, _checking(Part(progress, 0.0, 0.7)))
        with ExitStack() as stack:
            drawn = stack.enter_context(drawn_objects(detector, parameters.geometry, masks))
            reference, kind = image.reference, drawn.geometry
            out = stack.enter_context(OutputVector(staging, drawn.fields, reference, self._progress, kind))
            drawn.write(out, kept, Part(progress, 0.7, 0.95))
            out.close()
        self.masks.unlink(missing_ok=True)
        rows = as_rows(classes_in(kept), detector.legend)
        write_legend(staging.folder, staging.final.name, rows, "class")
        staging.commit()
        told = _told(detector, kept, overlap)
        for sentence in told:
            progress.info(sentence)
        _warn(detector, parameters, kept, drawn, progress)
        if len(whole) < len(boxes):
            progress.warning(_without_masks(len(boxes) - len(whole)))
        results: dict[str, Any] = {
            "out": parameters.out,
            "objects": len(kept),
            "classes": len(rows),
            "overlap": overlap,
        }
        if parameters.out_report:
            page = detection_report(parameters, kept, detector.legend, told)
            write_text_file(parameters.out_report, page, self._progress, field("out_report"))
            results["out.report"] = parameters.out_report
        progress.fraction(1.0)
        return {**results, "legend": json.dumps(rows, ensure_ascii=False)}


def _checking(progress: Progress) -> Callable[[float], None]:
    def told(done: float) -> None:
        progress.check()
        progress.fraction(done)

    return told


def _told(detector: Detector, boxes: np.ndarray, overlap: int) -> list[str]:
    width, height = detector.size
    return [
        Phrase(
            "{count} {count:object|objects} of {classes} {classes:class|classes}, from tiles of {width} x {height} pixels "
            "that share {overlap} pixels or more.",
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


def _nothing_computed(parameters: DetectObjects) -> str:
    mask = next((name for name in ("mask", "mask_vector") if getattr(parameters, name) is not None), None)
    if mask is None:
        return Phrase(
            "The image has no pixel with data, so the layer is empty. Check its no-data value ({nodata}).",
            nodata=field("nodata"),
        )
    return Phrase(
        "The image has no pixel with data inside {mask}, so the layer is empty. Check values and place of {mask}.",
        mask=field(mask),
    )


def _warn(
    detector: Detector, parameters: DetectObjects, boxes: np.ndarray, drawn: DetectedObjects, progress: Progress
) -> None:
    if not detector.decoder.tiles:
        progress.warning(_nothing_computed(parameters))
    elif not len(boxes):
        progress.warning(
            Phrase(
                "No object{of_classes} has a score of {score} ({least:g}) or more: the layer is empty. Lower {score}, or "
                "check that bands, pixel size and range of values of the image are those of the model's training.",
                of_classes=Phrase(" of {classes}", classes=field("classes")) if detector.classes else "",
                score=field("score"),
                least=parameters.score,
            )
        )
    around = hulls(boxes)
    beyond = int(((around[:, 2:] - around[:, :2]) > max(detector.size)).any(axis=1).sum())
    if beyond:
        progress.warning(
            Phrase(
                "{beyond} {beyond:object is|objects are} larger than a tile of {width} x {height} pixels: the pixel size, the "
                "bands or the range of values of the image are hardly those of the model's training.",
                beyond=beyond,
                width=detector.size[0],
                height=detector.size[1],
            )
        )
    cut = int(boxes["cut"].sum())
    if cut:
        progress.warning(
            Phrase(
                "{cut} {cut:object touches|objects touch} the edges of all tiles that see {cut:it|them}, so that {cut:it|they} "
                "may be cut: set a larger {overlap}, or a larger {tilesize} if the model takes it.",
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
