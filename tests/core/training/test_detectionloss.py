"""The loss of a detector against loops in NumPy, and targets that are flipped and turned with their images."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import keras
import tensorflow as tf

from otbtf_qgis.core.models.detectionlayer import DetectionMaps
from otbtf_qgis.core.patches.detectiontarget import TargetMaps, TargetObjects
from otbtf_qgis.core.training.augmentation import augment
from otbtf_qgis.core.training.detectionloss import DetectionLoss, HeatFocalLoss, MaskedL1Loss

CLASSES, STRIDE, SIDE = 2, 4, 32


def objects(count: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    corners, sizes = random.uniform(0, 26, (count, 2)), random.uniform(3, 12, (count, 2))
    return np.concatenate([corners, corners + sizes], 1), random.integers(0, CLASSES, count)


def maps(boxes: np.ndarray, classes: np.ndarray) -> np.ndarray:
    return TargetMaps(TargetObjects.of(boxes, classes), CLASSES, STRIDE).draw(0, 0, SIDE, SIDE)


def loop(target: np.ndarray, found: np.ndarray) -> float:
    """The loss of CenterNet, cell by cell."""
    centres = (target[..., :CLASSES] == 1).sum()
    heat = 0.0
    for expected, p in zip(target[..., :CLASSES].ravel().tolist(), found[..., :CLASSES].ravel().tolist()):
        heat -= (1 - p) ** 2 * math.log(p) if expected == 1 else (1 - expected) ** 4 * p**2 * math.log(1 - p)
    size = offset = cells = 0.0
    for told, predicted in zip(target.reshape(-1, CLASSES + 5), found.reshape(-1, CLASSES + 4)):
        if told[-1]:
            cells += 1
            size += abs(told[CLASSES : CLASSES + 2] - predicted[CLASSES : CLASSES + 2]).sum()
            offset += abs(told[CLASSES + 2 : -1] - predicted[CLASSES + 2 :]).sum()
    return heat / max(centres, 1) + 0.1 * size / max(cells, 1) + offset / max(cells, 1)


@pytest.mark.parametrize("count", [12, 0])
def test_the_loss_is_that_of_a_loop(count: int) -> None:
    random = np.random.default_rng(1)
    target = np.stack([maps(*objects(count, seed)) for seed in (0, 1, 2)])
    found = random.uniform(0.02, 0.98, (*target.shape[:3], CLASSES + 4)).astype("float32")
    assert float(DetectionLoss()(target, found)) == pytest.approx(loop(target.astype("float64"), found), rel=1e-4)


def test_a_right_prediction_costs_nothing_and_one_of_0_or_1_stays_finite() -> None:
    target = maps(*objects())[None]
    exact = np.where(target[..., :CLASSES] == 1, 1.0, 0.0)
    right = np.concatenate([exact, target[..., CLASSES:-1]], -1)
    assert float(DetectionLoss()(target, right)) < 1e-3
    wrong = np.concatenate([1 - exact, target[..., CLASSES:-1]], -1)
    assert math.isfinite(float(DetectionLoss()(target, wrong))) and float(DetectionLoss()(target, wrong)) > 1


@pytest.mark.parametrize("kind", [HeatFocalLoss, MaskedL1Loss, DetectionLoss])
def test_losses_are_registered_with_keras(kind: type) -> None:
    stored = keras.saving.serialize_keras_object(kind())
    assert type(keras.saving.deserialize_keras_object(stored)) is kind


def test_the_last_layer_gives_heat_and_sizes() -> None:
    random = np.random.default_rng(2)
    heat, sizes, offsets = (random.normal(size=(2, 3, 4, bands)) for bands in (CLASSES, 2, 2))
    found = DetectionMaps()([heat, sizes, offsets])
    np.testing.assert_allclose(found, np.concatenate([1 / (1 + np.exp(-heat)), np.exp(sizes), offsets], -1), rtol=1e-5)


def test_targets_turn_with_their_image() -> None:
    boxes, classes = objects(5, 3)
    count = 40  # so that each of the eight positions occurs
    image = np.zeros((SIDE, SIDE, 1), "float32")
    image[3, 10] = 1  # shows how a sample was moved
    batch = {"a": tf.constant(np.stack([image] * count)), "b": tf.constant(np.stack([maps(boxes, classes)] * count))}
    found = augment(batch, "flips_turns", tf.constant([1, 2], tf.int64), "b")
    seen = set()
    for moved, target in zip(found["a"].numpy(), found["b"].numpy()):
        place = tuple(np.argwhere(moved[..., 0])[0].tolist())
        seen.add(place)
        down, across = 28 in place, 21 in place
        turned = boxes.copy()
        if across:
            turned[:, [1, 3]] = SIDE - turned[:, [3, 1]]
        if down:
            turned[:, [0, 2]] = SIDE - turned[:, [2, 0]]
        if place[0] in (10, 21):
            turned = turned[:, [1, 0, 3, 2]]
        np.testing.assert_allclose(target, maps(turned, classes), atol=1e-4)
    assert len(seen) == 8
