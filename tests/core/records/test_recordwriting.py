"""TFRecords written without TensorFlow, and read with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.records import recordwriting
from otbtf_qgis.core.records.recordwriting import Feature, RecordsWriter, check_folder


@pytest.mark.parametrize("batch", [1, 16_000_000])
def test_tensorflow_reads_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    tf = pytest.importorskip("tensorflow")
    monkeypatch.setattr(recordwriting, "_BATCH", batch)
    random = np.random.default_rng(0)
    names = ["uint8", "int16", "uint16", "int32", "uint32", "float32", "float64", "int8", "int64", "uint64"]
    shapes = {name: (3, 2 + place, 50) for place, name in enumerate(names)}
    tensors = {name: random.integers(0, 100, (250, *shape)).astype(name) for name, shape in shapes.items()}
    tensors["label"] = np.arange(250, dtype="int16").reshape(-1, 1, 1, 1) - 5
    features = [Feature(name, array.shape[1:], array.dtype) for name, array in tensors.items()]
    writer = RecordsWriter(tmp_path / "records", features, 250)
    for part in (slice(0, 70), slice(70, 71), slice(71, 250)):
        writer.write({name: array[part] for name, array in tensors.items()})
    writer.close()
    types = json.loads((tmp_path / "records" / "output_types.json").read_text())
    assert types == {name: array.dtype.name for name, array in tensors.items()}
    sizes = json.loads((tmp_path / "records" / "output_shapes.json").read_text())
    assert sizes == {name: list(array.shape[1:]) for name, array in tensors.items()}
    files = [str(tmp_path / "records" / f"{number}.records") for number in range(3)]
    assert sorted(path.name for path in (tmp_path / "records").glob("*.records")) == [Path(f).name for f in files]
    keys = {name: tf.io.FixedLenFeature([], tf.string) for name in types}
    number = 0
    for record in tf.data.TFRecordDataset(files):
        example = tf.io.parse_single_example(record, keys)
        for name, kind in types.items():
            assert np.array_equal(tf.io.parse_tensor(example[name], kind).numpy(), tensors[name][number])
        number += 1
    assert number == 250


def test_a_folder_of_other_things_is_not_replaced(tmp_path: Path) -> None:
    check_folder(str(tmp_path / "new"), "OUT_TFRECORDS")
    (tmp_path / "0.records").touch()
    check_folder(str(tmp_path), "OUT_TFRECORDS")
    (tmp_path / "thesis.odt").touch()
    with pytest.raises(ParameterError, match="holds other things than TFRecords .thesis.odt"):
        check_folder(str(tmp_path), "OUT_TFRECORDS")
