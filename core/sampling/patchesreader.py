"""Samples from patches images: what the data sets of the Python API read."""

from __future__ import annotations

import abc
import itertools
import math
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Union

import numpy as np

from ..errors import ParameterError, RasterError
from ..utils import gdal_open, patch_height, read_as_np_arr, read_rows

Sample = dict[str, Any]
"""NumPy arrays by name; patches have the shape (rows, columns, bands)."""

Statistics = dict[str, dict[str, np.ndarray]]
"""By source, then by `min`, `max`, `mean` and `std`: one float64 per band, NaN where a band has no number."""

Path = Union[str, "os.PathLike[str]"]

_FEWEST, _MOST = 8, 64  # patches that are read at once
_AT_ONCE = 64  # samples whose statistics are computed at a time


class PatchesReaderBase(abc.ABC):
    """What delivers samples by number, from 0 to `get_size()` - 1.

    Attributes:
        run: how many samples lie together and are best read together; 1 where any order is as fast.
    """

    run = 1

    @abc.abstractmethod
    def get_sample(self, index: int) -> Any:
        """Return one sample: NumPy arrays by name, of the same shapes and dtypes for all samples."""

    @abc.abstractmethod
    def get_stats(self) -> Statistics:
        """Return smallest, largest, mean value and standard deviation per source and band."""

    @abc.abstractmethod
    def get_size(self) -> int:
        """Return the number of samples."""

    def get_samples(self, indices: Sequence[int]) -> list[Any]:
        """Return samples in the order of `indices`; from several threads, one after the other."""
        return [self.get_sample(index) for index in indices]


class PatchesImagesReader(PatchesReaderBase):
    """Samples from patches images: in each, patches lie one below the other.

    A source may have several patches images; the k-th image of every source holds the same samples.

    Attributes:
        gdal_ds: GDAL's datasets by source.
        nb_of_channels: bands by source.
        ds_sizes: number of patches in the k-th images.
        size: number of patches altogether.
    """

    def __init__(
        self,
        filenames_dict: Mapping[str, Sequence[Path]],
        use_streaming: bool = False,
        scalar_dict: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        """Open the patches images, and read them unless they are streamed.

        Args:
            filenames_dict: by source, the paths of its patches images.
            use_streaming: False to keep all patches in memory, as float32; True to read them when they
                are asked for, in the dtype of the files.
            scalar_dict: by name, a number, text or vector for each of a source's patches images, which
                all samples from there get.

        Raises:
            ParameterError: the sources have different numbers of patches images, or a name comes twice.
            RasterError: an image cannot be read, or does not fit the others.
        """
        files = {
            key: [names] if isinstance(names, (str, os.PathLike)) else list(names)
            for key, names in filenames_dict.items()
        }
        scalars = {key: [np.asarray(value) for value in values] for key, values in (scalar_dict or {}).items()}
        _check_numbers(files, scalars)
        self.use_streaming = use_streaming
        self.gdal_ds = {key: [gdal_open(name) for name in names] for key, names in files.items()}
        self.scalar_dict = scalars
        self._heights = {key: _one_shape(key, datasets) for key, datasets in self.gdal_ds.items()}
        self.nb_of_channels = {key: datasets[0].RasterCount for key, datasets in self.gdal_ds.items()}
        self.ds_sizes = self._patches_per_image()
        self.size = sum(self.ds_sizes)
        self._starts = list(itertools.accumulate(self.ds_sizes, initial=0))
        self._lock = threading.Lock()  # GDAL's datasets are not for two threads at a time
        self._dtypes = {key: _dtype(datasets) for key, datasets in self.gdal_ds.items()}
        self.run = self._patches_per_block() if use_streaming else 1
        if not use_streaming:
            self.patches_buffer = {
                key: np.concatenate([read_as_np_arr(dataset) for dataset in datasets])
                for key, datasets in self.gdal_ds.items()
            }

    def get_size(self) -> int:
        """Return the number of patches."""
        return self.size

    def get_sample(self, index: int) -> Sample:
        """Return one sample.

        Args:
            index: from 0 to `size` - 1.

        Returns:
            By source a patch of shape (rows, columns, bands), and by name the scalars.

        Raises:
            ParameterError: there is no such sample.
            RasterError: it cannot be read.
        """
        return self.get_samples([index])[0]

    def get_samples(self, indices: Sequence[int]) -> list[Sample]:
        """Return samples in the order of `indices`; those that lie together in a file are read at once."""
        for index in indices:
            if not 0 <= index < self.size:
                raise ParameterError(
                    f"There is no sample {index}: the patches images hold {self.size}, numbered from 0 on."
                )
        found: dict[int, Sample] = {}
        for image, first, last in self._runs(indices):
            values = {key: scalars[image] for key, scalars in self.scalar_dict.items()}
            patches = {key: self._patches(key, image, first, last) for key in self.gdal_ds}
            for number in range(first, last):
                patch = {key: array[number - first] for key, array in patches.items()}
                found[self._starts[image] + number] = {**values, **patch}
        return [found[int(index)] for index in indices]

    def get_stats(self) -> Statistics:
        """Return statistics of all patches, computed in float64 whatever the dtype; NaN and infinity are left out."""
        return statistics(self, range(self.size), self.gdal_ds)

    def _runs(self, indices: Sequence[int]) -> Iterator[tuple[int, int, int]]:
        """Yield image, first and last + 1 of the patches in it that are asked for and lie together."""
        wanted = np.unique(np.asarray(indices, "int64"))
        images = np.searchsorted(self._starts, wanted, side="right") - 1
        breaks = np.flatnonzero((np.diff(wanted) > 1) | (np.diff(images) > 0)) + 1
        for part in np.split(np.arange(len(wanted)), breaks):
            for start in range(0, len(part), _MOST):
                numbers = wanted[part[start : start + _MOST]]
                image = int(images[part[0]])
                first = int(numbers[0]) - self._starts[image]
                yield image, first, first + len(numbers)

    def _patches(self, key: str, image: int, first: int, last: int) -> np.ndarray:
        """Return patches of one image, of shape (n, rows, columns, bands)."""
        if not self.use_streaming:
            return self.patches_buffer[key][self._starts[image] + first : self._starts[image] + last]
        height = self._heights[key]
        with self._lock:
            rows = read_rows(self.gdal_ds[key][image], first * height, (last - first) * height, self._dtypes[key])
        return rows.reshape(last - first, height, *rows.shape[1:])

    def _patches_per_image(self) -> list[int]:
        first = next(iter(self.gdal_ds))
        sizes = {
            key: [dataset.RasterYSize // self._heights[key] for dataset in datasets]
            for key, datasets in self.gdal_ds.items()
        }
        for key, counts in sizes.items():
            for one, other, of_one, of_other in zip(sizes[first], counts, self.gdal_ds[first], self.gdal_ds[key]):
                if one != other:
                    raise RasterError(
                        f"{of_one.GetDescription()} ({first}) holds {one} patches, but {of_other.GetDescription()} ({key}) "
                        f"holds {other}: list patches images of the same points, in the same order for every source."
                    )
        return sizes[first]

    def _patches_per_block(self) -> int:
        blocks = [
            math.ceil(dataset.GetRasterBand(1).GetBlockSize()[1] / self._heights[key])
            for key, datasets in self.gdal_ds.items()
            for dataset in datasets
        ]
        return min(_MOST, max(_FEWEST, *blocks))


class Subset(PatchesReaderBase):
    """Some samples of a reader.

    Args:
        reader: the reader.
        indices: which of its samples, integers, shape (n,).
    """

    def __init__(self, reader: PatchesReaderBase, indices: np.ndarray) -> None:
        self._reader, self._indices = reader, indices
        self.run = reader.run

    def get_sample(self, index: int) -> Any:
        """Return one sample."""
        return self._reader.get_sample(int(self._indices[index]))

    def get_samples(self, indices: Sequence[int]) -> list[Any]:
        """Return samples in the order of `indices`."""
        return self._reader.get_samples([int(number) for number in self._indices[np.asarray(indices, "int64")]])

    def get_stats(self) -> Statistics:
        """Return statistics of these samples alone."""
        return statistics(self, range(len(self._indices)))

    def get_size(self) -> int:
        """Return the number of these samples."""
        return len(self._indices)


def statistics(reader: PatchesReaderBase, indices: Sequence[int], keys: Iterable[str] | None = None) -> Statistics:
    """Return statistics of some of a reader's samples.

    Args:
        reader: the reader.
        indices: which samples, at least one.
        keys: of which sources; None for all whose samples have the shape (rows, columns, bands).
    """
    from .patchesimage import BandStatistics

    chosen = list(keys) if keys is not None else _patch_keys(reader.get_sample(indices[0]))
    found: dict[str, BandStatistics] = {}
    for start in range(0, len(indices), _AT_ONCE):
        samples = reader.get_samples(indices[start : start + _AT_ONCE])
        for key in chosen:
            patches = np.stack([sample[key] for sample in samples])
            found.setdefault(key, BandStatistics(patches.shape[-1])).add(patches)
    return {
        key: {
            name: np.array([math.nan if row[name] is None else row[name] for row in bands.rows()], "float64")
            for name in ("min", "max", "mean", "std")
        }
        for key, bands in found.items()
    }


def _patch_keys(sample: Mapping[str, Any]) -> list[str]:
    return [key for key, array in sample.items() if np.ndim(array) == 3]


def _check_numbers(files: Mapping[str, Sequence[Any]], scalars: Mapping[str, Sequence[Any]]) -> None:
    if not files:
        raise ParameterError("filenames_dict is empty: give at least one source with its patches images.")
    if set(files) & set(scalars):
        raise ParameterError(f"{', '.join(set(files) & set(scalars))} names both a source and a scalar: rename one.")
    counts = {key: len(items) for key, items in {**files, **scalars}.items()}
    if len(set(counts.values())) > 1 or 0 in counts.values():
        listed = ", ".join(f"{key}: {count}" for key, count in counts.items())
        raise ParameterError(
            f"The sources and scalars have different numbers of patches images, or none ({listed}): give for each the "
            "same number, at least one."
        )


def _one_shape(key: str, datasets: Sequence[Any]) -> int:
    """Return the rows of a source's patches, once sure that they and the other sizes are the same in all images."""
    shapes = {
        dataset.GetDescription(): (patch_height(dataset), dataset.RasterXSize, dataset.RasterCount)
        for dataset in datasets
    }
    if len(set(shapes.values())) > 1:
        listed = "; ".join(
            f"{name}: {width} x {height}, {bands} bands" for name, (height, width, bands) in shapes.items()
        )
        raise RasterError(
            f"The patches images of the source {key} have different sizes of patches or numbers of bands ({listed}): give "
            "those of other images as another source."
        )
    return next(iter(shapes.values()))[0]


def _dtype(datasets: Sequence[Any]) -> np.dtype:
    from ..rasters.types import numpy_type

    bands = [dataset.GetRasterBand(band + 1) for dataset in datasets for band in range(dataset.RasterCount)]
    return np.result_type(*{numpy_type(band.DataType) for band in bands})
