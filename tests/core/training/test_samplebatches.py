"""The samples of a training: each once an epoch, in orders that follow from the seed, neighbours together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import training_scene as scene
from api_helpers import patches, write

from otbtf_qgis.core.dataset import DatasetFromPatchesImages
from otbtf_qgis.core.errors import as_key, worded
from otbtf_qgis.core.parameters.sampleroles import SampleRole
from otbtf_qgis.core.parameters.trainingsources import TrainingSource
from otbtf_qgis.core.training.augmentation import augment
from otbtf_qgis.core.training.opensamples import open_samples, read_groups
from otbtf_qgis.core.training.samplebatches import PatchSamples, Samples

COUNT = 20


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Samples]:
    """The same samples in memory, streamed, and as TFRecords; the corner of each patch, and its label, is its number."""
    folder = tmp_path_factory.mktemp("data")
    image, labels = (
        write(folder / "a.tif", patches(COUNT, 6, 2)),
        write(folder / "b.tif", patches(COUNT, 1, 1, "uint8")),
    )
    dataset = DatasetFromPatchesImages({"image": [image], "labels": [labels]}, use_streaming=True)
    dataset.to_tfrecords(str(folder / "records"), n_samples_per_shard=7, drop_remainder=False)
    sources = [TrainingSource(il=(image,)), TrainingSource(il=(labels,))]
    return {
        "memory": opened(sources),
        "streamed": opened(sources, streaming=True),
        "budget": opened(sources, budget=200),
        "records": opened([], records=str(folder / "records")),
    }


def opened(sources: Any, records: str | None = None, streaming: bool = False, budget: int = 1 << 20) -> Samples:
    found = open_samples(SampleRole.TRAINING, sources, records, streaming, budget, scene.Log())
    assert found is not None
    return found


def labels(feed: Any, seed: int = 0) -> list[list[int]]:
    """The labels of an epoch, batch by batch."""
    feed.begin(seed)
    return [batch["source2"].ravel().tolist() for batch in feed.data.as_numpy_iterator()]


@pytest.mark.parametrize("kind", ["memory", "streamed", "budget", "records"])
def test_each_sample_is_used_once_an_epoch(kinds: dict[str, Samples], kind: str) -> None:
    samples = kinds[kind]
    assert samples.size == COUNT
    assert samples.shapes == {"source1": (6, 6, 2), "source2": (1, 1, 1)}
    for batch_size in (1, 7, COUNT - 1, COUNT, COUNT + 1, 1000):
        feed = samples.feed(batch_size, shuffled=True)
        batches = labels(feed)
        assert sorted(number for batch in batches for number in batch) == list(range(COUNT))
        assert [len(batch) for batch in batches[:-1]] == [batch_size] * (feed.steps - 1)
        assert feed.used == COUNT


@pytest.mark.parametrize("kind", ["memory", "streamed", "records"])
def test_the_order_follows_from_the_seed(kinds: dict[str, Samples], kind: str) -> None:
    feed = kinds[kind].feed(6, shuffled=True)
    first, second = labels(feed, 1), labels(feed, 2)
    assert first != second
    assert labels(feed, 1) == first
    assert labels(kinds[kind].feed(6, shuffled=True), 2) == second, "another run that begins here"
    lying = labels(kinds[kind].feed(6))
    assert lying == labels(kinds[kind].feed(6), 5)
    assert kind == "records" or lying[0] == [0, 1, 2, 3, 4, 5]


def test_values_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    pixels = np.ones((6, 2, 2, 1), "float32")
    pixels[1], pixels[4, 0, 0] = np.nan, np.inf
    log = scene.Log()
    sources = [TrainingSource(il=(write(tmp_path / "a.tif", pixels),))]
    open_samples(SampleRole.TEST, sources, None, False, 1 << 20, log)
    assert any(
        "2 of 6 patches of TEST_SOURCE1_IL hold NaN or infinite values" in worded(line, as_key) for line in log.lines
    )


def test_replicas_get_whole_batches(kinds: dict[str, Samples]) -> None:
    for kind in ("memory", "records"):
        feed = kinds[kind].feed(6, shuffled=True, whole=True)
        assert [len(batch) for batch in labels(feed)] == [6, 6, 6]
        assert feed.used == 18
        assert feed.data.element_spec["source1"].shape[0] == 6


def test_augmentation_is_the_same_for_all_sources_of_a_sample(kinds: dict[str, Samples]) -> None:
    tiles = np.random.default_rng(0).random((16, 5, 5, 1)).astype("float32")
    batch = {
        "image": np.concatenate([tiles, tiles + 1], axis=-1),
        "target": tiles,
        "value": np.ones((16, 3), "float32"),
    }
    batch = {key: tf.constant(value) for key, value in batch.items()}
    found = {key: value.numpy() for key, value in augment(batch, "flips_turns", [3, 1]).items()}
    np.testing.assert_array_equal(found["image"][..., :1], found["target"])
    np.testing.assert_array_equal(found["image"][..., 1:], found["target"] + 1)
    turned = [np.rot90(t, k) for t in (tiles[0], tiles[0][:, ::-1]) for k in range(4)]
    assert sum(np.array_equal(found["target"][0], other) for other in turned) == 1
    assert len({tuple(np.sign(moved - tile).ravel()) for moved, tile in zip(found["target"], tiles)}) > 4
    again = augment(batch, "flips_turns", [3, 1])
    np.testing.assert_array_equal(again["target"].numpy(), found["target"])
    assert not np.array_equal(augment(batch, "flips_turns", [3, 2])["target"].numpy(), found["target"])
    flipped = augment(batch, "flips", [3, 1])["target"].numpy()
    positions = [[t, t[::-1], t[:, ::-1], t[::-1, ::-1]] for t in tiles]
    assert all(any(np.array_equal(f, p) for p in ps) for f, ps in zip(flipped, positions))


def test_neighbours_are_held_back_together(tmp_path: Path) -> None:
    image = write(tmp_path / "a.tif", patches(COUNT, 1, 1, "uint8"))
    other = write(tmp_path / "b.tif", patches(4, 1, 1, "uint8", first=COUNT))
    parcels = write(tmp_path / "parcels.tif", (np.arange(COUNT) // 5).reshape(-1, 1, 1, 1).astype("uint8"))

    def parts(files: tuple[str, ...], groups: np.ndarray | None = None) -> list[list[int]]:
        samples = opened([TrainingSource(il=files)])
        assert isinstance(samples, PatchSamples)
        found = samples.hold_back(0.25, groups, 0)
        return [np.concatenate(list(part.values("source1"))).ravel().tolist() for part in found]

    training, validation = parts((image,))
    assert sorted(training + validation) == list(range(COUNT)) and len(validation) == 5, "each for itself"
    training, validation = parts((image, other))
    assert validation == list(range(COUNT, COUNT + 4)), "the images of places"
    training, validation = parts((image,), read_groups([parcels]))
    assert len(validation) == 5 and len({number // 5 for number in validation}) == 1, "groups that are given"
    scene.describe(image, groups=" ".join(str(number % 4) for number in range(COUNT)))
    training, validation = parts((image,))
    assert len(validation) == 5 and len({number % 4 for number in validation}) == 1, "blocks that the JSON tells"
