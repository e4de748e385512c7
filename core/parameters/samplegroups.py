"""Groups of keys of the operations that look at a training layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import vocabulary as voc
from .vectorsource import LayerSource


@dataclass(frozen=True)
class TrainingLayer:
    """The parameters that name an image and a layer of classes on it."""

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
    layer: int | None = voc.integer(
        "layer",
        "Layer index",
        "Number of the layer, from 0, in a file of several of which VEC names none.",
        minimum=0,
        advanced=True,
    )
    nodata: float | None = voc.number(
        "nodata",
        "No-data value",
        "Pixels of which all bands have this value (nan is possible) do not count. Not given: the image's own, where "
        "NODATA_FROM_LAYER is on.",
        advanced=True,
    )
    nodata_from_layer: bool = voc.boolean(
        "nodata_from_layer",
        "No-data value from the image",
        "Where the no-data value is not given, use the image's own. Off: every pixel counts, masked ones too, as in OTB.",
        default=True,
        advanced=True,
    )
    alpha: str = voc.alpha()
    ram: int = voc.integer(
        "ram",
        "RAM (MB)",
        "Memory for the pixels that are looked at together, in MB.",
        default=256,
        minimum=16,
        advanced=True,
    )


@dataclass(frozen=True)
class StatisticsOutputs:
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
