"""Means and standard deviations of bands, and the file that holds them: what OTB's ComputeImagesStatistics writes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .bandstatistics import BandStatistics

MEAN, DEVIATION = "mean", "stddev"
"""Names of the statistics in the file."""


@dataclass(frozen=True)
class BandMoments:
    """What is known of the pixels of some images, band by band; those of further images can be added.

    Attributes:
        images: how many have pixels.
        pixels: number of them.
        mean: of each band, float64.
        squares: sum of each band's squared differences from the mean of the pixel's own image, float64.
    """

    images: int
    pixels: int
    mean: np.ndarray
    squares: np.ndarray

    @classmethod
    def of_image(cls, statistics: BandStatistics) -> BandMoments:
        """Return those of one image, whose pixels have a number in each band."""
        rows, pixels = statistics.rows(), int(statistics.counts[0])
        mean, deviation = (np.array([row[name] or 0.0 for row in rows]) for name in ("mean", "std"))
        return cls(int(pixels > 0), pixels, mean, deviation**2 * pixels)

    @classmethod
    def known(cls, images: int, pixels: int, mean: np.ndarray, deviation: np.ndarray) -> BandMoments:
        """Return those of images whose means and standard deviations are known."""
        return cls(images, pixels, mean, deviation**2 * max(pixels - images, 0))

    def beside(self, other: BandMoments) -> BandMoments:
        """Return these with those of other images."""
        pixels = self.pixels + other.pixels
        if not pixels:
            return self
        mean = (self.mean * self.pixels + other.mean * other.pixels) / pixels
        return BandMoments(self.images + other.images, pixels, mean, self.squares + other.squares)

    @property
    def deviation(self) -> np.ndarray:
        """The standard deviation of each band: of several images, by the pooled variance; 0 where it cannot be told."""
        return np.sqrt(self.squares / max(self.pixels - self.images, 1))

    def xml(self) -> str:
        """Return what the file holds."""
        lines = ['<?xml version="1.0" ?>', "<FeatureStatistics>"]
        for name, values in ((MEAN, self.mean), (DEVIATION, self.deviation)):
            lines.append(f'    <Statistic name="{name}">')
            lines += [f'        <StatisticVector value="{value!r}" />' for value in values.tolist()]
            lines.append("    </Statistic>")
        return "\n".join([*lines, "</FeatureStatistics>", ""])
