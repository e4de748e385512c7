"""A trial of an output's format before the work: a few pixels are written as all will be, and read again.

Formats and their options change values in more ways than their drivers tell: compression with losses, fewer bits, bands
that come back as colours, no-data values and places that are dropped.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from osgeo import gdal

from ..base.progress import Passed, Progress
from ..errors import RasterError
from ..files.gdalcalls import collected_errors
from ..geometry.grid import Box, Grid
from ..phrases import Phrase
from .outputfields import OTHER_FORMAT, OutputFields, either
from .placement import Placement

_SIDE = (96, 64)  # pixels, at most
_BYTES = 1 << 22
_LIMITS = {"JPEG": 65500, "WEBP": 16383, "GIF": 65535, "BMP": 2**31 - 1, "JPEGLS": 65535}
"""Columns and rows that a format can hold: a trial of a few pixels does not show it."""


@dataclass(frozen=True)
class Content:
    """What an output holds.

    Attributes:
        classes: True where values are numbers of classes, or other labels: none may become another.
        values: that occur, where they are known; else any that the pixel type has may.
        picture: True for one to look at, of which nobody needs to hear that its values are not kept.
        describe: writes names and colours into the new raster.
    """

    classes: bool = False
    values: Sequence[float] = ()
    picture: bool = False
    describe: Callable[[Any], None] = lambda dataset: None


VALUES, PICTURE, CLASSES = Content(), Content(picture=True), Content(classes=True)


def content_of(bands: int, dtype: np.dtype) -> Content:
    """Return what pixels of unknown meaning are taken for: one band of whole numbers may be that of classes."""
    return CLASSES if bands == 1 and np.dtype(dtype).kind in "iu" else VALUES


class Written(Protocol):
    """A raster that is being written, as `core.rasters.rasteroutput.OutputRaster`."""

    def write(self, box: Box, array: np.ndarray) -> None:
        """Write pixels."""

    def close(self, progress: Progress) -> None:
        """Close and check it."""


@dataclass(frozen=True)
class Place:
    """Where the trial's raster is made, as `core.files.staging.Staging` says it."""

    folder: Path
    path: Path
    final: Path
    progress: Progress


class _Quiet(Passed):
    """Hears of cancelling only: what there is to say is said when the output itself is made."""

    def info(self, message: str) -> None:
        """Say nothing."""

    def warning(self, message: str) -> None:
        """Say nothing."""

    def fraction(self, done: float) -> None:
        """Say nothing."""


def try_format(
    make: Callable[[Place, Grid], AbstractContextManager[Written]],
    staging: Any,
    driver: gdal.Driver,
    grid: Grid,
    bands: int,
    dtype: np.dtype,
    nodata: float | None,
    reference: Any,
    content: Content,
    fields: OutputFields,
) -> None:
    """Write a few pixels as the output will be written, and read them again.

    Args:
        make: returns the raster, given where it is made and its grid.
        staging: of the output.
        driver: the format.
        grid: of the output.
        bands: number of bands.
        dtype: of the pixels.
        nodata: that is declared.
        reference: `core.rasters.rasterreference.Reference` of the output.
        content: what the values are.
        fields: the parameters that say how the output is written, for messages.

    Raises:
        RasterError: the format, with these options, does not hold what is to be written.
    """
    trial = _Trial(staging, driver, nodata, reference, content, fields)
    trial.check_size(grid)
    width, height = (min(size, limit) for size, limit in zip((grid.width, grid.height), _SIDE))
    while width * height * bands * dtype.itemsize > _BYTES and max(width, height) > 8:
        width, height = max(1, width // 2), max(1, height // 2)
    part = grid.part(Box(0, 0, width, height))
    folder = staging.folder / "trial"
    place = Place(folder, folder / staging.final.name, staging.final, _Quiet(staging.progress))
    for values in _pictures((height, width, bands), dtype, content, nodata):
        folder.mkdir()
        try:
            with make(place, part) as raster:
                raster.write(part.box, values)
                raster.close(place.progress)
            trial.check(place.path, part, values)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _pictures(
    shape: tuple[int, int, int], dtype: np.dtype, content: Content, nodata: float | None
) -> Iterator[np.ndarray]:
    """Yield pixels as the output may hold them; each is for a trial of its own.

    Some formats (GRIB, HF2) pack values by how far they reach, so that few classes may not be kept where many values are.
    """
    yield _values(shape, dtype, content, nodata)
    if content.classes and not content.values and dtype.kind in "iu":
        yield _values(shape, dtype, replace(content, values=range(9)), None)


def _values(shape: tuple[int, int, int], dtype: np.dtype, content: Content, nodata: float | None) -> np.ndarray:
    """Return pixels that differ from their neighbours, as the output may hold them."""
    generator = np.random.default_rng(0)
    if content.values:
        known = [*content.values, *(() if nodata is None else (nodata,))]
        return generator.choice(np.array(known), shape).astype(dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return generator.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    if dtype.kind == "c":
        return (generator.random(shape) + 1j * generator.random(shape)).astype(dtype)
    return generator.random(shape).astype(dtype)


class _Trial:
    """Compares what was written with what is read."""

    def __init__(
        self,
        staging: Any,
        driver: gdal.Driver,
        nodata: float | None,
        reference: Any,
        content: Content,
        fields: OutputFields,
    ) -> None:
        self._final, self._progress, self._driver = staging.final, staging.progress, driver
        self._nodata, self._reference, self._content = nodata, reference, content
        self._fields = fields

    def check_size(self, grid: Grid) -> None:
        """Raise RasterError where the format has no room for as many columns or rows."""
        limit = _LIMITS.get(self._driver.ShortName)
        if limit and max(grid.width, grid.height) > limit:
            raise self._refusal(
                Phrase(
                    "{width} x {height} pixels: the limit is {limit} along a side",
                    width=grid.width,
                    height=grid.height,
                    limit=limit,
                )
            )

    def check(self, path: Path, grid: Grid, values: np.ndarray) -> None:
        """Raise RasterError, or warn, where the file does not hold what was written."""
        array = None
        with collected_errors() as errors:
            dataset = gdal.OpenEx(os.fspath(path), gdal.OF_RASTER)
            array = None if dataset is None else dataset.ReadAsArray()
        if array is None or errors.failed:
            raise self._refusal(Phrase("this output: a trial cannot be read again ({errors})", errors=errors))
        self._check_place(dataset, grid)
        array = array[None] if array.ndim == 2 else array
        array = np.moveaxis(array, 0, -1)
        self._check_values(values, array[::-1] if grid.south_up else array)
        kept = {str(dataset.GetRasterBand(band + 1).GetNoDataValue()) for band in range(values.shape[2])}
        if self._nodata is not None and not all(_same_number(text, self._nodata, values.dtype) for text in kept):
            raise self._refusal(
                Phrase(
                    "the no-data value {nodata:g}, which comes back as {kept}",
                    nodata=self._nodata,
                    kept=Phrase(" and ").join(sorted(kept)),
                )
            )

    def _check_place(self, dataset: gdal.Dataset, grid: Grid) -> None:
        if self._reference.georeferenced:
            wanted, found = grid.geotransform(), dataset.GetGeoTransform()
            tolerance = 1e-3 * min(grid.x.spacing, grid.y.spacing)
            if not np.allclose(wanted, found, rtol=1e-9, atol=tolerance):
                raise self._refusal(
                    Phrase("the geotransform {wanted}, which comes back as {found}", wanted=wanted, found=found)
                )
        if self._reference.wkt and not dataset.GetProjection():
            raise self._refusal(Phrase("a coordinate system"))
        placement = self._reference.placement
        found_placement = Placement.of(dataset)
        if self._reference.by_points and not found_placement.same_as(placement):
            raise self._refusal(Phrase("the {kind} of the image", kind=placement.kind))
        if placement.rpc and not found_placement.rpc:
            self._progress.warning(
                Phrase("The format {format} cannot hold the RPCs of the image.", format=self._driver.LongName)
            )

    def _check_values(self, wanted: np.ndarray, found: np.ndarray) -> None:
        if np.array_equal(wanted, found):
            return
        changed = wanted != found
        share = np.count_nonzero(changed) / changed.size
        where = tuple(np.argwhere(changed)[0]) if changed.any() else (0, 0, 0)
        said = Phrase(
            "with these options changes values ({share:.0%} in a trial; {where:g} came back as {found:g})",
            share=share,
            where=wanted[where],
            found=found[where],
        )
        if self._content.classes:
            advice = either(
                Phrase("remove the options that make it lossy or reduce its bits"), self._fields.options, OTHER_FORMAT
            )
            raise RasterError(
                "The output {final} holds classes or labels, but the format {format} {said}, which would change "
                "them: {advice}.",
                final=self._final,
                format=self._driver.LongName,
                said=said,
                advice=advice,
            )
        if not self._content.picture:
            self._progress.warning(
                Phrase(
                    "The format {format} {said}: the output {final} holds the computed values only approximately. "
                    "For exact values, {either}.",
                    format=self._driver.LongName,
                    said=said,
                    final=self._final,
                    either=either(Phrase("choose lossless options"), self._fields.options, OTHER_FORMAT),
                )
            )

    def _refusal(self, what: str) -> RasterError:
        return RasterError(
            "The output {final} is of the format {format}, which cannot hold {what}. {other_output}",
            final=self._final,
            format=self._driver.LongName,
            what=what,
            other_output=self._fields.other_output(),
        )


def _same_number(text: str, wanted: float, dtype: np.dtype) -> bool:
    try:
        found = float(text)
    except ValueError:
        return False
    if wanted != wanted:
        return found != found
    return found == wanted or (dtype.kind == "f" and np.float32(found) == np.float32(wanted))
