"""ObjectLabels: extent, boundary and distance of polygons as a raster, to train a network on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.imagegroups import FloatOutput
from ..parameters.operation import Group, NumberResult, Operation
from ..parameters.vectorsource import LayerSource


@dataclass(frozen=True)
class _Polygons(Group):
    image: Any = voc.raster("in", "Image", "The image whose grid the labels are on; the layer is reprojected to it.")
    vec: LayerSource = voc.vector(
        "vec",
        "Polygons",
        "One polygon for each field or building. A pixel belongs to the last one in which its centre is.",
    )
    layer: int | None = shared.layer_index("VEC")
    thickness: float = voc.number(
        "thickness",
        "Thickness of boundaries (pixels)",
        "Pixels of a polygon whose distance from the next pixel outside it is up to this are its boundary.",
        default=1.0,
        minimum=1,
        section=sections.SETTINGS,
    )


@dataclass(frozen=True)
class ObjectLabels(Operation, FloatOutput, _Polygons):
    """The training labels of the template field_boundaries, from polygons."""

    TITLE = "Make training labels of fields or buildings"
    GROUP = "patches"
    DESCRIPTION = (
        "Writes a raster of three bands from polygons, as the target that the template field_boundaries is trained on "
        "(otbtf:patchesextraction cuts it with the image): extent (1 in a polygon), boundary (1 along its border), and "
        "distance from the border, divided by the largest one in the polygon.\n\n"
        "Distances are Euclidean, from the centre of a pixel to that of the next one outside the polygon. Polygons that touch "
        "have boundaries on both sides. The edge of the image is no boundary. All fields in the image must be in the layer: "
        "the network learns that there are none elsewhere."
    )
    RESULTS = (NumberResult("objects", "Number of polygons"),)
    RUN = "imagetools.objectlabelling:write_object_labels"
    NEEDS_ENGINE = True  # SciPy is there; TensorFlow takes no part
