"""The raster that a tool writes: its parameters, and how it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..base.progress import Progress
from ..errors import field
from ..files.staging import Staging, check_writable
from ..geometry import tiling
from ..geometry.grid import Box, Grid
from ..parameters.imagegroups import FloatOutput, ToolOutput
from ..phrases import Phrase
from ..rasters.conversion import Converter
from ..rasters.outputfields import OUT_FIELDS
from ..rasters.outputtrial import content_of
from ..rasters.rasteroutput import OutputRaster, creation_options, driver_for
from ..rasters.rasterreference import Reference
from ..rasters.rasterstack import Stack

ENOUGH_PIXELS = 1 << 18
"""Pixels of a tile that stay in the processor's cache: larger ones bring nothing."""

BLOCK = tiling.BLOCK
"""Pixels of which the sides of tiles are made, where memory allows."""


def check_output(given: ToolOutput | FloatOutput) -> None:
    """Raise ParameterError where the output cannot be written."""
    creation_options(given.out_co, OUT_FIELDS.options)
    driver_for(given.out, given.out_format, OUT_FIELDS)
    check_writable(given.out, field("out"))


@contextmanager
def output_raster(
    given: ToolOutput | FloatOutput,
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
    driver = driver_for(given.out, given.out_format, OUT_FIELDS)
    with (
        Staging(given.out, progress, field("out")) as staging,
        OutputRaster(
            staging,
            grid,
            bands,
            dtype,
            reference,
            driver,
            creation_options(given.out_co, OUT_FIELDS.options),
            nodata,
            content=content_of(bands, dtype),
            fields=OUT_FIELDS,
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
    """Warn of pixels that are missing for a reason that a copy of the bands does not keep."""
    if any(held.masks or held.ranges or held.joint for held in stack.held):
        progress.warning(
            Phrase(
                "{names}: a mask, or no-data values set in the layer's properties, marks no-data pixels, and {out} "
                "does not keep the mark: turn such pixels into a no-data value first (otbtf:managenodata, mode "
                "changevalue).",
                names=", ".join(stack.names),
                out=field("out"),
            )
        )


def converted(values: np.ndarray, converter: Converter) -> np.ndarray:
    """Return values as the output's dtype, as OTB does: cut off towards zero, and the infinite ones as the largest."""
    if converter.dtype.kind in "iu" and values.dtype.kind == "f":
        largest = float(np.finfo("float32").max)
        values = np.clip(values, -largest, largest)
    return converter(values)


def warn(converter: Converter, background: float, progress: Progress) -> None:
    """Warn of values that the output's type cannot hold; NaN has become `background`."""
    for told in converter.told(OUT_FIELDS.pixel_type, f"{background:g}"):
        progress.warning(told)


def results(path: str, box: Box, bands: int) -> dict[str, Any]:
    """Return what a tool returns of its output."""
    return {"out": path, "width": box.width, "height": box.height, "bands": bands}
