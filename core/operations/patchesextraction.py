"""PatchesExtraction: patches of one or several sources around points, for training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import Group, NumberResult, Operation, TextResult
from ..parameters.sharedgroups import Memory, check_sources
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
    nodata: float | None = shared.nodata(
        "A patch is left out where any band of any pixel has this value (nan is possible)."
    )
    out: str | None = voc.raster_out(
        "out",
        "Patches",
        "The patches one below the other: as wide as a patch, as high as all together.",
        required=False,
    )
    out_pixeltype: str = shared.pixel_type("out.pixeltype", "Patches", in_otbtf="float")
    out_co: str = shared.creation_options(
        "out.co",
        "Patches",
        "Empty: strips of whole patches without compression, which training reads fastest.",
        "COMPRESS=DEFLATE|PREDICTOR=2",
    )


@dataclass(frozen=True)
class _Inputs(Group):
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
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()


@dataclass(frozen=True)
class _Outputs(Group):
    outlabels: str | None = voc.raster_out(
        "outlabels",
        "Labels",
        "The labels of the patches: an image one pixel wide, one row per patch.",
        required=False,
    )
    outlabels_pixeltype: str = shared.pixel_type("outlabels.pixeltype", "Labels")
    outlabels_co: str = shared.creation_options("outlabels.co", "Labels", example="COMPRESS=DEFLATE")
    out_tfrecords: str | None = voc.folder_out(
        "out.tfrecords",
        "TFRecords",
        "A folder for the patches as TFRecords, in the form of OTBTF's Python API, with the features source1, "
        "source2, ... and label.",
        required=False,
    )


@dataclass(frozen=True)
class PatchesExtraction(Operation, _Outputs, Memory, _Inputs):
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

    memory: int | None = shared.memory("patches; more of them wait in a file beside the output", "512")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sources(self.sources)
        if not self.out_tfrecords and not all(source.out for source in self.sources):
            missing = [number for number, source in enumerate(self.sources, 1) if not source.out]
            raise ParameterError(
                f"SOURCE{missing[0]}_OUT (the patches of source {missing[0]}) is missing: name a file, or a folder in "
                "OUT_TFRECORDS."
            )
