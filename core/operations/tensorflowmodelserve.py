"""TensorflowModelServe: one or several rasters through a TensorFlow model, into a georeferenced raster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError
from ..parameters import vocabulary as voc
from ..parameters.operation import Operation

MODES = ("auto", "on", "off")
PADDINGS = ("auto", "none", "reflect", "edge", "constant")
MOST_SOURCES = 8


@dataclass(frozen=True)
class Source:
    """One source: rasters on one grid, stacked, that feed one input of the model."""

    il: tuple[Any, ...] = voc.rasters(
        "il",
        "Images",
        "Rasters on one grid; their bands are stacked in this order and fed to one input of the model. "
        "Files, or http(s) addresses.",
        required=True,
    )
    rfieldx: int | None = voc.integer(
        "rfieldx",
        "Receptive field, x",
        "Width in pixels of what the model needs to see for one patch of outputs. Not given: found from the model.",
        minimum=1,
        advanced=True,
    )
    rfieldy: int | None = voc.integer(
        "rfieldy",
        "Receptive field, y",
        "Height in pixels of what the model needs to see for one patch of outputs. Not given: found from the model.",
        minimum=1,
        advanced=True,
    )
    placeholder: str = voc.text(
        "placeholder",
        "Model input",
        "Name of the model's input that this source feeds. Empty: the inputs in alphabetical order.",
        advanced=True,
    )
    nodata: float | None = voc.number(
        "nodata",
        "No-data value",
        "A pixel is no-data where all bands have this value (nan is possible). Not given: the layer's own, "
        "where NODATA_FROM_LAYER is on.",
    )


@dataclass(frozen=True)
class ServedModel:
    """The parameters of all operations that apply a model to rasters: what, to what, and how."""

    sources: tuple[Source, ...] = voc.numbered(Source, MOST_SOURCES)
    model_dir: str = voc.file(
        "model.dir",
        "Model",
        "A SavedModel (its folder, or the saved_model.pb inside) or a .keras file.",
        file_filter="TensorFlow models (saved_model.pb *.keras);;All files (*)",
    )
    model_userplaceholders: str = voc.text(
        "model.userplaceholders",
        "User placeholders",
        "Values for further inputs of the model: name=value, several separated by spaces. A value is a number, "
        "true or false, or a list such as (1, 2.5).",
    )
    model_fullyconv: str = voc.choice(
        "model.fullyconv",
        "Fully convolutional",
        "on: the model is applied to whole regions. off: to one patch per output pixel. auto: as the model's sidecar says, "
        "else as the model allows.",
        MODES,
    )
    model_tagsets: str = voc.text(
        "model.tagsets",
        "Tag sets",
        "Tags of the SavedModel's graph, separated by spaces or commas. Empty: serve.",
        advanced=True,
    )
    output_spcscale: float | None = voc.number(
        "output.spcscale",
        "Spacing scale",
        "Pixel size of the output divided by that of the first source: 4 makes pixels four times as wide, 0.5 half. "
        "Not given: as the model's sidecar says, else found from the model.",
        advanced=True,
        minimum=1e-6,
    )
    output_names: str = voc.text(
        "output.names",
        "Model outputs",
        "Names of the model's outputs to write, separated by spaces; their bands are stacked. "
        "Empty: the one that the model's sidecar names, else the first in alphabetical order.",
    )
    output_efieldx: int | None = voc.integer(
        "output.efieldx",
        "Expression field, x",
        "Width in output pixels of what the model returns for one receptive field. Not given: found from the model.",
        minimum=1,
        advanced=True,
    )
    output_efieldy: int | None = voc.integer(
        "output.efieldy",
        "Expression field, y",
        "Height in output pixels of what the model returns for one receptive field. Not given: found from the model.",
        minimum=1,
        advanced=True,
    )
    optim_disabletiling: bool = voc.boolean(
        "optim.disabletiling",
        "No tiles",
        "Compute the whole output at once, whatever memory that takes.",
        advanced=True,
    )
    optim_tilesizex: int | None = voc.integer(
        "optim.tilesizex",
        "Tile width",
        "Width of a tile in output pixels. Not given: planned from the memory.",
        minimum=1,
        advanced=True,
    )
    optim_tilesizey: int | None = voc.integer(
        "optim.tilesizey",
        "Tile height",
        "Height of a tile in output pixels. Not given: planned from the memory.",
        minimum=1,
        advanced=True,
    )
    padding: str = voc.choice(
        "padding",
        "Padding",
        "What stands beyond the image, so that the output covers all of it: reflect mirrors the image at its edge, edge "
        "repeats the last pixel, constant is 0. none: the output is smaller by what the model crops. auto: as the model's "
        "sidecar says, else none.",
        PADDINGS,
        advanced=True,
    )
    memory: int | None = voc.integer(
        "memory",
        "Memory (MB)",
        "Budget for images and computation, in MB, beside what TensorFlow itself needs. Not given: a quarter of the "
        "machine's, at most 4096.",
        minimum=64,
        advanced=True,
    )
    ram: int | None = voc.integer("ram", "RAM (MB)", "OTB's name for MEMORY.", minimum=64, advanced=True)
    device: str = voc.text(
        "device",
        "Device",
        "auto, cpu, or gpu:N for the N-th graphics processor (gpu:0 is the first).",
        default="auto",
        advanced=True,
    )
    trust_model: bool = voc.boolean(
        "trust_model",
        "Trust the model",
        "A model is a program. On: load it although it holds operations that could touch files, the network or code.",
        advanced=True,
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

    def __post_init__(self) -> None:
        if not self.sources:
            raise ParameterError("SOURCE1_IL (the images of the first source) is missing: give at least one raster.")
        if self.memory and self.ram and self.memory != self.ram:
            raise ParameterError(
                f"MEMORY is {self.memory} and RAM is {self.ram}: they mean the same, give one of them."
            )


@dataclass(frozen=True)
class TensorflowModelServe(Operation, ServedModel):
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

    output_bv: float | None = voc.number(
        "output.bv",
        "Background value",
        "Value of output pixels whose input is no-data, and of values that an integer output cannot hold. Not given: as "
        "the model's sidecar says, else 0.",
        advanced=True,
    )
    extent: str = voc.extent(
        "extent",
        "Extent",
        "Part of the output to compute, snapped outwards to output pixels. Not given: all of it.",
        advanced=True,
    )
    out: str = voc.raster_out("out", "Output", "The raster to write, in any format that GDAL can create.")
    out_pixeltype: str = voc.pixel_type("out.pixeltype", "Output")
    out_box: str = voc.text(
        "out.box",
        "Output: box",
        "Part of the output to compute, startx:starty:sizex:sizey in output pixels (OTB's extended filename).",
        advanced=True,
    )
    out_nodata: float | None = voc.number(
        "out.nodata",
        "Output: no-data value",
        "The value that the output declares as no-data. Not given: the background value, where a source has no-data "
        "values.",
        advanced=True,
    )
    out_co: str = voc.text(
        "out.co",
        "Output: creation options",
        "GDAL's creation options, as TILED=YES|COMPRESS=DEFLATE.",
        advanced=True,
    )
    out_format: str = voc.text(
        "out.format",
        "Output: format",
        "Short name of a GDAL driver, such as COG. Empty: by the output's extension.",
        advanced=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.out_box and self.extent:
            raise ParameterError("OUT_BOX and EXTENT are both given: choose one of them.")
