"""The keys of a detection target: objects, and the maps that are made of them."""

from __future__ import annotations

from dataclasses import dataclass

from . import sections
from . import vocabulary as voc
from .detectionmaps import STRIDES
from .operation import Group
from .vectorsource import LayerSource


@dataclass(frozen=True)
class DetectionTarget(Group):
    """Objects, to train a detector."""

    objects: LayerSource | None = voc.vector(
        "objects",
        "Objects",
        "To train a detector: all objects of the image, as polygons (their bounding boxes count) or as points with a size.",
        required=False,
        advanced=True,
    )
    objects_field: str | None = voc.attribute(
        "objects.field",
        "Class field of the objects",
        "Field with their classes: whole numbers, also as text, or names, which are numbered from 0 in alphabetical order. "
        "Default: one class, 1.",
        of="objects",
        required=False,
        advanced=True,
    )
    objects_sizefield: str | None = voc.attribute(
        "objects.sizefield",
        "Size field of the objects",
        "Of points: field with width and height of each object, in the units of the image's coordinate system.",
        of="objects",
        required=False,
        advanced=True,
    )
    objects_size: float | None = voc.number(
        "objects.size",
        "Size of the objects (image units)",
        "Of points without a size field: width and height of all objects, in the units of the image's coordinate system.",
        advanced=True,
        section=sections.LABELS,
    )
    objects_stride: int = voc.integer(
        "objects.stride",
        "Cell size (pixels)",
        "Width and height, in pixels of source 1, of the cells of the detector's maps: 1, 2, 4 or 8. A cell tells one object "
        "only, so it must be smaller than the distance of neighbouring objects.",
        default=4,
        minimum=min(STRIDES),
        maximum=max(STRIDES),
        advanced=True,
        section=sections.SAMPLES,
    )
    objects_empty: float = voc.number(
        "objects.empty",
        "Share of empty patches",
        "Share of the patches without the centre of an object that are kept, evenly in their order.",
        default=0.25,
        minimum=0.0,
        maximum=1.0,
        advanced=True,
        section=sections.SAMPLES,
    )
    out_objects: str | None = voc.raster_out(
        "out.objects",
        "Detection maps",
        "The target of a detector for each patch: heat maps of the classes, sizes and offsets of the objects, and a mask. "
        "It is the last source of the training.",
        required=False,
        advanced=True,
        on_map=False,
        section=sections.SAMPLES,  # beside what it is made of: the outputs of a form are far from its advanced keys
    )
