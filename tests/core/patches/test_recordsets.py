"""TFRecords: OTBTF's layout, both ways, and what damage is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from api_helpers import numbers, patches, write
from serving import write_at as write_image

from otbtf_qgis.core.errors import ParameterError, RecordsError
from otbtf_qgis.core.registry import run

tf = pytest.importorskip("tensorflow")
pytest.importorskip("osgeo")

from otbtf_qgis.core.dataset import Dataset, DatasetFromPatchesImages, PatchesImagesReader  # noqa: E402
from otbtf_qgis.core.records.recordwriting import Feature, RecordsWriter  # noqa: E402
from otbtf_qgis.core.tfrecords import TFRecords  # noqa: E402


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """23 patches with labels, a text and a vector."""
    files = {
        "image": [write(tmp_path / "image.tif", patches(23, 5, 2))],
        "labels": [write(tmp_path / "labels.tif", patches(23, 5, 1, "uint8"))],
    }
    scalars = {"place": ["here"], "angles": [np.array([1.5, 2.5], "float32")]}
    return Dataset(PatchesImagesReader(files, use_streaming=True, scalar_dict=scalars), buffer_length=6)


def read_all(folder: Path, **more: object) -> list[tuple[dict, dict]]:
    return list(TFRecords(str(folder)).read(4, ["labels"], drop_remainder=False, **more).as_numpy_iterator())


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_round_trip(dataset: Dataset, tmp_path: Path, compression: str) -> None:
    folder = tmp_path / "records"
    dataset.read_one_sample()  # an epoch has begun already
    dataset.to_tfrecords(str(folder), n_samples_per_shard=10, drop_remainder=False, compression=compression)
    names = ["0.records", "1.records", "2.records", "output_shapes.json", "output_types.json"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert json.loads((folder / "output_shapes.json").read_text()) == {
        "place": [],
        "angles": [2],
        "image": [5, 5, 2],
        "labels": [5, 5, 1],
    }
    types = json.loads((folder / "output_types.json").read_text())
    assert types == {"place": "string", "angles": "float32", "image": "uint16", "labels": "uint8"}
    for more in ({}, {"shuffle_buffer_size": 5}):
        batches = read_all(folder, **more)
        images = np.concatenate([inputs["image"] for inputs, _ in batches])
        order = images[:, 0, 0, 0].astype(int)
        assert sorted(order) == list(range(23))
        np.testing.assert_array_equal(images, patches(23, 5, 2)[order])
        assert np.concatenate([targets["labels"] for _, targets in batches])[:, 0, 0, 0].tolist() == order.tolist()
        assert batches[0][0]["place"].tolist() == [b"here"] * 4
        assert batches[0][0]["angles"].tolist() == [[1.5, 2.5]] * 4
    assert TFRecords(folder).check() == 23


def test_records_are_those_of_patches_extraction(tmp_path: Path) -> None:
    image, labels = patches(12, 5, 2), patches(12, 5, 1, "uint8")
    features = [Feature("image", (5, 5, 2), np.dtype("uint16")), Feature("labels", (5, 5, 1), np.dtype("uint8"))]
    writer = RecordsWriter(tmp_path / "theirs", features, 12)
    writer.write({"image": image, "labels": labels})
    writer.close()
    files = {"image": [write(tmp_path / "i.tif", image)], "labels": [write(tmp_path / "l.tif", labels)]}

    class InOrder:
        size, count = 12, 0
        output_types = {"image": tf.uint16, "labels": tf.uint8}
        output_shapes = {"image": (5, 5, 2), "labels": (5, 5, 1)}

        def __init__(self) -> None:
            self.reader = DatasetFromPatchesImages(files, use_streaming=True).patches_reader

        def read_one_sample(self) -> dict:
            self.count += 1
            return self.reader.get_sample(self.count - 1)

    TFRecords(tmp_path / "ours").ds2tfrecord(InOrder(), drop_remainder=False)
    for name in ("0.records", "output_types.json", "output_shapes.json"):
        theirs, ours = (tmp_path / folder / name for folder in ("theirs", "ours"))
        same = theirs.read_bytes() == ours.read_bytes()
        assert same or json.loads(theirs.read_text()) == json.loads(ours.read_text())
    batches = list(TFRecords(tmp_path / "theirs").read(12, ["labels"]).as_numpy_iterator())
    np.testing.assert_array_equal(batches[0][0]["image"], image)


def test_records_written_as_otbtf_writes_them(tmp_path: Path) -> None:
    array = patches(3, 4, 1, "float32")
    with tf.io.TFRecordWriter(str(tmp_path / "0.records")) as writer:
        for patch in array:
            value = tf.io.serialize_tensor(patch).numpy()
            feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
            example = tf.train.Example(features=tf.train.Features(feature={"labels": feature}))
            writer.write(example.SerializeToString())
    (tmp_path / "output_types.json").write_text('{"labels": "float32"}')
    (tmp_path / "output_shapes.json").write_text('{"labels": [4, 4, 1]}')
    ((_, targets),) = TFRecords(tmp_path).read(3, ["labels"])
    np.testing.assert_array_equal(targets["labels"], array)


def test_preprocessing_workers_and_remainder(dataset: Dataset, tmp_path: Path) -> None:
    dataset.to_tfrecords(str(tmp_path / "r"), n_samples_per_shard=4)  # 5 files, 3 samples left out
    records = TFRecords(tmp_path / "r")

    def prepared(sample: dict, factor: int) -> dict:
        return {"x": sample["image"], "y": tf.cast(sample["labels"], tf.int32) * factor}

    read = records.read(3, ["y"], n_workers=2, preprocessing_fn=prepared, factor=3)
    batches = list(read.as_numpy_iterator())
    assert len(batches) == 5  # 16 of the 20 samples, since 2 workers share 4 files; 1 left out of the last batch
    for inputs, targets in batches:
        assert (targets["y"][:, 0, 0, 0] == 3 * inputs["x"][:, 0, 0, 0]).all()
    assert read.element_spec[0]["x"].shape == (3, 5, 5, 2)
    with pytest.raises(ParameterError, match="n_workers is 6.*5 files"):
        records.read(3, ["y"], n_workers=6)
    with pytest.raises(ParameterError, match="target_keys names z.*: angles, image, labels, place"):
        records.read(3, ["z"])


def test_an_older_set_is_replaced_whole_or_not_at_all(dataset: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    dataset.to_tfrecords(str(folder), n_samples_per_shard=4)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    class Failing:
        size, output_types, output_shapes, left = 23, dataset.output_types, dataset.output_shapes, 15

        def read_one_sample(self) -> dict:
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt
            return dataset.read_one_sample()

    with pytest.raises(KeyboardInterrupt):
        TFRecords(folder).ds2tfrecord(Failing(), 10)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    dataset.to_tfrecords(str(folder), n_samples_per_shard=10)
    assert sorted(path.name for path in folder.glob("*.records")) == ["0.records", "1.records"]
    assert len({*numbers([{"image": image} for inputs, _ in read_all(folder) for image in inputs["image"]])}) == 20


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_truncated_file_is_named(dataset: Dataset, tmp_path: Path, compression: str) -> None:
    dataset.to_tfrecords(str(tmp_path / "r"), 10, compression=compression)
    path = tmp_path / "r" / "1.records"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(RecordsError, match=r"1\.records is damaged at its record \d"):
        read_all(tmp_path / "r")


def test_emptied_file_is_named(dataset: Dataset, tmp_path: Path) -> None:
    dataset.to_tfrecords(str(tmp_path / "r"), 10)
    (tmp_path / "r" / "1.records").write_bytes(b"")
    with pytest.raises(RecordsError, match=r"1\.records is empty"):
        read_all(tmp_path / "r")


def test_truncated_at_record(dataset: Dataset, tmp_path: Path) -> None:
    dataset.to_tfrecords(str(tmp_path / "r"), 10)
    path = tmp_path / "r" / "1.records"
    length = path.stat().st_size // 10
    path.write_bytes(path.read_bytes()[: 7 * length + length // 2])
    with pytest.raises(RecordsError, match=r"1\.records is damaged at its record 7 .*ends within it"):
        read_all(tmp_path / "r")


@pytest.mark.parametrize(("offset", "message"), [(3, "its length"), (60, "its data")])
def test_corrupt_record_is_named(dataset: Dataset, tmp_path: Path, offset: int, message: str) -> None:
    dataset.to_tfrecords(str(tmp_path / "r"), 10)
    path = tmp_path / "r" / "1.records"
    content = bytearray(path.read_bytes())
    content[4 * (len(content) // 10) + offset] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(RecordsError, match=rf"1\.records is damaged at its record 4 .*{message}"):
        TFRecords(tmp_path / "r").check()
    with pytest.raises((RecordsError, tf.errors.InvalidArgumentError), match=r"1\.records.*4"):
        read_all(tmp_path / "r")


def test_what_is_missing_is_named(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match=r"output_types\.json is missing"):
        TFRecords(tmp_path / "new").read(1, [])
    assert not (tmp_path / "new").exists()
    dataset.to_tfrecords(str(tmp_path / "r"), 10)
    (tmp_path / "r" / "output_shapes.json").write_text("{")
    with pytest.raises(RecordsError, match=r"output_shapes\.json cannot be read as JSON"):
        TFRecords(tmp_path / "r")
    (tmp_path / "r" / "output_shapes.json").unlink()
    with pytest.raises(RecordsError, match=r"output_shapes\.json is missing"):
        TFRecords(tmp_path / "r").read(1, [])
    with pytest.raises(ParameterError, match="23 samples do not fill a file"):
        dataset.to_tfrecords(str(tmp_path / "s"), 24)
    with pytest.raises(ParameterError, match="compression is 'zip'"):
        dataset.to_tfrecords(str(tmp_path / "s"), 4, compression="zip")


def test_what_patches_extraction_writes_is_read(tmp_path: Path) -> None:
    """Patches that are not square, as patches images and as TFRecords, with their labels."""
    pixels = np.random.default_rng(0).integers(0, 1000, (20, 24, 2)).astype("uint16")
    image = write_image(tmp_path / "image.tif", pixels)
    points = [(5, 6), (12, 9), (18, 13), (3, 16)]  # columns and rows
    places = [[500000.0 + 10 * column + 5, 4800000.0 - 10 * row - 5] for column, row in points]
    features = [
        {"type": "Feature", "properties": {"class": number}, "geometry": {"type": "Point", "coordinates": place}}
        for number, place in enumerate(places)
    ]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32631"}}
    vector = {"type": "FeatureCollection", "crs": crs, "features": features}
    (tmp_path / "points.geojson").write_text(json.dumps(vector))
    values = {
        "source1.il": [image],
        "source1.patchsizex": 5,
        "source1.patchsizey": 3,
        "vec": str(tmp_path / "points.geojson"),
    }
    outputs = {"source1.out": "patches.tif", "outlabels": "labels.tif", "out.tfrecords": "records"}
    run(
        "PatchesExtraction",
        {**values, "field": "class", **{key: str(tmp_path / name) for key, name in outputs.items()}},
    )

    expected = [pixels[row - 1 : row + 2, column - 2 : column + 3] for column, row in points]
    files = {"image": [str(tmp_path / "patches.tif")], "labels": [str(tmp_path / "labels.tif")]}
    for use_streaming in (False, True):
        samples = PatchesImagesReader(files, use_streaming).get_samples(range(4))
        np.testing.assert_array_equal([sample["image"] for sample in samples], expected)
        assert [sample["labels"].item() for sample in samples] == [0, 1, 2, 3]
    records = TFRecords(tmp_path / "records")
    assert records.output_types is not None
    ((inputs, targets),) = records.read(4, set(records.output_types) - {"source1"}).as_numpy_iterator()
    np.testing.assert_array_equal(inputs["source1"], expected)
    assert [array.ravel().tolist() for array in targets.values()] == [[0, 1, 2, 3]]
