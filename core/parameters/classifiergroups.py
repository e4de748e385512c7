"""Groups of keys of the classifiers: the maps that are written, and how samples are chosen."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ParameterError
from . import vocabulary as voc
from .vectorsource import LayerSource


@dataclass(frozen=True)
class MapOutputs:
    """The parameters that name the maps."""

    nodatalabel: int = voc.integer(
        "nodatalabel",
        "No-data label",
        "Value of the map where the input is no-data or masked, or holds NaN. Choose one that is no class.",
        default=0,
    )
    extent: str = voc.extent(
        "extent",
        "Extent",
        "Part of the map to compute, snapped outwards to its pixels. Not given: all of it.",
        advanced=True,
    )
    out: str = voc.raster_out("out", "Map", "The class of each pixel, in any format that GDAL can create.")
    out_pixeltype: str = voc.pixel_type("out.pixeltype", "Map")
    out_box: str = voc.text(
        "out.box",
        "Map: box",
        "Part of the map to compute, startx:starty:sizex:sizey in its pixels (OTB's extended filename).",
        advanced=True,
    )
    out_co: str = voc.text(
        "out.co",
        "Map: creation options",
        "GDAL's creation options, as TILED=YES|COMPRESS=DEFLATE; for the confidence map too.",
        advanced=True,
    )
    out_format: str = voc.text(
        "out.format",
        "Map: format",
        "Short name of a GDAL driver, such as COG, for both maps. Empty: by the extension of each.",
        advanced=True,
    )
    confmap: str | None = voc.raster_out(
        "confmap",
        "Confidence map",
        "The probability of the class of each pixel, from 0 to 1. An SVM (libsvm) has one only if it was trained with "
        "CLASSIFIER_LIBSVM_PROB.",
        required=False,
    )
    confmap_pixeltype: str = voc.pixel_type("confmap.pixeltype", "Confidence map")

    def __post_init__(self) -> None:
        if self.out_box and self.extent:
            raise ParameterError("OUT_BOX and EXTENT are both given: choose one of them.")


@dataclass(frozen=True)
class SampleChoice:
    """The parameters that say where samples come from, and how many are taken."""

    vd: tuple[LayerSource, ...] = voc.vectors(
        "vd",
        "Training layers",
        "Polygons, lines or points that have a class, in any coordinate systems: samples are the output pixels whose centre "
        "lies in a polygon, that a line touches, or in which a point lies. They are chosen among those of all layers "
        "together.",
    )
    valid: tuple[LayerSource, ...] = voc.vectors(
        "valid",
        "Validation layers",
        "Features with a class on which the classifier is tested. Not given: a part of the training samples is held back "
        "(SAMPLE_VTR), which lies among them and so flatters the scores.",
        required=False,
    )
    sample_vfn: str = voc.attribute(
        "sample.vfn",
        "Class field",
        "Field that holds the class: whole numbers, as texts too, or names, which are numbered from 0 in alphabetical "
        "order.",
        of="vd",
    )
    sample_mt: int = voc.integer(
        "sample.mt",
        "Training samples per class",
        "The most samples of a class for training; -1: no limit.",
        default=1000,
        minimum=-1,
        advanced=True,
    )
    sample_mv: int = voc.integer(
        "sample.mv",
        "Validation samples per class",
        "The most samples of a class for validation; -1: no limit.",
        default=1000,
        minimum=-1,
        advanced=True,
    )
    sample_bm: int = voc.integer(
        "sample.bm",
        "As many as the smallest class",
        "1: each class gets as many samples as the one with the fewest pixels can give. 0: as many as it has itself.",
        default=1,
        minimum=0,
        maximum=1,
        advanced=True,
    )
    sample_vtr: float = voc.number(
        "sample.vtr",
        "Share for validation",
        "Share of the samples that is held back, from 0 to 1, where there is no validation layer.",
        default=0.5,
        minimum=0,
        maximum=1,
        advanced=True,
    )
    legend: str = voc.text(
        "legend",
        "Names and colours of the classes",
        "As the output LEGEND of other algorithms tells them, in JSON. Empty: those of the training layer's categories, or "
        "those kept beside it.",
        advanced=True,
    )
