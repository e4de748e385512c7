"""CreateExampleData: trees and houses, and the boxes of all of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, ogr

from otbtf_qgis.core.exampledata.smallobjects import SIDE, Small, draw_small_objects
from otbtf_qgis.core.registry import run


@pytest.mark.parametrize("area", [0, 1])
def test_boxes_hold_what_is_drawn(area: int) -> None:
    drawn = draw_small_objects(1, area)
    red, _, _, infrared = np.moveaxis(drawn.pixels.astype(float), -1, 0)
    counts = Counter(drawn.classes.tolist())
    assert counts[Small.TREE] > 60 and counts[Small.HOUSE] > 30
    taken = np.zeros((SIDE, SIDE), int)
    for (x1, y1, x2, y2), class_ in zip(drawn.edges.tolist(), drawn.classes.tolist()):
        assert 0 <= x1 < x2 <= SIDE and 0 <= y1 < y2 <= SIDE
        taken[y1:y2, x1:x2] += 1
        middle = np.s_[(y1 + y2) // 2, (x1 + x2) // 2]
        assert (infrared[middle] > 2 * red[middle]) == (class_ == Small.TREE)
    assert taken.max() == 1  # none touch


def test_areas_and_seeds_differ() -> None:
    first = draw_small_objects(1, 0)
    np.testing.assert_array_equal(first.pixels, draw_small_objects(1, 0).pixels)
    for other in (draw_small_objects(1, 1), draw_small_objects(2, 0)):
        assert len(other.edges) != len(first.edges) or (other.edges != first.edges).any()


def test_the_files_hold_the_same_on_the_ground(tmp_path: Path) -> None:
    made = run("CreateExampleData", {"outdir": str(tmp_path / "new"), "size": 256})
    for area, west in ((0, 380000), (1, 380192)):
        drawn = draw_small_objects(1, area)
        image = gdal.Open(made[f"ortho.{'ab'[area]}"])
        assert image.GetGeoTransform() == (west, 0.5, 0, 3960000, 0, -0.5)
        assert image.GetRasterBand(4).GetColorInterpretation() != gdal.GCI_AlphaBand
        assert image.GetRasterBand(1).GetMaskFlags() == gdal.GMF_ALL_VALID
        np.testing.assert_array_equal(np.moveaxis(image.ReadAsArray(), 0, -1), drawn.pixels)
        vector = ogr.Open(made[f"objects.{'ab'[area]}"])
        found = [
            (*feature.GetGeometryRef().GetEnvelope(), feature["class"], feature["name"])
            for feature in vector.GetLayer(0)
        ]
        expected = [
            (west + x1 / 2, west + x2 / 2, 3960000 - y2 / 2, 3960000 - y1 / 2, class_, {1: "Tree", 2: "House"}[class_])
            for (x1, y1, x2, y2), class_ in zip(drawn.edges.tolist(), drawn.classes.tolist())
        ]
        assert found == expected
