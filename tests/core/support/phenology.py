"""A synthetic time series: vegetation by double logistic curves, with clouds and noise."""

from __future__ import annotations

import numpy as np

NODATA = -9999.0

DAYS = np.cumsum(
    [0, 5, 10, 10, 5, 15, 10, 5, 10, 20, 5, 10, 10, 5, 10, 15, 5, 10, 10, 10, 5, 20, 10, 5, 10, 15, 10, 10, 5, 10]
)
"""Of the acquisitions, at irregular intervals, in the first ten months of a year."""

SEASONS = (
    ((60, 10.0, 140, 10.0, 0.6),),  # winter crop
    ((60, 10.0, 130, 8.0, 0.6), (185, 7.0, 240, 8.0, 0.45)),  # the same with a catch crop after it
    ((150, 10.0, 230, 10.0, 0.6),),  # summer crop
    ((70, 14.0, 240, 14.0, 0.5),),  # deciduous forest
    ((70, 14.0, 240, 14.0, 0.5), (138, 5.0, 176, 5.0, -0.4)),  # meadow: the same, mown once
)
"""Of each class: start and its slowness, end and its slowness (days), and amplitude (NDVI) of each season."""


def double_logistic(days: np.ndarray, start: float, rise: float, end: float, fall: float) -> np.ndarray:
    """The curve of P. S. A. Beck et al., Remote Sensing of Environment 100, 2006, between 0 and 1."""
    up, down = 1 / (1 + np.exp(-(days - start) / rise)), 1 / (1 + np.exp((days - end) / fall))
    return up + down - 1


def phenology(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return series (classes * samples, dates) of NDVI with clouds as no-data, and the class of each, from 0 on.

    Each sample has a season that is earlier or later by some weeks, another amplitude, another soil, noise, and clouds
    that come in spells and leave thin ones in.
    """
    generator = np.random.default_rng(seed)
    series, labels = [], np.repeat(np.arange(len(SEASONS)), samples)
    for label in labels:
        days = DAYS - generator.normal(0, 24)
        curve = np.full(len(DAYS), generator.normal(0.18, 0.1))
        for start, rise, end, fall, amplitude in SEASONS[label]:
            curve += amplitude * generator.normal(1, 0.25) * double_logistic(days, start, rise, end, fall)
        series.append(curve + generator.normal(0, 0.02, len(DAYS)))
    image = np.array(series)
    thin = generator.random(image.shape) < 0.03
    image[thin] -= generator.uniform(0.05, 0.3, thin.sum())
    spell = generator.random(image.shape) < 0.22
    clouds = spell | (np.roll(spell, 1, axis=1) & (generator.random(image.shape) < 0.4))
    return np.where(clouds, NODATA, image).astype("float32"), labels
