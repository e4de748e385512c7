"""How LandCoverMap divides samples: validation is of other places, and every class is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polygon_scene import raster
from scipy.ndimage import label

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.samples import labelraster
from otbtf_qgis.core.samples.spatialblocks import block_numbers, block_side
from otbtf_qgis.core.workflows.labelregions import region_numbers
from otbtf_qgis.core.workflows.samplesplit import LocatedSamples, groups_held_back, split_samples


def samples(
    places: np.ndarray, classes: np.ndarray, features: np.ndarray | None = None, patch: int = 4
) -> LocatedSamples:
    counts = (classes[:, None] == np.unique(classes)).astype("float64")
    return LocatedSamples(np.asarray(places, "int64"), counts, features, patch, 4 * patch)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(20, 150),
    classes=st.integers(2, 5),
    share=st.sampled_from((0.1, 0.3)),
)
def test_nothing_leaks_and_every_class_is_trained(seed: int, count: int, classes: int, share: float) -> None:
    random = np.random.default_rng(seed)
    places = random.integers(0, 200, (count, 2))
    of_class = np.concatenate([np.arange(classes), random.integers(0, classes, count - classes)])
    given_ = samples(places, of_class)
    training, validation = split_samples(given_, share, seed)
    apart = abs(places[training][:, None] - places[validation][None]).max(axis=-1)
    assert validation.any() and (apart >= given_.patch).all(), "no pixel is shared"
    assert set(of_class[training]) == set(of_class)
    again = split_samples(given_, share, seed)
    assert np.array_equal(again[0], training) and np.array_equal(again[1], validation)


def test_a_feature_stays_whole_and_a_large_one_is_divided() -> None:
    small = np.stack([np.arange(10, 20), np.full(10, 15)], axis=1)  # across the border of two blocks of 16
    large = np.stack([np.arange(0, 100, 5), np.full(20, 60)], axis=1)
    features = np.repeat([7, 8], [10, 20])
    groups = samples(np.concatenate([small, large]), features, features).spatial_groups()
    assert len(set(groups[:10])) == 1 and len(set(groups[10:])) == 6


def test_shares_are_near_what_is_asked_for() -> None:
    random = np.random.default_rng(0)
    groups = random.integers(0, 60, 3000)
    counts = np.eye(4)[random.integers(0, 4, 3000)]
    held = groups_held_back(counts, groups, 0.25, random)[groups]
    assert counts[held].sum(axis=0) / counts.sum(axis=0) == pytest.approx([0.25] * 4, abs=0.05)


def test_a_class_in_one_group_is_not_held_back_and_one_in_two_is() -> None:
    counts = np.zeros((8, 3))
    counts[:6, 0] = counts[6, 1] = counts[7, 2] = counts[0, 2] = 1.0
    held = groups_held_back(counts, np.arange(8), 0.25, np.random.default_rng(0))
    assert not held[6]
    assert held[0] != held[7]


def test_a_class_that_lies_around_what_is_held_back_is_trained() -> None:
    """All samples of class 1 are next to the one of class 0 that is for validation: they win."""
    places = np.array([[8, 8], [100, 100], [9, 8], [8, 9]])
    training, validation = split_samples(samples(places, np.array([0, 0, 1, 1]), np.array([0, 1, 2, 2])), 0.5, 0)
    assert training[2:].all() and training[:2].any()
    assert not validation[0] or not training[0]


def test_without_a_share_all_are_for_training() -> None:
    training, validation = split_samples(samples(np.zeros((3, 2)), np.array([0, 1, 1])), 0.0, 0)
    assert training.all() and not validation.any()


def test_samples_in_one_place_cannot_be_divided() -> None:
    with pytest.raises(ParameterError, match="so near each other"):
        split_samples(samples(np.zeros((4, 2)), np.array([0, 1, 0, 1])), 0.25, 0)


@pytest.mark.parametrize(("size", "side"), [((10_000, 10_000), 128), ((600, 512), 75), ((300, 200), 64)])
def test_blocks_suit_the_image(size: tuple[int, int], side: int) -> None:
    assert block_side(16, *size) == side


def test_block_numbers_have_no_gaps() -> None:
    numbers = block_numbers(np.array([0, 15, 16, 500]), np.array([0, 15, 0, 500]), 16)
    assert numbers.tolist() == [0, 0, 1, 2]


def test_regions_go_on_from_strip_to_strip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelraster, "_PIXELS", 90)  # strips of three rows
    labels = np.random.default_rng(1).choice([-1, 2, 7], (40, 30), p=[0.3, 0.35, 0.35])
    opened = labelraster.LabelRaster(raster(tmp_path / "labels.tif", labels), -1, True)
    assert len(opened.boxes()) > 5
    rows, columns = np.nonzero(labels >= 0)
    found = region_numbers(opened, np.stack([columns, rows], axis=1), Progress())
    wanted = np.zeros(labels.shape, int)
    for value in (2, 7):
        wanted += label(labels == value, np.ones((3, 3)))[0] * 1000 ** (value == 7)
    pairs = set(zip(found.tolist(), wanted[rows, columns].tolist()))
    assert len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs}), "one to one"
