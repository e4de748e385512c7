"""Samples for training, batch by batch, and those from patches images."""

from __future__ import annotations

import abc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ..base.progress import Progress
from ..classes.joinedclasses import Renumbering, renumbered, wide_enough
from ..classes.legend import Legend
from ..errors import ParameterError, field
from ..patches.datasets import Dataset, IteratorBase, RandomIterator, held_back
from ..patches.patchesimage import read_description
from ..patches.patchesreader import PatchesImagesReader, PatchesReaderBase, Sample, Statistics, Subset, statistics
from .labellegends import file_legend

Change = Callable[[dict[str, Any], Any], dict[str, Any]]
"""Takes a batch (tensors by source) and a seed (int64 tensor of shape (2,)), and returns another batch."""

Batches = tuple[Any, Callable[[int], None], Callable[[], float]]
"""A tf.data.Dataset, a function that sets the next epoch's seed, and one that returns the time spent waiting for samples."""

AT_ONCE = 256  # samples that are copied or looked at together


class Feed:
    """Batches of samples: one epoch each time that `data` is iterated.

    Attributes:
        data: dictionaries of tensors by source (`source1`, ...), whose shapes begin with the batch.
        used: number of samples in an epoch; each comes once.
        steps: number of batches.
    """

    def __init__(self, samples: Samples, batch_size: int, shuffled: bool, change: Change | None, whole: bool) -> None:
        if whole and batch_size > samples.size:
            raise ParameterError(
                "{batchsize} is {batch_size}, but there are {size} samples, and {strategy} needs whole batches: "
                "lower the batch size.",
                batchsize=field("batchsize"),
                batch_size=batch_size,
                size=samples.size,
                strategy=field("strategy"),
            )
        self.steps = samples.size // batch_size if whole else -(-samples.size // batch_size)
        self.used = self.steps * batch_size if whole else samples.size
        self._seed = 0
        data, self._arrange, self._waited = samples.batches(batch_size, shuffled, whole)
        if change is not None:
            numbers = tf.data.Dataset.from_generator(self._numbers, output_signature=tf.TensorSpec((2,), tf.int64))
            data = tf.data.Dataset.zip((data, numbers)).map(change, num_parallel_calls=tf.data.AUTOTUNE)
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
        known = tf.data.experimental.assert_cardinality(self.steps)
        self.data = data.apply(known).prefetch(tf.data.AUTOTUNE).with_options(options)

    def begin(self, seed: int) -> None:
        """Set the seed of the order, and of what is drawn, in the epoch that is iterated next."""
        self._seed = seed
        self._arrange(seed)

    @property
    def waited(self) -> float:
        """Seconds for which samples were waited for so far."""
        return self._waited()

    def _numbers(self) -> Iterator[tuple[int, int]]:
        """The seed, as it is when iteration starts, with the number of each batch."""
        seed = self._seed
        return ((seed, batch) for batch in range(self.steps))


class Samples(abc.ABC):
    """Samples of which each has a tensor for each source.

    Attributes:
        size: how many.
        shapes: of one sample's tensors, by source (`source1`, ...).
        dtypes: NumPy's, by source.
        joined: the classes of the last source, once those of several files are numbered alike; None before.
    """

    joined: Legend | None = None
    size: int
    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, np.dtype]

    @property
    def keys(self) -> list[str]:
        """The sources in their order."""
        return list(self.shapes)

    def feed(self, batch_size: int, shuffled: bool = False, change: Change | None = None, whole: bool = False) -> Feed:
        """Return batches.

        Args:
            batch_size: samples in a batch; the last one is smaller where they do not share out.
            shuffled: True for an order drawn from the seed of `Feed.begin`; False for the samples' own.
            change: applied to each batch.
            whole: True to leave out, of each epoch's order, what does not fill a batch: replicas share whole ones only.
        """
        return Feed(self, batch_size, shuffled, change, whole)

    @abc.abstractmethod
    def batches(self, batch_size: int, shuffled: bool, whole: bool) -> Batches:
        """Return batches of dictionaries of tensors by source.

        Args:
            batch_size: samples in a batch.
            shuffled: whether the order is drawn.
            whole: whether a last smaller batch is left out.
        """

    @abc.abstractmethod
    def legends(self, key: str) -> list[Legend]:
        """Return what each file of a source tells of the classes in it."""

    def label_legends(self) -> list[Legend]:
        """Return what each file of labels, which are the last source, tells of its classes."""
        return self.legends(self.keys[-1])

    @abc.abstractmethod
    def join(self, legend: Legend, renumberings: Sequence[Renumbering]) -> None:
        """Have the labels, which are the last source, numbered as in other files.

        Args:
            legend: the classes of all files.
            renumberings: of each file that `label_legends` tells of.
        """

    @abc.abstractmethod
    def values(self, key: str) -> Iterator[np.ndarray]:
        """Yield the tensors of one source, some samples at a time, shape (n, ...)."""


class _InOrder(IteratorBase):
    """The samples as they lie."""

    def __init__(self, patches_reader: PatchesReaderBase) -> None:
        self._size, self._next = patches_reader.get_size(), 0

    def __next__(self) -> int:
        self._next += 1
        return (self._next - 1) % self._size


class PatchesInMemory(PatchesReaderBase):
    """All samples of a reader, kept in memory in their own dtypes.

    Attributes:
        ds_sizes: see `PatchesImagesReader`.
        not_finite: by source, how many patches hold NaN or infinite values.
    """

    def __init__(self, reader: PatchesImagesReader, progress: Progress) -> None:
        self._size, self.ds_sizes = reader.get_size(), reader.ds_sizes
        self.not_finite: Counter[str] = Counter()
        self._arrays: dict[str, np.ndarray] = {}
        for start in range(0, self._size, AT_ONCE):
            progress.check()
            end = min(start + AT_ONCE, self._size)
            for key, part in reader.get_batch(range(start, end)).items():
                whole = self._arrays.setdefault(key, np.empty((self._size, *part.shape[1:]), part.dtype))
                whole[start:end] = part
                if part.dtype.kind == "f":
                    known = np.isfinite(part).all(axis=tuple(range(1, part.ndim)))
                    self.not_finite[key] += len(known) - int(known.sum())

    def get_sample(self, index: int) -> Sample:
        """See `PatchesReaderBase`."""
        return {key: array[index] for key, array in self._arrays.items()}

    def get_batch(self, indices: Sequence[int]) -> Sample:
        """See `PatchesReaderBase`."""
        chosen = np.asarray(indices, "int64")
        return {key: array[chosen] for key, array in self._arrays.items()}

    def get_stats(self) -> Statistics:
        """See `PatchesReaderBase`."""
        return statistics(self, range(self._size))

    def get_size(self) -> int:
        """See `PatchesReaderBase`."""
        return self._size


class RenumberedLabels(PatchesReaderBase):
    """Samples of a reader with their labels numbered as in other files.

    Attributes:
        ds_sizes: see `PatchesImagesReader`.
    """

    def __init__(self, reader: Any, key: str, renumberings: Sequence[Renumbering], dtype: np.dtype) -> None:
        self._reader, self._key, self._renumberings, self._dtype = reader, key, renumberings, dtype
        self.run, self.ds_sizes = reader.run, reader.ds_sizes
        self._ends = np.cumsum(reader.ds_sizes)

    def get_sample(self, index: int) -> Sample:
        """See `PatchesReaderBase`."""
        return {name: array[0] for name, array in self.get_batch([index]).items()}

    def get_batch(self, indices: Sequence[int]) -> Sample:
        """See `PatchesReaderBase`."""
        batch: Sample = self._reader.get_batch(indices)
        labels = batch[self._key].astype(self._dtype)
        files = np.searchsorted(self._ends, np.asarray(indices, "int64"), side="right")
        for file in np.unique(files).tolist():
            here = files == file
            labels[here] = renumbered(batch[self._key][here], self._renumberings[file], self._dtype)
        return {**batch, self._key: labels}

    def get_stats(self) -> Statistics:
        """See `PatchesReaderBase`."""
        return statistics(self, range(self.get_size()))

    def get_size(self) -> int:
        """See `PatchesReaderBase`."""
        return int(self._ends[-1])


class PatchSamples(Samples):
    """Samples from patches images.

    Attributes:
        files: paths by source.
    """

    def __init__(self, reader: PatchesReaderBase, files: Mapping[str, Sequence[str]], budget: int) -> None:
        """Look at the first sample.

        Args:
            reader: delivers them.
            files: the patches images by source.
            budget: bytes for samples that are read ahead.
        """
        self._reader, self.files = reader, {key: tuple(paths) for key, paths in files.items()}
        self._budget, self.size = budget, reader.get_size()
        sample = reader.get_sample(0)
        self.shapes = {key: tuple(sample[key].shape) for key in files}
        self.dtypes = {key: sample[key].dtype for key in files}

    def batches(self, batch_size: int, shuffled: bool, whole: bool) -> Batches:
        """See `Samples.batches`."""
        each = sum(int(np.prod(shape)) * self.dtypes[key].itemsize for key, shape in self.shapes.items())
        together = max(1, min(max(AT_ONCE, batch_size), self._budget // (4 * each)))
        dataset = Dataset(self._reader, together, RandomIterator if shuffled else _InOrder)
        order = dataset.iterator

        def arrange(seed: int) -> None:
            if isinstance(order, RandomIterator):
                order.arrange(order.window, seed)

        batches = dataset.get_tf_dataset(batch_size, drop_remainder=whole)
        return batches, arrange, dataset.get_total_wait_in_seconds

    def values(self, key: str) -> Iterator[np.ndarray]:
        """See `Samples.values`."""
        reader = self._reader
        if isinstance(reader, PatchesImagesReader):  # do not read the other sources for this one
            reader = PatchesImagesReader({key: self.files[key]}, True, patch_heights={key: self.shapes[key][0]})
        for start in range(0, self.size, AT_ONCE):
            yield reader.get_batch(range(start, min(start + AT_ONCE, self.size)))[key]

    def legends(self, key: str) -> list[Legend]:
        """See `Samples.legends`."""
        return [file_legend(path) for path in self.files[key]]

    def join(self, legend: Legend, renumberings: Sequence[Renumbering]) -> None:
        """See `Samples.join`; before a part is held back."""
        self.joined = legend
        if any(renumberings):
            key = self.keys[-1]
            self.dtypes[key] = wide_enough(self.dtypes[key], renumberings)
            self._reader = RenumberedLabels(self._reader, key, renumberings, self.dtypes[key])

    def hold_back(self, share: float, groups: np.ndarray | None, seed: int) -> tuple[PatchSamples, PatchSamples]:
        """Return the samples for training, and those held back for validation, in whole groups.

        Args:
            share: of the samples, to hold back.
            groups: one value per sample; None for what the patches images tell.
            seed: repeats the draw.

        Raises:
            ParameterError: there are fewer than two groups, or not one value per sample.
        """
        values = self._own_groups() if groups is None else groups
        if len(values) != self.size:
            raise ParameterError(
                "{validation_groups} holds {values_count} values, but there are {size} samples: give one value for "
                "each sample.",
                validation_groups=field("validation_groups"),
                values_count=len(values),
                size=self.size,
            )
        if len(np.unique(values)) < 2:
            raise ParameterError(
                "All samples are in one group, so none is left for validation: give several groups in "
                "{validation_groups}, or validation sources.",
                validation_groups=field("validation_groups"),
            )
        held = held_back(share, values, seed)
        return self._subset(~held), self._subset(held)

    def _subset(self, chosen: np.ndarray) -> PatchSamples:
        part = PatchSamples(Subset(self._reader, np.flatnonzero(chosen)), self.files, self._budget)
        part.joined = self.joined
        return part

    def _own_groups(self) -> np.ndarray:
        """Groups that the descriptions name, else the patches images where there are several, else the samples."""
        files = next(iter(self.files.values()))
        described = [read_description(path) for path in files]
        parts = [np.array(content.get("groups", "").split(), "int64") for content in described]
        if sum(map(len, parts)) == self.size and all(map(len, parts)):
            offsets = np.cumsum([0, *(int(part.max(initial=-1)) + 1 for part in parts)])
            return np.concatenate([part + offset for part, offset in zip(parts, offsets)])
        sizes = getattr(self._reader, "ds_sizes", [self.size])
        return np.repeat(np.arange(len(sizes)), sizes) if len(sizes) > 1 else np.arange(self.size)
