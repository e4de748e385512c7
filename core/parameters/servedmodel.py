"""The keys of all operations that apply a model to rasters: what is applied, to what, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import sharedkeys as shared
from . import vocabulary as voc
from .operation import Group
from .sharedgroups import Memory, check_sources

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
        in_otbtf="1",
    )
    rfieldy: int | None = voc.integer(
        "rfieldy",
        "Receptive field, y",
        "Height in pixels of what the model needs to see for one patch of outputs. Not given: found from the model.",
        minimum=1,
        advanced=True,
        in_otbtf="1",
    )
    placeholder: str = voc.text(
        "placeholder",
        "Model input",
        "Name of the model's input that this source feeds. Empty: the inputs in alphabetical order.",
        advanced=True,
    )
    nodata: float | None = shared.nodata("A pixel is no-data where all bands have this value (nan is possible).")


@dataclass(frozen=True)
class _Application(Group):
    sources: tuple[Source, ...] = voc.numbered(Source, MOST_SOURCES)
    model_dir: str = shared.model_file()
    model_userplaceholders: str = shared.user_placeholders("model.userplaceholders")
    model_fullyconv: str = voc.choice(
        "model.fullyconv",
        "Fully convolutional",
        "on: the model is applied to whole regions. off: to one patch per output pixel. auto: as the model's sidecar says, "
        "else as the model allows.",
        MODES,
        in_otbtf="off",
    )
    model_tagsets: str = shared.tag_sets()
    output_spcscale: float | None = voc.number(
        "output.spcscale",
        "Spacing scale",
        "Pixel size of the output divided by that of the first source: 4 makes pixels four times as wide, 0.5 half. "
        "Not given: as the model's sidecar says, else found from the model.",
        advanced=True,
        minimum=1e-6,
        in_otbtf="1",
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
        in_otbtf="1",
    )
    output_efieldy: int | None = voc.integer(
        "output.efieldy",
        "Expression field, y",
        "Height in output pixels of what the model returns for one receptive field. Not given: found from the model.",
        minimum=1,
        advanced=True,
        in_otbtf="1",
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
        in_otbtf="none",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sources(self.sources)


@dataclass(frozen=True)
class _Loading(Group):
    device: str = shared.device()
    trust_model: bool = shared.trust_model()
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()


@dataclass(frozen=True)
class ServedModel(_Loading, Memory, _Application):
    """The parameters of all operations that apply a model to rasters."""
