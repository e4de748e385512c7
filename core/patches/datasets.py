"""Data sets for training, from patches images.

    dataset = DatasetFromPatchesImages({"image": ["patches.tif"], "labels": ["labels.tif"]})
    for_keras = dataset.get_tf_dataset(batch_size=8, targets_keys=["labels"])

Samples are read by a thread while others are used, in runs that lie together in the files.
"""

from __future__ import annotations

import abc
import contextlib
import functools
import itertools
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ..errors import ParameterError
from .patchesreader import PatchesImagesReader, PatchesReaderBase, Path, Sample, Statistics, Subset
from .readahead import Buffer, read_ahead
from .recordsets import TFRecords, check_keys, for_graphs

__all__ = [
    "Buffer",
    "Dataset",
    "DatasetFromPatchesImages",
    "IteratorBase",
    "PatchesImagesReader",
    "PatchesReaderBase",
    "RandomIterator",
]


_RUNS = 16  # of samples that lie together, among which batches are drawn
_WINDOW = 1 << 26  # bytes of them at most, where buffer_length does not ask for more


class IteratorBase(abc.ABC):
    """Gives the numbers of the samples in the order of their use, without end.

    A data set takes as many numbers for an epoch as it has samples.
    """

    @abc.abstractmethod
    def __init__(self, patches_reader: PatchesReaderBase) -> None:
        pass

    def __iter__(self) -> Iterator[int]:
        return self

    @abc.abstractmethod
    def __next__(self) -> int:
        """Return the number of the next sample."""


class RandomIterator(IteratorBase):
    """Each sample once in random order, then each once in another order.

    Samples that lie together in a file (`PatchesReaderBase.run`) come in the same window of the order,
    so that they can be read at once; windows hold samples from everywhere, and are shuffled.

    Attributes:
        indices: the order of the current epoch.
        window: number of samples within which those that lie together are scattered.
    """

    def __init__(self, patches_reader: PatchesReaderBase) -> None:
        self.indices = np.arange(patches_reader.get_size())
        self.window = 128
        self._run = patches_reader.run
        self._random = np.random.default_rng()
        self._count = len(self.indices)

    def arrange(self, window: int, seed: int | None) -> None:
        """Set how many samples make a window, and a seed that repeats the orders; start anew."""
        self.window = window
        self._random = np.random.default_rng(seed)
        self._count = len(self.indices)

    def __next__(self) -> int:
        if self._count >= len(self.indices):
            self._shuffle()
            self._count = 0
        self._count += 1
        return int(self.indices[self._count - 1])

    def _shuffle(self) -> None:
        size = len(self.indices)
        if self._run == 1:
            self.indices = self._random.permutation(size)
            return
        start = int(self._random.integers(self._run))  # other neighbours come together in each epoch
        runs = np.split(np.arange(size), np.arange(start or self._run, size, self._run))
        order = np.concatenate([runs[number] for number in self._random.permutation(len(runs))])
        windows = np.split(order, np.arange(self.window, size, self.window))
        self.indices = np.concatenate([self._random.permutation(window) for window in windows])


class Dataset:
    """Samples for training, read ahead by a thread.

    Attributes:
        patches_reader: where the samples come from.
        size: number of samples in an epoch; each comes once.
        output_types: TensorFlow's dtypes by name: of patches in memory float32, of streamed ones the files' own.
        output_shapes: shapes of one sample by name: (rows, columns, bands) for patches, () for scalars.
        iterator: gives the order.
    """

    def __init__(
        self,
        patches_reader: PatchesReaderBase,
        buffer_length: int = 128,
        iterator_cls: type[IteratorBase] = RandomIterator,
        max_nb_of_samples: int | None = None,
        seed: int | None = None,
    ) -> None:
        """Look at the first sample; more is read when samples are asked for.

        Args:
            patches_reader: where the samples come from.
            buffer_length: how many samples are read and shuffled together, and kept in memory three times at most;
                more where they are so small that the reader has several times as many lie together.
            iterator_cls: makes the order of the samples.
            max_nb_of_samples: takes so many samples, drawn once, and leaves out the others.
            seed: repeats the draw and RandomIterator's orders.

        Raises:
            ParameterError: there is no sample, or a number is smaller than 1.
        """
        for name, value in (("buffer_length", buffer_length), ("max_nb_of_samples", max_nb_of_samples)):
            if value is not None and value < 1:
                raise ParameterError("{name} is {value}, but must be at least 1.", name=name, value=value)
        if patches_reader.get_size() == 0:
            raise ParameterError("The patches reader has no sample: give patches images with at least one patch.")
        if max_nb_of_samples and max_nb_of_samples < patches_reader.get_size():
            drawn = np.random.default_rng(seed).permutation(patches_reader.get_size())[:max_nb_of_samples]
            patches_reader = Subset(patches_reader, np.sort(drawn))
        self.patches_reader = patches_reader
        self.size = patches_reader.get_size()
        self._buffer_length, self._iterator_cls, self._seed = buffer_length, iterator_cls, seed

        sample = {key: np.asarray(value) for key, value in patches_reader.get_sample(0).items()}
        self.output_types = {key: tf.dtypes.as_dtype(array.dtype) for key, array in sample.items()}
        self.output_shapes = {key: array.shape for key, array in sample.items()}
        small = min(_RUNS * patches_reader.run, _WINDOW // max(1, sum(array.nbytes for array in sample.values())))
        self._window = min(max(buffer_length, small), self.size)
        self.iterator = iterator_cls(patches_reader=patches_reader)
        if isinstance(self.iterator, RandomIterator):
            self.iterator.arrange(self._window, seed)

        self._waited = 0.0
        self._order_lock, self._read_lock = threading.Lock(), threading.Lock()
        self._single: Generator[Sample, None, None] = self._samples()

    @functools.cached_property
    def tf_dataset(self) -> tf.data.Dataset:
        """One epoch as a tf.data.Dataset of single samples, dictionaries of tensors."""
        return self._tf_windows.unbatch().apply(tf.data.experimental.assert_cardinality(self.size))

    @functools.cached_property
    def _tf_windows(self) -> tf.data.Dataset:
        """One epoch in parts of some samples, as they are read."""
        signature = {
            key: tf.TensorSpec([None, *shape], self.output_types[key]) for key, shape in self.output_shapes.items()
        }
        return tf.data.Dataset.from_generator(self._windows, output_signature=signature)

    def get_tf_dataset(
        self,
        batch_size: int,
        drop_remainder: bool = True,
        preprocessing_fn: Callable[..., Any] | None = None,
        targets_keys: Sequence[str] | None = None,
    ) -> tf.data.Dataset:
        """Return one epoch in batches; iterated again, it gives the next epoch.

        Args:
            batch_size: number of samples in a batch.
            drop_remainder: leave out the last batch where it is smaller.
            preprocessing_fn: takes a sample's dictionary of tensors (patches of shape (rows, columns,
                bands)) and returns another. What the model itself shall do to images when it is served
                belongs into `ModelBase.normalize_inputs`.
            targets_keys: the names that are targets, after preprocessing.

        Returns:
            Dictionaries of tensors, or tuples (inputs, targets) of two where there are `targets_keys`. Without
            `preprocessing_fn` they have the dtypes of `output_types`, and the shapes (batch, ...) of `output_shapes`.

        Raises:
            ParameterError: the batch is larger than the data set, so that none would come; a target is missing.
        """
        if drop_remainder and batch_size > self.size:
            raise ParameterError(
                "batch_size is {batch_size}, but there are {size} samples, and drop_remainder leaves out a smaller "
                "batch: lower batch_size, or set drop_remainder=False.",
                batch_size=batch_size,
                size=self.size,
            )
        # Without a function of single samples, batches are cut from what was read together: samples are copied once less.
        samples = self.tf_dataset if preprocessing_fn else self._tf_windows
        if preprocessing_fn:
            samples = samples.map(preprocessing_fn, num_parallel_calls=tf.data.AUTOTUNE)
        if targets_keys:
            keys = set(targets_keys)
            check_keys("targets_keys", keys, samples.element_spec)
            samples = samples.map(lambda sample: _split(sample, keys))
        if preprocessing_fn:
            batches = samples.batch(batch_size, drop_remainder=drop_remainder)
        else:
            count = self.size // batch_size if drop_remainder else -(-self.size // batch_size)
            batches = samples.rebatch(batch_size, drop_remainder=drop_remainder)
            batches = batches.apply(tf.data.experimental.assert_cardinality(count))
        return for_graphs(batches.prefetch(tf.data.AUTOTUNE))

    def get_stats(self) -> Statistics:
        """Return the reader's statistics.

        Returns:
            By source, then by `min`, `max`, `mean` and `std`: one float64 per band, of all samples' pixels; NaN where a
            band has no number.

        Raises:
            RasterError: a patch cannot be read.
        """
        return self.patches_reader.get_stats()

    def read_one_sample(self) -> Sample:
        """Return the next sample. After the last of an epoch comes the first of the next.

        Returns:
            NumPy arrays by name, in the dtypes and shapes of `output_types` and `output_shapes`.

        Raises:
            RasterError: it cannot be read.
        """
        with self._read_lock:
            sample = next(self._single, None)
            if sample is None:
                self._single = self._samples()
                sample = next(self._single)
            return sample

    def get_total_wait_in_seconds(self) -> float:
        """Return how many seconds altogether were spent waiting for samples that were still being read."""
        return self._waited

    def to_tfrecords(
        self,
        output_dir: str,
        n_samples_per_shard: int = 100,
        drop_remainder: bool = True,
        compression: str = "",
    ) -> None:
        """Write one epoch as TFRecords, in the dtypes and shapes of `output_types` and `output_shapes`.

        Args:
            output_dir: the folder; it is made where it does not exist.
            n_samples_per_shard: number of samples in a file.
            drop_remainder: leave out the samples that do not fill a file.
            compression: empty, or `GZIP`.

        Raises:
            ParameterError, RecordsError: see `TFRecords.ds2tfrecord`.
            RasterError: a sample cannot be read.
        """
        with self._read_lock:
            self._single.close()
            self._single = self._samples()
        TFRecords(output_dir).ds2tfrecord(self, n_samples_per_shard, drop_remainder, compression)

    def validation_split(
        self, share: float, groups: Sequence[Any] | None = None, seed: int | None = None
    ) -> tuple[Dataset, Dataset]:
        """Share out the samples between training and validation, whole groups at a time.

        Samples that are alike, such as patches that overlap or come from one parcel, belong into one
        group: else the validation says little about other places.

        Args:
            share: of the samples for validation, between 0 and 1; met as nearly as the groups allow.
            groups: one value per sample, equal for the samples of a group. None: the patches image where
                there are several, else each sample is its own group.
            seed: repeats the draw.

        Returns:
            The training and the validation data set.

        Raises:
            ParameterError: the share is not between 0 and 1, or there are fewer than two groups.
        """
        labels = np.asarray(self._default_groups() if groups is None else groups)
        if len(labels) != self.size:
            raise ParameterError(
                "groups has {labels_count} values, but there are {size} samples: give one for each.",
                labels_count=len(labels),
                size=self.size,
            )
        validation = held_back(share, labels, seed)
        return self._part(np.flatnonzero(~validation)), self._part(np.flatnonzero(validation))

    def _part(self, indices: np.ndarray) -> Dataset:
        reader = Subset(self.patches_reader, indices)
        return Dataset(reader, self._buffer_length, self._iterator_cls, seed=self._seed)

    def _default_groups(self) -> np.ndarray:
        sizes = getattr(self.patches_reader, "ds_sizes", [self.size])
        return np.repeat(np.arange(len(sizes)), sizes) if len(sizes) > 1 else np.arange(self.size)

    def _samples(self) -> Generator[Sample, None, None]:
        with contextlib.closing(self._windows()) as windows:
            for window in windows:
                for number in range(len(next(iter(window.values())))):
                    yield {key: array[number, ...] for key, array in window.items()}

    def _windows(self) -> Generator[Sample, None, None]:
        """Yield the samples of one epoch, a window of them stacked at a time, read ahead by a thread."""
        with self._order_lock:
            order = list(itertools.islice(self.iterator, self.size))
        with contextlib.closing(read_ahead(self.patches_reader, order, self._window)) as windows:
            for window, waited in windows:
                self._waited += waited
                yield window


class DatasetFromPatchesImages(Dataset):
    """Samples for training from patches images; see `PatchesImagesReader` and `Dataset`.

    Patches have the shape (rows, columns, bands); float32 from memory, the files' own dtype when streamed.
    """

    def __init__(
        self,
        filenames_dict: Mapping[str, Sequence[Path]],
        use_streaming: bool = False,
        buffer_length: int = 128,
        iterator_cls: type[IteratorBase] = RandomIterator,
        scalar_dict: Mapping[str, Sequence[Any]] | None = None,
        max_nb_of_samples: int | None = None,
        seed: int | None = None,
    ) -> None:
        """Open the patches images.

        Args:
            filenames_dict: by source, the paths of its patches images.
            use_streaming: False to keep all patches in memory; True to read them when they are used.
            buffer_length: how many samples are read together.
            iterator_cls: makes the order of the samples.
            scalar_dict: by name, a value for each of a source's patches images.
            max_nb_of_samples: takes so many samples, drawn once.
            seed: repeats the draw and the orders.

        Raises:
            ParameterError, RasterError: see `PatchesImagesReader` and `Dataset`.
        """
        reader = PatchesImagesReader(filenames_dict, use_streaming, scalar_dict)
        super().__init__(reader, buffer_length, iterator_cls, max_nb_of_samples, seed)


def held_back(share: float, groups: np.ndarray, seed: int | None = None) -> np.ndarray:
    """Return which samples to hold back for validation, whole groups at a time: booleans, shape (samples,).

    Args:
        share: of the samples, between 0 and 1; met as nearly as the groups allow.
        groups: one value per sample, equal for the samples of a group.
        seed: repeats the draw.

    Raises:
        ParameterError: the share is not between 0 and 1, or there are fewer than two groups.
    """
    if not 0 < share < 1:
        raise ParameterError("share is {share}, but must be between 0 and 1, such as 0.2.", share=share)
    _, member = np.unique(groups, return_inverse=True)
    sizes = np.bincount(member)
    if len(sizes) < 2:
        raise ParameterError("All samples are in one group, so none is left for validation: give at least two groups.")
    wanted, have = share * len(member), 0
    chosen: list[int] = []
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        if len(chosen) < len(sizes) - 1 and abs(have + sizes[group] - wanted) < abs(have - wanted):
            chosen.append(group)
            have += sizes[group]
    return np.isin(member, chosen or [np.argmin(sizes)])


def _split(sample: Mapping[str, Any], targets: set[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    inputs = {key: tensor for key, tensor in sample.items() if key not in targets}
    return inputs, {key: tensor for key, tensor in sample.items() if key in targets}
