"""Maps of a detector: what targets are made of comes back exactly."""

from __future__ import annotations

import numpy as np
import pytest

from otbtf_qgis.core.errors import ModelError
from otbtf_qgis.core.models.detectorhead import DetectorHead
from otbtf_qgis.core.objects.centrepoints import peaks
from otbtf_qgis.core.objects.decoding import Decoder
from otbtf_qgis.core.patches.detectiontarget import TargetMaps, TargetObjects


def decoder(score: float = 0.5, labels: tuple[int, ...] = ()) -> Decoder:
    return Decoder(DetectorHead("centernet", ("detection_maps",), "", "cxcywh", "pixels"), "m", score, None, labels)


@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_boxes_survive_targets_and_decoding(stride: int) -> None:
    random = np.random.default_rng(stride)
    middles = np.stack(np.mgrid[12:120:24, 12:180:24], -1).reshape(-1, 2) + random.uniform(-4, 4, (35, 2))
    sizes = random.uniform(2, 24, (35, 2))
    boxes, classes = np.concatenate([middles - sizes / 2, middles + sizes / 2], 1), random.integers(0, 3, 35)
    maps = TargetMaps(TargetObjects.of(boxes, classes), 3, stride).draw(0, 0, 128, 192)
    found = decoder(labels=(4, 9, 2))([maps[None, ..., :-1]], 128, 192)
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    order = np.lexsort((boxes[:, 1], boxes[:, 0]))
    assert len(found) == 35
    np.testing.assert_allclose(found[:, :4], boxes[order], atol=1e-4)
    np.testing.assert_array_equal(found[:, 4], 1)
    np.testing.assert_array_equal(found[:, 5], np.array([4, 9, 2])[classes[order]])


def test_peaks_are_those_of_a_loop() -> None:
    heat = np.random.default_rng(0).integers(0, 6, (9, 12, 2)) / 5  # with equal neighbours
    expected = np.zeros(heat.shape, bool)
    for i, j, k in np.ndindex(heat.shape):
        expected[i, j, k] = heat[i, j, k] >= heat[max(0, i - 1) : i + 2, max(0, j - 1) : j + 2, k].max()
    np.testing.assert_array_equal(peaks(heat), expected)


def test_the_score_chooses_and_classes_without_labels_are_numbered() -> None:
    maps = np.zeros((1, 4, 4, 2 + 4), "float32")
    maps[0, 1, 1] = 0, 0.6, 8, 4, 0, 0
    maps[0, 3, 3] = 0.4, 0, 8, 4, 0, 0
    np.testing.assert_allclose(decoder()([maps], 16, 16), [[2, 4, 10, 8, 0.6, 1, 0]], rtol=1e-6)
    assert len(decoder(0.4)([maps], 16, 16)) == 2


@pytest.mark.parametrize(("change", "message"), [(lambda m: m[..., :4], "shapes"), (lambda m: m + 2, "scores up to")])
def test_other_maps_are_refused(change, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        decoder()([change(np.zeros((1, 4, 4, 5)))], 16, 16)
