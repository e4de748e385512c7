"""Scenes beside each other: shares, ground in common, values on one scale."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from osgeo import gdal
from polygon_scene import Log, raster

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.parameters.sampleroles import SampleRole
from otbtf_qgis.core.rasters.rasterstack import Stack
from otbtf_qgis.core.samples.allocation import even_shares
from otbtf_qgis.core.workflows.samplesplit import LocatedSamples
from otbtf_qgis.core.workflows.scenes import Scene, check_values, share_ground
from otbtf_qgis.core.workflows.scenesplit import balanced, split_scenes


@given(total=st.integers(0, 200), available=st.lists(st.integers(0, 60), min_size=1, max_size=6))
def test_shares_are_as_even_as_what_there_is_allows(total: int, available: list[int]) -> None:
    shares = even_shares(total, available)
    assert sum(shares) == min(total, sum(available))
    assert all(share <= most for share, most in zip(shares, available))
    open_ = [share for share, most in zip(shares, available) if share < most]
    assert not open_ or max(shares) - min(open_) <= 1, "who could give more gives at most one less than any other"


def scene(name: str, image: Any, held_back: bool = False) -> Scene[Any]:
    return Scene(name, None, image, held_back, "auto")


def test_held_back_scenes_have_as_many_samples_of_their_own() -> None:
    scenes = [scene("a", None), scene("b", None), scene("c", None, True)]
    classes = [np.repeat([0, 1], [50, 5]), np.repeat([0, 1], [50, 50]), np.repeat([0, 1], [50, 8])]
    chosen = balanced(scenes, classes, 20, np.random.default_rng(0))
    found = [np.bincount(own[used], minlength=2).tolist() for own, used in zip(classes, chosen)]
    assert found == [[10, 5], [10, 15], [20, 8]]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Stack]:
    """Two images, the second 30 columns further east than the first, both 60 wide."""
    folder = tmp_path_factory.mktemp("images")
    pixels = np.zeros((60, 60))
    return [Stack([raster(folder / f"{x}.tif", pixels, x=500_000.0 + 10 * x)]) for x in (0, 30)]


def everywhere(patch: int = 1) -> LocatedSamples:
    row, column = np.mgrid[:60, :60]
    places = np.stack([column.ravel(), row.ravel()], axis=1)
    return LocatedSamples(places, np.ones((3600, 1)), None, patch, 10)


def test_nothing_is_learned_on_ground_that_another_scene_validates(images: list[Stack]) -> None:
    scenes, samples = [scene("west", images[0]), scene("east", images[1])], [everywhere(3), everywhere(3)]
    parts = split_scenes(scenes, samples, 0.25, 0, Log())
    west, east = ({role: own.places[part[role]] for role in part} for own, part in zip(samples, parts))
    for own in (east, west):
        assert all(len(own[role]) for role in (SampleRole.TRAINING, SampleRole.VALIDATION))
    learned = np.concatenate([west[SampleRole.TRAINING], east[SampleRole.TRAINING] + [30, 0]])
    validated = np.concatenate([west[SampleRole.VALIDATION], east[SampleRole.VALIDATION] + [30, 0]])
    apart = abs(learned[:, None] - validated[None]).max(axis=-1)
    assert apart.min() >= 3


def on_the_map(image: Stack, places: np.ndarray, patch: int) -> np.ndarray:
    """West, east, south and north of patches, as they are cut around pixels; shape (n, 4)."""
    west = image.grid.x.origin + (places[:, 0] - patch // 2) * image.grid.x.spacing
    north = -image.grid.y.origin - (places[:, 1] - patch // 2) * image.grid.y.spacing
    return np.stack([west, west + patch * image.grid.x.spacing, north - patch * image.grid.y.spacing, north], axis=1)


def test_patches_of_larger_pixels_reach_farther(images: list[Stack], tmp_path: Path) -> None:
    """The pixels of the second scene are three times as wide, so its patches cover nine times the ground."""
    path = raster(tmp_path / "coarse.tif", np.zeros((60, 60)))
    dataset = gdal.Open(path, gdal.GA_Update)
    west, _, _, north, _, _ = dataset.GetGeoTransform()
    dataset.SetGeoTransform((west, 30, 0, north, 0, -30))
    dataset = None
    both, samples = [images[0], Stack([path])], [everywhere(4), everywhere(4)]
    scenes = [scene(name, image) for name, image in zip(("fine", "coarse"), both)]
    parts = split_scenes(scenes, samples, 0.25, 0, Log())
    cut = [
        {role: on_the_map(image, own.places[part], 4) for role, part in chosen.items()}
        for image, own, chosen in zip(both, samples, parts)
    ]
    for learned, validated in ((cut[0], cut[1]), (cut[1], cut[0])):
        one, other = learned[SampleRole.TRAINING][:, None], validated[SampleRole.VALIDATION][None]
        apart = (one[..., ::2] >= other[..., 1::2]) | (other[..., ::2] >= one[..., 1::2])
        assert one.size and other.size and apart.any(axis=-1).all()


def test_a_scene_held_back_that_shows_known_ground_is_warned_of(images: list[Stack]) -> None:
    log = Log()
    scenes = [scene("west", images[0]), scene("east", images[1], True)]
    parts = split_scenes(scenes, [everywhere(), everywhere()], 0.25, 0, log)
    assert [{role: len(part) for role, part in own.items()} for own in parts] == [
        {SampleRole.TRAINING: 3600},
        {SampleRole.VALIDATION: 3600},
    ]
    assert len(log.warnings) == 1 and log.warnings[0].startswith("1800 of 3600 samples of the scene east")


def test_images_that_share_ground(images: list[Stack], tmp_path: Path) -> None:
    """The third one begins where the first one ends."""
    beside = Stack([raster(tmp_path / "beside.tif", np.zeros((60, 60)), x=500_600.0)])
    assert share_ground(*images) and share_ground(*reversed(images)) and share_ground(beside, images[1])
    assert not share_ground(images[0], beside) and not share_ground(beside, images[0])


def described(path: Path, means: list[float], nodata: float | None = None) -> str:
    rows = [{"min": 0.0, "max": 2 * mean, "mean": mean, "std": mean / 4} for mean in means]
    content = {"version": 1, "bands": len(means), "statistics": rows}
    Path(f"{path}.json").write_text(json.dumps({**content, **({"nodata": repr(nodata)} if nodata is not None else {})}))
    return str(path)


@pytest.mark.parametrize(
    ("means", "dtype", "told"),
    [
        ([12.0, 40.0], "uint16", ""),
        ([1000.0, 2000.0], "uint16", "warned: about 50 times those of a in all bands"),
        ([1000.0, 2000.0], "float32", "The values of the scene b .float32. are about 50 times those of a .uint16."),
        ([1000.0, 20.0], "float32", ""),
        ([1.0, 0.4], "uint16", "warned: about 0.05 times"),
    ],
)
def test_values_on_another_scale(means: list[float], dtype: str, told: str, tmp_path: Path) -> None:
    scenes = [scene(name, SimpleNamespace(dtype=np.dtype(kind))) for name, kind in (("a", "uint16"), ("b", dtype))]
    patches = {"a": described(tmp_path / "a", [20.0, 40.0]), "b": described(tmp_path / "b", means)}
    log = Log()
    if told and not told.startswith("warned"):
        with pytest.raises(ParameterError, match=told):
            check_values(scenes, patches, log)
        return
    check_values(scenes, patches, log)
    assert len(log.warnings) == bool(told) and all(told[8:] in line for line in log.warnings)


def test_missing_values_that_are_marked_differently(tmp_path: Path) -> None:
    scenes = [scene(name, SimpleNamespace(dtype=np.dtype("uint16"))) for name in "ab"]
    patches = {name: described(tmp_path / name, [20.0], nodata) for name, nodata in (("a", 0.0), ("b", 65535.0))}
    with pytest.raises(ParameterError, match="Missing values are 65535 in the scene b, but 0 in a"):
        check_values(scenes, patches, Log())
