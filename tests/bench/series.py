"""Networks for time series against forests, on a real NDVI series: kappa on places that took no part in the training."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from kept import KeptRuns
from osgeo import gdal

from otbtf_qgis.core.rasters.dates import days_of

DATA = Path(os.environ.get("NDVI_SERIES") or Path(__file__).resolve().parents[3] / "shared" / "data" / "ndvi_series")
"""The folder of ndvi.tif, dates.json, lulc.tif and dem.tif; docs/time-series.md says where they can be had."""

MISSING = f"skipped: {DATA} is missing; name the folder of the data in NDVI_SERIES (docs/time-series.md has the source)"
NODATA = -32768
LEAST, BLOCK, FOLDS, SEEDS = 100, 10, 5, 3
"""Pixels of a class from which it counts, side of the blocks in pixels, folds of blocks, seeds for each fold."""

EPOCHS, BATCH = 10, 64
T_95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776}
"""Student's t for a two-sided interval of 95 %, by degrees of freedom."""


@dataclass(frozen=True)
class Pixels:
    """Labelled pixels: series with gaps, the same without, classes from 0 on, and the fold of each."""

    raw: np.ndarray
    filled: np.ndarray
    labels: np.ndarray
    folds: np.ndarray
    days: tuple[float, ...]


Learner = Callable[[Pixels, np.ndarray, int, int], np.ndarray]


def bench_ndvi_series(quick: bool, folder: Path) -> list[dict[str, Any]]:
    """Mean and deviation of kappa over five spatial folds and three seeds, and paired differences to forests.

    The deviation is that of the folds, each the mean of its seeds. A difference is told as not distinguishable where the 95 %
    interval of its mean over the folds holds 0.
    """
    if not DATA.is_dir():
        return [{"case": MISSING}]
    pixels, kept = _pixels(), KeptRuns("series", quick)
    folds, seeds, epochs = (2, 1, 1) if quick else (FOLDS, SEEDS, EPOCHS)
    learners: dict[str, Learner] = {
        "tempcnn": _tempcnn,
        "forest": lambda *given: _forest(None, *given),
        "forest, balanced classes": lambda *given: _forest("balanced", *given),
    }
    scores = {name: _scores(name, learner, pixels, (folds, seeds, epochs), kept) for name, learner in learners.items()}
    kept.done()
    rows = [
        {
            "case": name,
            "kappa": float(kappa.mean()),
            "deviation": float(kappa.mean(axis=1).std(ddof=1)),
            "folds": _told(kappa),
        }
        for name, kappa in scores.items()
    ]
    return rows + [
        _difference("tempcnn", name, scores["tempcnn"], kappa) for name, kappa in scores.items() if name != "tempcnn"
    ]


def _pixels() -> Pixels:
    image = np.moveaxis(gdal.Open(str(DATA / "ndvi.tif")).ReadAsArray(), 0, -1).astype("float32")
    labels = gdal.Open(str(DATA / "lulc.tif")).ReadAsArray()
    days = days_of(json.loads((DATA / "dates.json").read_text()), "dates.json")
    values, counts = np.unique(labels[labels != 0], return_counts=True)
    kept = values[counts >= LEAST]
    rows, columns = np.nonzero(np.isin(labels, kept) & (image != NODATA).any(axis=2))
    across = -(-labels.shape[1] // BLOCK)
    blocks = rows // BLOCK * across + columns // BLOCK
    of_block = np.random.default_rng(0).permutation(blocks.max() + 1) % FOLDS
    raw = image[rows, columns]
    return Pixels(raw, _filled(raw, days), np.searchsorted(kept, labels[rows, columns]), of_block[blocks], days)


def _filled(raw: np.ndarray, days: Sequence[float]) -> np.ndarray:
    """Interpolate each series by numpy.interp, after the mean of the known values of each day."""
    different, place = np.unique(days, return_inverse=True)
    known = raw != NODATA
    total, count = (np.zeros((len(different), len(raw))) for _ in range(2))
    np.add.at(total, place, np.where(known, raw, 0.0).T)
    np.add.at(count, place, known.T)
    with np.errstate(invalid="ignore"):
        mean, exists = (total / count).T, (count > 0).T
    return np.array([np.interp(different, different[own], values[own]) for values, own in zip(mean, exists)])


def _scores(name: str, learner: Learner, pixels: Pixels, runs: tuple[int, int, int], kept: KeptRuns) -> np.ndarray:
    """Return kappa of each fold and seed, shape (folds, seeds); `runs` are their numbers, and that of the epochs."""
    from sklearn.metrics import cohen_kappa_score

    folds, seeds, epochs = runs
    found = np.empty((folds, seeds))
    for fold in range(folds):
        held = pixels.folds == fold
        for seed in range(seeds):

            def kappa(held: np.ndarray = held, seed: int = seed) -> list[float]:
                return [float(cohen_kappa_score(pixels.labels[held], learner(pixels, held, seed, epochs)))]

            found[fold, seed] = kept.of(f"{name}, fold {fold + 1}, seed {seed}", kappa)[0]
    return found


def _forest(weight: str | None, pixels: Pixels, held: np.ndarray, seed: int, epochs: int) -> np.ndarray:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(100, class_weight=weight, random_state=seed, n_jobs=2)
    forest.fit(pixels.filled[~held], pixels.labels[~held])
    return np.asarray(forest.predict(pixels.filled[held]))


def _tempcnn(pixels: Pixels, held: np.ndarray, seed: int, epochs: int) -> np.ndarray:
    """Train the template with its defaults, which fills the gaps itself."""
    import keras

    from otbtf_qgis.core.templates.catalogue import create
    from otbtf_qgis.core.templates.normalization import Scaling

    keras.utils.set_random_seed(seed)
    raw, labels = pixels.raw[:, None, None], pixels.labels[:, None, None]
    known = pixels.raw[~held][pixels.raw[~held] != NODATA]
    bands = raw.shape[-1]
    scaling = Scaling((float(known.mean()),) * bands, (float(known.std()),) * bands)
    classes = int(pixels.labels.max()) + 1
    model = create(
        "tempcnn", bands=(bands,), classes=classes, times=(pixels.days,), nodata=float(NODATA), scalings=(scaling,)
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(raw[~held], labels[~held], BATCH, epochs, verbose=0)
    return np.asarray(model.predict(raw[held], batch_size=1024, verbose=0)).argmax(axis=-1)[:, 0, 0]


def _difference(one: str, other: str, ours: np.ndarray, theirs: np.ndarray) -> dict[str, Any]:
    difference = (ours - theirs).mean(axis=1)
    mean, deviation = float(difference.mean()), float(difference.std(ddof=1))
    half = T_95[len(difference) - 1] * deviation / len(difference) ** 0.5
    told = "not distinguishable" if abs(mean) <= half else "higher" if mean > 0 else "lower"
    return {
        "case": f"{one} - {other}",
        "kappa": mean,
        "deviation": deviation,
        "folds": _told(ours - theirs),
        "verdict": f"{told} (95 %: {mean - half:+.2f} to {mean + half:+.2f})",
    }


def _told(kappa: np.ndarray) -> str:
    return " ".join(f"{value:+.2f}" for value in kappa.mean(axis=1))
