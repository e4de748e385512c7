"""PatchesExtraction: patches of one or several sources around points, for training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.detectionmaps import STRIDES
from ..parameters.nodatarules import PatchRule, nodata_pixels, nodata_rule
from ..parameters.operation import Group, NumberResult, Operation, TextResult
from ..parameters.sharedgroups import Memory, check_sources
from ..parameters.targetgroup import DetectionTarget
from ..parameters.vectorsource import LayerSource


@dataclass(frozen=True)
class Source:
    """One source: rasters on one grid, stacked, and the patches to cut out of them."""

    il: tuple[Any, ...] = voc.rasters(
        "il", "Images", "Rasters on one grid; their bands are stacked in this order.", required=True
    )
    patchsizex: int = voc.integer(
        "patchsizex",
        "Patch width",
        "In pixels of this source.",
        minimum=1,
        required=True,
        suggested=shared.SUGGESTED_SIZE,
        section=sections.SAMPLES,
    )
    patchsizey: int = voc.integer(
        "patchsizey",
        "Patch height",
        "In pixels of this source.",
        minimum=1,
        required=True,
        suggested=shared.SUGGESTED_SIZE,
        section=sections.SAMPLES,
    )
    nodata: float | None = shared.nodata(
        "Value of missing data (nan is possible). Patches with it in any band of any pixel are rejected, unless NODATA_RULE "
        "and NODATA_PIXELS accept some.",
        advanced=True,
    )
    out: str | None = voc.raster_out(
        "out",
        "Patches",
        "The patches image: the patches one below the other, as wide as a patch.",
        required=False,
        created=True,
        on_map=False,
    )
    out_pixeltype: str = shared.pixel_type("out.pixeltype", "Patches", in_otbtf="float")
    out_co: str = shared.creation_options(
        "out.co",
        "Patches",
        "Default: strips of whole patches without compression, which training reads fastest.",
        "COMPRESS=DEFLATE|PREDICTOR=2",
    )


@dataclass(frozen=True)
class _Inputs(Group):
    sources: tuple[Source, ...] = voc.numbered(Source, shared.LISTED_SOURCES)
    vec: LayerSource = voc.vector(
        "vec",
        "Points",
        "Points, in any coordinate system; a patch is cut around each.",
        geometry="point",
    )
    field: str = voc.attribute(
        "field",
        "Label field",
        "Field with the labels: numbers, also as text, or names, which are numbered from 0 in alphabetical order.",
        of="vec",
    )
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()


@dataclass(frozen=True)
class _NoData(PatchRule):
    nodata_rule: str = nodata_rule("any")
    nodata_pixels: float | None = nodata_pixels(
        "Largest share of no-data pixels in a patch; patches with a larger share are rejected", "0"
    )


@dataclass(frozen=True)
class _Outputs(Group):
    outlabels: str | None = voc.raster_out(
        "outlabels",
        "Labels",
        "The labels of the patches: an image one pixel wide, one row per patch.",
        required=False,
        created=True,
        on_map=False,
    )
    outlabels_pixeltype: str = shared.pixel_type("outlabels.pixeltype", "Labels")
    outlabels_co: str = shared.creation_options("outlabels.co", "Labels", example="COMPRESS=DEFLATE")
    out_mosaic: str | None = voc.raster_out(
        "out.mosaic",
        "Mosaic",
        "Picture of up to 100 patches of source 1 with their labels, as PatchesMosaic makes it, to check them.",
        required=False,
    )
    out_tfrecords: str | None = voc.folder_out(
        "out.tfrecords",
        "TFRecords",
        "Folder for the patches as TFRecords, in the form of OTBTF's Python API, with the features source1, source2, "
        "... and label.",
        required=False,
    )


@dataclass(frozen=True)
class PatchesExtraction(Operation, DetectionTarget, _Outputs, Memory, _NoData, _Inputs):
    """See OTBTF's application of the same name."""

    TITLE = "Extract patches around points"
    GROUP = "patches"
    DESCRIPTION = (
        "Cuts a patch around each point out of one or several sources, for training. The patches of a source are "
        "stacked in one patches image, as wide as a patch, with a JSON file beside it that describes it. The labels "
        "are an image one pixel wide. Both can also be written to TFRecords.\n\n"
        "The sources may have different pixel sizes. A point is rejected if its patch is not inside every source, or "
        "has no-data; the log gives the number of rejected points and the reasons. Patches with missing values can be kept "
        "for networks that fill them: NODATA_RULE and NODATA_PIXELS say how many are accepted.\n\n"
        "For a detector, OBJECTS is a layer of all objects of the image, and OUT_OBJECTS the target for each patch, made for the "
        "template detector of TensorflowModelTrain. The points may be those of PatchesSelection, on a grid."
    )
    RESULTS = (
        NumberResult("patches", "Number of patches"),
        NumberResult("rejected", "Number of rejected points"),
        TextResult("reasons", "Reasons for the rejections, as JSON"),
    )
    RUN = "patches.extraction:extract_patches"

    memory: int | None = shared.memory("patches", "512", "; further patches are kept in a file beside the output")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sources(self.sources)
        if not self.out_tfrecords and not all(source.out for source in self.sources):
            missing = [number for number, source in enumerate(self.sources, 1) if not source.out]
            raise ParameterError(
                "{out} is missing: choose a file for the patches of this source, or a folder in {out_tfrecords}.",
                out=field("out", of="sources", number=missing[0]),
                out_tfrecords=field("out_tfrecords"),
            )
        self._check_objects()
        if self.out_mosaic and not self.sources[0].out:
            raise ParameterError(
                "{mosaic} is {path}, but {out} is missing: choose a file for the patches that it shows.",
                mosaic=field("out_mosaic"),
                path=self.out_mosaic,
                out=field("out", of="sources", number=1),
            )

    def _check_objects(self) -> None:
        if bool(self.objects) != bool(self.out_objects):
            raise ParameterError(
                "{objects} and {out_objects} belong together: give both, or neither.",
                objects=field("objects"),
                out_objects=field("out_objects"),
            )
        if not self.objects:
            return
        if self.out_tfrecords:
            raise ParameterError(
                "{out_tfrecords} is {path}, but TFRecords are written without the detection maps of {objects}: leave one out.",
                out_tfrecords=field("out_tfrecords"),
                path=self.out_tfrecords,
                objects=field("objects"),
            )
        if self.objects_size is not None and not 0 < self.objects_size < math.inf:
            raise ParameterError(
                "{size} is {value:g}, but must be above 0.", size=field("objects_size"), value=self.objects_size
            )
        if self.objects_stride not in STRIDES:
            raise ParameterError(
                "{stride} is {value}, but must be one of: {strides}.",
                stride=field("objects_stride"),
                value=self.objects_stride,
                strides=", ".join(map(str, STRIDES)),
            )
        for axis in ("patchsizex", "patchsizey"):
            size = getattr(self.sources[0], axis)
            if size % self.objects_stride:
                raise ParameterError(
                    "{axis} is {size}, but must be a multiple of {stride} ({value}).",
                    axis=field(axis, of="sources", number=1),
                    size=size,
                    stride=field("objects_stride"),
                    value=self.objects_stride,
                )
