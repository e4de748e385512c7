"""Settings of a run of serving, in one part for each step."""

from __future__ import annotations

from dataclasses import dataclass

from ..models.servingdefaults import ServingDefaults
from ..parameters.averaging import Averaging
from ..parameters.maskgroup import Masked
from ..probing.classprobabilities import ClassProbabilities
from ..probing.usersettings import GeometrySettings, ModelSettings, SourcesSettings


@dataclass(frozen=True)
class TilingSettings:
    """Tile settings.

    Attributes:
        at_once: whether the whole output is one tile, whatever memory that takes.
        width, height: of a tile, in outputs; None where they are planned.
    """

    at_once: bool = False
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True)
class RasterSettings:
    """What the rasters of a run are to be.

    Attributes:
        pixel_type: of the map, in OTB's words.
        background: what no-data becomes in the map.
        nodata: that the map declares; None for the usual one.
        certainty: fields of the outputs that are made of class probabilities.
    """

    pixel_type: str = "auto"
    background: float = 0.0
    nodata: float | None = None
    certainty: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServeSettings:
    """Settings of a run.

    Attributes:
        sources: how they are opened.
        model: how it is loaded, and what is asked of it.
        geometry: what the user gives of it.
        padding: what stands beyond the images' edges.
        tiling: what the user gives of the tiles.
        memory: budget in MB; None for what the machine allows.
        defaults: how the model is served where nothing is given.
        preferred: name of the output to take where none is asked for and the model has one of that name.
        scaling: whether images are scaled as the model's training did it: `auto` for those of bytes, `on` or `off`.
        pixel_size: what is done where images have other pixels than the model was trained on: `check`, `resample` or
            `ignore`.
        certainty: fields of the outputs that are made of class probabilities.
        probabilities: those that another run has found; None to find them.
        mask: names what limits the map.
        context: side in pixels of the first source of the windows of a fixed context; None for no windows.
        averaging: what the model is averaged with.
    """

    sources: SourcesSettings
    model: ModelSettings
    geometry: GeometrySettings
    padding: str
    tiling: TilingSettings
    memory: int | None = None
    defaults: ServingDefaults | None = None
    preferred: str = ""
    scaling: str = "auto"
    pixel_size: str = "check"
    certainty: tuple[str, ...] = ()
    probabilities: ClassProbabilities | None = None
    mask: Masked = Masked()
    context: int | None = None
    averaging: Averaging = Averaging()
