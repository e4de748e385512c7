"""The forms in which detectors return boxes, scores and classes."""

from __future__ import annotations

from dataclasses import dataclass

from ..phrases import Phrase

ORDERS = ("yxyx", "xyxy", "xywh", "cxcywh")
"""Orders of the four numbers of a box: two corners, a corner and the size, or the centre and the size."""

SCALES = ("pixels", "relative")
"""Units of boxes: pixels of the image that the model is given, or shares of its width and height."""


@dataclass(frozen=True)
class HeadForm:
    """A form.

    Attributes:
        order, scale: of its boxes, among `ORDERS` and `SCALES`; empty where models of this form differ.
        lists: whether boxes, scores and classes are an output each; else they are one.
        oriented: whether boxes have an angle.
        maps: whether the output is maps, which grow with the image.
        suppressed: whether the model itself removes boxes that overlap, and returns a limited number.
        meaning: what it is, for the documentation.
        brief: the same in a few words, for a line of a dialog; empty where the form's word tells.
    """

    order: str = ""
    scale: str = ""
    lists: bool = False
    oriented: bool = False
    maps: bool = False
    suppressed: bool = False
    meaning: str = ""
    brief: str = ""


_YOLO, _SUPPRESSED = Phrase("YOLOv8 to YOLO26"), Phrase("objects that overlap are removed in the model")

FORMS = {
    "tensorflow": HeadForm(
        "yxyx",
        "relative",
        lists=True,
        suppressed=True,
        meaning="TensorFlow's Object Detection API (detection_boxes, ...)",
        brief=Phrase("TensorFlow's Object Detection API"),
    ),
    "keras": HeadForm(
        lists=True,
        suppressed=True,
        meaning="KerasHub and KerasCV (boxes, confidence, labels)",
        brief=Phrase("KerasHub, KerasCV"),
    ),
    "torchvision": HeadForm(
        "xyxy", "pixels", lists=True, suppressed=True, meaning="torchvision (boxes, labels, scores)"
    ),
    "yolov5": HeadForm("cxcywh", "pixels", meaning="YOLOv5: rows of a box, an objectness and class scores"),
    "yolov8": HeadForm("cxcywh", "pixels", meaning="YOLOv8 to YOLO26: columns of a box and class scores", brief=_YOLO),
    "yolov8_obb": HeadForm(
        "cxcywh", "pixels", oriented=True, meaning="the same with oriented boxes, the angle last", brief=_YOLO
    ),
    "suppressed": HeadForm(
        "xyxy",
        "pixels",
        suppressed=True,
        meaning="rows of a box, score and class, after suppression in the model",
        brief=_SUPPRESSED,
    ),
    "suppressed_obb": HeadForm(
        "cxcywh",
        "pixels",
        oriented=True,
        suppressed=True,
        meaning="the same with oriented boxes, the angle last",
        brief=_SUPPRESSED,
    ),
    "yolov7": HeadForm(
        "xyxy", "pixels", suppressed=True, meaning="rows of image number, box, class and score, after suppression"
    ),
    "centernet": HeadForm(
        "cxcywh",
        "pixels",
        maps=True,
        meaning="heat maps, sizes and offsets of the template detector (detection_maps)",
        brief=Phrase("the template detector"),
    ),
    "rtdetr": HeadForm(
        "cxcywh", "relative", suppressed=True, meaning="RT-DETR: rows of a box and class scores, one for each query"
    ),
}
"""All forms, by the word of the parameter `head`."""
