"""Groups of keys of the operations that look at a training layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import sharedkeys as shared
from . import vocabulary as voc
from .operation import Group
from .sharedgroups import PixelMemory
from .vectorsource import LayerSource


@dataclass(frozen=True)
class _Layer(Group):
    image: Any = voc.raster(
        "in", "Image", "The image whose pixels are looked at; the layer is reprojected to its grid."
    )
    vec: LayerSource = voc.vector(
        "vec",
        "Training layer",
        "Features that have a class. A polygon has the pixels whose centre lies inside, a line those that it touches, a "
        "point the one around it.",
    )
    field: str = voc.attribute(
        "field",
        "Class field",
        "Field that holds the class, a number or a text. Features without a class are counted and left out.",
        of="vec",
    )
    layer: int | None = shared.layer_index("VEC")
    nodata: float | None = shared.nodata(
        "Pixels of which all bands have this value (nan is possible) do not count.", advanced=True
    )
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()


@dataclass(frozen=True)
class TrainingLayer(PixelMemory, _Layer):
    """The parameters that name an image and a layer of classes on it, and how it is looked at."""


@dataclass(frozen=True)
class StatisticsOutputs(Group):
    """The parameters that name where statistics go."""

    out: str = voc.file_out(
        "out",
        "Statistics",
        "XML file as OTB's SampleSelection reads it: pixels per class and per feature.",
        required=True,
        file_filter="XML files (*.xml)",
    )
    outtable: str | None = voc.vector_out(
        "outtable",
        "Statistics as a table",
        "The same numbers as a table with a row for each class and each feature (.gpkg, .csv, ...).",
        required=False,
    )
