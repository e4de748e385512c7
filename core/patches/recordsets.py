"""TFRecords: data sets as files that TensorFlow reads fast, in OTBTF's layout.

A folder holds `0.records`, `1.records`, ..., and `output_types.json` and `output_shapes.json` with
dtype and shape of each tensor of a sample.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ..base.jsonvalues import Json, OddJson
from ..base.jsonvalues import read as read_json
from ..base.librarymessages import telling_line
from ..base.progress import Progress
from ..errors import ParameterError, RasterError, RecordsError
from ..files.staging import Staging
from ..phrases import Phrase
from ..records.recordframes import compression_of, count_records, damaged

__all__ = ["TFRecords"]

_log = logging.getLogger(__name__)
_LARGEST_SAMPLE = 2**31 - 1  # values of a tensor; a record of more cannot be written
_READ_AHEAD = 1 << 18  # bytes
_NO_RECORD = "The file "  # no tf.train.Example begins so: with the end of a group that never began


def for_graphs(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Return a data set as it is used where it is made.

    A script that builds a graph of TensorFlow 1 asks for `output_types` and `output_shapes`, which only the data sets of
    TensorFlow 1 have.
    """
    return batches if tf.executing_eagerly() else tf.compat.v1.data.Dataset.zip(batches)


class TFRecords:
    """A folder of TFRecords, to write or to read.

    Attributes:
        dirpath: the folder.
        output_types: dtypes of a sample's tensors by name, as TensorFlow calls them; None while there are no files.
        output_shapes: shapes of a sample's tensors by name; None while there are no files.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Read the descriptions, if there are any.

        Args:
            path: the folder; it is made when records are written.

        Raises:
            RecordsError: a description is damaged.
        """
        self.dirpath = os.fspath(path)
        self.output_types_file = os.path.join(self.dirpath, "output_types.json")
        self.output_shapes_file = os.path.join(self.dirpath, "output_shapes.json")
        self._describe()

    def _describe(self) -> None:
        self.output_types = self.load(self.output_types_file) if os.path.exists(self.output_types_file) else None
        self.output_shapes = self.load(self.output_shapes_file) if os.path.exists(self.output_shapes_file) else None
        try:
            for name, kind in Json(self.output_types or {}, self.output_types_file).fields():
                _check_type(kind)
                if self.output_shapes is not None and name not in self.output_shapes:
                    raise kind.odd(
                        Phrase("named in {output_shapes_file} too", output_shapes_file=self.output_shapes_file)
                    )
            for _, shape in Json(self.output_shapes or {}, self.output_shapes_file).fields():
                _check_shape(shape)
        except OddJson as error:
            raise RecordsError("{error}: write or copy the TFRecords again.", error=error) from error

    def ds2tfrecord(
        self, dataset: Any, n_samples_per_shard: int = 100, drop_remainder: bool = True, compression: str = ""
    ) -> None:
        """Write one epoch of a data set.

        The files get their names when all are written: a run that fails leaves an older set as it was.

        Args:
            dataset: has `size`, `output_types`, `output_shapes` and `read_one_sample()`, as `Dataset`.
            n_samples_per_shard: number of samples in a file.
            drop_remainder: leave out the samples that do not fill a file, so that all files are as long, as
                workers that share them need.
            compression: empty, or `GZIP` for smaller files that take longer to read.

        Raises:
            ParameterError: there are not enough samples for one file, or the compression is another.
            RecordsError: the folder cannot be written.
        """
        if compression not in ("", "GZIP"):
            raise ParameterError("compression is {compression!r}, but must be '' or 'GZIP'.", compression=compression)
        if n_samples_per_shard < 1:
            raise ParameterError(
                "n_samples_per_shard is {n_samples_per_shard}, but must be at least 1.",
                n_samples_per_shard=n_samples_per_shard,
            )
        shards, rest = divmod(dataset.size, n_samples_per_shard)
        counts = [n_samples_per_shard] * shards + ([rest] if rest and not drop_remainder else [])
        if not counts:
            raise ParameterError(
                "The {size} samples do not fill a file of n_samples_per_shard={n_samples_per_shard}, and "
                "drop_remainder leaves out the rest: lower n_samples_per_shard, or set drop_remainder=False.",
                size=dataset.size,
                n_samples_per_shard=n_samples_per_shard,
            )
        names = [f"{number}.records" for number in range(len(counts))]
        try:
            os.makedirs(self.dirpath, exist_ok=True)
            with Staging(self.output_types_file, Progress()) as staging:
                for name, count in zip(names, counts):
                    self._write(str(staging.folder / name), dataset, count, compression)
                    _log.info("%s: %d samples", name, count)
                types = {key: dtype.name for key, dtype in dataset.output_types.items()}
                shapes = {key: list(shape) for key, shape in dataset.output_shapes.items()}
                for path, content in ((self.output_types_file, types), (self.output_shapes_file, shapes)):
                    self.save(content, str(staging.folder / os.path.basename(path)))
                staging.commit()
            self._remove_others(names)
        except (OSError, tf.errors.OpError, ParameterError, RasterError) as error:
            reason = getattr(error, "strerror", None) or telling_line(error)
            raise RecordsError(
                "Cannot write TFRecords into {dirpath}: {reason}.", dirpath=self.dirpath, reason=reason.rstrip(".")
            ) from error
        self._describe()

    def _write(self, path: str, dataset: Any, count: int, compression: str) -> None:
        with tf.io.TFRecordWriter(path, compression or None) as writer:
            for _ in range(count):
                writer.write(_example(dataset.read_one_sample()))

    def _remove_others(self, names: Iterable[str]) -> None:
        """Remove the files of an older set that are left beside the new ones."""
        kept = set(names)
        for path in Path(self.dirpath).glob("*.records"):
            if path.name not in kept and path.stem.isdecimal():
                path.unlink()

    @staticmethod
    def save(data: Mapping[str, Any], filepath: str) -> None:
        """Write a dictionary as JSON."""
        Path(filepath).write_text(json.dumps(data, indent=4), encoding="utf-8")

    @staticmethod
    def load(filepath: str) -> dict[str, Any]:
        """Return a dictionary from JSON.

        Raises:
            RecordsError: the file is no such thing.
        """
        try:
            content = {name: item.value for name, item in read_json(filepath).fields()}
        except OddJson as error:
            raise RecordsError(
                "{filepath} cannot be read as JSON ({error}): write or copy the TFRecords again.",
                filepath=filepath,
                error=error,
            ) from error
        except OSError as error:
            raise RecordsError(
                "{filepath} cannot be read: {reason}. Copy the TFRecords again.",
                filepath=filepath,
                reason=error.strerror,
            ) from error
        return content

    def parse_tfrecord(
        self,
        example: Any,
        target_keys: Iterable[str],
        preprocessing_fn: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Turn a record into tensors; for use in `tf.data.Dataset.map`.

        Args:
            example: the record, a scalar string tensor.
            target_keys: names of the targets, after preprocessing.
            preprocessing_fn: takes the dictionary of a sample's tensors and returns another.
            **kwargs: further arguments of `preprocessing_fn`.

        Returns:
            Inputs and targets by name, without `preprocessing_fn` in the dtypes and shapes of `output_types` and
            `output_shapes`: patches are (rows, columns, bands).

        Raises:
            ParameterError: a target is missing.
            RecordsError: the descriptions are missing.
        """
        types, shapes = self._described()
        parsed = tf.io.parse_single_example(example, {key: tf.io.FixedLenFeature([], tf.string) for key in types})
        sample = {
            key: tf.ensure_shape(tf.io.parse_tensor(parsed[key], tf.as_dtype(dtype)), shapes[key])
            for key, dtype in types.items()
        }
        if preprocessing_fn:
            sample = preprocessing_fn(sample, **kwargs)
        targets = set(target_keys)
        check_keys("target_keys", targets, sample)
        inputs = {key: tensor for key, tensor in sample.items() if key not in targets}
        return inputs, {key: tensor for key, tensor in sample.items() if key in targets}

    def read(
        self,
        batch_size: int,
        target_keys: Iterable[str],
        n_workers: int = 1,
        drop_remainder: bool = True,
        shuffle_buffer_size: int | None = None,
        preprocessing_fn: Callable[..., Any] | None = None,
        shard_policy: Any = tf.data.experimental.AutoShardPolicy.AUTO,
        prefetch_buffer_size: int = tf.data.AUTOTUNE,
        num_parallel_calls: int = tf.data.AUTOTUNE,
        seed: int | None = None,
        **kwargs: Any,
    ) -> tf.data.Dataset:
        """Return one epoch of the records in batches.

        Lengths are checked before reading, so that a truncated file is found here. A damaged record
        inside a file stops the reading with a TensorFlow error that names file and record; `check` looks
        for it beforehand.

        Args:
            batch_size: number of samples in a batch.
            target_keys: names of the targets, after preprocessing.
            n_workers: so many workers share the files; files beyond a multiple of it are left out.
            drop_remainder: leave out the last batch where it is smaller.
            shuffle_buffer_size: shuffle within so many samples; None to keep the order.
            preprocessing_fn: takes the dictionary of a sample's tensors and returns another.
            shard_policy: how tf.data shares the files among workers.
            prefetch_buffer_size: batches to prepare ahead.
            num_parallel_calls: of parsing and preprocessing.
            seed: repeats the order of shuffling.
            **kwargs: further arguments of `preprocessing_fn`.

        Returns:
            Tuples (inputs, targets) of dictionaries of tensors. Without `preprocessing_fn` they have the dtypes of
            `output_types`, and the shapes (batch, ...) of `output_shapes`.

        Raises:
            RecordsError: the descriptions are missing, there are no records, or a file is damaged.
            ParameterError: there are fewer files than workers, or a target is missing.
        """
        self._described()
        files = self._files()
        if n_workers < 1 or len(files) < n_workers:
            raise ParameterError(
                "n_workers is {n_workers}, but {dirpath} holds {files_count} files of records, and each worker "
                "needs one at least: write more files (a smaller n_samples_per_shard), or use fewer workers.",
                n_workers=n_workers,
                dirpath=self.dirpath,
                files_count=len(files),
            )
        files = files[: len(files) // n_workers * n_workers]
        packed = [compression_of(path) for path in files]
        counts = [count_records(path, compression) for path, compression in zip(files, packed)]
        _log.info("%d samples in %d files of %s", sum(counts), len(files), self.dirpath)
        if seed is None and shard_policy == tf.data.experimental.AutoShardPolicy.DATA:
            seed = 0  # each worker takes its part of one order, which must be the same for all
        options = tf.data.Options()
        options.deterministic = not shuffle_buffer_size or seed is not None
        options.experimental_distribute.auto_shard_policy = shard_policy
        targets = set(target_keys)

        def parse(record: Any) -> Any:
            return self.parse_tfrecord(record, targets, preprocessing_fn, **kwargs)

        listed = tf.data.Dataset.from_tensor_slices(([str(path) for path in files], packed, np.array(counts, "int64")))
        records = listed.flat_map(_records)
        records = records.apply(tf.data.experimental.assert_cardinality(sum(counts)))  # so that Keras knows its steps
        samples = records.map(parse, num_parallel_calls=num_parallel_calls)
        if shuffle_buffer_size:
            samples = samples.shuffle(shuffle_buffer_size, seed=seed)
        batches = samples.batch(batch_size, drop_remainder=drop_remainder)
        return for_graphs(batches.prefetch(prefetch_buffer_size).with_options(options))

    def count(self) -> int:
        """Return the number of records, found from their lengths without reading them.

        Raises:
            RecordsError: the descriptions are missing, there are no records, or a file is damaged.
        """
        self._described()
        return sum(count_records(path, compression_of(path)) for path in self._files())

    def check(self) -> int:
        """Read all records through, and return their number.

        Raises:
            RecordsError: there are none, or one is damaged; the message says which, in which file.
        """
        total = 0
        for path in self._files():
            compression, number = compression_of(path), 0
            expected = count_records(path, compression)
            try:
                for _ in tf.data.TFRecordDataset(str(path), compression, _READ_AHEAD):
                    number += 1
            except tf.errors.OpError as error:
                raise damaged(path, number, Phrase("its data do not match their checksum")) from error
            total += expected
        return total

    def _described(self) -> tuple[dict[str, Any], dict[str, Any]]:
        if self.output_types is None or self.output_shapes is None:
            missing = self.output_types_file if self.output_types is None else self.output_shapes_file
            raise RecordsError(
                "{missing} is missing, and the records cannot be read without it: give the folder that to_tfrecords "
                "or PatchesExtraction wrote, with its JSON files.",
                missing=missing,
            )
        return self.output_types, self.output_shapes

    def _files(self) -> list[Path]:
        """Return the files of records in the order of their numbers."""
        files = Path(self.dirpath).glob("*.records")
        found = sorted(files, key=lambda path: [int(part) if part.isdecimal() else part for part in _parts(path.stem)])
        if not found:
            raise RecordsError("{dirpath} holds no files of records (*.records): check the path.", dirpath=self.dirpath)
        for path in found:
            if not path.stat().st_size:  # no writer makes such a file on purpose
                raise RecordsError(
                    "{path} is empty, so its records are lost: write or copy it again, or remove it to read the "
                    "others only.",
                    path=path,
                )
        return found


def _check_type(kind: Json) -> None:
    try:
        tf.as_dtype(kind.text())
    except TypeError:
        raise kind.odd(Phrase("a type of TensorFlow, such as float32")) from None


def _check_shape(shape: Json) -> None:
    """Check the sizes of a tensor: none is zero, and all together are what a sample can hold."""
    sizes = [item.whole(1, 2**31) for item in shape.items(8) if item.value is not None]
    if math.prod(sizes) > _LARGEST_SAMPLE:
        raise shape.odd(Phrase("a shape of at most {largest_sample} values", largest_sample=_LARGEST_SAMPLE))


def check_keys(parameter: str, wanted: Iterable[str], sample: Mapping[str, Any]) -> None:
    """Raise ParameterError where a sample lacks one of the keys that `parameter` names."""
    missing = sorted(set(wanted) - set(sample))
    if missing:
        raise ParameterError(
            "{parameter} names {missing}, but after preprocessing a sample has: {sample}. Correct the name, or what "
            "preprocessing_fn returns.",
            parameter=parameter,
            missing=", ".join(missing),
            sample=", ".join(sorted(sample)),
        )


def _parts(stem: str) -> list[str]:
    return re.split(r"(\d+)", stem)


def _example(sample: Mapping[str, Any]) -> bytes:
    """Return a sample as a tf.train.Example, each tensor serialised."""
    features = {}
    for name, array in sample.items():
        content = tf.io.serialize_tensor(array).numpy()
        features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=[content]))
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return bytes(example.SerializeToString(deterministic=True))


def _records(path: Any, compression: Any, count: Any) -> tf.data.Dataset:
    """Return the records of a file; in place of a damaged one, and of those behind it, a text that says so.

    TensorFlow's own error names neither file nor record. So here a damaged record ends the file without an error, and
    the text instead cannot be parsed: that is the error, and it shows the text. Nothing is numbered or compared on the
    way, which would be done for every record.
    """
    records = tf.data.TFRecordDataset(path, compression, _READ_AHEAD).ignore_errors()
    damage = tf.data.Dataset.from_tensors((path, compression)).map(_damage).repeat()
    return records.concatenate(damage).take(count)


def _damage(path: Any, compression: Any) -> Any:
    """Return the text about the damaged record of a file: it follows on the last that can be read."""
    records = tf.data.TFRecordDataset(path, compression, _READ_AHEAD).ignore_errors()
    number = tf.strings.as_string(records.reduce(np.int64(0), lambda so_far, _: so_far + 1))
    where = [
        _NO_RECORD,
        path,
        Phrase(" is damaged at its record "),
        number,
        Phrase(" (counted from 0): its data do not match their checksum."),
    ]
    return tf.strings.join([*where, " Write or copy the file again, or remove it from the folder."])
