"""Random forests to compare networks with: they learn from the same pixels, whose missing values are filled alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..accuracy.scores import ClassScores
from ..base.progress import Progress
from ..classes.legend import Legend
from ..models.loading import KerasModel, load_model
from ..parameters.sampleroles import SampleRole
from ..patches.patchesimage import gap_of, read_description
from ..patches.patchesreader import PatchesImagesReader
from ..templates.filling import filling_part
from ..training.scoring import LabelTally

_TREES = 200
_STEP = 10
"""Trees between two looks at whether to cancel."""

_MOST = 50_000
"""Pixels that a forest learns from; of more, so many are drawn."""

_TOGETHER = 20_000
"""Pixels that are read and predicted together."""

Fill = Callable[[np.ndarray], np.ndarray]
Pair = tuple[Sequence[str], Sequence[str]]
"""Patches images, and the images of labels or values that go with them."""

Files = Mapping[SampleRole, Pair]
"""By role, training first."""


def fill_as_network(model: str, patches: Sequence[str]) -> Fill:
    """Return what fills the missing values of pixels, (n, bands) to (n, features), as a network does.

    Where the network does not, the mean of the band in the training data takes their place: forests take no gaps.

    Args:
        model: the .keras file of the network.
        patches: patches images for training; missing values are marked alike in all of them.
    """
    loaded = load_model(model, trust=True)  # it was trained a moment ago
    layers = filling_part(loaded) if isinstance(loaded, KerasModel) else None
    described = [read_description(path) for path in patches]
    gap = next((gap for gap in map(gap_of, described) if gap == gap), np.nan)
    each = [[row["mean"] or 0.0 for row in one["statistics"]] for one in described]
    means = np.average(each, axis=0, weights=[one["patches"] for one in described]).astype("float32")

    def filled(pixels: np.ndarray) -> np.ndarray:
        if layers is None:
            known = np.isfinite(pixels) & (pixels != gap)
            return np.where(known, pixels, means).astype("float32")
        images = pixels[:, None, None].astype("float32")
        return np.asarray(layers(images, training=False)).reshape(len(pixels), -1)

    return filled


def predicted_values(
    files: Files, fill: Fill, seed: int, progress: Progress
) -> dict[SampleRole, tuple[np.ndarray, np.ndarray]]:
    """Train a forest on values of pixels, and return by role the known ones and those that it predicts, float64.

    Args:
        files: patches of one pixel.
        fill: fills missing values.
        seed: random seed.
        progress: may cancel.

    Raises:
        Cancelled: `progress` asked to stop.
    """
    from sklearn.ensemble import RandomForestRegressor

    forest = _grown(RandomForestRegressor(random_state=seed), files, None, fill, seed, progress)
    found = {}
    for role, pair in files.items():
        parts = [(values, forest.predict(fill(pixels))) for pixels, values in _pixels(pair, None, progress)]
        known, predicted = (np.concatenate(side).astype("float64") for side in zip(*parts))
        found[role] = known, predicted
    return found


def forest_class_scores(
    files: Files, ignored: int | None, legend: Legend, fill: Fill, seed: int, progress: Progress
) -> dict[SampleRole, ClassScores]:
    """Train a forest on labelled pixels, and return its scores by role.

    Args:
        files: patches with a label for the pixel in the middle, or tiles with label tiles.
        ignored: the label of pixels without one.
        legend: names of the classes.
        fill: fills missing values.
        seed: random seed.
        progress: may cancel.

    Raises:
        Cancelled: `progress` asked to stop.
    """
    from sklearn.ensemble import RandomForestClassifier

    forest = _grown(RandomForestClassifier(random_state=seed), files, ignored, fill, seed, progress)
    found = {}
    for role, pair in files.items():
        tally = LabelTally(legend)
        for pixels, labels in _pixels(pair, ignored, progress):
            tally.add(labels, forest.predict(fill(pixels)))
        found[role] = tally.scores()
    return found


def _grown(forest: Any, files: Files, ignored: int | None, fill: Fill, seed: int, progress: Progress) -> Any:
    """Train a forest on the pixels for training, a few trees at a time, which gives the same forest as all at once."""
    progress.info("Training the random forest.")
    features, targets = _drawn(files[SampleRole.TRAINING], ignored, fill, seed, progress)
    forest.set_params(n_jobs=-1, warm_start=True)
    for trees in range(_STEP, _TREES + 1, _STEP):
        progress.check()
        forest.set_params(n_estimators=trees)
        forest.fit(features, targets)
    return forest


def _drawn(pair: Pair, ignored: int | None, fill: Fill, seed: int, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
    """Return features and targets of the pixels for training, or of as many as a forest may learn from."""
    total = sum(len(targets) for _, targets in _pixels(pair, ignored, progress))
    chosen = np.zeros(total, bool)
    chosen[np.random.default_rng(seed).permutation(total)[:_MOST]] = True
    features, found, start = [], [], 0
    for pixels, targets in _pixels(pair, ignored, progress):
        here = chosen[start : start + len(targets)]
        start += len(targets)
        if here.any():
            features.append(fill(pixels[here]))
            found.append(targets[here])
    return np.concatenate(features), np.concatenate(found)


def _pixels(pair: Pair, ignored: int | None, progress: Progress) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pixels, (n, bands), and their labels or values, (n,): of patches with one the pixel in the middle.

    Labels count unless they are `ignored`.
    """
    images, targets = pair
    reader = PatchesImagesReader({"image": images, "target": targets}, use_streaming=True)
    first = reader.get_sample(0)
    side, dense = first["image"].shape[0], first["target"].shape[0] > 1
    together = max(1, _TOGETHER // side**2)
    for start in range(0, reader.size, together):
        progress.check()
        batch = reader.get_batch(range(start, min(reader.size, start + together)))
        pixels, values = batch["image"], batch["target"]
        pixels = pixels.reshape(-1, pixels.shape[-1]) if dense else pixels[:, side // 2, side // 2]
        values = values.reshape(-1)
        known = np.ones(len(values), bool) if ignored is None else values != ignored
        if known.any():
            yield pixels[known], values[known]
