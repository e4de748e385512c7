"""TensorflowModelServe: a georeferenced raster from one or several rasters, by a TensorFlow model."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import sections
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.averaging import Averaging
from ..parameters.certaintyoutputs import CertaintyOutputs
from ..parameters.maskgroup import Masked
from ..parameters.operation import Group, NumberResult, Operation
from ..parameters.servedmodel import ServedModel
from ..parameters.sharedgroups import PARTS_RESULTS, PartialOutput, Parts, RasterFormat


@dataclass(frozen=True)
class _Background(Group):
    output_bv: float | None = voc.number(
        "output.bv",
        "Background value",
        "Value of output pixels whose input is no-data, and of values outside the range of an integer output. "
        "Default: the value in the model's sidecar, otherwise 0.",
        advanced=True,
        in_otbtf="0",
        section=sections.NODATA,
    )


@dataclass(frozen=True)
class _NoData(Group):
    out_nodata: float | None = voc.number(
        "out.nodata",
        "Output: no-data value",
        "The value that the output declares as no-data. Default: the background value, if a source has no-data values.",
        advanced=True,
        section=sections.OUTPUT,
    )


@dataclass(frozen=True)
class TensorflowModelServe(
    Operation,
    Averaging,
    CertaintyOutputs,
    RasterFormat,
    _NoData,
    Parts,
    PartialOutput,
    _Background,
    Masked,
    ServedModel,
):
    """See OTBTF's application of the same name."""

    TITLE = "Serve a model (apply it to images)"
    GROUP = "inference"
    DESCRIPTION = (
        "Applies a TensorFlow, Keras or ONNX model to one or several rasters of any size and writes a georeferenced "
        "raster. The images are streamed through the model within the memory budget.\n\n"
        "The model is patch-based (one patch of pixels gives one output pixel) or fully convolutional (it accepts "
        "whole regions). Each source is a list of rasters on one grid, stacked; several sources may have different "
        "pixel sizes. The parameters are those of OTBTF's TensorflowModelServe.\n\n"
        "Of class probabilities, further outputs tell how sure the model is of each pixel; the model runs once for all. "
        "Several models, and flips of the image, can be averaged."
    )
    RUN = "serving.serve:serve"
    NEEDS_ENGINE = True
    OPENS_FIRST = True
    RESULTS = (*PARTS_RESULTS, NumberResult("pixels_nodata", "Number of no-data pixels in the output"))

    out_co: str = shared.creation_options("out.co", "Output", "They apply to all outputs.")
    out_format: str = shared.driver("out.format", "Output", "It applies to all outputs.")
    out_pixeltype: str = shared.pixel_type("out.pixeltype", "Output", in_otbtf="float")
