"""Samples for training from TFRecords."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from ..classes.joinedclasses import Renumbering, renumbered, wide_enough
from ..classes.legend import Legend
from ..errors import ParameterError
from ..patches.patchesimage import rows_legend
from ..patches.recordsets import TFRecords
from ..records.recordwriting import read_classes
from .samplebatches import AT_ONCE, Batches, Samples


class RecordSamples(Samples):
    """Samples from a folder of TFRecords; its tensors in their order are the sources."""

    def __init__(self, folder: str, budget: int) -> None:
        """Look at the descriptions and count the records.

        Args:
            folder: of the records.
            budget: bytes for samples among which the order is drawn.

        Raises:
            RecordsError: there are none, or one is damaged.
        """
        self._folder, self._records = folder, TFRecords(folder)
        self._renumbering: Renumbering = {}
        self.size = self._records.count()
        types, shapes = self._records.output_types or {}, self._records.output_shapes or {}
        if "string" in types.values():
            raise ParameterError(
                "{folder} holds texts, but models are trained on numbers: write records without texts.", folder=folder
            )
        if any(None in shape for shape in shapes.values()):
            raise ParameterError(
                "{folder} holds tensors of unknown size: write records of one fixed size.", folder=folder
            )
        self._names = {f"source{number}": name for number, name in enumerate(types, 1)}
        self.shapes = {key: tuple(shapes[name]) for key, name in self._names.items()}
        self.dtypes = {key: np.dtype(types[name]) for key, name in self._names.items()}
        each = sum(int(np.prod(self.shapes[key])) * self.dtypes[key].itemsize for key in self.shapes)
        self._within = int(min(self.size, max(AT_ONCE, budget // max(1, each))))

    def batches(self, batch_size: int, shuffled: bool, whole: bool) -> Batches:
        """See `Samples.batches`."""
        epochs = _Epochs(self, batch_size, shuffled, whole)
        first = batch_size if whole else None
        signature = {
            key: tf.TensorSpec((first, *shape), tf.as_dtype(self.dtypes[key])) for key, shape in self.shapes.items()
        }
        return tf.data.Dataset.from_generator(epochs, output_signature=signature), epochs.arrange, lambda: epochs.waited

    def read(self, batch_size: int, seed: int | None, whole: bool) -> Any:
        """Return one epoch of batches, tensors by source; a seed draws the order."""
        batches = self._records.read(
            batch_size,
            (),
            drop_remainder=whole,
            shuffle_buffer_size=None if seed is None else self._within,
            preprocessing_fn=self._renamed,
            seed=seed,
        )
        return batches.map(lambda inputs, _: inputs)

    def values(self, key: str) -> Iterator[np.ndarray]:
        """See `Samples.values`."""
        name = self._names[key]
        read = self._records.read(
            AT_ONCE, (), drop_remainder=False, preprocessing_fn=lambda sample: {key: sample[name]}
        )
        for inputs, _ in read:
            yield self._numbered(key, inputs[key].numpy())

    def legends(self, key: str) -> list[Legend]:
        """See `Samples.legends`; PatchesExtraction writes the classes of its labels beside the records."""
        classes = rows_legend(read_classes(self._folder)) if key == self.keys[-1] else {}
        return [classes] if classes else []

    def join(self, legend: Legend, renumberings: Sequence[Renumbering]) -> None:
        """See `Samples.join`."""
        self.joined = legend
        if any(renumberings):
            key = self.keys[-1]
            self._renumbering = renumberings[0]
            self.dtypes[key] = wide_enough(self.dtypes[key], renumberings)

    def _numbered(self, key: str, array: np.ndarray) -> np.ndarray:
        joined = self._renumbering and key == self.keys[-1]
        return renumbered(array, self._renumbering, self.dtypes[key]) if joined else array

    def numbered(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return a batch with its labels numbered as in other files."""
        return {key: self._numbered(key, array) for key, array in batch.items()}

    def _renamed(self, sample: Mapping[str, Any]) -> dict[str, Any]:
        return {key: sample[name] for key, name in self._names.items()}


class _Epochs:
    """Reads TFRecords, in another order in each epoch.

    tf.data's own shuffling cannot be told a seed anew for each epoch, so each epoch is a data set of its own.

    Attributes:
        waited: seconds for which batches were waited for.
    """

    def __init__(self, samples: RecordSamples, batch_size: int, shuffled: bool, whole: bool) -> None:
        self._samples, self._batch_size, self._shuffled, self._whole = samples, batch_size, shuffled, whole
        self._seed = 0
        self.waited = 0.0

    def arrange(self, seed: int) -> None:
        """Take the seed of the next epoch."""
        self._seed = seed

    def __call__(self) -> Iterator[dict[str, np.ndarray]]:
        """Yield the batches of an epoch."""
        batches = self._samples.read(self._batch_size, self._seed if self._shuffled else None, self._whole)
        reading = batches.as_numpy_iterator()
        while True:
            start = time.monotonic()
            batch = next(reading, None)
            self.waited += time.monotonic() - start
            if batch is None:
                return
            yield self._samples.numbered(batch)
