"""Writing rasters: drivers, options, blocks, and the check that what was written can be read."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from osgeo import gdal

from ..base.progress import Progress
from ..errors import ParameterError, RasterError
from ..files.gdalcalls import close_now, collected_errors
from ..files.staging import Staging
from ..geometry import tiling
from ..geometry.grid import Box, Grid
from ..phrases import Phrase
from .buffers import spaced
from .inmemory import NO_PLACE
from .outputfields import NO_FIELDS, OTHER_FORMAT, OutputFields, either
from .outputtrial import VALUES, Content, try_format
from .pixeltypes import gdal_type
from .rastercreation import check_type, geotiff_options, lossless_options, mixing_overviews, threaded
from .rasterreference import Reference


def driver_for(path: str, name: str = "", fields: OutputFields = NO_FIELDS) -> gdal.Driver:
    """Return the driver that writes `path`: the one called `name`, else by the extension.

    Args:
        path: the output.
        name: of the driver, or empty.
        fields: the parameters, for messages.

    Raises:
        ParameterError: there is none, or it cannot write rasters (as VRT, which only refers to others).
    """
    if name:
        with collected_errors():
            driver = gdal.GetDriverByName(name)
        if driver is None:
            raise ParameterError(
                "{format} is {name!r}, but this GDAL has no such driver (gdalinfo --formats lists them).",
                format=fields.format,
                name=name,
            )
        if not _writes(driver):
            raise ParameterError(
                "{format} is {name!r}, but GDAL cannot write pixels in that format: choose GTiff or another.",
                format=fields.format,
                name=name,
            )
        return driver
    extension = Path(path).suffix.lower().lstrip(".")
    if extension in ("tif", "tiff"):
        return gdal.GetDriverByName("GTiff")
    found = []
    for index in range(gdal.GetDriverCount()):
        driver = gdal.GetDriver(index)
        extensions = (driver.GetMetadataItem("DMD_EXTENSIONS") or "").lower().split()
        if extension in extensions and driver.GetMetadataItem("DCAP_RASTER"):
            found.append(driver)
    writing = [driver for driver in found if _writes(driver)]
    if writing:
        return writing[0]
    if found:
        raise ParameterError(
            "The output {path} is of the format {format}, in which GDAL cannot write pixels: choose a format that "
            "holds them, such as .tif.",
            path=path,
            format=found[0].LongName,
        )
    raise ParameterError(
        "No raster format of GDAL has the extension {extension!r} of the output {path}: {either}.",
        extension=extension,
        path=path,
        either=either(Phrase("name the driver"), fields.format, Phrase("choose one such as .tif")),
    )


def _writes(driver: gdal.Driver) -> bool:
    if driver.ShortName in ("VRT", "MEM", "Memory"):
        return False
    return bool(driver.GetMetadataItem("DCAP_CREATE") or driver.GetMetadataItem("DCAP_CREATECOPY"))


def creation_options(text: str, name: str) -> list[str]:
    """Return the list of `NAME=VALUE` in a text as QGIS writes it, `TILED=YES|COMPRESS=DEFLATE`.

    Args:
        text: the options.
        name: mention of the parameter, for messages.

    Raises:
        ParameterError: a part has no `=`.
    """
    options = [part.strip() for part in text.split("|") if part.strip()]
    for option in options:
        if "=" not in option:
            raise ParameterError(
                "{name} holds {option!r}, but must be NAME=VALUE, several separated by |.", name=name, option=option
            )
    return options


def overview_levels(width: int, height: int) -> list[int]:
    """Return by which factors the overviews of a raster are smaller: down to one that is no larger than a block."""
    halvings = max(0, math.ceil(math.log2(max(width, height) / tiling.BLOCK)))
    return [2 << step for step in range(halvings)]


class OutputRaster:
    """A raster that is being written, block by block, from one thread at a time.

    Used as a context manager inside that of its staging: leaving it closes the file, committed or not.
    """

    def __init__(
        self,
        staging: Staging,
        grid: Grid,
        bands: int,
        dtype: np.dtype,
        reference: Reference,
        driver: gdal.Driver,
        options: Sequence[str] = (),
        nodata: float | None = None,
        block: tuple[int, int] = (256, 256),
        content: Content | None = VALUES,
        fields: OutputFields = NO_FIELDS,
        overviews: bool = False,
    ) -> None:
        """Create it, after a trial that shows that the format holds what is to be written.

        Args:
            staging: where it is made.
            grid: its pixels (north-up view).
            bands: number of bands.
            dtype: NumPy dtype of the pixels.
            reference: coordinate system.
            driver: GDAL's driver; one that can only copy gets a temporary GeoTIFF first.
            options: creation options `NAME=VALUE`; they win over the defaults for GeoTIFF.
            nodata: no-data value to declare, or None.
            block: width and height of a GeoTIFF's blocks.
            content: what the values are; None for the trial itself.
            fields: the parameters that say how it is written, for messages.
            overviews: whether it gets overviews: the nearest pixels of classes, else means.

        Raises:
            RasterError: GDAL cannot create it, or it would not hold the values.
        """
        dtype = np.dtype(dtype)
        self._staging, self._grid, self._dtype, self._bands = staging, grid, np.dtype(dtype), bands
        self._driver, self._fields = driver, fields
        if content is not None:
            self.try_out(staging, grid, bands, dtype, reference, driver, options, nodata, block, content, fields)
        self._copied = not driver.GetMetadataItem("DCAP_CREATE") or driver.ShortName == "COG"
        classes = content is not None and content.classes
        self._resampling = "" if not overviews else "NEAREST" if classes else "AVERAGE"
        self._options = [*options, *lossless_options(driver, options, self._dtype, classes)]
        mixing = mixing_overviews(driver, options) if classes else ""
        if mixing:
            staging.progress.warning(
                Phrase(
                    "{mixing} computes overviews from means of pixels: if the output {final} holds classes, its "
                    "overviews show other classes. {either}.",
                    mixing=mixing,
                    final=staging.final,
                    either=either(Phrase("Choose NEAREST or MODE"), fields.options, OTHER_FORMAT),
                )
            )
        making = gdal.GetDriverByName("GTiff") if self._copied else driver
        self._making = staging.folder / "pixels.partial.tif" if self._copied else staging.path
        given = [] if self._copied else self._options
        if making.ShortName == "GTiff":
            given = geotiff_options(given, self._dtype, block, compress=not self._copied)
        given = threaded(making, given)
        with collected_errors() as errors:
            self._dataset = making.Create(str(self._making), grid.width, grid.height, bands, gdal_type(dtype), given)
        if errors.failed or self._dataset is None:
            errors.failed = True
            self._check(errors)
        if errors.messages:  # such as a creation option that the format does not have
            staging.progress.warning(Phrase("{format}: {errors}.", format=making.LongName, errors=errors))
        with collected_errors() as errors:
            if reference.wkt:
                self._dataset.SetProjection(reference.wkt)
            if reference.georeferenced or grid.geotransform(False) != NO_PLACE:
                self._dataset.SetGeoTransform(grid.geotransform(reference.georeferenced))
            reference.placement.write(self._dataset, reference.georeferenced)
            if nodata is not None:
                for band in range(1, bands + 1):
                    self._dataset.GetRasterBand(band).SetNoDataValue(nodata)
        if content is not None:
            content.describe(self._dataset)

    @classmethod
    def try_out(
        cls,
        staging: Staging,
        grid: Grid,
        bands: int,
        dtype: np.dtype,
        reference: Reference,
        driver: gdal.Driver,
        options: Sequence[str] = (),
        nodata: float | None = None,
        block: tuple[int, int] = (256, 256),
        content: Content = VALUES,
        fields: OutputFields = NO_FIELDS,
    ) -> None:
        """Make sure that a raster made of the same arguments would hold its values; make nothing.

        Making one does so too: this is for what comes long before.

        Raises:
            RasterError: it would not.
        """
        check_type(driver, dtype, staging.final, fields)

        def make(place: Any, part: Grid) -> OutputRaster:
            made = cls(
                place, part, bands, dtype, reference, driver, options, nodata, block, content=None, fields=fields
            )
            content.describe(made.dataset)
            return made

        try_format(make, staging, driver, grid, bands, dtype, nodata, reference, content, fields)

    def __enter__(self) -> OutputRaster:
        return self

    def __exit__(self, *_: object) -> None:
        with collected_errors():  # what cannot be written any more is abandoned
            self._let_go()

    def _let_go(self) -> None:
        dataset, self._dataset = self._dataset, None
        close_now(dataset)

    @property
    def dataset(self) -> Any:
        """The open GDAL dataset, for descriptions, colours and tables."""
        return self._dataset

    def write(self, box: Box, array: np.ndarray) -> None:
        """Write `array`, of shape (box.height, box.width, bands) and the output's dtype, into `box`.

        Raises:
            RasterError: it cannot be written, for instance because the disk is full.
        """
        stored = self._grid.stored(box)
        values = spaced((array[::-1] if self._grid.south_up else array).astype(self._dtype, copy=False))
        with collected_errors() as errors:
            self._dataset.WriteRaster(
                stored.x,
                stored.y,
                stored.width,
                stored.height,
                values.data,
                buf_type=gdal_type(self._dtype),
                buf_pixel_space=values.pixel,
                buf_line_space=values.line,
                buf_band_space=values.band,
            )
        self._check(errors)

    def _check(self, errors: Any) -> None:
        if errors.failed:
            raise RasterError(
                "Cannot write the output {final} as {format}: {errors}. {cure} Nothing was changed there.",
                final=self._staging.final,
                format=self._driver.LongName,
                errors=errors,
                cure=self._cure(),
            )

    def _cure(self) -> str:
        """Say what may help: room on the disk where it lacks, else another format or other options."""
        needed = self._grid.width * self._grid.height * self._bands * self._dtype.itemsize
        free = shutil.disk_usage(self._staging.folder.parent).free
        if free < needed:
            return Phrase(
                "{free:.1f} MB are free on its disk, but up to {needed:.1f} MB are needed: make room.",
                free=free / 1e6,
                needed=needed / 1e6,
            )
        return self._fields.other_output()

    def commit(self, progress: Progress) -> None:
        """Close and check the file as `close` does, then move it to the final path.

        Raises:
            RasterError: one of these fails; nothing is changed at the final path then.
            Cancelled: while copying.
        """
        self.close(progress)
        self._staging.commit()

    def close(self, progress: Progress) -> None:
        """Flush, close, copy where the format asks for it, reopen and check; where it is made, not where it belongs.

        Several outputs of one run are all closed before the first of them is moved.

        Raises:
            RasterError: one of these fails.
            Cancelled: while copying.
        """
        with collected_errors() as errors:
            self._dataset.FlushCache()
        self._check(errors)
        with collected_errors() as errors:
            self._let_go()
        self._check(errors)
        if self._copied:
            self._copy(progress)
        if self._resampling and self._driver.ShortName != "COG":  # which has them anyway
            self._add_overviews(progress)
        self._verify()

    def _add_overviews(self, progress: Progress) -> None:
        """Make overviews down to the size of a block: in the file where it is a GeoTIFF, else beside it."""
        levels = overview_levels(self._grid.width, self._grid.height)
        if not levels:
            return
        mode = gdal.OF_RASTER | (gdal.OF_UPDATE if self._driver.ShortName == "GTiff" else 0)
        with collected_errors() as errors:
            dataset = gdal.OpenEx(str(self._staging.path), mode)
            if dataset is not None:
                stopped = lambda *_: 0 if progress.cancelled() else 1  # noqa: E731
                errors.failed |= bool(dataset.BuildOverviews(self._resampling, levels, callback=stopped))
            close_now(dataset)
        progress.check()
        self._check(errors)

    def _copy(self, progress: Progress) -> None:
        progress.info(
            Phrase("Copying to {format}, which cannot be written block by block.", format=self._driver.LongName)
        )
        copy = None
        with collected_errors() as errors:
            source = gdal.OpenEx(str(self._making), gdal.OF_RASTER)
            copy = self._driver.CreateCopy(
                str(self._staging.path),
                source,
                strict=0,
                options=threaded(self._driver, self._options),
                callback=lambda *_: 0 if progress.cancelled() else 1,
            )
            if copy is not None:
                copy.FlushCache()
        progress.check()
        if copy is None:
            errors.failed = True
        self._check(errors)
        with collected_errors() as errors:
            close_now(copy)
            source = None
        self._check(errors)
        for left in self._staging.folder.glob("pixels.partial.tif*"):
            left.unlink()

    def _verify(self) -> None:
        with collected_errors() as errors:
            again = gdal.OpenEx(str(self._staging.path), gdal.OF_RASTER)
            wanted = (self._grid.width, self._grid.height, self._bands)
            found = again and (again.RasterXSize, again.RasterYSize, again.RasterCount)
            ok = found == wanted
            if not ok and found:
                errors.messages.append(
                    Phrase(
                        "{columns} x {rows} pixels in {bands} bands come back as {columns2} x {rows2} in {bands2}",
                        **dict(zip(("columns", "rows", "bands", "columns2", "rows2", "bands2"), (*wanted, *found))),
                    )
                )
            if ok:
                last = again.GetRasterBand(self._bands)
                last.ReadRaster(self._grid.width - 1, self._grid.height - 1, 1, 1)
            again = None
        if not ok or errors.failed:
            errors.failed = True
            self._check(errors)
