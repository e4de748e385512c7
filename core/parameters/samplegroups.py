"""Groups of keys of the operations that use a training layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import sharedkeys as shared
from . import vocabulary as voc
from .nodatarules import PixelRule
from .operation import Group
from .sharedgroups import PixelMemory
from .vectorsource import LayerSource


@dataclass(frozen=True)
class _Layer(Group):
    image: Any = voc.raster("in", "Image", "The image to sample; the layer is reprojected to its grid.")
    vec: LayerSource = voc.vector(
        "vec",
        "Training layer",
        "Polygons, lines or points with a class. A polygon selects the pixels whose centre is inside it, a line the "
        "pixels that it touches, a point the pixel that contains it.",
    )
    field: str = voc.attribute(
        "field",
        "Class field",
        "Field with the class, a number or a text. Features without a class are counted and ignored.",
        of="vec",
    )
    layer: int | None = shared.layer_index("VEC")
    nodata: float | None = shared.nodata(
        "Ignore pixels in which all bands have this value (nan is possible), unless NODATA_RULE says otherwise.",
        advanced=True,
    )
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()


@dataclass(frozen=True)
class TrainingLayer(PixelMemory, PixelRule, _Layer):
    """The parameters for an image, a layer of classes on it, and the use of both."""


@dataclass(frozen=True)
class StatisticsOutputs(Group):
    """The parameters that name where statistics go."""

    out: str = voc.file_out(
        "out",
        "Statistics",
        "XML file with the number of pixels per class and per feature, in the form that OTB's SampleSelection reads.",
        required=True,
        file_filter="XML files (*.xml)",
    )
    outtable: str | None = voc.vector_out(
        "outtable",
        "Statistics as a table",
        "The same numbers as a table (.gpkg, .csv, ...), with a row for each class and each feature.",
        required=False,
    )
