"""Opening rasters, alone or stacked, and reading windows of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Optional

import numpy as np
from osgeo import gdal, osr

from .. import inputs
from ..addresses import address_of, masked
from ..errors import RasterError
from ..geometry.grid import Box, Grid
from .buffers import aligned_empty
from .coverage import is_gap
from .files import check_whole, tells_of_truncation, watch_files
from .gdal_calls import collected_errors, decoding_options, direct_reading, reads_directly
from .inmemory import Opened, name_of
from .placement import NOWHERE, Placement, check_placed, check_same
from .remote import Remote, open_remote
from .scaling import scaling
from .types import gdal_type, numpy_type

NoData = tuple[Optional[float], ...]
"""A no-data value per band; None for a band that has none."""


SEPARATE = ("GTiff", "JP2OpenJPEG", "JP2ECW", "JP2KAK", "PNG", "JPEG", "HFA", "ENVI", "EHdr")
"""Formats whose files are read by several threads at a time, a file by each. Those that open others are not: several
of them, opened in one thread, can share what they open."""

WORTH_ASKING = 1 << 14
"""Pixels of a window from which it is asked whether there is data at all before it is read."""

WORTH_THREADS = 1 << 18
"""Bytes of a window from which files are read by several threads."""


def open_dataset(source: Any) -> tuple[gdal.Dataset, Remote | None]:
    """Open a raster for reading.

    Args:
        source: what GDAL opens (a path, an http(s) address, a subdataset's name), an open dataset, or `Opened`.

    Returns:
        The dataset, and what is known of the file where it lies at an http(s) address.

    Raises:
        RasterError: it does not exist, is no raster, or has no bands.
    """
    if isinstance(source, (gdal.Dataset, Opened)):
        dataset = source.dataset if isinstance(source, Opened) else source
        _look_at(dataset, masked(name_of(source)), None)
        return dataset, None
    address = address_of(source)
    dataset, remote = open_remote(address) if address else (_open_local(source), None)
    if dataset.RasterCount == 0:
        raise RasterError(f"{masked(source)} holds no bands of its own{masked(_subdatasets(dataset))}.")
    _look_at(dataset, masked(source), remote)
    return dataset, remote


def _look_at(dataset: gdal.Dataset, name: str, remote: Remote | None) -> None:
    """Check and watch the files of an open raster, and tell the run what a user may not expect of it."""
    watching = inputs.current()
    if remote is None:
        check_whole(dataset, name)
        watch_files(dataset, name)
    elif watching is not None:
        watching.watch_by(name, remote.check_unchanged)
    if watching is not None and (told := scaling(dataset, name)):
        watching.tell_once("scaling", told)


def _open_local(source: str) -> gdal.Dataset:
    def attempt() -> gdal.Dataset:
        flags = gdal.OF_RASTER | gdal.OF_READONLY | gdal.OF_VERBOSE_ERROR
        return gdal.OpenEx(source, flags, open_options=decoding_options())

    inputs.check_ordinary(source)
    dataset = None
    with collected_errors() as errors:
        dataset = attempt()
        if dataset is not None and reads_directly(dataset):
            with direct_reading():
                dataset = attempt()
    if dataset is None:
        raise RasterError(
            f"Cannot open the raster {masked(source)}: {masked(str(errors))}. Check the path and that GDAL reads the "
            "format."
        )
    return dataset


def _subdatasets(dataset: gdal.Dataset) -> str:
    names = [name for name, _ in dataset.GetSubDatasets()[:8]]
    return f", but subdatasets: give one of {', '.join(names)}" if names else ""


def grid_of(dataset: gdal.Dataset) -> Grid:
    """Return the grid of an open dataset.

    Raises:
        RasterError: it is rotated.
    """
    try:
        return Grid.from_geotransform(tuple(dataset.GetGeoTransform()), dataset.RasterXSize, dataset.RasterYSize)
    except RasterError as error:
        raise RasterError(f"{masked(dataset.GetDescription())}: {error}.") from None


@dataclass(frozen=True)
class Reference:
    """What ties a raster to the ground: its coordinate system, whether it has a geotransform, and what else places it."""

    wkt: str
    georeferenced: bool
    placement: Placement = NOWHERE

    @classmethod
    def of(cls, dataset: gdal.Dataset) -> Reference:
        """Return the reference of an open dataset."""
        georeferenced = dataset.GetGeoTransform() != (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
        return cls(dataset.GetProjection() or "", georeferenced, Placement.of(dataset))

    @property
    def by_points(self) -> bool:
        """Whether only points place the raster: no coordinate can be looked up in it."""
        return bool(self.placement) and not self.georeferenced

    def without_placement(self) -> Reference:
        """Return it for pixels that the points are not of."""
        return replace(self, placement=NOWHERE)

    def same_as(self, other: Reference) -> bool:
        """Return whether both name the same coordinate system."""
        if self.wkt == other.wkt:
            return True
        if not self.wkt or not other.wkt:
            return False
        one, two = osr.SpatialReference(), osr.SpatialReference()
        one.ImportFromWkt(self.wkt)
        two.ImportFromWkt(other.wkt)
        return bool(one.IsSame(two, ["IGNORE_DATA_AXIS_TO_SRS_AXIS_MAPPING=YES"]))

    def describe(self) -> str:
        """Return the coordinate system's code or name."""
        if not self.wkt:
            return "none"
        system = osr.SpatialReference()
        system.ImportFromWkt(self.wkt)
        authority, code = system.GetAuthorityName(None), system.GetAuthorityCode(None)
        return f"{authority}:{code}" if code else system.GetName()


class Stack:
    """Rasters on one grid whose bands are read as one array; not for use by two threads at a time.

    Attributes:
        datasets: GDAL's open datasets, in order.
        names: what was opened, in order, for people: nothing secret is in them.
        grid: the common grid (north-up view).
        reference: coordinate system.
        bands: number of bands, all rasters together.
        dtype: NumPy dtype that holds the values of every band.
        nodata: the bands' own no-data values.
    """

    def __init__(self, sources: Sequence[Any], placed: bool = True, takes_complex: bool = False) -> None:
        """Open the rasters.

        Args:
            sources: what GDAL opens.
            placed: False where no coordinate is looked up, and what is made has the same pixels: rasters may be placed
                by control points only.
            takes_complex: True where both parts of complex numbers are used.

        Raises:
            RasterError: one cannot be opened or is not taken, or they do not lie on one grid.
        """
        opened = [open_dataset(source) for source in sources]
        self.datasets = [dataset for dataset, _ in opened]
        self._remotes = [remote for _, remote in opened]
        self.names = tuple(
            remote.address if remote else masked(name_of(source if isinstance(source, Opened) else dataset))
            for source, (dataset, remote) in zip(sources, opened)
        )
        self.grid = grid_of(self.datasets[0])
        self.reference = Reference.of(self.datasets[0])
        for dataset, name in zip(self.datasets[1:], self.names[1:]):
            self._check_fits_first(dataset, name)
        check_same(self.names, [Reference.of(dataset) for dataset in self.datasets])
        if placed:
            check_placed(self.names[0], self.reference)
        bands = [dataset.GetRasterBand(i + 1) for dataset in self.datasets for i in range(dataset.RasterCount)]
        self.bands = len(bands)
        self.dtype: np.dtype = np.result_type(*(numpy_type(band.DataType) for band in bands))
        if not takes_complex:
            self.check_real()
        self.nodata: NoData = tuple(band.GetNoDataValue() for band in bands)
        counts = [dataset.RasterCount for dataset in self.datasets]
        self._firsts = [sum(counts[:number]) for number in range(len(counts))]
        separate = all(dataset.GetDriver().ShortName in SEPARATE for dataset in self.datasets)
        self._apart = separate and len(counts) > 1 and len(set(map(id, self.datasets))) == len(counts)
        self.block_size: tuple[int, int] = tuple(bands[0].GetBlockSize())

    def check_real(self, why: str = "this operation computes with real ones") -> None:
        """Raise RasterError where a raster holds complex numbers, of which the imaginary part would be lost."""
        for dataset, name in zip(self.datasets, self.names):
            kinds = {
                numpy_type(dataset.GetRasterBand(number + 1).DataType).kind for number in range(dataset.RasterCount)
            }
            if "c" in kinds:
                raise RasterError(
                    f"{name} holds complex numbers, but {why}: make bands of them first, such as amplitude and phase, or "
                    "real and imaginary part (gdal_calc.py --calc 'abs(A)', 'angle(A)', 'A.real' or 'A.imag')."
                )

    @property
    def way(self) -> str:
        """How it is read, for the log."""
        ways = []
        if not self.line_of_blocks:
            ways.append("without GDAL's cache of blocks")
        elif decoding_options() and any(d.GetDriver().ShortName == "GTiff" for d in self.datasets):
            ways.append("decompressed in several threads")
        if self._apart:
            ways.append(f"{len(self.datasets)} files side by side")
        return ", ".join(ways) or "through GDAL's cache of blocks"

    @property
    def line_of_blocks(self) -> int:
        """Bytes of one line of blocks across the rasters that are read through GDAL's cache of blocks."""
        cached = [
            dataset for dataset, remote in zip(self.datasets, self._remotes) if remote or not reads_directly(dataset)
        ]
        bands = [dataset.GetRasterBand(number + 1) for dataset in cached for number in range(dataset.RasterCount)]
        return sum(self.grid.width * band.GetBlockSize()[1] * numpy_type(band.DataType).itemsize for band in bands)

    def _check_fits_first(self, dataset: gdal.Dataset, name: str) -> None:
        first = self.names[0]
        grid, reference = grid_of(dataset), Reference.of(dataset)
        if (grid.width, grid.height) != (self.grid.width, self.grid.height):
            raise RasterError(
                f"{name} has {grid.width} x {grid.height} pixels, but {first} {self.grid.width} x {self.grid.height}: "
                "rasters of one source must have the same size; give those of another size as another source."
            )
        if not grid.same_as(self.grid) or grid.south_up != self.grid.south_up:
            raise RasterError(
                f"{name} lies elsewhere ({grid.describe()}) than {first} ({self.grid.describe()}): "
                "rasters of one source must lie on one grid; give it as another source, or warp it."
            )
        if not reference.same_as(self.reference):
            raise RasterError(
                f"{name} is in {reference.describe()}, but {first} in {self.reference.describe()}: "
                "warp them to one coordinate system."
            )

    def read(self, box: Box) -> np.ndarray:
        """Return the pixels of `box` as an array of shape (box.height, box.width, bands) and dtype `dtype`.

        Raises:
            RasterError: a part cannot be read.
        """
        array = aligned_empty((box.height, box.width, self.bands), self.dtype)
        if box.area >= WORTH_ASKING and (values := self.without_data(box)) is not None:
            array[:] = values
            return array
        self._fill(array, box)
        return array[::-1] if self.grid.south_up else array

    def without_data(self, box: Box) -> np.ndarray | None:
        """Return the values (one per band) that all pixels of `box` have because no file holds any for them.

        Sparse files, and mosaics with gaps, say what they hold without being read. None where there is data, or
        where a format does not tell.
        """
        stored = self.grid.stored(box)
        window = stored.x, stored.y, stored.width, stored.height
        if not all(is_gap(dataset, *window) for dataset in self.datasets):
            return None
        pixel = np.empty((1, 1, self.bands), self.dtype)
        self._fill(pixel, Box(box.x, box.y, 1, 1))
        return pixel[0, 0]

    def _fill(self, array: np.ndarray, box: Box) -> None:
        """Read `box` into an array, its rows in the order they are stored in."""
        stored = self.grid.stored(box)
        item = self.dtype.itemsize
        pixel, flat = self.bands * item, array.reshape(-1)
        where = (
            f"columns {stored.x} to {stored.x + stored.width - 1}, rows {stored.y} to {stored.y + stored.height - 1}"
        )

        def read_one(dataset: gdal.Dataset, remote: Remote | None, name: str, first: int) -> None:
            attempt = partial(
                dataset.ReadRaster,
                stored.x,
                stored.y,
                stored.width,
                stored.height,
                buf_type=gdal_type(self.dtype),
                buf_pixel_space=pixel,
                buf_line_space=pixel * box.width,
                buf_band_space=item,
                buf_obj=flat[first:],
            )
            if remote:
                remote.read(attempt, where)
            else:
                _read_local(attempt, where, name)

        parts = zip(self.datasets, self._remotes, self.names, self._firsts)
        if self._apart and box.area * pixel >= WORTH_THREADS:
            with ThreadPoolExecutor(min(len(self.datasets), os.cpu_count() or 1)) as threads:
                list(threads.map(read_one, *zip(*parts)))
        else:
            for part in parts:
                read_one(*part)

    def read_padded(self, box: Box, padding: str, constant: float = 0.0) -> np.ndarray:
        """Return the pixels of `box`, which may reach beyond the raster, as `read` does.

        Args:
            box: what to read, counted from the raster's first pixel.
            padding: what stands outside: `reflect` (the pixels mirrored at the edge ones), `edge` (the
                edge pixels repeated) or `constant`.
            constant: the value for `constant`.
        """
        inside = box.intersection(self.grid.box)
        if inside == box:
            return self.read(box)
        columns = padded_indices(box.x, box.width, self.grid.width, padding)
        rows = padded_indices(box.y, box.height, self.grid.height, padding)
        x, y = int(columns.min()), int(rows.min())
        pixels = self.read(Box(x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1))
        pixels = pixels[np.ix_(rows - y, columns - x)]
        if padding == "constant":
            outside = np.ones(pixels.shape[:2], bool)
            if inside.area:
                outside[inside.y - box.y : inside.bottom - box.y, inside.x - box.x : inside.right - box.x] = False
            pixels[outside] = np.array(constant).astype(self.dtype)
        return pixels


def _read_local(attempt: Callable[[], Any], where: str, name: str) -> None:
    with collected_errors() as errors:
        attempt()
    if errors.failed or tells_of_truncation(errors.messages):
        raise RasterError(
            f"Cannot read {where} of {name}: {masked(str(errors))}. The file is damaged or incomplete: get it again."
        )


def padded_indices(start: int, size: int, limit: int, padding: str) -> np.ndarray:
    """Return which pixel of `limit` stands for each of `size` pixels from `start`, which may lie outside.

    With `reflect` the edge pixel is not repeated, as in numpy.pad.
    """
    indices = np.arange(start, start + size)
    if padding != "reflect" or limit == 1:
        return np.clip(indices, 0, limit - 1)
    period = 2 * (limit - 1)
    indices = np.abs(indices) % period
    return np.minimum(indices, period - indices)


def check_references(named: Sequence[tuple[str, Reference]]) -> None:
    """Raise RasterError unless all are in one coordinate system, or none has one nor a geotransform."""
    check_same(*zip(*named))
    for name, reference in named:
        if not reference.wkt and (reference.georeferenced or any(other.wkt for _, other in named)):
            raise RasterError(
                f"{name} has no coordinate system (CRS): assign the right one "
                "(Raster > Projections > Assign projection) and run again."
            )
    first_name, first = named[0]
    for name, reference in named[1:]:
        if not reference.same_as(first):
            raise RasterError(
                f"{first_name} is in {first.describe()}, but {name} in {reference.describe()}: warp one of them to the "
                "other's coordinate system (Raster > Projections > Warp)."
            )


def is_nodata(array: np.ndarray, nodata: NoData) -> np.ndarray:
    """Return where all bands are no-data, as a boolean array of shape (height, width).

    Args:
        array: pixels of shape (height, width, bands).
        nodata: one value per band (NaN is one); where a band has none, nothing is no-data.
    """
    mask = np.ones(array.shape[:2], bool)
    for band, value in enumerate(nodata):
        if value is None:
            return np.zeros(array.shape[:2], bool)
        values = array[..., band]
        if value != value:
            mask &= np.isnan(values) if values.dtype.kind in "fc" else False
        elif values.dtype.kind in "iu" and (value != int(value) or not _holds(values.dtype, int(value))):
            mask[:] = False
        else:
            mask &= values == values.dtype.type(value)
        if not mask.any():
            break
    return mask


def _holds(dtype: np.dtype, value: int) -> bool:
    info = np.iinfo(dtype)
    return bool(info.min <= value <= info.max)
