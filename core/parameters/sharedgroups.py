"""Groups of keys that several operations have, with their checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError, field
from . import sections
from . import sharedkeys as shared
from . import vocabulary as voc
from .clusteraddress import is_local, needs_cluster
from .operation import Group, NumberResult
from .partshare import SMALLEST_PART, check_part_share
from .partsplace import check_parts_place
from .rasteroutputs import output_paths


@dataclass(frozen=True)
class Memory(Group):
    """The memory budget, under our name for it and under OTB's."""

    memory: int | None = shared.memory("images and computation", more=shared.BESIDE_TENSORFLOW)
    ram: int | None = voc.integer(
        "ram", "RAM (MB)", "The same as MEMORY, under OTB's name.", minimum=64, advanced=True, section=sections.SPEED
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory and self.ram and self.memory != self.ram:
            raise ParameterError(
                "{memory} is {memory2} and {ram} is {ram2}, but both are the memory budget: keep one of them.",
                memory=field("memory"),
                memory2=self.memory,
                ram=field("ram"),
                ram2=self.ram,
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
            raise ParameterError(
                "{out_box} and {extent} are both given: keep one of them.",
                out_box=field("out_box"),
                extent=field("extent"),
            )


PARTS_RESULTS = (
    NumberResult("parts.done", "Parts that are done"),
    NumberResult("parts.missing", "Parts that are missing"),
)
"""Results of a run in parts."""


@dataclass(frozen=True)
class Overviews(Group):
    """Whether the output gets overviews."""

    out_overviews: bool = voc.boolean(
        "out.overviews",
        "Output: build overviews",
        "Add smaller copies of the output, with which QGIS shows it faster when zoomed out: the nearest pixels of classes, "
        "means of other values. The parts of a .vrt always have them.",
        advanced=True,
        section=sections.OUTPUT,
    )


@dataclass(frozen=True)
class _Cluster(Group):
    cluster: Any = shared.cluster("Compute the parts of the run", "the output's folder")
    cluster_partsize: int | None = voc.integer(
        "cluster.partsize",
        "Cluster: part size",
        "Width and height of the parts, in output pixels. Default: 4096, or less for a small output.",
        minimum=SMALLEST_PART,
        advanced=True,
        section=sections.SPEED,
    )
    cluster_tls: str | None = shared.cluster_tls()


def _part(out: str) -> Any:
    return voc.text(
        "part",
        "Part of the run",
        "Compute some of the parts of a run that several processes or machines share: INDEX/COUNT, such as 3/64, counted "
        f"from 0; auto for index and count of a SLURM job array; auto/COUNT for the index of SLURM or Kubernetes. {out} "
        "Empty: not in parts.",
        advanced=True,
        section=sections.SPEED,
    )


@dataclass(frozen=True)
class _Parts(_Cluster):
    part: str = _part("OUT must be a .vrt; the last run writes it.")
    resume: bool = voc.boolean(
        "resume",
        "Resume",
        "Compute in parts, keep those that are done, and compute again those whose file is damaged. Without PART: compute "
        "all that are missing, then write the whole output, in any format.",
        advanced=True,
        section=sections.SPEED,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.part.strip():
            check_part_share(self.part)
        if self.part.strip() and self.cluster:
            raise ParameterError(
                "{part} and {cluster} are both given, but a cluster shares out all parts: keep one of them.",
                part=field("part"),
                cluster=field("cluster"),
            )
        if not self.cluster and (self.cluster_partsize or self.cluster_tls):
            raise needs_cluster("cluster_partsize" if self.cluster_partsize else "cluster_tls")
        for name, out in output_paths(self).items():
            if self.part.strip() or self.resume:
                check_parts_place(out, field("part" if self.part.strip() else "resume"), field(name))
            elif self.cluster:
                check_parts_place(out, field("cluster"), field(name), of_this_machine=is_local(self.cluster))


@dataclass(frozen=True)
class Parts(_Parts, Overviews):
    """Which parts of a run are computed, and where, for operations that have `PartialOutput` too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, out in output_paths(self).items():
            if self.part.strip() and not out.lower().endswith(".vrt"):
                raise ParameterError(
                    "{part} is {part2}, but {name} is {out}: with {part} it must be a .vrt, which refers to the "
                    "parts. A run with {resume} and without {part} makes any other format of them.",
                    part=field("part"),
                    part2=self.part,
                    name=field(name),
                    out=out,
                    resume=field("resume"),
                )


@dataclass(frozen=True)
class LayerParts(_Parts):
    """The same for operations that compute the features of a layer tile by tile."""

    cluster_partsize: int | None = voc.integer(
        "cluster.partsize",
        "Cluster: part size",
        "Width and height of the parts, in pixels of the image; parts consist of whole tiles. Default: 4096, or less for a "
        "small image.",
        minimum=SMALLEST_PART,
        advanced=True,
        section=sections.SPEED,
    )
    part: str = _part("The run that computes the last part writes OUT.")


@dataclass(frozen=True)
class PixelMemory(Group):
    """OTB's memory budget for pixels."""

    ram: int = shared.ram()


def check_sources(sources: Sequence[object]) -> None:
    """Raise ParameterError where an operation that needs sources has none."""
    if not sources:
        raise ParameterError(
            "{il} is missing: choose at least one raster for source 1.", il=field("il", of="sources", number=1)
        )


def check_keras_out(path: str | None) -> None:
    """Raise ParameterError where a Keras model would be written under a name that Keras does not take."""
    if path and not path.endswith(".keras"):
        raise ParameterError(
            "{out_keras} is {path}, but its name must end with .keras: change the file's extension.",
            out_keras=field("out_keras"),
            path=path,
        )
