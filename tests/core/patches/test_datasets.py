"""Data sets over patches images: what is read, in which order, and what is refused."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from api_helpers import numbers, patches, write

from otbtf_qgis.core.errors import ParameterError, RasterError

pytest.importorskip("tensorflow")
pytest.importorskip("osgeo")

from osgeo import gdal

from otbtf_qgis import core
from otbtf_qgis.core.dataset import (
    Buffer,
    Dataset,
    DatasetFromPatchesImages,
    IteratorBase,
    PatchesImagesReader,
    PatchesReaderBase,
    RandomIterator,
)
from otbtf_qgis.core.patches.recycling import Recycled


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Two patches images per source, of 20 and 13 patches, numbered from 0 to 32."""
    folder = tmp_path_factory.mktemp("patches")
    return {
        "image": [
            write(folder / f"image{first}.tif", patches(count, 6, 3, first=first))
            for first, count in ((0, 20), (20, 13))
        ],
        "labels": [
            write(folder / f"labels{first}.tif", patches(count, 4, 1, "uint8", first))
            for first, count in ((0, 20), (20, 13))
        ],
    }


@pytest.mark.parametrize("use_streaming", [False, True])
def test_samples_are_the_patches(files: dict[str, list[str]], use_streaming: bool) -> None:
    scalars = {"date": ["2020", "2021"], "place": [np.array([1.0, 2.0]), np.array([3.0, 4.0])]}
    reader = PatchesImagesReader(files, use_streaming, scalars)
    assert reader.get_size() == 33
    for index in (0, 19, 20, 32):
        sample = reader.get_sample(index)
        first = 0 if index < 20 else 20
        expected = patches(20 if first == 0 else 13, 6, 3, first=first)[index - first]
        np.testing.assert_array_equal(sample["image"], expected)
        assert sample["image"].dtype == ("uint16" if use_streaming else "float32")
        assert sample["labels"].shape == (4, 4, 1)
        assert sample["date"] == ("2020" if index < 20 else "2021")
        assert sample["place"].tolist() == ([1.0, 2.0] if index < 20 else [3.0, 4.0])
    assert numbers(reader.get_samples([25, 3, 4, 25])) == [25, 3, 4, 25]
    with pytest.raises(ParameterError, match="no sample 33.*hold 33"):
        reader.get_sample(33)


@pytest.mark.parametrize("use_streaming", [False, True])
def test_statistics_do_not_overflow(tmp_path: Path, use_streaming: bool) -> None:
    array = np.random.default_rng(0).integers(250, 256, (70, 8, 8, 2)).astype("uint8")
    stats = PatchesImagesReader({"a": [write(tmp_path / "a.tif", array)]}, use_streaming, {"s": [7]}).get_stats()
    assert list(stats) == ["a"]
    for name, function in (("min", np.min), ("max", np.max), ("mean", np.mean), ("std", np.std)):
        np.testing.assert_allclose(stats["a"][name], function(array.astype("float64"), axis=(0, 1, 2)), rtol=1e-9)


@pytest.mark.parametrize("use_streaming", [False, True])
@pytest.mark.parametrize("buffer_length", [1, 7, 128])
def test_every_sample_once_an_epoch(files: dict[str, list[str]], use_streaming: bool, buffer_length: int) -> None:
    dataset = DatasetFromPatchesImages(files, use_streaming, buffer_length)
    batches = dataset.get_tf_dataset(4, drop_remainder=False, targets_keys=["labels"])
    orders = []
    for _ in range(3):
        for inputs, _ in batches.take(2):  # an epoch that is given up early
            assert inputs["image"].shape == (4, 6, 6, 3)
        pairs = [(inputs["image"], targets["labels"]) for inputs, targets in batches]
        images = np.concatenate([image for image, _ in pairs])[:, 0, 0, 0].astype(int).tolist()
        labels = np.concatenate([label for _, label in pairs])[:, 0, 0, 0].astype(int).tolist()
        assert images == labels
        assert sorted(images) == list(range(33))
        orders.append(images)
    assert orders[0] != orders[1]
    singles = [dataset.read_one_sample() for _ in range(66)]
    assert sorted(numbers(singles[:33])) == sorted(numbers(singles[33:])) == list(range(33))
    assert dataset.get_total_wait_in_seconds() > 0


def test_seed_repeats_the_orders(files: dict[str, list[str]]) -> None:
    def order(seed: int) -> list[int]:
        dataset = DatasetFromPatchesImages(files, True, 16, seed=seed)
        return numbers([dataset.read_one_sample() for _ in range(66)])

    assert order(5) == order(5) != order(6)


def test_neighbours_are_read_together_and_scattered_in_their_window(tmp_path: Path) -> None:
    reader = PatchesImagesReader({"image": [write(tmp_path / "a.tif", patches(200, 4, 1))]}, use_streaming=True)
    iterator = RandomIterator(reader)
    iterator.arrange(window=64, seed=0)
    window = [next(iterator) for _ in range(64)]
    runs = np.flatnonzero(np.diff(np.sort(window)) > 1)
    assert reader.run >= 8
    assert len(runs) + 1 <= 64 // reader.run + 2
    assert np.sum(np.diff(window) == 1) < 20  # not in the file's order


def test_shapes_types_and_limits(files: dict[str, list[str]]) -> None:
    dataset = DatasetFromPatchesImages(files, use_streaming=True, max_nb_of_samples=10, seed=1)
    assert dataset.size == 10
    assert dataset.output_shapes == {"image": (6, 6, 3), "labels": (4, 4, 1)}
    assert {key: dtype.name for key, dtype in dataset.output_types.items()} == {"image": "uint16", "labels": "uint8"}
    one, two = ({*numbers([dataset.read_one_sample() for _ in range(10)])} for _ in range(2))
    assert one == two and len(one) == 10
    spec = dataset.get_tf_dataset(
        3, preprocessing_fn=lambda sample: {**sample, "half": sample["image"] / 2}
    ).element_spec
    assert {key: tuple(tensor.shape) for key, tensor in spec.items()} == {
        "image": (3, 6, 6, 3),
        "labels": (3, 4, 4, 1),
        "half": (3, 6, 6, 3),
    }


def test_own_iterator_keeps_its_order(files: dict[str, list[str]]) -> None:
    class Backwards(IteratorBase):
        def __init__(self, patches_reader: PatchesReaderBase) -> None:
            self.size, self.count = patches_reader.get_size(), 0

        def __next__(self) -> int:
            self.count += 1
            return self.size - 1 - (self.count - 1) % self.size

    dataset = DatasetFromPatchesImages(files, use_streaming=True, buffer_length=8, iterator_cls=Backwards)
    assert numbers([dataset.read_one_sample() for _ in range(40)]) == [*range(32, -1, -1), *range(32, 25, -1)]


class Numbers(PatchesReaderBase):
    """A reader of one's own, without GDAL."""

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails

    def get_sample(self, index: int) -> dict[str, Any]:
        if self.fails and index == 5:
            raise RasterError("patch 5 is gone")
        return {"a": np.full((2, 2, 1), index, "int32")}

    def get_stats(self) -> dict[str, Any]:
        return {}

    def get_size(self) -> int:
        return 12


def test_own_reader_and_split_by_groups() -> None:
    dataset = Dataset(Numbers())
    train, valid = dataset.validation_split(0.25, groups=[number // 3 for number in range(12)], seed=0)
    found = [sorted(numbers([part.read_one_sample() for _ in range(part.size)], "a")) for part in (train, valid)]
    assert sorted(found[0] + found[1]) == list(range(12))
    assert len(found[1]) == 3 and len({number // 3 for number in found[1]}) == 1
    assert valid.get_stats()["a"]["mean"].tolist() == [np.mean(found[1])]
    with pytest.raises(ParameterError, match="at least two groups"):
        dataset.validation_split(0.5, groups=["a"] * 12)
    with pytest.raises(ParameterError, match=r"share is 1\.5"):
        dataset.validation_split(1.5)


def test_split_takes_whole_images_by_itself(files: dict[str, list[str]]) -> None:
    _, valid = DatasetFromPatchesImages(files).validation_split(0.4, seed=3)
    assert sorted(numbers([valid.read_one_sample() for _ in range(valid.size)])) in ([*range(20)], [*range(20, 33)])


def test_failure_while_reading_ahead_arrives() -> None:
    dataset = Dataset(Numbers(fails=True), buffer_length=3)
    with pytest.raises(RasterError, match="patch 5 is gone"):
        for _ in range(12):
            dataset.read_one_sample()


def readers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "otbtf-samples"}


def test_thread_ends_when_samples_are_no_longer_wanted() -> None:
    class Endless(Numbers):
        def get_size(self) -> int:
            return 100_000  # more than is read ahead

    others = readers()
    dataset = Dataset(Endless(), buffer_length=2)
    iterator = iter(dataset.get_tf_dataset(2))
    next(iterator)
    assert readers() - others
    del iterator
    deadline = time.monotonic() + 20
    while readers() - others and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not readers() - others


def test_patches_that_are_not_square(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 9, (5, 3, 6, 2)).astype("uint8")
    path = write(tmp_path / "wide.tif", array)
    (tmp_path / "wide.tif.json").write_text(json.dumps({"version": 1, "patch_height": 3, "patch_width": 6}))
    for use_streaming in (False, True):
        reader = PatchesImagesReader({"a": path}, use_streaming)  # type: ignore[dict-item]
        np.testing.assert_array_equal([sample["a"] for sample in reader.get_samples(range(5))], array)
    assert core.read_as_np_arr(core.gdal_open(path)).shape == (5, 3, 6, 2)
    assert core.read_as_np_arr(core.gdal_open(path), as_patches=False).shape == (1, 15, 6, 2)


def test_a_derived_reader_changes_samples(files: dict[str, list[str]]) -> None:
    class Halved(PatchesImagesReader):
        def get_sample(self, index: int) -> dict[str, Any]:
            sample = super().get_sample(index)
            return {**sample, "image": sample["image"] / 2}

    dataset = Dataset(Halved(files, use_streaming=True), buffer_length=4)
    assert sorted(2 * sample["image"][0, 0, 0] for sample in (dataset.read_one_sample() for _ in range(33))) == [
        *range(33)
    ]


@pytest.mark.parametrize("compress", ["NONE", "DEFLATE"])
def test_batches_are_stacked_samples(tmp_path: Path, compress: str) -> None:
    array = patches(150, 4, 2)
    path = str(tmp_path / "a.tif")
    gdal.Translate(path, write(tmp_path / "plain.tif", array), creationOptions=[f"COMPRESS={compress}"])
    reader = PatchesImagesReader({"a": [path, path]}, use_streaming=True, scalar_dict={"s": [1.5, 2.5]})
    indices = [7, 299, 7, 3, 150, *range(200, 100, -1), 4]
    batch = reader.get_batch(indices)
    np.testing.assert_array_equal(batch["a"], np.concatenate([array, array])[indices])
    assert batch["a"].dtype == "uint16"
    np.testing.assert_array_equal(batch["s"], np.where(np.array(indices) < 150, 1.5, 2.5))


def test_memory_is_used_again_once_nobody_has_it() -> None:
    recycled, dtype = Recycled(), np.dtype("uint16")
    first = recycled.array((5, 3), dtype)
    place, view = first.ctypes.data, first[2:]
    first[:] = 7
    del first
    assert recycled.array((5, 3), dtype).ctypes.data != place  # the view is still there
    assert (view == 7).all()
    del view
    assert place in [recycled.array((3, 5), dtype).ctypes.data for _ in range(2)]


def test_truncated_patches_image_is_told(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "a.tif", patches(2000, 8, 2)))
    path.write_bytes(path.read_bytes()[:100_000])
    reader = PatchesImagesReader({"a": [path]}, use_streaming=True)
    assert reader.get_sample(0)["a"].shape == (8, 8, 2)
    with pytest.raises(RasterError, match=r"Cannot read rows 12\d\d\d to .*a\.tif.*complete"):
        reader.get_batch(range(1600, 1650))


def test_bad_patches_images_are_explained(tmp_path: Path, files: dict[str, list[str]]) -> None:
    one = write(tmp_path / "one.tif", patches(4, 6, 3))
    cases: list[tuple[dict[str, Any], type[Exception], str]] = [
        (
            {"a": [one], "b": [write(tmp_path / "five.tif", patches(5, 6, 1))]},
            RasterError,
            r"one\.tif .a. holds 4.*five",
        ),
        ({"a": [one, write(tmp_path / "two.tif", patches(4, 6, 2))]}, RasterError, "6 x 6, 3 bands.*6 x 6, 2 bands"),
        (
            {"a": [write(tmp_path / "odd.tif", patches(1, 6, 1).reshape(1, 4, 9, 1))]},
            RasterError,
            "9 x 4 pixels.*multiple",
        ),
        ({"a": [one], "b": files["labels"]}, ParameterError, "a: 1, b: 2"),
        ({"a": [str(tmp_path / "none.tif")]}, RasterError, r"none\.tif"),
        ({}, ParameterError, "empty"),
    ]
    for given, kind, message in cases:
        with pytest.raises(kind, match=message):
            PatchesImagesReader(given)
    with pytest.raises(ParameterError, match="a: 1, s: 2"):
        PatchesImagesReader({"a": [one]}, scalar_dict={"s": [1, 2]})
    dataset = DatasetFromPatchesImages({"a": [one]})
    with pytest.raises(ParameterError, match="targets_keys names b.*a sample has: a"):
        dataset.get_tf_dataset(2, targets_keys=["b"])
    with pytest.raises(ParameterError, match="batch_size is 5, but there are 4"):
        dataset.get_tf_dataset(5)


def test_buffer() -> None:
    buffer = Buffer(2)
    buffer.add(1)
    assert (buffer.size(), buffer.is_complete()) == (1, False)
    buffer.add(2)
    assert buffer.is_complete() and buffer.container == [1, 2]
    with pytest.raises(ParameterError, match="holds 2 items"):
        buffer.add(3)
