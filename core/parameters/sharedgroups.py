"""Groups of keys that several operations have, with their checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ParameterError
from . import sharedkeys as shared
from . import vocabulary as voc
from .operation import Group


@dataclass(frozen=True)
class Memory(Group):
    """The budget of memory, under our name for it and under OTB's."""

    memory: int | None = shared.memory("images and computation, beside what TensorFlow itself needs")
    ram: int | None = voc.integer("ram", "RAM (MB)", "OTB's name for MEMORY.", minimum=64, advanced=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory and self.ram and self.memory != self.ram:
            raise ParameterError(
                f"MEMORY is {self.memory} and RAM is {self.ram}: they mean the same, give one of them."
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
    """The raster to write, of which a part may be computed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.out_box and self.extent:
            raise ParameterError("OUT_BOX and EXTENT are both given: choose one of them.")


@dataclass(frozen=True)
class PixelMemory(Group):
    """OTB's budget of memory for pixels."""

    ram: int = shared.ram()


def check_sources(sources: Sequence[object]) -> None:
    """Raise ParameterError where an operation that needs sources has none."""
    if not sources:
        raise ParameterError("SOURCE1_IL (the images of the first source) is missing: give at least one raster.")


def check_keras_out(path: str | None) -> None:
    """Raise ParameterError where a Keras model would be written under a name that Keras does not take."""
    if path and not path.endswith(".keras"):
        raise ParameterError(f"OUT_KERAS is {path}, but its name must end with .keras.")
