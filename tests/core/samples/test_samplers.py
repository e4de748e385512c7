"""Samplers and strategies, against OTB's rules written out one pixel at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otbtf_qgis.core.errors import ParameterError
from otbtf_qgis.core.samples import allocation, samplers
from otbtf_qgis.core.samples.allocation import Rate
from otbtf_qgis.core.samples.samplers import Periodic, Random, Sampler


def taken(sampler: Sampler, total: int, parts: list[int]) -> list[int]:
    """Return what a sampler takes of `total` pixels shown in parts, whose sizes come round again."""
    found: list[int] = []
    start = 0
    while start < total:
        for part in parts:
            count = min(part, total - start)
            found += (sampler.take(count) + start).tolist()
            start += count
    return found


@st.composite
def wanted(draw: st.DrawFn) -> tuple[int, int]:
    total = draw(st.integers(1, 3000))
    return draw(st.integers(0, total)), total


parts = st.lists(st.integers(1, 700), min_size=1, max_size=5)


@given(wanted(), parts)
def test_periodic_follows_the_rule(numbers: tuple[int, int], shown: list[int]) -> None:
    needed, total = numbers
    expected = []
    for pixel in range(1, total + 1):
        if pixel * (needed / total) > len(expected):
            expected.append(pixel - 1)
    assert taken(Periodic(needed, total, 0, np.random.default_rng(0)), total, shown) == expected


@given(wanted(), parts, st.integers(1, 50))
def test_jitter_moves_samples_and_keeps_their_number(numbers: tuple[int, int], shown: list[int], jitter: int) -> None:
    needed, total = numbers
    steady = taken(Periodic(needed, total, 0, np.random.default_rng(0)), total, shown)
    found = taken(Periodic(needed, total, jitter, np.random.default_rng(0)), total, shown)
    assert sorted(set(found)) == found
    assert len(found) in (needed, len(steady))
    assert all(0 <= moved - at <= jitter for at, moved in zip(steady, found))


def test_jitter_has_an_effect() -> None:
    assert taken(Periodic(10, 1000, 50, np.random.default_rng(0)), 1000, [1000]) != list(range(0, 1000, 100))


@given(wanted(), parts, st.integers(0, 9))
def test_random_takes_exactly_as_many(numbers: tuple[int, int], shown: list[int], seed: int) -> None:
    needed, total = numbers
    found = taken(Random(needed, total, np.random.default_rng(seed)), total, shown)
    assert sorted(set(found)) == found
    assert len(found) == needed
    assert all(0 <= pixel < total for pixel in found)


def test_random_is_uniform() -> None:
    random = np.random.default_rng(1)
    counts = np.bincount(np.concatenate([taken(Random(5, 20, random), 20, [3, 8]) for _ in range(4000)]), minlength=20)
    assert np.all(abs(counts - 1000) < 5 * np.sqrt(1000 * 0.75))


def test_random_among_more_pixels_than_numpy_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samplers, "_MOST_FOR_NUMPY", 10)
    for seed in range(20):
        assert len(taken(Random(40, 300, np.random.default_rng(seed)), 300, [7, 50])) == 40


TOTALS = {"1": 72, "2": 439, "3": 0}


def test_an_empty_class_does_not_count_as_the_smallest() -> None:
    assert allocation.smallest(TOTALS) == {"1": Rate(72, 72, 1.0), "2": Rate(72, 439, 72 / 439), "3": Rate(0, 0, 0.0)}


def test_halves_are_rounded_up() -> None:
    assert allocation.percent(TOTALS, 0.5)["2"].required == 220
    assert allocation.total({"a": 1, "b": 3}, 2) == {"a": Rate(1, 1, 1.0), "b": Rate(2, 3, 2 / 3)}


@pytest.mark.parametrize(
    "text", ["1,20\n2,5\n", "# number\n\n 1 ; 20 \n2;5;more\n", "\ufeff1\t20\n2\t5", '"1",20\n2,5']
)
def test_numbers_by_class_are_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text(text, encoding="utf-8")
    assert allocation.read_numbers(str(path)) == {"1": 20, "2": 5}


@pytest.mark.parametrize(
    ("text", "told"),
    [("1,20\n2,many\n", "line 2"), ("1,-3\n", "line 1"), ("1\n", "line 1"), ("# none\n", "names no class")],
)
def test_bad_numbers_by_class_are_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ParameterError, match=told):
        allocation.read_numbers(str(path))


def test_a_missing_file_of_numbers_is_told(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="nowhere.csv"):
        allocation.read_numbers(str(tmp_path / "nowhere.csv"))
