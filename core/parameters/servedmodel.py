"""The keys of all operations that apply a model to rasters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import sections
from . import sharedkeys as shared
from . import vocabulary as voc
from .nodatarules import PatchRule, nodata_pixels, nodata_rule
from .operation import Group
from .sharedgroups import Memory, check_sources

MODES = ("auto", "on", "off")
SCALINGS = ("auto", "on", "off")
PIXEL_SIZES = ("check", "resample", "ignore")
PADDINGS = ("auto", "none", "reflect", "edge", "constant")


def context(name: str, of: str) -> Any:
    """The size of the windows in which a model is computed; `of` is what the help calls the model."""
    return shared.context_size(
        name,
        of,
        "Windows overlap by half and are blended. 0: no windows. Default: the value in the sidecar, otherwise no windows.",
    )


def images_scaling() -> Any:
    """Whether images are scaled as in the model's training."""
    return voc.choice(
        "images.scaling",
        "Scaling",
        "Scaling of pixel values as in the model's training, where its metadata or sidecar tells it, such as division by "
        "255. auto: only for images of bytes. on: for all images. off: none.",
        SCALINGS,
        advanced=True,
        in_otbtf="off",
        section=sections.IMAGES,
    )


def images_pixelsize(then: str) -> Any:
    """What happens to images of another pixel size than the model's; `then` is what resampling means for the output."""
    return voc.choice(
        "images.pixelsize",
        "Pixel size",
        "For images with another pixel size than the model's metadata or sidecar asks for. check: warn, and refuse images "
        f"in degrees. resample: resample the images first; {then}. ignore: use the images as they are.",
        PIXEL_SIZES,
        advanced=True,
        in_otbtf="ignore",
        section=sections.IMAGES,
    )


@dataclass(frozen=True)
class Source:
    """One source: rasters on one grid, stacked, that feed one input of the model."""

    il: tuple[Any, ...] = voc.rasters(
        "il",
        "Images",
        "Rasters on one grid; their bands are stacked in this order and feed one input of the model. Files, or "
        "http(s) addresses.",
        required=True,
    )
    rfieldx: int | None = voc.integer(
        "rfieldx",
        "Receptive field: width",
        "Width of the receptive field, in pixels. Default: determined from the model.",
        minimum=1,
        advanced=True,
        in_otbtf="1",
        section=sections.GEOMETRY,
    )
    rfieldy: int | None = voc.integer(
        "rfieldy",
        "Receptive field: height",
        "Height of the receptive field, in pixels. Default: determined from the model.",
        minimum=1,
        advanced=True,
        in_otbtf="1",
        section=sections.GEOMETRY,
    )
    placeholder: str = voc.text(
        "placeholder",
        "Model input",
        "Name of the model's input that this source feeds. Default: the inputs in alphabetical order.",
        advanced=True,
        section=sections.IMAGES,
    )
    nodata: float | None = shared.nodata(
        "Value of missing data (nan is possible); pixels in which all bands have it are no-data, unless NODATA_RULE says "
        "otherwise.",
        advanced=True,
    )


@dataclass(frozen=True)
class _Application(Group):
    sources: tuple[Source, ...] = voc.numbered(Source, shared.LISTED_SOURCES)
    model_dir: str = shared.model_file()
    model_userplaceholders: str = shared.user_placeholders("model.userplaceholders")
    model_fullyconv: str = voc.choice(
        "model.fullyconv",
        "Fully convolutional",
        "on: apply the model to whole regions. off: apply it to one patch per output pixel. auto: the value in the "
        "model's sidecar, otherwise what the model allows.",
        MODES,
        in_otbtf="off",
        section=sections.GEOMETRY,
        advanced=True,
    )
    model_context: int | None = context("model.context", "model")
    model_tagsets: str = shared.tag_sets()
    images_scaling: str = images_scaling()
    images_pixelsize: str = images_pixelsize("the output then has the model's pixel size")
    output_spcscale: float | None = voc.number(
        "output.spcscale",
        "Spacing scale",
        "Pixel size of the output divided by that of the first source: 4 makes pixels four times as wide, 0.5 half "
        "as wide. Default: the value in the model's sidecar, otherwise determined from the model.",
        advanced=True,
        minimum=1e-6,
        in_otbtf="1",
        section=sections.GEOMETRY,
    )
    output_names: str = voc.text(
        "output.names",
        "Model outputs",
        "Names of the model's outputs to write, separated by spaces; their bands are stacked. Default: the output "
        "that the model's sidecar names, otherwise the first in alphabetical order.",
        section=sections.MODEL,
    )
    output_efieldx: int | None = voc.integer(
        "output.efieldx",
        "Expression field: width",
        "Width of the expression field, in output pixels. Default: determined from the model.",
        minimum=1,
        advanced=True,
        in_otbtf="1",
        section=sections.GEOMETRY,
    )
    output_efieldy: int | None = voc.integer(
        "output.efieldy",
        "Expression field: height",
        "Height of the expression field, in output pixels. Default: determined from the model.",
        minimum=1,
        advanced=True,
        in_otbtf="1",
        section=sections.GEOMETRY,
    )
    optim_disabletiling: bool = voc.boolean(
        "optim.disabletiling",
        "No tiles",
        "On: compute the whole output without tiles, whatever memory it needs.",
        advanced=True,
        section=sections.SPEED,
    )
    optim_tilesizex: int | None = voc.integer(
        "optim.tilesizex",
        "Tile width",
        "Width of the tiles, in output pixels. Default: planned from the memory budget.",
        minimum=1,
        advanced=True,
        section=sections.SPEED,
    )
    optim_tilesizey: int | None = voc.integer(
        "optim.tilesizey",
        "Tile height",
        "Height of the tiles, in output pixels. Default: planned from the memory budget.",
        minimum=1,
        advanced=True,
        section=sections.SPEED,
    )
    padding: str = voc.choice(
        "padding",
        "Padding",
        "Extension of the image beyond its edge, so that the output covers all of it. reflect: mirror the image at "
        "its edge. edge: repeat the last pixel. constant: 0. none: no extension; the output is smaller by the pixels "
        "that the model crops. auto: the value in the model's sidecar, otherwise none.",
        PADDINGS,
        advanced=True,
        in_otbtf="none",
        section=sections.GEOMETRY,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sources(self.sources)


@dataclass(frozen=True)
class _Loading(Group):
    device: str = shared.device(" gpu:all: the tiles are shared out to all.")
    trust_model: bool = shared.trust_model()
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()


_IN_THE_SIDECAR = "the value in the model's sidecar, otherwise"


@dataclass(frozen=True)
class _NoData(PatchRule):
    nodata_rule: str = nodata_rule(f"{_IN_THE_SIDECAR} all")
    nodata_pixels: float | None = nodata_pixels(
        "Largest share of no-data pixels among the source pixels below an output pixel; with a larger share it is no-data",
        f"{_IN_THE_SIDECAR} 1 (only output pixels without any data are no-data)",
    )


@dataclass(frozen=True)
class ServedModel(_Loading, Memory, _NoData, _Application):
    """The parameters shared by all operations that apply a model to rasters."""
