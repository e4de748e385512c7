"""Writing TFRecords as otbtf does, without TensorFlow.

A folder holds `0.records`, `1.records`, ..., `output_types.json` and `output_shapes.json`. A record is
a tf.train.Example whose features are byte strings, each a serialised TensorProto. Framing of a record:
length (8 bytes), its masked CRC, data, its masked CRC. All records have the same features with the same
shapes and types, so that they differ in the tensors' bytes and the last CRC alone: many are made at once.

Formats: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details,
example.proto, feature.proto and tensor.proto of TensorFlow, protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import ParameterError, RasterError
from .recordframes import crc32c, masked_crc

CLASSES = "classes.json"
"""Name of the file with the classes of the labels, in a folder of records."""

_DATATYPES = {
    "float32": 1,
    "float64": 2,
    "int32": 3,
    "uint8": 4,
    "int16": 5,
    "int8": 6,
    "complex64": 8,
    "int64": 9,
    "uint16": 17,
    "complex128": 18,
    "uint32": 22,
    "uint64": 23,
}
"""TensorFlow's numbers of its types (types.proto)."""

_BATCH = 16_000_000  # bytes of records made at a time
_SMALLEST_FILE, _MOST_FILES = 100, 1000  # otbtf's records per file; more per file where files would be too many


@dataclass(frozen=True)
class Feature:
    """One tensor of every record: its name, shape and NumPy dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def size(self) -> int:
        """The number of its bytes."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


class RecordsWriter:
    """Writes records into a folder, part by part."""

    def __init__(
        self, folder: Path, features: Sequence[Feature], count: int, classes: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Make the folder and its descriptions.

        Args:
            folder: is made.
            features: of every record.
            count: number of records to come.
            classes: of the labels, as `legend.as_rows` returns them; written where one has a name or a colour.
        """
        self._folder = folder
        self._features = tuple(sorted(features, key=lambda feature: feature.name))
        self._per_file = max(_SMALLEST_FILE, -(-count // _MOST_FILES))
        self._written = 0
        self._file: BinaryIO | None = None
        folder.mkdir()
        self._describe("output_types.json", {f.name: np.dtype(f.dtype).name for f in features})
        self._describe("output_shapes.json", {f.name: list(f.shape) for f in features})
        if any(len(row) > 1 for row in classes):
            self._describe(CLASSES, {"classes": list(classes)})
        self._template, self._places = _template(self._features)

    def write(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Append records.

        Args:
            tensors: per feature an array of shape (n, *shape).

        Raises:
            RasterError: the disk is full.
        """
        count = len(next(iter(tensors.values())))
        batch = max(1, _BATCH // len(self._template))
        try:
            for start in range(0, count, batch):
                records = self._records({name: array[start : start + batch] for name, array in tensors.items()})
                self._append(records)
        except OSError as error:
            raise RasterError("Cannot write the TFRecords: {reason}.", reason=error.strerror) from error

    def close(self) -> None:
        """Close the last file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _records(self, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
        count = len(next(iter(tensors.values())))
        records = np.empty((count, len(self._template)), "uint8")
        records[:] = self._template
        for feature, place in zip(self._features, self._places):
            values = np.ascontiguousarray(tensors[feature.name], np.dtype(feature.dtype).newbyteorder("<"))
            records[:, place : place + feature.size] = values.reshape(count, -1).view("uint8")
        checks = masked_crc(crc32c(records[:, 12:-4])).astype("<u4")
        records[:, -4:] = checks[:, None].view("uint8")
        return records

    def _append(self, records: np.ndarray) -> None:
        start = 0
        while start < len(records):
            number, inside = divmod(self._written, self._per_file)
            if inside == 0:
                self.close()
                self._file = open(self._folder / f"{number}.records", "wb")  # noqa: SIM115, open across calls
            assert self._file is not None  # nosec B101 (tells mypy)
            end = min(len(records), start + self._per_file - inside)
            self._file.write(records[start:end].data.cast("B"))
            self._written += end - start
            start = end

    def _describe(self, name: str, content: Mapping[str, object]) -> None:
        (self._folder / name).write_text(json.dumps(content, indent=4), encoding="utf-8")


def check_folder(path: str, name: str) -> None:
    """Raise ParameterError unless `path` is new, or an older folder of TFRecords, which is replaced."""
    folder = Path(path)
    if not folder.exists():
        return
    names = [item.name for item in folder.iterdir()] if folder.is_dir() else [folder.name]
    known = ("output_types.json", "output_shapes.json", CLASSES)
    foreign = [each for each in names if each not in known and not each.endswith(".records")]
    if foreign:
        raise ParameterError(
            "{name} is {path}, which exists and holds other things than TFRecords ({foreign}): choose a new folder.",
            name=name,
            path=path,
            foreign=foreign[0],
        )


def read_classes(folder: str) -> dict[str, Any]:
    """Return the classes of the labels in a folder of records; empty if it names none."""
    try:
        content = json.loads((Path(folder) / CLASSES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _template(features: Sequence[Feature]) -> tuple[np.ndarray, list[int]]:
    """Return a whole record, framing included, with zeros for what varies, and where each tensor's bytes begin."""
    body, places = b"", []
    for feature in features:
        tensor, inside = _tensor(feature)
        # map entry: 1 = name, 2 = Feature; Feature: 1 = BytesList; BytesList: 1 = value
        head = _bytes_field(1, feature.name.encode())
        value = _bytes_field(2, _bytes_field(1, _bytes_field(1, tensor)))
        places.append((feature, head + value, len(head) + len(value) - len(tensor) + inside))
        body += _bytes_field(1, head + value)
    message = _bytes_field(1, body)  # Example: 1 = Features; Features: 1 = the map
    found, position = [], 12 + len(message) - len(body)
    for _, entry, inside in places:
        whole = len(_bytes_field(1, entry))
        found.append(position + whole - len(entry) + inside)
        position += whole
    length = struct.pack("<Q", len(message))
    check = masked_crc(crc32c(np.frombuffer(length, "uint8")[None]))
    record = length + struct.pack("<I", int(check[0])) + message + bytes(4)
    return np.frombuffer(record, "uint8"), found


def _tensor(feature: Feature) -> tuple[bytes, int]:
    """Return a TensorProto with zeros for its content, and where that begins."""
    dims = b"".join(_bytes_field(2, _number_field(1, size)) for size in feature.shape)
    head = _number_field(1, _DATATYPES[np.dtype(feature.dtype).name]) + _bytes_field(2, dims)
    whole = head + _bytes_field(4, bytes(feature.size))
    return whole, len(whole) - feature.size


def _varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _number_field(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes_field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content
