"""TensorflowModelServe: one or several rasters through a TensorFlow model, into a georeferenced raster."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import Group, Operation
from ..parameters.servedmodel import ServedModel
from ..parameters.sharedgroups import PartialOutput, RasterFormat


@dataclass(frozen=True)
class _Background(Group):
    output_bv: float | None = voc.number(
        "output.bv",
        "Background value",
        "Value of output pixels whose input is no-data, and of values that an integer output cannot hold. Not given: as "
        "the model's sidecar says, else 0.",
        advanced=True,
        in_otbtf="0",
    )


@dataclass(frozen=True)
class _NoData(Group):
    out_nodata: float | None = voc.number(
        "out.nodata",
        "Output: no-data value",
        "The value that the output declares as no-data. Not given: the background value, where a source has no-data "
        "values.",
        advanced=True,
    )


@dataclass(frozen=True)
class TensorflowModelServe(Operation, RasterFormat, _NoData, PartialOutput, _Background, ServedModel):
    """See OTBTF's application of the same name."""

    TITLE = "Serve a TensorFlow model"
    GROUP = "inference"
    DESCRIPTION = (
        "Applies a TensorFlow or Keras model to one or several rasters and writes a georeferenced raster, however "
        "large the images are: they are streamed through the model within the memory that you allow.\n\n"
        "The model is patch-based (one patch of pixels gives one output pixel) or fully convolutional (it takes "
        "whole regions). Each source is a list of rasters on one grid, stacked; several sources may have different "
        "pixel sizes. The parameters are those of OTBTF's TensorflowModelServe."
    )
    RUN = "serving.serve:serve"
    NEEDS_ENGINE = True
    OPENS_FIRST = True

    out_pixeltype: str = shared.pixel_type("out.pixeltype", "Output", in_otbtf="float")
