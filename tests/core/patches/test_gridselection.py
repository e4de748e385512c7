"""PatchesSelection: which patches there are, and how they are shared out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from points import read_points
from serving import Log, write

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import OtbtfError
from otbtf_qgis.core.geometry.grid import Axis, Grid
from otbtf_qgis.core.parameters.sampleroles import SampleRole
from otbtf_qgis.core.patches import patchgrid
from otbtf_qgis.core.patches.balancing import balanced
from otbtf_qgis.core.patches.patchgrid import PatchGrid
from otbtf_qgis.core.patches.patchgroups import NONE, block_side, chessboard, keep_apart, split


def image(folder: Path, holes: float = 0.02, height: int = 70, width: int = 90) -> tuple[str, np.ndarray]:
    """Write an image of two bands whose no-data value is 0; return its path and its valid pixels."""
    pixels = np.random.default_rng(5).integers(1, 99, (height, width, 2), dtype="uint8")
    lost = np.random.default_rng(6).random((height, width)) < holes
    pixels[lost] = 0
    pixels[3, 3, 0] = 0  # one band alone does not make a pixel no-data
    return write(folder / "im.tif", pixels, nodata=0), ~lost


def select(folder: Path, source: str, **values: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    keys = {
        name.replace("grid_", "grid.").replace("strategy_", "strategy.").replace("split_", "split."): value
        for name, value in values.items()
    }
    keys = {name.replace("balanced_", "balanced."): value for name, value in keys.items()}
    outputs = {f"out{group}": str(folder / f"{group}.gpkg") for group in ("train", "valid", "test")}
    outputs.update({name: None for name in outputs if name in keys})
    given = {
        "in": source,
        "grid.step": 8,
        "grid.psize": 8,
        **keys,
        **{k: v for k, v in outputs.items() if k not in keys},
    }
    results = registry.run("PatchesSelection", given, Log())
    return results, {k[3:]: read_points(v, "id") for k, v in outputs.items() if v and k not in keys}


@pytest.mark.parametrize("pixels", [1, 3000, 8_000_000])
@pytest.mark.parametrize(("size", "step", "x", "y"), [(8, 8, 0, 0), (7, 3, 2, 5), (1, 1, 0, 0), (8, 11, 1, 0)])
def test_patches_are_whole_and_points_cut_exactly_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: int, size: int, step: int, x: int, y: int
) -> None:
    monkeypatch.setattr(patchgrid, "_PIXELS", pixels)
    source, valid = image(tmp_path)
    _, points = select(
        tmp_path, source, strategy="all", grid_psize=size, grid_step=step, grid_offsetx=x, grid_offsety=y
    )
    want = [
        (300000 + (left + size // 2 + 0.5) * 10, 4000000 - (top + size // 2 + 0.5) * 10)
        for top in range(y, 70 - size + 1, step)
        for left in range(x, 90 - size + 1, step)
        if valid[top : top + size, left : left + size].all()
    ]
    assert points["train"][:, :2].tolist() == [list(place) for place in want]
    assert points["train"][:, 2].tolist() == list(range(len(want)))


def test_the_mask_counts_in_every_pixel_with_or_without_no_data(tmp_path: Path) -> None:
    source, valid = image(tmp_path)
    mask = np.ones((70, 90, 1), "uint8")
    mask[20, 30] = 0
    path = write(tmp_path / "mask.tif", mask)
    with_both, _ = select(tmp_path, source, strategy="all", mask=path)
    only_mask, _ = select(tmp_path, source, strategy="all", mask=path, nodata_from_layer="off")
    neither, _ = select(tmp_path, source, strategy="all", nodata_from_layer="off")
    assert neither["train"] == 8 * 11 and only_mask["train"] == neither["train"] - 1
    cells = valid[:64, :88].reshape(8, 8, 11, 8).all(axis=(1, 3))
    cells[20 // 8, 30 // 8] = False
    assert with_both["train"] == cells.sum()


def test_chessboard(tmp_path: Path) -> None:
    source, _ = image(tmp_path, holes=0)
    results, points = select(tmp_path, source)
    for group, parity in (("train", 0), ("valid", 1)):
        column, row = (points[group][:, 0] - 300000) // 80, (4000000 - points[group][:, 1]) // 80
        assert ((column + row) % 2 == parity).all()
    assert sorted(np.concatenate([points["train"][:, 2], points["valid"][:, 2]])) == list(range(88))
    assert (results["train"], results["valid"], results["test"]) == (44, 44, 0)
    assert (results["overlap_train"], results["overlap_valid"]) == (0, 0)


def test_split_takes_the_group_furthest_behind(tmp_path: Path) -> None:
    source, _ = image(tmp_path, holes=0)
    _, points = select(tmp_path, source, strategy="split")
    assert points["train"][:4, 2].tolist() == [0, 3, 4, 7]
    assert points["valid"][:2, 2].tolist() == [1, 5]
    assert points["test"][:2, 2].tolist() == [2, 6]
    results, points = select(tmp_path, source, strategy="split", outtest=None)
    assert (results["train"], results["valid"], results["test"]) == (59, 29, 0)


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.lists(st.floats(0.1, 100), min_size=1, max_size=3),
    st.one_of(st.none(), st.integers(0, 99)),
)
def test_split_keeps_the_proportions(rows: int, columns: int, shares: list[float], seed: int | None) -> None:
    chosen = np.random.default_rng(rows).random((rows, columns)) < 0.8
    groups = split(chosen, shares, 1, None if seed is None else np.random.default_rng(seed))
    assert ((groups != NONE) == chosen).all()
    for group, share in enumerate(shares):
        assert abs((groups == group).sum() - chosen.sum() * share / sum(shares)) < len(shares)


def test_split_at_random_is_repeated_by_its_seed(tmp_path: Path) -> None:
    source, _ = image(tmp_path, holes=0)
    runs = [select(tmp_path, source, strategy="split", strategy_split_random="on", seed=s) for s in (1, 1, 2)]
    ids = [run[1]["train"][:, 2].tolist() for run in runs]
    assert ids[0] == ids[1] != ids[2]
    assert [(run[0]["train"], run[0]["valid"], run[0]["test"]) for run in runs] == [(44, 22, 22)] * 3


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 30), st.booleans(), st.integers(0, 99))
def test_a_gap_keeps_the_groups_apart(size: int, step: int, gap: int, board: bool, seed: int) -> None:
    patches = PatchGrid(Grid(Axis(0, 1, 160), Axis(0, 1, 160)), size, step)
    shape, side = (patches.rows, patches.columns), block_side(patches, gap)
    if side * step >= 60:
        return
    groups = (
        chessboard(shape, side) if board else split(np.ones(shape, bool), (2, 1), side, np.random.default_rng(seed))
    )
    keep_apart(groups, patches, gap)
    train, valid = (np.argwhere(groups == group)[::5] * step for group in (SampleRole.TRAINING, SampleRole.VALIDATION))
    assert len(train) and len(valid)
    apart = np.abs(train[:, None, :] - valid[None, :200, :]).max(axis=2) - size
    assert apart.min() >= gap


def test_overlap_is_counted_and_a_gap_ends_it(tmp_path: Path) -> None:
    source, _ = image(tmp_path, holes=0)
    log = Log()
    given = {"in": source, "grid.step": 4, "grid.psize": 8, "outtrain": str(tmp_path / "t.gpkg")}
    given["outvalid"] = str(tmp_path / "v.gpkg")
    results = registry.run("PatchesSelection", given, log)
    assert results["overlap_train"] == results["train"] and results["overlap_valid"] == results["valid"]
    assert "overlap one of the other group" in log.warnings[0]
    results = registry.run("PatchesSelection", {**given, "gap": 1}, log)
    assert results["overlap_train"] == results["overlap_valid"] == 0 < min(results["train"], results["valid"])


def uneven(patches: int, classes: int) -> np.ndarray:
    shares = np.random.default_rng(3).dirichlet(np.linspace(0.1, 2, classes), patches)
    return np.round(shares * 64)


@given(st.integers(2, 60), st.integers(1, 6), st.integers(0, 99))
def test_balanced_stops_where_no_patch_helps(patches: int, classes: int, seed: int) -> None:
    histograms = uneven(patches, classes)
    chosen = balanced(histograms, 0.25, np.random.default_rng(seed), Progress())
    first = np.random.default_rng(seed).choice(patches, max(1, round(0.25 * patches)), replace=False)
    assert set(first) <= set(chosen.tolist())

    def distance(members: np.ndarray) -> float:
        total = histograms[members].sum(axis=0)
        return float(((total / total.sum() - 1 / classes) ** 2).sum())

    reached = distance(chosen)
    assert reached <= distance(first) + 1e-12
    for other in set(range(patches)) - set(chosen.tolist()):
        assert distance(np.append(chosen, other)) >= reached - 1e-9


def test_balanced_evens_out_the_classes(tmp_path: Path) -> None:
    source, _ = image(tmp_path, holes=0)
    labels = np.full((70, 90, 1), -7, "int16")
    labels[:20, :30] = 300
    labels[40:50] = 12
    path = write(tmp_path / "labels.tif", labels)
    given = {"strategy": "balanced", "strategy_balanced_labelimage": path, "strategy_balanced_sp": 0.1}
    results, points = select(tmp_path, source, **given)
    every = np.concatenate([points["train"], points["valid"]])
    left, top = ((every[:, 0] - 300000) // 10 - 4).astype(int), ((4000000 - every[:, 1]) // 10 - 4).astype(int)
    cut = np.concatenate([labels[y : y + 8, x : x + 8].reshape(-1) for x, y in zip(left, top)])
    shares = np.unique(cut, return_counts=True)[1] / len(cut)
    before = np.unique(labels, return_counts=True)[1] / labels.size
    assert np.abs(shares - 1 / 3).max() < 0.06 < np.abs(before - 1 / 3).max()
    assert sorted(every[:, 2]) == list(range(len(every)))
    with pytest.raises(OtbtfError, match="NCLASSES is 2, but .* holds 3 classes"):
        select(tmp_path, source, **given, strategy_balanced_nclasses=2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"grid_psize": 0}, "GRID_PSIZE is 0, but must be at least 1"),
        ({"grid_psize": 71}, "only 90 x 70 pixels"),
        ({"grid_psize": 60}, "None of .* patches"),
        ({"grid_offsetx": 85}, "GRID_OFFSETX 85"),
        ({"strategy": "split", "strategy_split_validprop": 0}, "VALIDPROP is 0, but must be above 0"),
        ({"strategy": "split", "strategy_split_trainprop": -1}, "TRAINPROP is -1"),
        ({"strategy": "balanced"}, "STRATEGY_BALANCED_LABELIMAGE is missing"),
        ({"mask": "other.tif"}, "another grid"),
        ({"gap": 60}, "GAP is 60, which leaves no patch"),
    ],
)
def test_bad_input_is_told_and_nothing_is_written(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    source, _ = image(tmp_path)
    if "mask" in values:
        values = {"mask": write(tmp_path / values["mask"], np.ones((35, 45, 1), "uint8"))}
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OtbtfError, match=message):
        select(tmp_path, source, **values)
    assert sorted(tmp_path.iterdir()) == before
