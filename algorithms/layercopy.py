"""The GeoTIFF that holds a copy of a layer's pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from osgeo import gdal, osr

from ..core.base.progress import Progress
from ..core.errors import RasterError
from ..core.files.gdalcalls import collected_errors
from ..core.geometry.grid import Box
from ..core.phrases import Phrase
from ..core.rasters.pixeltypes import gdal_type
from .layergrid import LayerGrid
from .providerblocks import ProviderBlocks

_OPTIONS = ["TILED=YES", "COMPRESS=DEFLATE", "ZLEVEL=1", "BIGTIFF=IF_SAFER"]


class LayerCopy:
    """Writes a layer's pixels; transparent ones are 0 in the mask of the file, which is that of all bands.

    A mask, and no alpha band: a model takes three bands then, and pixels that are half transparent have data.
    """

    def __init__(self, called: str, path: str, grid: LayerGrid, crs: str) -> None:
        """Prepare a copy.

        Args:
            called: the parameter and the layer, for messages.
            path: the GeoTIFF to write.
            grid: its pixels.
            crs: its coordinate system, as code or WKT; empty for none.
        """
        self._called, self._path, self._grid, self._crs = called, path, grid, crs
        self._dataset: Any = None
        self._has_mask = False

    def write(self, blocks: ProviderBlocks, progress: Progress) -> None:
        """Write all pixels, and say how many have no data.

        Raises:
            RasterError: the layer cannot be read or has no data in all of them, or the file cannot be written.
            Cancelled: the user asked to stop.
        """
        self._create(blocks)
        total, done, empty = self._grid.width * self._grid.height, 0, 0
        with blocks.listening():
            for part in self._grid.parts():
                progress.check()
                pixels, without = blocks.read(self._grid.extent(part), part.width, part.height)
                self._write(part, pixels, without if blocks.masked else None)
                empty += int(without.sum())
                done += part.area
                progress.fraction(done / total)
        with self._checked():
            self._dataset.FlushCache()
            self._dataset = None
        self._tell(empty, total, blocks.missing, progress)

    def _tell(self, empty: int, total: int, missing: int, progress: Progress) -> None:
        why = (
            Phrase("; the server has no image for {missing} requests (tiles) in it", missing=missing) if missing else ""
        )
        if empty == total:
            raise RasterError(
                "{called} has no data in the whole extent{why}. Choose another extent, or another pixel size: a "
                "layer may lack its finest zoom levels there.",
                called=self._called,
                why=why,
            )
        if empty:
            progress.warning(
                Phrase(
                    "{called} has no data in {empty} of {total} pixels of the extent{why}. They are no-data in the "
                    "run.",
                    called=self._called,
                    empty=empty,
                    total=total,
                    why=why,
                )
            )

    def _create(self, blocks: ProviderBlocks) -> None:
        with self._checked():
            self._dataset = gdal.GetDriverByName("GTiff").Create(
                self._path, self._grid.width, self._grid.height, blocks.bands, gdal_type(blocks.dtype), _OPTIONS
            )
            if self._dataset is not None:  # else GDAL has said why
                self._describe(blocks)

    def _describe(self, blocks: ProviderBlocks) -> None:
        self._dataset.SetGeoTransform(self._grid.geotransform)
        if self._crs:
            system = osr.SpatialReference()
            system.SetFromUserInput(self._crs)
            self._dataset.SetProjection(system.ExportToWkt())
        if blocks.nodata is not None:
            for band in range(1, blocks.bands + 1):
                self._dataset.GetRasterBand(band).SetNoDataValue(blocks.nodata)

    def _write(self, part: Box, pixels: np.ndarray, without: np.ndarray | None) -> None:
        with self._checked():
            place = part.x, part.y, part.width, part.height
            for number, values in enumerate(pixels, 1):
                self._dataset.GetRasterBand(number).WriteRaster(*place, np.ascontiguousarray(values).tobytes())
            if without is not None and (without.any() or self._has_mask):
                self._mask().WriteRaster(*place, np.where(without, 0, 255).astype("uint8").tobytes())

    def _mask(self) -> Any:
        """Return the mask's band; it is made for the first pixel without data, so that most files have none."""
        if not self._has_mask:
            self._dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
            self._dataset.GetRasterBand(1).GetMaskBand().Fill(255)
            self._has_mask = True
        return self._dataset.GetRasterBand(1).GetMaskBand()

    @contextmanager
    def _checked(self) -> Iterator[None]:
        with collected_errors() as errors:
            yield
        if errors.failed:
            raise RasterError(
                "{called} cannot be copied to the temporary file {path}: {errors}.",
                called=self._called,
                path=self._path,
                errors=errors,
            )
