"""SampleExtraction: values of an image under points, as attributes of the points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import NumberResult, Operation, TextResult
from ..parameters.vectorsource import LayerSource

NAMINGS = ("prefix", "list")


@dataclass(frozen=True)
class SampleExtraction(Operation):
    """See OTB's application of the same name."""

    TITLE = "Extract pixel values under points"
    GROUP = "sampling"
    DESCRIPTION = (
        "Copies the points, with the values of the image's bands under them in the fields value_0, value_1 and so "
        "on. The parameters are those of OTB's SampleExtraction; the points are reprojected to the image."
    )
    RESULTS = (
        NumberResult("samples", "Number of points"),
        NumberResult("outside", "Number of points outside the image"),
        TextResult("field", "Class field of the output"),
        TextResult("legend", "Classes, their names and colours, as JSON"),
    )
    RUN = "samples.pointvalues:extract_values"

    image: Any = voc.raster("in", "Image", "The image to read values from.")
    vec: LayerSource = voc.vector(
        "vec",
        "Samples",
        "Points, such as those of SampleSelection; they are reprojected to the image.",
        geometry="point",
    )
    field: str | None = voc.attribute(
        "field", "Class field", "Field with the class, used to style the output.", of="vec", required=False
    )
    outfield: str = voc.choice(
        "outfield",
        "Names of the new fields",
        "prefix: a prefix and the number of the band, from 0. list: a list of names.",
        NAMINGS,
        advanced=True,
        section=sections.OUTPUT,
    )
    outfield_prefix_name: str = voc.text(
        "outfield.prefix.name",
        "Prefix",
        "For prefix: beginning of the names.",
        default="value_",
        advanced=True,
        section=sections.OUTPUT,
    )
    outfield_list_names: str = voc.text(
        "outfield.list.names",
        "Field names",
        "For list: a name for each band, separated by spaces.",
        advanced=True,
        section=sections.OUTPUT,
    )
    layer: int | None = shared.layer_index("VEC")
    alpha: str = shared.alpha()
    ram: int = shared.ram()
    out: str = voc.vector_out(
        "out",
        "Samples with values",
        "The points in the image, in its coordinate system, with their attributes and the values.",
        geometry="point",
    )
