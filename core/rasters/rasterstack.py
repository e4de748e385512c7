"""Rasters on one grid, read window by window as one array."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from osgeo import gdal

from ..base.addresses import masked
from ..base.progress import Progress
from ..errors import RasterError
from ..files.gdalcalls import (
    collected_errors,
    decoding_options,
    reads_directly,
)
from ..geometry.grid import Box
from ..parameters.nodatarules import WITHOUT_BANDS, NodataRule
from ..parameters.rastersource import described
from ..phrases import Phrase
from .buffers import aligned_empty
from .coverage import is_gap
from .inmemory import name_of
from .messages import Reports
from .missingpixels import Held, Missing, alpha_bands, held_by
from .pixeltypes import gdal_type, numpy_type
from .placement import check_placed, check_same
from .rasterfiles import tells_of_truncation
from .rasteropening import grid_of, open_dataset
from .rasterreference import Reference
from .vrtsources import stacked_files

SEPARATE = ("GTiff", "JP2OpenJPEG", "JP2ECW", "JP2KAK", "PNG", "JPEG", "HFA", "ENVI", "EHdr")
"""Formats whose files are read by several threads at a time, a file by each. Those that open others are not: several
of them, opened in one thread, can share what they open."""

_NOBODY = Progress()

WORTH_ASKING = 1 << 14
"""Pixels of a window from which it is asked whether there is data at all before it is read."""

WORTH_THREADS = 1 << 18
"""Bytes of a window from which files are read by several threads."""


class Stack:
    """Rasters on one grid whose bands are read as one array; not for use by two threads at a time.

    Attributes:
        datasets: GDAL's open datasets, in order.
        names: what was opened, in order, for people: nothing secret is in them.
        grid: the common grid (north-up view).
        reference: coordinate system.
        bands: number of bands, all rasters together.
        dtype: NumPy dtype that holds the values of every band.
        held: what the files, and those who name them, say of pixels that are missing in each band; see `missing`.
        alphas: bands that are marked as alpha, each as the number of its data set and its own in it (from 1).
        masks: those of them that are masks of the others, and no bands; see `take_as_masks`.
    """

    def __init__(
        self,
        sources: Sequence[Any],
        placed: bool = True,
        takes_complex: bool = False,
        progress: Progress = _NOBODY,
    ) -> None:
        """Open the rasters.

        Args:
            sources: what GDAL opens.
            placed: False where no coordinate is looked up, and what is made has the same pixels: rasters may be placed
                by control points only.
            takes_complex: True where both parts of complex numbers are used.
            progress: asked to cancel before each is opened.

        Raises:
            Cancelled: `progress` asked to stop.
            RasterError: one cannot be opened or is not taken, or they do not lie on one grid.
        """
        sources = [described(source) for source in sources]
        opened = []
        for source in sources:
            progress.check()
            opened.append(open_dataset(source))
        self.datasets = [dataset for dataset, _ in opened]
        self._remotes = [remote for _, remote in opened]
        self.names = tuple(
            remote.address if remote else masked(name_of(dataset if isinstance(source, gdal.Dataset) else source))
            for source, (dataset, remote) in zip(sources, opened)
        )
        self.grid = grid_of(self.datasets[0])
        references = [Reference.of(dataset, source) for dataset, source in zip(self.datasets, sources)]
        self.reference = references[0]
        for dataset, reference, name in zip(self.datasets[1:], references[1:], self.names[1:]):
            self._check_fits_first(dataset, reference, name)
        check_same(self.names, references)
        if placed:
            check_placed(self.names[0], self.reference)
        if not takes_complex:
            self.check_real()
        self._reports = [Reports(name) for name in self.names]
        separate = all(dataset.GetDriver().ShortName in SEPARATE for dataset in self.datasets)
        files = len(self.datasets)
        self._apart = separate and files > 1 and len(set(map(id, self.datasets))) == files
        self.block_size: tuple[int, int] = tuple(self.datasets[0].GetRasterBand(1).GetBlockSize())
        self._sources = sources
        self.alphas = tuple((n, band) for n, dataset in enumerate(self.datasets) for band in alpha_bands(dataset))
        self.take_as_masks(())

    def take_as_masks(self, alphas: Collection[tuple[int, int]]) -> None:
        """Let some of `alphas` be masks of the other bands of their data sets, and all else bands, from now on."""
        self.masks: tuple[tuple[int, int], ...] = tuple(alpha for alpha in self.alphas if alpha in alphas)
        self._numbers = [
            [band + 1 for band in range(dataset.RasterCount) if (number, band + 1) not in self.masks]
            for number, dataset in enumerate(self.datasets)
        ]
        counts = [len(numbers) for numbers in self._numbers]
        self._firsts = [sum(counts[:number]) for number in range(len(counts))]
        self.bands = sum(counts)
        self.held: tuple[Held, ...]
        self.held, self._masks = held_by(self.datasets, self._sources, self._numbers, self.masks)
        self.dtype: np.dtype = np.result_type(*(held.dtype for held in self.held))

    @property
    def band_names(self) -> list[str]:
        """The descriptions of the bands; empty texts where they have none."""
        return [
            dataset.GetRasterBand(band).GetDescription()
            for dataset, numbers in zip(self.datasets, self._numbers)
            for band in numbers
        ]

    @property
    def files_of_bands(self) -> list[str]:
        """The name of the file that holds each band; of a virtual raster that stacks files, of these."""
        found = []
        for name, dataset, numbers in zip(self.names, self.datasets, self._numbers):
            stacked = stacked_files(dataset)
            found += [stacked[band - 1] if stacked else name for band in numbers]
        return found

    def missing(
        self,
        nodata: float | None = None,
        from_layer: bool = True,
        nan: bool = False,
        rule: NodataRule = WITHOUT_BANDS,
        filled: float | None = None,
    ) -> Missing:
        """Return what says which pixels are missing.

        Args:
            nodata: the no-data value of every band, which replaces those of the files.
            from_layer: whether those, the masks of the files, and what the user has set for a layer count.
            nan: whether NaN counts too.
            rule: which pixels are no-data.
            filled: what a model takes for missing and fills, whatever the files say; None for nothing.
        """
        return Missing(self, nodata, from_layer, nan, rule, filled)

    def check_real(self, why: str = Phrase("this operation computes with real ones")) -> None:
        """Raise RasterError where a raster holds complex numbers, of which the imaginary part would be lost."""
        for dataset, name in zip(self.datasets, self.names):
            kinds = {
                numpy_type(dataset.GetRasterBand(number + 1).DataType).kind for number in range(dataset.RasterCount)
            }
            if "c" in kinds:
                raise RasterError(
                    "{name} holds complex numbers, but {why}: convert it to bands first, such as amplitude and "
                    "phase, or real and imaginary part (gdal_calc.py --calc 'abs(A)', 'angle(A)', 'A.real' or "
                    "'A.imag').",
                    name=name,
                    why=why,
                )

    @property
    def way(self) -> str:
        """How it is read, for the log."""
        ways = []
        if not self.line_of_blocks:
            ways.append(Phrase("without GDAL's cache of blocks"))
        elif decoding_options() and any(d.GetDriver().ShortName == "GTiff" for d in self.datasets):
            ways.append(Phrase("decompressed in several threads"))
        if self._apart:
            ways.append(Phrase("{datasets_count} files side by side", datasets_count=len(self.datasets)))
        return Phrase(", ").join(ways) or Phrase("through GDAL's cache of blocks")

    @property
    def line_of_blocks(self) -> int:
        """Bytes of one line of blocks across the rasters that are read through GDAL's cache of blocks."""
        cached = [
            dataset for dataset, remote in zip(self.datasets, self._remotes) if remote or not reads_directly(dataset)
        ]
        bands = [dataset.GetRasterBand(band + 1) for dataset in cached for band in range(dataset.RasterCount)]
        return sum(self.grid.width * band.GetBlockSize()[1] * numpy_type(band.DataType).itemsize for band in bands)

    def _check_fits_first(self, dataset: gdal.Dataset, reference: Reference, name: str) -> None:
        first, grid = self.names[0], grid_of(dataset)
        if (grid.width, grid.height) != (self.grid.width, self.grid.height):
            raise RasterError(
                "{name} has {width} x {height} pixels, but {first} {grid_width} x {grid_height}: rasters of one "
                "source must have the same size; give those of another size as another source.",
                name=name,
                width=grid.width,
                height=grid.height,
                first=first,
                grid_width=self.grid.width,
                grid_height=self.grid.height,
            )
        if not grid.same_as(self.grid) or grid.south_up != self.grid.south_up:
            raise RasterError(
                "{name} is elsewhere ({grid}) than {first} ({grid2}): rasters of one source must be on one grid; "
                "give it as another source, or warp it.",
                name=name,
                grid=grid.describe(),
                first=first,
                grid2=self.grid.describe(),
            )
        if not reference.same_as(self.reference):
            raise RasterError(
                "{name} is in {reference}, but {first} in {reference2}: warp them to one coordinate system.",
                name=name,
                reference=reference.describe(),
                first=first,
                reference2=self.reference.describe(),
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

        def read_one(number: int) -> None:
            attempt = partial(
                self.datasets[number].ReadRaster,
                stored.x,
                stored.y,
                stored.width,
                stored.height,
                buf_type=gdal_type(self.dtype),
                buf_pixel_space=pixel,
                buf_line_space=pixel * box.width,
                buf_band_space=item,
                buf_obj=flat[self._firsts[number] :],
                band_list=self._numbers[number],
            )
            self._attempt(number, attempt, stored, "")

        files = range(len(self.datasets))
        if self._apart and box.area * pixel >= WORTH_THREADS:
            with ThreadPoolExecutor(min(len(files), os.cpu_count() or 1)) as threads:
                list(threads.map(read_one, files))
        else:
            for number in files:
                read_one(number)

    def _attempt(self, number: int, attempt: Callable[[], Any], stored: Box, what: str) -> None:
        """Read a part of a raster by `attempt`; `what` of it, for the message."""
        columns = Phrase("columns {x} to {stored_x}", x=stored.x, stored_x=stored.x + stored.width - 1)
        where = Phrase(
            "{what}{columns}, rows {y} to {stored_y}",
            what=what,
            columns=columns,
            y=stored.y,
            stored_y=stored.y + stored.height - 1,
        )
        remote = self._remotes[number]
        if remote:
            remote.read(attempt, where)
        else:
            self._reports[number].warn(_read_local(attempt, where, self.names[number]))

    def read_mask(self, number: int, box: Box, padding: str = "edge") -> np.ndarray:
        """Return where a mask, one of those that `held` names, is 0, as a boolean array of shape (height, width).

        Args:
            number: of the mask.
            box: what to read; it may reach beyond the raster.
            padding: what stands there, as for `read_padded`; with `constant` nothing is masked.

        Raises:
            RasterError: a part cannot be read.
        """
        return self._padded(partial(self._read_mask, number), box, padding, False)

    def _read_mask(self, number: int, box: Box) -> np.ndarray:
        dataset, band = self._masks[number]
        masked_: np.ndarray = self._read_band(dataset, band, box, Phrase("the mask, ")) == 0
        return masked_

    def read_alpha(self, alpha: tuple[int, int], box: Box) -> np.ndarray:
        """Return the values of one of `alphas`, whatever it is taken for, of shape (box.height, box.width).

        Raises:
            RasterError: a part cannot be read.
        """
        return self._read_band(
            alpha[0], self.datasets[alpha[0]].GetRasterBand(alpha[1]), box, Phrase("the alpha band, ")
        )

    def is_remote(self, number: int) -> bool:
        """Return whether a data set lies at an address."""
        return self._remotes[number] is not None

    def _read_band(self, dataset: int, band: gdal.Band, box: Box, what: str) -> np.ndarray:
        stored = self.grid.stored(box)
        array = np.empty((box.height, box.width), numpy_type(band.DataType))
        attempt = partial(
            band.ReadRaster,
            stored.x,
            stored.y,
            stored.width,
            stored.height,
            buf_type=gdal_type(array.dtype),
            buf_obj=array,
        )
        self._attempt(dataset, attempt, stored, what)
        return array[::-1] if self.grid.south_up else array

    def read_padded(self, box: Box, padding: str, constant: float = 0.0) -> np.ndarray:
        """Return the pixels of `box`, which may reach beyond the raster, as `read` does.

        Args:
            box: what to read, counted from the raster's first pixel.
            padding: what stands outside: `reflect` (the pixels mirrored at the edge ones), `edge` (the
                edge pixels repeated) or `constant`.
            constant: the value for `constant`.
        """
        return self._padded(self.read, box, padding, np.array(constant).astype(self.dtype))

    def _padded(self, read: Callable[[Box], np.ndarray], box: Box, padding: str, constant: Any) -> np.ndarray:
        """Return what `read` returns for a box inside the raster, for one that may reach beyond."""
        inside = box.intersection(self.grid.box)
        if inside == box:
            return read(box)
        columns = padded_indices(box.x, box.width, self.grid.width, padding)
        rows = padded_indices(box.y, box.height, self.grid.height, padding)
        x, y = int(columns.min()), int(rows.min())
        pixels = read(Box(x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1))
        pixels = pixels[np.ix_(rows - y, columns - x)]
        if padding == "constant":
            outside = np.ones(pixels.shape[:2], bool)
            if inside.area:
                outside[inside.y - box.y : inside.bottom - box.y, inside.x - box.x : inside.right - box.x] = False
            pixels[outside] = constant
        return pixels


def _read_local(attempt: Callable[[], Any], where: str, name: str) -> list[str]:
    """Call `attempt`, and return what GDAL warned of."""
    read = None
    with collected_errors() as errors:
        read = attempt()
    # Newer GDALs (3.10) fail to read PNG without a message.
    if read is None or errors.failed or tells_of_truncation(errors.messages):
        raise RasterError(
            "Cannot read {where} of {name}: {errors}. The file is damaged or incomplete: get it again.",
            where=where,
            name=name,
            errors=masked(str(errors)),
        )
    return errors.messages


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
