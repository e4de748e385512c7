"""PatchesExtraction: patches of one or several sources around points, for training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError
from ..parameters import vocabulary as voc
from ..parameters.operation import NumberResult, Operation, TextResult
from ..parameters.vectorsource import LayerSource

MOST_SOURCES = 8


@dataclass(frozen=True)
class Source:
    """One source: rasters on one grid, stacked, and the patches to cut out of them."""

    il: tuple[Any, ...] = voc.rasters(
        "il", "Images", "Rasters on one grid; their bands are stacked in this order.", required=True
    )
    patchsizex: int = voc.integer("patchsizex", "Patch width", "In pixels of this source.", minimum=1, required=True)
    patchsizey: int = voc.integer("patchsizey", "Patch height", "In pixels of this source.", minimum=1, required=True)
    nodata: float | None = voc.number(
        "nodata",
        "No-data value",
        "A patch is left out where any band of any pixel has this value (nan is possible). Not given: the layer's own, "
        "where NODATA_FROM_LAYER is on.",
    )
    out: str | None = voc.raster_out(
        "out",
        "Patches",
        "The patches one below the other: as wide as a patch, as high as all together.",
        required=False,
    )
    out_pixeltype: str = voc.pixel_type("out.pixeltype", "Patches")
    out_co: str = voc.text(
        "out.co",
        "Patches: creation options",
        "GDAL's creation options, as COMPRESS=DEFLATE|PREDICTOR=2. Empty: strips of whole patches without compression, which "
        "training reads fastest.",
        advanced=True,
    )


@dataclass(frozen=True)
class PatchesExtraction(Operation):
    """See OTBTF's application of the same name."""

    TITLE = "Extract patches"
    GROUP = "sampling"
    DESCRIPTION = (
        "Cuts a patch around each point out of one or several sources, for training. The patches of a source are "
        "stacked in one image, as wide as a patch, with a JSON beside it that says what it holds; the labels become "
        "an image one pixel wide; both can go to TFRecords as well.\n\n"
        "Sources may have different pixel sizes. A point is left out where its patch does not lie inside every "
        "source or holds no-data; how many are left out and why is reported."
    )
    RESULTS = (
        NumberResult("patches", "Number of patches"),
        NumberResult("rejected", "Number of features left out"),
        TextResult("reasons", "Why they were left out, as JSON"),
    )
    RUN = "patches.extraction:extract_patches"

    sources: tuple[Source, ...] = voc.numbered(Source, MOST_SOURCES)
    vec: LayerSource = voc.vector(
        "vec",
        "Points",
        "A patch is cut around each; in any coordinate system.",
        geometry="point",
    )
    field: str = voc.attribute(
        "field",
        "Field",
        "The field of the labels: numbers, as texts too, or names, which are numbered from 0 in alphabetical order.",
        of="vec",
    )
    nodata_from_layer: bool = voc.boolean(
        "nodata_from_layer",
        "No-data values from the layers",
        "Where a source's no-data value is not given, use the layer's own. Off: its masks, and no-data values set in its "
        "properties, do not count either.",
        default=True,
        advanced=True,
    )
    alpha: str = voc.alpha()
    memory: int | None = voc.integer(
        "memory",
        "Memory (MB)",
        "Budget for patches; more of them wait in a file beside the output. Not given: 512.",
        minimum=64,
        advanced=True,
    )
    ram: int | None = voc.integer("ram", "RAM (MB)", "OTB's name for MEMORY.", minimum=64, advanced=True)
    outlabels: str | None = voc.raster_out(
        "outlabels",
        "Labels",
        "The labels of the patches: an image one pixel wide, one row per patch.",
        required=False,
    )
    outlabels_pixeltype: str = voc.pixel_type("outlabels.pixeltype", "Labels")
    outlabels_co: str = voc.text(
        "outlabels.co", "Labels: creation options", "GDAL's creation options, as COMPRESS=DEFLATE.", advanced=True
    )
    out_tfrecords: str | None = voc.folder_out(
        "out.tfrecords",
        "TFRecords",
        "A folder for the patches as TFRecords, in the form of OTBTF's Python API, with the features source1, "
        "source2, ... and label.",
        required=False,
    )

    def __post_init__(self) -> None:
        if not self.sources:
            raise ParameterError("SOURCE1_IL (the images of the first source) is missing: give at least one raster.")
        if not self.out_tfrecords and not all(source.out for source in self.sources):
            missing = [number for number, source in enumerate(self.sources, 1) if not source.out]
            raise ParameterError(
                f"SOURCE{missing[0]}_OUT (the patches of source {missing[0]}) is missing: name a file, or a folder in "
                "OUT_TFRECORDS."
            )
        if self.memory and self.ram and self.memory != self.ram:
            raise ParameterError(
                f"MEMORY is {self.memory} and RAM is {self.ram}: they mean the same, give one of them."
            )
