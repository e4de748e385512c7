"""Merging small groups of pixels strip by strip: as GDAL's sieve merges those of the whole map."""

from __future__ import annotations

import gdal_polygons
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from otbtf_qgis.core.polygons.sieving import sieved


def merged(codes: np.ndarray, smallest: int, rows: int) -> tuple[np.ndarray, int]:
    strips = [codes[top : top + rows] for top in range(0, len(codes), rows)]
    apply, count = sieved(lambda: iter(strips), smallest)
    return np.concatenate([apply(number, strip) for number, strip in enumerate(strips)]), count


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    shape=st.tuples(st.integers(2, 16), st.integers(2, 16)),
    classes=st.integers(1, 4),
    smallest=st.integers(2, 12),
    rows=st.integers(1, 17),
)
def test_equals_gdals_sieve_of_the_whole(
    seed: int, shape: tuple[int, int], classes: int, smallest: int, rows: int
) -> None:
    codes = np.random.default_rng(seed).integers(-1, classes, shape).astype("int32")
    assert merged(codes, smallest, rows)[0].tolist() == gdal_polygons.sieved(codes, smallest).tolist()


def test_the_larger_neighbour_gets_it() -> None:
    codes = np.array([[0, 0, 0, 2, 1, 1]], "int32")
    found, count = merged(codes, 2, 1)
    assert found.tolist() == [[0, 0, 0, 0, 1, 1]]
    assert count == 1


def test_what_touches_only_nodata_stays() -> None:
    codes = np.array([[-1, -1, -1], [-1, 3, -1], [-1, -1, -1]], "int32")
    assert merged(codes, 5, 2)[0].tolist() == codes.tolist()
