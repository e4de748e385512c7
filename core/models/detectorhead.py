"""What the outputs of a detector are: recognised by their names and shapes, before anything is computed.

Ultralytics and YOLOv5 write what their exports return in their documentation: YOLOv5 three rows for each cell of three grids
(strides 8, 16 and 32; four grids or two in some models), each of a box, an objectness and class scores; YOLOv8 to YOLO26 one
column for each cell, of a box and class scores. Other families (YOLOX, for example) return rows that must be decoded by
their grids: those are not mistaken for one of these, since they have one row for each cell.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ..errors import ModelError, field
from ..parameters.detectionmaps import GEOMETRY, OUTPUT
from ..parameters.detectorheads import FORMS, HeadForm
from ..phrases import Phrase
from .masksoutput import masks_output, prototype_maps, prototypes
from .modelfiles import is_onnx, model_place
from .modelinterface import ModelInterface, TensorInfo
from .onnxmetadata import OnnxMetadata, metadata_of

_NAMED = (
    ("tensorflow", ("detection_boxes", "detection_scores", "detection_classes"), ("num_detections",)),
    ("keras", ("boxes", "confidence", "labels"), ("num_detections",)),
    ("keras", ("boxes", "confidence", "classes"), ("num_detections",)),
    ("torchvision", ("boxes", "scores", "labels"), ()),
)
"""Forms whose outputs have names: those of boxes, scores and classes, and of the number of objects, which may be missing."""

_GRIDS = ((8, 16, 32), (4, 8, 16, 32), (8, 16, 32, 64), (16, 32))
"""Strides of the grids of YOLO's families."""

_ANCHORS = 3
"""Rows for each cell in YOLOv5."""

_KEYPOINTS = 300
"""Most values of the key points of an object."""

_QUERIES = "RTDETRDecoder"
"""Ultralytics' head of RT-DETR, whose boxes are shares of the image."""

_RESIZING = "image_info"
"""An output of TensorFlow's Model Garden beside those of its Object Detection API: how the model has resized the image."""

_FEW = 1024
"""Rows up to which a fixed number of them is that of a suppression."""


@dataclass(frozen=True)
class DetectorHead:
    """The outputs of a detector.

    Attributes:
        form: a key of `FORMS`.
        outputs: names of those of boxes, scores and classes, or of the only one.
        count: name of the output that holds the number of objects; empty where there is none.
        resizing: name of the output that tells how the model has resized the image, in whose pixels its boxes are; shape
            (1, 4, 2): height and width before, after, the factors between them, and what was cut off at the top and the left.
            Empty where there is none.
        order, scale: of boxes, as `FORMS` has them; empty where they are not known.
        scores: number of class scores of a row or column; None where that follows from its length.
        masks: name of the output with the masks of objects, see `masksoutput`; empty where there is none.
        prototypes: number of values behind the class scores, for masks; 0 where there are none, or their number is not known.
    """

    form: str
    outputs: tuple[str, ...]
    count: str = ""
    order: str = ""
    scale: str = ""
    scores: int | None = None
    resizing: str = ""
    masks: str = ""
    prototypes: int = 0

    @property
    def facts(self) -> HeadForm:
        """What is known of the form."""
        return FORMS[self.form]

    @property
    def all_outputs(self) -> tuple[str, ...]:
        """Names of all outputs for boxes, those of the number of objects and of the resizing last."""
        return (*self.outputs, *(name for name in (self.count, self.resizing) if name))

    def describe(self) -> str:
        """Return it in words."""
        return Phrase(
            "{form} ({outputs}); boxes {order} in {scale}{masks}",
            form=self.form,
            outputs=", ".join(self.all_outputs),
            order=self.order or Phrase("in an unknown order"),
            scale=self.scale or Phrase("an unknown unit"),
            masks=Phrase("; masks of the objects ({output})", output=self.masks) if self.masks else "",
        )


def detector_head(model: ModelInterface) -> DetectorHead | None:
    """Return what the outputs of a model are; None where it is no detector, or none that is known."""
    found = _by_names(model)
    if model.kind == "ONNX" and (found is None or found.form == "torchvision"):
        found = _by_types(model) or found or _by_shapes(model, metadata(model))
    return found and _with_masks(found, model)


def recognised_head(model: ModelInterface) -> DetectorHead | None:
    """Return the same; None also where the model's metadata contradict it, which the detector's own run tells."""
    with contextlib.suppress(ModelError):
        return detector_head(model)
    return None


def head_of(model: ModelInterface, form: str, outputs: Sequence[str]) -> DetectorHead:
    """Return the head of a form that the user names.

    Args:
        model: the model.
        form: a key of `FORMS`.
        outputs: names of the outputs; empty to find them.

    Raises:
        ModelError: it has no such outputs.
    """
    facts = FORMS[form]
    recognised = detector_head(model)
    if not outputs and recognised is not None and recognised.form == form:
        return recognised
    wanted = 3 if facts.lists else 1
    names = [model.output(name).name for name in outputs] or _found(model, form)
    if len(names) != wanted:
        raise ModelError(
            "{head} is {form}, which needs {wanted} {wanted:output|outputs}, but of the outputs of the model {model} "
            "({outputs}) {count} {count:is|are} named or {count:has|have} its shape: set another {head}, or {output_names}.",
            head=field("head"),
            form=form,
            wanted=wanted,
            model=model.path,
            outputs=described_outputs(model),
            count=len(names),
            output_names=field("output_names"),
        )
    count = next((name for name in ("num_detections",) if facts.lists and name in model.outputs), "")
    head = _with_masks(DetectorHead(form, tuple(names), count, facts.order, facts.scale), model)
    if facts.lists or facts.maps:
        return _in_resized_image(model, head)
    return replace(head, scores=_scores(model, head, metadata(model)))


def _with_masks(head: DetectorHead, model: ModelInterface) -> DetectorHead:
    return replace(
        head, masks=masks_output(model, head.form), prototypes=0 if head.facts.lists else prototypes(model) or 0
    )


def described_outputs(model: ModelInterface) -> str:
    """Return names, types and shapes of the outputs for a message."""
    return Phrase(", ").join(info.describe() for info in model.outputs.values())


def metadata(model: ModelInterface) -> OnnxMetadata:
    """Return what is written into the model's file beside the network."""
    place = model_place(model.path)
    return metadata_of(place) if is_onnx(place) else OnnxMetadata()


def _found(model: ModelInterface, form: str) -> list[str]:
    for known, names, _ in _NAMED:
        if known == form and set(names) <= set(model.outputs):
            return list(names)
    if FORMS[form].lists:
        return []
    if FORMS[form].maps:
        return [info.name for info in model.outputs.values() if _may_be_maps(info)]
    return [info.name for info in _lists_of(model)]


def _lists_of(model: ModelInterface) -> list[TensorInfo]:
    """Return the outputs that may be a list of boxes with their scores."""
    return [info for info in model.outputs.values() if info.holds_numbers and info.rank in (2, 3)]


def _by_names(model: ModelInterface) -> DetectorHead | None:
    if OUTPUT in model.outputs and _may_be_maps(model.outputs[OUTPUT]):
        return DetectorHead("centernet", (OUTPUT,), "", FORMS["centernet"].order, FORMS["centernet"].scale)
    for form, names, counts in _NAMED:
        if set(names) <= set(model.outputs) and model.outputs[names[0]].size(-1) in (4, None):
            count = next((name for name in counts if name in model.outputs), "")
            head = DetectorHead(form, names, count, FORMS[form].order, FORMS[form].scale)
            return _in_resized_image(model, head)
    return None


def _in_resized_image(model: ModelInterface, head: DetectorHead) -> DetectorHead:
    """Return the head with the output that tells how the model has resized the image, if it has one."""
    if head.form != "tensorflow" or _RESIZING not in model.outputs:
        return head
    return replace(head, scale="pixels", resizing=_RESIZING)


def _by_types(model: ModelInterface) -> DetectorHead | None:
    """Return the head of a model of torchvision: one list each of boxes, scores and numbers of classes.

    An export has no names, or those that the user gave the outputs, which may be in another order.
    """
    lists = [info for info in model.outputs.values() if info.rank == 1]
    boxes = [info.name for info in model.outputs.values() if info.rank == 2 and info.size(1) == 4]
    scores = [info.name for info in lists if info.dtype.startswith("float")]
    classes = [info.name for info in lists if info.dtype == "int64"]
    if len(boxes) != 1 or len(scores) != 1 or len(classes) != 1:
        return None
    facts = FORMS["torchvision"]
    return DetectorHead("torchvision", (*boxes, *scores, *classes), "", facts.order, facts.scale)


def _may_be_maps(info: TensorInfo) -> bool:
    """Return whether an output may be the maps of objects that are found as points."""
    bands = info.size(-1)
    return info.rank == 4 and (bands is None or bands > len(GEOMETRY))


def _by_shapes(model: ModelInterface, known: OnnxMetadata) -> DetectorHead | None:
    lists = _lists_of(model)
    if len(lists) != 1 or len(model.outputs) > 1 and not _has_masks(model):
        return None
    form = (None if known.head == _QUERIES else _form(model, lists[0], known)) or _queries(lists[0], known)
    if form is None:
        return None
    boxes = FORMS["rtdetr" if known.head == _QUERIES else form]
    head = DetectorHead(form, (lists[0].name,), "", boxes.order, boxes.scale)
    return replace(head, scores=_scores(model, head, known))


def _form(model: ModelInterface, info: TensorInfo, known: OnnxMetadata) -> str | None:
    """Return the form of a list of boxes with their scores, by its shape and what the file tells."""
    if info.rank == 2:
        return "yolov7" if info.size(1) == 7 else None
    first, last = info.size(1), info.size(2)
    oriented = known.task == "obb"
    cells = _cells(model, known)
    if first is None and last is None and known.lists_objects and known.suppressed is not None:
        form = "suppressed" if known.suppressed else "yolov8"
        return f"{form}_obb" if oriented else form
    if last is not None and last >= 6 and first in [_ANCHORS * count for count in cells]:
        return "yolov5"
    if first is not None and first >= 5 and (last in cells or (last is None and known.lists_objects)):
        return "yolov8_obb" if oriented else "yolov8"
    few = first is None or first <= _FEW
    told = known.lists_objects or (first is not None and bool(cells))
    if few and told and last in _lengths(model, known):
        return "suppressed_obb" if oriented else "suppressed"
    return None


def _queries(info: TensorInfo, known: OnnxMetadata) -> str | None:
    """Return the form of RT-DETR's rows; None where they are not known to be such.

    Ultralytics exported a box and the scores of all classes, later a box, the highest score and its class.
    """
    rows, length = info.size(1), info.size(2)
    all_scores = length == 4 + len(known.objects) != 6
    if known.head == _QUERIES:
        return "rtdetr" if all_scores else "suppressed"
    return "rtdetr" if all_scores and known.task == "detect" and rows is not None and rows <= _FEW else None


def _lengths(model: ModelInterface, known: OnnxMetadata) -> Collection[int]:
    """Return the lengths that a row of box, score and class may have, with what follows these for the model's task."""
    if known.task == "pose":
        return range(7, 7 + _KEYPOINTS)
    return [6 + (1 if known.task == "obb" else 0) + (prototypes(model) or 0)]


def _cells(model: ModelInterface, known: OnnxMetadata) -> list[int]:
    """Return the numbers of cells that the grids of each family have; empty where the size of images is not known."""
    images = [info for info in model.inputs.values() if info.rank == 4]
    if len(images) != 1:
        return []
    first = model.bands_first is not None and images[0].name in model.bands_first
    sides = (2, 3) if first else (1, 2)
    height, width = (images[0].size(side) for side in sides)
    if height is None or width is None:
        height, width = known.size or (0, 0)
    if not height or not width:
        return []
    return [sum((height // stride) * (width // stride) for stride in strides) for strides in _GRIDS]


def _has_masks(model: ModelInterface) -> bool:
    """Return whether the outputs are a list and the prototypes of masks, as of models for instances."""
    ranks = sorted(info.rank or 0 for info in model.outputs.values())
    return ranks == [3, 4] and len(prototype_maps(model)) == 1


def _scores(model: ModelInterface, head: DetectorHead, known: OnnxMetadata) -> int | None:
    """Return the number of class scores of a row or column; None where none stand there, or its length is not known.

    Raises:
        ModelError: it contradicts the number of names of classes, or neither these nor the number of prototypes is told.
    """
    if head.facts.suppressed:
        return None
    before, after = 5 if head.form == "yolov5" else 4, 1 if head.facts.oriented else 0
    length = model.output(head.outputs[0]).size(2 if head.form == "yolov5" else 1)
    named, masks = len(known.objects), prototypes(model)
    if masks is None and not named:
        raise ModelError(
            "The model {model} tells neither its classes nor the number of prototypes of its masks ({outputs}), so that class "
            "scores cannot be told from what follows them: export it with names of classes, or with fixed sizes.",
            model=model.path,
            outputs=described_outputs(model),
        )
    if length is None or masks is None:
        return named or None
    left = length - before - after - masks
    if left < 1 or (named and (named > left if known.task == "pose" else named != left)):
        raise ModelError(
            "The output {output} of the model {model} has {left} class scores for each box if its form is {form}, but the "
            "model's metadata names {named} {named:class|classes}: set {head} to another form.",
            output=model.output(head.outputs[0]).describe(),
            model=model.path,
            left=left,
            form=head.form,
            named=named,
            head=field("head"),
        )
    return named or left
