"""Groups of keys that several operations have, with their checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ParameterError, field
from . import sharedkeys as shared
from . import vocabulary as voc
from .operation import Group


@dataclass(frozen=True)
class Memory(Group):
    """The memory budget, under our name for it and under OTB's."""

    memory: int | None = shared.memory("images and computation", more=shared.BESIDE_TENSORFLOW)
    ram: int | None = voc.integer("ram", "RAM (MB)", "The same as MEMORY, under OTB's name.", minimum=64, advanced=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory and self.ram and self.memory != self.ram:
            raise ParameterError(
                f"{field('memory')} is {self.memory} and {field('ram')} is {self.ram}, but both are the memory "
                "budget: keep one of them."
            )


@dataclass(frozen=True)
class RasterOutput(Group):
    """The raster to write, and its pixel type."""

    out: str = shared.raster_output()
    out_pixeltype: str = shared.pixel_type("out.pixeltype", "Output")


@dataclass(frozen=True)
class RasterFormat(Group):
    """How GDAL writes the raster."""

    out_co: str = shared.creation_options("out.co", "Output")
    out_format: str = shared.driver("out.format", "Output")


@dataclass(frozen=True)
class _Extent(Group):
    extent: str = shared.extent("Output")


@dataclass(frozen=True)
class _Box(Group):
    out_box: str = shared.box("out.box", "Output")


@dataclass(frozen=True)
class PartialOutput(_Box, RasterOutput, _Extent):
    """The raster to write, or a part of it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.out_box and self.extent:
            raise ParameterError(f"{field('out_box')} and {field('extent')} are both given: keep one of them.")


@dataclass(frozen=True)
class PixelMemory(Group):
    """OTB's memory budget for pixels."""

    ram: int = shared.ram()


def check_sources(sources: Sequence[object]) -> None:
    """Raise ParameterError where an operation that needs sources has none."""
    if not sources:
        raise ParameterError(
            f"{field('il', of='sources', number=1)} is missing: choose at least one raster for source 1."
        )


def check_keras_out(path: str | None) -> None:
    """Raise ParameterError where a Keras model would be written under a name that Keras does not take."""
    if path and not path.endswith(".keras"):
        raise ParameterError(
            f"{field('out_keras')} is {path}, but its name must end with .keras: change the file's extension."
        )
