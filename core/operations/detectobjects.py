"""DetectObjects: the objects in an image, by a detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.detectorheads import FORMS, ORDERS, SCALES
from ..parameters.maskgroup import Masked
from ..parameters.operation import Group, NumberResult, Operation, TextResult
from ..parameters.servedmodel import images_pixelsize, images_scaling
from ..parameters.sharedgroups import PARTS_RESULTS, LayerParts, Memory
from ..parameters.vectorsource import LayerSource

GEOMETRIES = ("boxes", "points", "outlines")

_FORMS = ". ".join(f"{name}: {form.meaning}" for name, form in FORMS.items())


@dataclass(frozen=True)
class _Detector(Group):
    """The image, and the model with what its outputs are."""

    il: tuple[Any, ...] = voc.rasters(
        "il",
        "Images",
        "Rasters on one grid; their bands are stacked in this order and feed the model. Files, or http(s) addresses.",
        required=True,
    )
    model_dir: str = shared.model_file()
    head: str = voc.choice(
        "head",
        "Detector's outputs",
        f"Form of the model's outputs. auto: recognised by names and shapes. {_FORMS}.",
        ("auto", *FORMS),
        section=sections.MODEL,
        advanced=True,
    )
    head_order: str = voc.choice(
        "head.order",
        "Order of boxes",
        "The four numbers of a box. yxyx and xyxy: two corners. xywh: left, top, width and height. cxcywh: centre, width "
        "and height. auto: that of HEAD; for keras, which has none, a choice is needed.",
        ("auto", *ORDERS),
        section=sections.MODEL,
        advanced=True,
    )
    head_scale: str = voc.choice(
        "head.scale",
        "Unit of boxes",
        "pixels: of the image that the model is given. relative: shares of its width and height. auto: that of HEAD; for "
        "keras, which has none, a choice is needed.",
        ("auto", *SCALES),
        section=sections.MODEL,
        advanced=True,
    )
    output_names: str = voc.text(
        "output.names",
        "Model outputs",
        "Names of the model's outputs, separated by spaces: of boxes, scores and classes, in this order, or of the only "
        "one, as HEAD needs them. Default: recognised by names and shapes.",
        section=sections.MODEL,
        advanced=True,
    )
    model_userplaceholders: str = shared.user_placeholders("model.userplaceholders")
    model_tagsets: str = shared.tag_sets()
    images_scaling: str = images_scaling()
    images_pixelsize: str = images_pixelsize("the boxes stay in the image's coordinate system")
    trust_model: bool = shared.trust_model()
    nodata: float | None = shared.nodata(
        "Value of missing data (nan is possible); pixels in which all bands have it are no-data. Objects with their centre "
        "in such a pixel are left out.",
        advanced=True,
    )
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()
    device: str = shared.device()


@dataclass(frozen=True)
class _Choice(Group):
    """Which objects are kept."""

    score: float = voc.number(
        "score",
        "Smallest score",
        "Objects with a lower score are left out.",
        default=0.5,
        minimum=0.0,
        maximum=1.0,
        section=sections.SETTINGS,
    )
    iou: float = voc.number(
        "iou",
        "Largest overlap of objects",
        "Of two objects of one class that overlap by more than this share (area of intersection divided by that of union), "
        "the one with the higher score is kept.",
        default=0.5,
        minimum=0.0,
        maximum=1.0,
        section=sections.SETTINGS,
    )
    classes: str = voc.text(
        "classes",
        "Classes",
        "Numbers or names of the classes to keep, separated by commas. Default: all.",
        section=sections.SETTINGS,
    )
    tilesize: int | None = voc.integer(
        "tilesize",
        "Tile size",
        "Width and height, in pixels, of the tiles that a model of free size is given; the results depend on it. Default: "
        "the size in the model's metadata, otherwise 640.",
        minimum=32,
        section=sections.GEOMETRY,
        advanced=True,
    )
    overlap: int | None = voc.integer(
        "overlap",
        "Overlap of tiles",
        "Pixels that neighbouring tiles share. Objects smaller than that are seen whole by one of them. Default: the size "
        "of the largest objects that a trial finds, at least 64.",
        minimum=0,
        section=sections.GEOMETRY,
        advanced=True,
    )
    extent: str = voc.extent(
        "extent",
        "Extent",
        "Part of the image in which objects are detected, as a map extent; their centre lies in it. Default: all of it.",
        advanced=True,
        section=sections.OUTPUT,
    )


@dataclass(frozen=True)
class _Mask(Masked):
    """Where objects are looked for."""

    mask: Any = voc.raster(
        "mask",
        "Mask: raster",
        "Raster of one band; objects are kept whose centre lies where it is neither 0 nor no-data. If it has another grid, "
        "the nearest pixel is used. Tiles outside of it are neither read nor computed.",
        required=False,
        advanced=True,
    )
    mask_vector: LayerSource | None = voc.vector(
        "mask.vector",
        "Mask: polygons",
        "Polygons in any coordinate system, instead of a raster; objects are kept whose centre lies in a pixel with its "
        "centre inside.",
        required=False,
        advanced=True,
        geometry="polygon",
        section=sections.IMAGES,
    )


@dataclass(frozen=True)
class DetectObjects(Operation, LayerParts, _Mask, Memory, _Choice, _Detector):
    """An image through a detector, tile by tile, into a layer in which each object is once."""

    TITLE = "Detect objects"
    GROUP = "inference"
    DESCRIPTION = (
        "Finds the objects in an image of any size with a detector, and writes a layer of their boxes, centres or "
        "outlines, with class, name, score and size.\n\n"
        "Detectors are those of TensorFlow's Object Detection API, KerasHub, KerasCV and torchvision, and ONNX exports of "
        "YOLO. The image is given to the model in tiles that overlap. An object that the edge of a tile cuts is taken "
        "from the neighbour that sees it whole, and each object is kept once."
    )
    RESULTS = (
        *PARTS_RESULTS,
        NumberResult("objects", "Number of objects"),
        NumberResult("classes", "Number of classes"),
        NumberResult("overlap", "Overlap of tiles in pixels"),
        TextResult("legend", "Classes, their names and colours, as JSON"),
    )
    RUN = "objects.detection:detect_objects"
    NEEDS_ENGINE = True
    OPENS_FIRST = True

    geometry: str = voc.choice(
        "geometry",
        "Geometry of objects",
        "boxes: of the detector. points: the centres of the boxes. outlines: of the objects' masks, only with a model that "
        "returns masks; area and pixels are then those of the outlines.",
        GEOMETRIES,
        section=sections.SETTINGS,
    )
    out: str = voc.vector_out("out", "Objects", "The objects, in the image's coordinate system.")
    out_report: str | None = shared.report("HTML page with the number of objects and the scores of each class.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.head == "auto" and self.output_names.strip():
            raise ParameterError(
                "{output_names} is {names}, but {head} is auto: set {head} to what these outputs are.",
                output_names=field("output_names"),
                names=self.output_names.strip(),
                head=field("head"),
            )
