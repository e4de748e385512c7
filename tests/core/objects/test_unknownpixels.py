"""What the model is given where the image has no pixels."""

from __future__ import annotations

import numpy as np
import pytest

from otbtf_qgis.core.geometry.grid import Box
from otbtf_qgis.core.objects.unknownpixels import filled, known_pixels


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_unknown_pixels_have_the_median_of_each_band(dtype: str) -> None:
    pixels = np.zeros((4, 5, 2), dtype)
    pixels[:3, :4, 0] = np.arange(12).reshape(3, 4)
    pixels[:3, :4, 1] = 7
    missing = np.zeros((4, 5), bool)
    missing[0, 0] = True
    given = pixels.copy()
    known = known_pixels(Box(8, 3, 5, 4), Box(0, 0, 12, 6), missing)
    assert known.sum() == 11 and known[:3, :4].sum() == 11
    found = filled(pixels, known)
    assert found.dtype == np.dtype(dtype) and (pixels == given).all()
    assert (found[~known] == [6, 7]).all()  # the sixth of 1 to 11
    assert (found[known] == given[known]).all()


def test_nan_is_no_median() -> None:
    pixels = np.full((2, 2, 1), np.nan, "float32")
    known = np.array([[True, True], [False, False]])
    assert (filled(pixels, known)[1] == 0).all()
    pixels[0, 0] = 3
    assert (filled(pixels, known)[1] == 3).all()
