"""The raster that a tool writes: its parameters, and how it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError
from ..files.staging import Staging, check_writable
from ..geometry import tiling
from ..geometry.grid import Box, Grid
from ..parameters import vocabulary as voc
from ..rasters.conversion import Converter
from ..rasters.outputtrial import content_of
from ..rasters.rasteropening import Reference, Stack
from ..rasters.rasteroutput import OutputRaster, creation_options, driver_for, same_file

ENOUGH_PIXELS = 1 << 18
"""Pixels of a tile that stay in the processor's cache: larger ones bring nothing."""

BLOCK = tiling.BLOCK
"""Pixels of which the sides of tiles are made, where memory allows."""

_DEFAULT_RAM = 256  # MB, as OTB's


@dataclass(frozen=True)
class ToolOutput:
    """The parameters that name the output."""

    out: str = voc.raster_out("out", "Output", "The raster to write, in any format that GDAL can create.")
    out_pixeltype: str = voc.pixel_type("out.pixeltype", "Output")
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
    ram: int | None = voc.integer(
        "ram", "RAM (MB)", f"Memory for the pixels, in MB. Not given: {_DEFAULT_RAM}.", minimum=16, advanced=True
    )

    @property
    def memory(self) -> int:
        """Memory for pixels, in bytes."""
        return (self.ram or _DEFAULT_RAM) << 20

    def check(self, inputs: Sequence[str]) -> None:
        """Raise ParameterError or RasterError where the output cannot be written, or is one of the inputs."""
        creation_options(self.out_co)
        driver_for(self.out, self.out_format)
        check_writable(self.out)
        if any(same_file(self.out, name) for name in inputs):
            raise ParameterError(f"OUT is {self.out}, which is also an input: choose another file.")

    @contextmanager
    def raster(
        self,
        grid: Grid,
        bands: int,
        dtype: np.dtype,
        reference: Reference,
        progress: Progress,
        nodata: float | None = None,
    ) -> Iterator[OutputRaster]:
        """Yield the raster to write; it takes its place where `commit` is called before the end.

        Raises:
            RasterError: it cannot be created.
        """
        driver = driver_for(self.out, self.out_format)
        with (
            Staging(self.out, progress) as staging,
            OutputRaster(
                staging,
                grid,
                bands,
                dtype,
                reference,
                driver,
                creation_options(self.out_co),
                nodata,
                content=content_of(bands, dtype),
            ) as raster,
        ):
            yield raster


def write_by_tiles(
    raster: OutputRaster,
    box: Box,
    bytes_per_pixel: float,
    memory: int,
    compute: Callable[[Box], np.ndarray],
    progress: Progress,
) -> None:
    """Compute the pixels of `box` and write them from the raster's first pixel on.

    Args:
        raster: receives them.
        box: in the pixels that `compute` knows.
        bytes_per_pixel: what computing one takes.
        memory: budget in bytes.
        compute: returns pixels of shape (height, width, bands) in the raster's dtype.
        progress: hears of the work.

    Raises:
        Cancelled: `progress` asked to stop.
    """

    def cost(width: int, height: int) -> float:
        return width * height * bytes_per_pixel

    def enough(width: int, height: int) -> bool:
        return width * height >= ENOUGH_PIXELS

    width, height = tiling.plan(box.width, box.height, cost, memory, True, enough, BLOCK)
    done = 0
    for part in tiling.tiles(box.width, box.height, width, height):
        progress.check()
        raster.write(part, compute(Box(part.x + box.x, part.y + box.y, part.width, part.height)))
        done += part.area
        progress.fraction(done / box.area)


def warn_of_marks(stack: Stack, progress: Progress) -> None:
    """Warn where pixels are missing for a reason that a copy of the bands does not keep."""
    if any(held.masks or held.ranges or held.joint for held in stack.held):
        progress.warning(
            f"{', '.join(stack.names)}: a mask, or no-data values set in the layer's properties, say where there is no data, "
            "and OUT does not keep them: turn such pixels into a no-data value first (otbtf:managenodata with "
            "MODE=changevalue)."
        )


def converted(values: np.ndarray, converter: Converter) -> np.ndarray:
    """Return values as the output's dtype, as OTB does: cut off towards zero, and the infinite ones as the largest."""
    if converter.dtype.kind in "iu" and values.dtype.kind == "f":
        largest = float(np.finfo("float32").max)
        values = np.clip(values, -largest, largest)
    return converter(values)


def warn(converter: Converter, background: float, progress: Progress) -> None:
    """Warn of values that the output's type does not hold; NaN has become `background`."""
    for told in converter.told("OUT_PIXELTYPE", f"{background:g}"):
        progress.warning(told)


def results(path: str, box: Box, bands: int) -> dict[str, Any]:
    """Return what a tool returns of its output."""
    return {"out": path, "width": box.width, "height": box.height, "bands": bands}
