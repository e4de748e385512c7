"""Tiles that overlap: of which an object is taken."""

from __future__ import annotations

import numpy as np
import pytest

from otbtf_qgis.core.geometry.grid import Box
from otbtf_qgis.core.objects.overlappingtiles import (
    OverlappingTile,
    cut_by_edges,
    overlapping_tiles,
    region_around,
    taken,
)


@pytest.mark.parametrize(
    ("length", "size", "overlap"), [(1000, 128, 64), (129, 128, 64), (333, 100, 10), (90, 128, 64)]
)
def test_tiles_cover_the_region_and_share_enough(length: int, size: int, overlap: int) -> None:
    tiles = overlapping_tiles(Box(5, 7, length, 50), size, 50, overlap)
    starts = [tile.box.x for tile in tiles]
    assert starts[0] == 5
    assert starts[-1] + size >= 5 + length
    assert all(tile.box.y == 7 and tile.shared[2:] == (None, None) for tile in tiles)
    for one, other in zip(tiles, tiles[1:]):
        shared = one.box.right - other.box.x
        assert shared >= overlap
        assert one.shared[1] == other.shared[0] == shared
    if length >= size:
        assert starts[-1] + size == 5 + length


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Box(284, 284, 100, 100), [128]),  # the lower right corner: as the last tile of the whole image
        (Box(0, 0, 10, 10), [0]),
        (Box(150, 150, 10, 10), [64]),  # at a multiple of 32, and no pixel of it beyond the image
        (Box(0, 0, 384, 384), [0, 128]),
    ],
)
def test_tiles_of_a_part_lie_in_the_image(wanted: Box, expected: list[int]) -> None:
    image = Box(0, 0, 384, 384)
    around = region_around(wanted, image, 256, 256, 64)
    tiles = overlapping_tiles(around, 256, 256, 64)
    assert sorted({tile.box.x for tile in tiles}) == sorted({tile.box.y for tile in tiles}) == expected
    assert all(tile.box.intersection(image) == tile.box for tile in tiles)
    small = region_around(Box(40, 40, 5, 5), Box(0, 0, 50, 60), 256, 256, 64)
    assert small == Box(0, 0, 50, 60)


def seen(objects: np.ndarray, tile: OverlappingTile, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers and visible edges of the objects in a tile, as a detector with small errors finds them."""
    box = tile.box
    low, high = np.array([box.y, box.x]), np.array([box.bottom, box.right])
    visible = np.concatenate([np.maximum(objects[:, :2], low), np.minimum(objects[:, 2:], high)], axis=1)
    there = np.flatnonzero((visible[:, 2:] - visible[:, :2] > 1).all(axis=1))
    return there, visible[there] - [box.y, box.x, box.y, box.x] + shift[there]


@pytest.mark.parametrize("error", [0.0, 1.5])
@pytest.mark.parametrize(("size", "overlap"), [(128, 64), (100, 50), (256, 65)])
def test_each_object_is_taken_whole_and_from_few_tiles(size: int, overlap: int, error: float) -> None:
    random = np.random.default_rng(3)
    sides = random.uniform(4, overlap - 4 * error - 0.01, (4000, 2))
    corners = random.uniform(0, 1, (4000, 2)) * (np.array([700, 900]) - sides)
    objects = np.concatenate([corners, corners + sides], axis=1)
    counts = np.zeros(len(objects), int)
    for tile in overlapping_tiles(Box(0, 0, 900, 700), size, size, overlap):
        there, edges = seen(objects, tile, random.uniform(-error, error, (len(objects), 1)))
        kept = taken(edges, tile)
        counts[there[kept]] += 1
        found = edges[kept] + [tile.box.y, tile.box.x, tile.box.y, tile.box.x]
        np.testing.assert_allclose(found, objects[there[kept]], atol=error + 1e-9)  # whole
    assert counts.min() == 1
    assert counts.mean() < 2.5


def test_no_object_larger_than_the_overlap_is_lost() -> None:
    random = np.random.default_rng(4)
    lengths = random.uniform(20, 300, 4000)
    starts = random.uniform(0, 1, 4000) * (1000 - lengths)
    objects = np.stack((np.full(4000, 10.0), starts, np.full(4000, 30.0), starts + lengths), axis=1)
    counts, cut = np.zeros(4000, int), np.zeros(4000, bool)
    for tile in overlapping_tiles(Box(0, 0, 1000, 128), 128, 128, 40):
        there, edges = seen(objects, tile, np.zeros((4000, 1)))
        kept = taken(edges, tile)
        counts[there[kept]] += 1
        cut[there[kept]] |= cut_by_edges(edges[kept], tile)
    assert counts.min() >= 1
    assert cut[lengths > 128].all()
    assert not cut[lengths < 35].any()


def test_tiles_beside_each_other_cut_what_lies_in_both() -> None:
    objects = np.array([[10.0, 100.0, 30.0, 150.0], [10.0, 0.0, 30.0, 40.0]])
    found = []
    for tile in overlapping_tiles(Box(0, 0, 256, 128), 128, 128, 0):
        there, edges = seen(objects, tile, np.zeros((2, 1)))
        assert taken(edges, tile).all()
        found += list(zip(there.tolist(), cut_by_edges(edges, tile).tolist()))
    assert found == [(0, True), (1, False), (0, True)]


def test_no_object_is_taken_from_two_tiles_of_one_kind() -> None:
    random = np.random.default_rng(5)
    for size, overlap, width in ((100, 48, 290), (64, 32, 97), (128, 0, 300), (126, 63, 500)):
        corners = random.uniform(0, 1, (3000, 2)) * (np.array([150, width]) - 10)
        objects = np.concatenate([corners, corners + 10], axis=1)
        found: dict[int, list[int]] = {}
        for tile in overlapping_tiles(Box(0, 0, width, 150), size, size, overlap):
            there, edges = seen(objects, tile, np.zeros((3000, 1)))
            found.setdefault(tile.kind, []).extend(there[taken(edges, tile) & ~cut_by_edges(edges, tile)].tolist())
        assert len(found) > 1
        assert all(len(set(numbers)) == len(numbers) for numbers in found.values())
