"""Masks in files: what is written is read, from several files as from one."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import numpy as np
import pytest

from otbtf_qgis.core.errors import ParameterError, VectorError
from otbtf_qgis.core.objects.boxes import NO_MASK
from otbtf_qgis.core.objects.maskfiles import Mask, MaskFile, MaskFiles, starts_of


def some_masks(count: int, seed: int) -> list[Mask]:
    random = np.random.default_rng(seed)
    return [
        Mask(int(y), int(x), random.random((int(height), int(width))) < 0.5)
        for y, x, height, width in random.integers([-5, -5, 0, 0], [5000, 5000, 20, 20], (count, 4))
    ]


def same(one: Mask, other: Mask) -> bool:
    """Whether two masks have the same pixels of the image, whatever is around them."""
    ones, others = (set(zip(*(np.argwhere(m.pixels) + (m.y, m.x)).T.tolist())) for m in (one, other))
    return ones == others


def test_masks_of_several_files_are_read_as_of_one(tmp_path: Path) -> None:
    groups = [some_masks(30, 1), [], some_masks(20, 2)]
    paths, places = [], []
    for number, masks in enumerate(groups):
        paths.append(tmp_path / f"masks{number}")
        with MaskFile(paths[-1]) as file:
            found = np.concatenate([file.add(masks[:7]), file.add(masks[7:])])
        places.append(found)
    with MaskFiles(paths) as files:
        for start, masks, found in zip(starts_of(paths), groups, places):
            for mask, place in zip(masks, found.tolist()):
                if not mask.pixels.any():
                    assert place == NO_MASK
                    continue
                read = files.read(start + place)
                assert same(read, mask)
                assert read.pixels[0].any() and read.pixels[-1].any()  # trimmed
                assert read.pixels[:, 0].any() and read.pixels[:, -1].any()


def test_a_mask_takes_a_bit_for_each_pixel(tmp_path: Path) -> None:
    with MaskFile(tmp_path / "masks") as file:
        assert file.add([Mask(0, 0, np.pad(np.ones((30, 21), bool), 50))]).tolist() == [0]
    assert (tmp_path / "masks").stat().st_size == 16 + 79


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="OUT"), MaskFile(Path("/dev/full")) as file:
        file.add([Mask(0, 0, np.ones((3, 3), bool))])


def test_more_files_than_a_process_may_have_open(tmp_path: Path) -> None:
    paths, limits = [tmp_path / f"masks{number}" for number in range(90)], resource.getrlimit(resource.RLIMIT_NOFILE)
    for number, path in enumerate(paths):
        with MaskFile(path) as file:
            file.add([Mask(number, 7, np.ones((2, 3), bool))])
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 70, limits[1]))
    try:
        with MaskFiles(paths) as files:
            assert [files.read(start).y for start in [*starts_of(paths), 0]] == [*range(90), 0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("content", [b"", b"\xff" * 17, np.array([1, 2, 30, 40], "<i4").tobytes()])
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "masks").write_bytes(content)
    with (
        MaskFiles([tmp_path / "masks"]) as files,
        pytest.raises(VectorError, match="masks cannot be read or are damaged"),
    ):
        files.read(0)
