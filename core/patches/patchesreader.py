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
from ..phrases import Phrase
from ..samples.bandstatistics import BandStatistics
from .patchesarrays import gdal_open, patch_height, read_as_np_arr, read_rows
from .recycling import Recycled

Sample = dict[str, Any]
"""NumPy arrays by name; patches have the shape (rows, columns, bands)."""

Statistics = dict[str, dict[str, np.ndarray]]
"""By source, then by `min`, `max`, `mean` and `std`: one float64 per band, NaN where a band has no number."""

Path = Union[str, "os.PathLike[str]"]

_TOGETHER = 1 << 18  # bytes that are worth one read, of all sources together
_MOST = 64  # patches that are read at once
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
        """Return smallest, largest, mean value and standard deviation per source and band, as `Statistics`."""

    @abc.abstractmethod
    def get_size(self) -> int:
        """Return the number of samples."""

    def get_batch(self, indices: Sequence[int]) -> Sample:
        """Return samples stacked, in the order of `indices`: by name an array whose first dimension is the sample."""
        samples = [self.get_sample(int(index)) for index in indices]
        return {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}

    def get_samples(self, indices: Sequence[int]) -> list[Sample]:
        """Return samples in the order of `indices`."""
        batch = self.get_batch(indices)
        return [{key: array[number, ...] for key, array in batch.items()} for number in range(len(indices))]


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
        patch_heights: Mapping[str, int] | None = None,
    ) -> None:
        """Open the patches images, and read them unless they are streamed.

        Args:
            filenames_dict: by source, the paths of its patches images.
            use_streaming: False to keep all patches in memory, as float32; True to read them when they
                are asked for, in the dtype of the files.
            scalar_dict: by name, a number, text or vector for each of a source's patches images, which
                all samples from there get.
            patch_heights: by source, the rows of a patch, where neither the JSON beside the images nor
                their width tells.

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
        given = patch_heights or {}
        self._heights = {key: _one_shape(key, datasets, given.get(key)) for key, datasets in self.gdal_ds.items()}
        self.nb_of_channels = {key: datasets[0].RasterCount for key, datasets in self.gdal_ds.items()}
        self.ds_sizes = self._patches_per_image()
        self.size = sum(self.ds_sizes)
        self._starts = list(itertools.accumulate(self.ds_sizes, initial=0))
        self._scalars = {key: np.stack(values) for key, values in scalars.items()}
        self._recycled = Recycled()
        self._lock = threading.Lock()  # GDAL's datasets are not for two threads at a time
        self._dtypes = {key: _dtype(datasets) for key, datasets in self.gdal_ds.items()}
        self._shapes = {
            key: (self._heights[key], datasets[0].RasterXSize, datasets[0].RasterCount)
            for key, datasets in self.gdal_ds.items()
        }
        self.run = self._patches_together() if use_streaming else 1
        if not use_streaming:
            self.patches_buffer = {
                key: np.concatenate([read_as_np_arr(dataset, patch_rows=self._heights[key]) for dataset in datasets])
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
        return {key: array[0, ...] for key, array in self._stacked([index]).items()}

    def get_batch(self, indices: Sequence[int]) -> Sample:
        """Return samples stacked, in the order of `indices`; those that lie together in a file are read at once.

        Args:
            indices: from 0 to `size` - 1; one may come several times.

        Returns:
            By source patches of shape (n, rows, columns, bands), and by name the scalars, (n, ...).

        Raises:
            ParameterError: there is no such sample.
            RasterError: one cannot be read.
        """
        if type(self).get_sample is not PatchesImagesReader.get_sample:  # a derived class makes something else of them
            return super().get_batch(indices)
        return self._stacked(indices)

    def _stacked(self, indices: Sequence[int]) -> Sample:
        wanted = np.asarray(indices, "int64")
        for index in wanted[(wanted < 0) | (wanted >= self.size)]:
            raise ParameterError(
                "There is no sample {index}: the patches images hold {size}, numbered from 0 on.",
                index=index,
                size=self.size,
            )
        images = np.searchsorted(self._starts, wanted, side="right") - 1
        batch = {key: values[images] for key, values in self._scalars.items()}
        for key in self.gdal_ds:
            batch[key] = self._streamed(key, wanted) if self.use_streaming else self.patches_buffer[key][wanted]
        return batch

    def get_stats(self) -> Statistics:
        """Return statistics of all patches, computed in float64 whatever the dtype; NaN and infinity are left out.

        Raises:
            RasterError: a patch cannot be read.
        """
        return statistics(self, range(self.size), self.gdal_ds)

    def _streamed(self, key: str, wanted: np.ndarray) -> np.ndarray:
        """Return patches of one source read from its files, of shape (n, rows, columns, bands)."""
        shape, dtype = self._shapes[key], self._dtypes[key]
        order = np.argsort(wanted, kind="stable")
        runs = np.split(order, self._breaks(wanted[order]))
        patches = self._recycled.array((len(wanted), *shape), dtype)
        read = np.empty((max(map(len, runs)), *shape), dtype)  # small enough to stay in the processor's cache

        def parts() -> Iterator[tuple[Any, int, np.ndarray]]:
            for places in runs:
                image = int(np.searchsorted(self._starts, wanted[places[0]], side="right")) - 1
                numbers = wanted[places] - wanted[places[0]]
                run = read[: numbers[-1] + 1]
                first = int(wanted[places[0]]) - self._starts[image]
                yield self.gdal_ds[key][image], first * shape[0], run.reshape(-1, *shape[1:])
                patches[places] = run if len(run) == len(places) else run[numbers]  # some come several times

        with self._lock:
            read_rows(parts())
        return patches

    def _breaks(self, numbers: np.ndarray) -> np.ndarray:
        """Return where among sorted numbers a run ends, which is read at once: at a gap, an image's end, or when long."""
        images = np.searchsorted(self._starts, numbers, side="right")
        far = np.flatnonzero((np.diff(numbers) > 1) | (np.diff(images) > 0)) + 1
        edges = [0, *far.tolist(), len(numbers)]
        return np.array([place for one, two in zip(edges, edges[1:]) for place in range(one, two, _MOST)][1:], "int64")

    def _patches_per_image(self) -> list[int]:
        from ..rasters.inmemory import name_of

        first = next(iter(self.gdal_ds))
        sizes = {
            key: [dataset.RasterYSize // self._heights[key] for dataset in datasets]
            for key, datasets in self.gdal_ds.items()
        }
        for key, counts in sizes.items():
            for one, other, of_one, of_other in zip(sizes[first], counts, self.gdal_ds[first], self.gdal_ds[key]):
                if one != other:
                    raise RasterError(
                        "{name} ({first}) holds {one} {one:patch|patches}, but {of_other} ({key}) holds {other}: list patches "
                        "images of the same points, in the same order for every source.",
                        name=name_of(of_one),
                        first=first,
                        one=one,
                        of_other=name_of(of_other),
                        key=key,
                        other=other,
                    )
        return sizes[first]

    def _patches_together(self) -> int:
        """Return how many patches are read at once: enough bytes, and whole blocks where they must be unpacked."""
        size = sum(math.prod(shape) * self._dtypes[key].itemsize for key, shape in self._shapes.items())
        blocks = [
            math.ceil(dataset.GetRasterBand(1).GetBlockSize()[1] / self._shapes[key][0])
            for key, datasets in self.gdal_ds.items()
            for dataset in datasets
            if dataset.GetDriver().ShortName != "GTiff" or dataset.GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE")
        ]
        return min(_MOST, max(math.ceil(_TOGETHER / size), *blocks, 1))


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

    def get_batch(self, indices: Sequence[int]) -> Sample:
        """Return samples stacked, in the order of `indices`."""
        return self._reader.get_batch(self._indices[np.asarray(indices, "int64")].tolist())

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
    chosen = list(keys) if keys is not None else _patch_keys(reader.get_sample(indices[0]))
    found: dict[str, BandStatistics] = {}
    for start in range(0, len(indices), _AT_ONCE):
        batch = reader.get_batch(indices[start : start + _AT_ONCE])
        for key in chosen:
            found.setdefault(key, BandStatistics(batch[key].shape[-1])).add(batch[key])
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
        raise ParameterError(
            "{files} names both a source and a scalar: rename one.", files=", ".join(set(files) & set(scalars))
        )
    counts = {key: len(items) for key, items in {**files, **scalars}.items()}
    if len(set(counts.values())) > 1 or 0 in counts.values():
        listed = ", ".join(f"{key}: {count}" for key, count in counts.items())
        raise ParameterError(
            "The sources and scalars have different numbers of patches images, or none ({listed}): give for each "
            "the same number, at least one.",
            listed=listed,
        )


def _one_shape(key: str, datasets: Sequence[Any], height: int | None) -> int:
    """Return the rows of a source's patches, once sure that they and the other sizes are the same in all images."""
    from ..rasters.inmemory import name_of

    shapes = {
        name_of(dataset): (patch_height(dataset, height), dataset.RasterXSize, dataset.RasterCount)
        for dataset in datasets
    }
    if len(set(shapes.values())) > 1:
        listed = Phrase("; ").join(
            (
                Phrase("{name}: {width} x {height}, {bands} bands", name=name, width=width, height=height, bands=bands)
                for name, (height, width, bands) in shapes.items()
            )
        )
        raise RasterError(
            "The patches images of the source {key} have different sizes of patches or numbers of bands ({listed}): "
            "give those of other images as another source.",
            key=key,
            listed=listed,
        )
    return next(iter(shapes.values()))[0]


def _dtype(datasets: Sequence[Any]) -> np.dtype:
    from ..rasters.pixeltypes import numpy_type

    bands = [dataset.GetRasterBand(band + 1) for dataset in datasets for band in range(dataset.RasterCount)]
    return np.result_type(*{numpy_type(band.DataType) for band in bands})
