"""From parts to the whole: a virtual raster that refers to them, or one raster into which they are copied."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal

from ..base.progress import Progress
from ..errors import RasterError
from ..files.gdalcalls import collected_errors
from ..files.staging import write_text_file
from ..geometry import tiling
from ..geometry.grid import Box, Grid
from ..rasters.inmemory import NO_PLACE
from ..rasters.pixeltypes import gdal_type
from ..rasters.rasterreference import Reference
from .partplan import PartPlan
from .partsfolder import PartsFolder
from .rasterplan import PlannedRaster

_MOST_COPIED = 2048
"""The largest width and height of what is copied at a time."""

_COPIED_SHARE = 4
"""The memory is so many times what is copied at a time: GDAL's cache and the writer need some as well."""

_END_OF_BAND = "  </VRTRasterBand>\n"


def virtual_header(
    grid: Grid,
    bands: int,
    dtype: np.dtype,
    reference: Reference,
    nodata: float | None,
    describe: Callable[[Any], None],
) -> str:
    """Return a virtual raster without sources.

    Args:
        grid: its pixels.
        bands, dtype: of it.
        reference: what ties it to the ground.
        nodata: that it declares; None for nothing.
        describe: writes names and colours into a raster.
    """
    with collected_errors():
        dataset = gdal.GetDriverByName("VRT").Create("", grid.width, grid.height, 0)
        for number in range(1, bands + 1):
            dataset.AddBand(gdal_type(dtype))
            if nodata is not None:
                dataset.GetRasterBand(number).SetNoDataValue(nodata)
        if reference.wkt:
            dataset.SetProjection(reference.wkt)
        if reference.georeferenced or grid.geotransform(False) != NO_PLACE:
            dataset.SetGeoTransform(grid.geotransform(reference.georeferenced))
        reference.placement.write(dataset, reference.georeferenced)
        describe(dataset)
        return _expanded(str(dataset.GetMetadata("xml:VRT")[0]))


def _expanded(xml: str) -> str:
    """Return the XML with an end tag for every band, also where GDAL writes a band without content as one tag."""
    lines = []
    for line in xml.splitlines():
        text = line.rstrip()
        lone = text.lstrip().startswith("<VRTRasterBand") and text.endswith("/>")
        lines.append(f"{text[:-2].rstrip()}>\n{_END_OF_BAND}" if lone else f"{text}\n")
    return "".join(lines)


def virtual_text(
    plan: PartPlan,
    raster: PlannedRaster,
    grid: Grid,
    folder: PartsFolder,
    blocks: Sequence[tuple[int, int]],
    beside: bool,
) -> str:
    """Return the virtual raster of all parts. The bytes follow from the plan alone, whoever writes it.

    Args:
        plan: that all follow.
        raster: of it.
        grid: of the plan's box.
        folder: of the parts.
        blocks: width and height of each part's blocks.
        beside: whether the virtual raster lies beside the folder, so that its paths are relative.
    """
    kind = gdal.GetDataTypeName(gdal_type(np.dtype(raster.dtype)))
    places = [(number, grid.stored(box)) for number, box in enumerate(plan.parts)]
    first, *others = raster.vrt.split(_END_OF_BAND)
    found = [first]
    for band, rest in enumerate(others, 1):
        for number, place in places:
            file = folder.part(number, raster.file)
            name = f"{folder.path.name}/{file.name}" if beside else str(file)
            found.append(_source(name, beside, band, place, kind, blocks[number]))
        found += [_END_OF_BAND, rest]
    return "".join(found)


def _source(name: str, relative: bool, band: int, place: Box, kind: str, block: tuple[int, int]) -> str:
    size = f'xSize="{place.width}" ySize="{place.height}"'
    raster = f'RasterXSize="{place.width}" RasterYSize="{place.height}" DataType="{kind}"'
    return (
        "    <SimpleSource>\n"
        f'      <SourceFilename relativeToVRT="{int(relative)}">{escape(name, quote=False)}</SourceFilename>\n'
        f"      <SourceBand>{band}</SourceBand>\n"
        f'      <SourceProperties {raster} BlockXSize="{block[0]}" BlockYSize="{block[1]}" />\n'
        f'      <SrcRect xOff="0" yOff="0" {size} />\n'
        f'      <DstRect xOff="{place.x}" yOff="{place.y}" {size} />\n'
        "    </SimpleSource>\n"
    )


def write_virtual(out: str, text: str, progress: Progress) -> None:
    """Write the virtual raster, unless it lies there already: another run may be done at the same time.

    Raises:
        ParameterError: it cannot be written.
    """
    try:
        if Path(out).read_bytes() == text.encode():
            return
    except OSError:
        pass
    write_text_file(os.path.abspath(out), text, progress)


def copied_side(memory: int, bytes_per_pixel: int) -> int:
    """Return width and height of what is copied at a time: whole blocks of the output, so that each is written once.

    Args:
        memory: of the run, in bytes.
        bytes_per_pixel: of all bands.
    """
    fit = math.isqrt(memory // _COPIED_SHARE // bytes_per_pixel)
    return min(max(fit // tiling.BLOCK * tiling.BLOCK, tiling.BLOCK), _MOST_COPIED)


class PartsCopier:
    """Copies parts into one raster while they arrive: each box of whole blocks once all parts in it are there.

    So one writer writes each block once, whatever the order in which parts arrive.
    """

    def __init__(
        self, text: str, grid: Grid, parts: Sequence[Box], side: int, write: Callable[[Box, np.ndarray], None]
    ) -> None:
        """Prepare.

        Args:
            text: of the virtual raster of all parts, which need not be there yet.
            grid: of it.
            parts: of it, in the order of their numbers.
            side: width and height of what is copied at a time.
            write: takes a box of the north-up view and an array of shape (box.height, box.width, bands).
        """
        self._text, self._grid, self._parts, self._side, self._write = text, grid, parts, side, write
        self._missing = Counter(cell for part in parts for cell in self._cells(part))
        self._dataset: gdal.Dataset | None = None

    def _cells(self, box: Box) -> Iterator[tuple[int, int]]:
        """Yield column and row of the boxes that a part lies in."""
        for row in range(box.y // self._side, (box.bottom - 1) // self._side + 1):
            for column in range(box.x // self._side, (box.right - 1) // self._side + 1):
                yield column, row

    def arrived(self, number: int, progress: Progress) -> None:
        """Take note that a part is there, and copy what is complete by it.

        Raises:
            RasterError: a part cannot be read.
            Cancelled: `progress` asked to stop.
        """
        for column, row in self._cells(self._parts[number]):
            self._missing[column, row] -= 1
            if not self._missing[column, row]:
                progress.check()
                x, y = column * self._side, row * self._side
                width, height = min(self._side, self._grid.width - x), min(self._side, self._grid.height - y)
                self._copy(Box(x, y, width, height))

    def _copy(self, box: Box) -> None:
        stored, array = self._grid.stored(box), None
        with collected_errors() as errors:
            self._dataset = self._dataset or gdal.Open(self._text)
            if self._dataset is not None:
                array = self._dataset.ReadAsArray(stored.x, stored.y, stored.width, stored.height)
        if array is None or errors.failed:
            raise RasterError(
                "The parts cannot be read: {errors}. Run again: what is damaged is computed again.", errors=errors
            )
        pixels = np.moveaxis(array[None] if array.ndim == 2 else array, 0, -1)
        self._write(box, pixels[::-1] if self._grid.south_up else pixels)
