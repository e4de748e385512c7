"""Layers for networks on images; OTBTF's module of this name."""

from __future__ import annotations

from .models.keraslayers import (
    ApplyMask,
    Argmax,
    ClassValues,
    DilatedMask,
    HarmonicFit,
    Max,
    PixelShuffle,
    ScalarsTile,
    TargetScaling,
)
from .models.missingvalues import FillNodata, TemporalInterpolation

__all__ = [
    "ApplyMask",
    "Argmax",
    "ClassValues",
    "DilatedMask",
    "FillNodata",
    "HarmonicFit",
    "Max",
    "PixelShuffle",
    "ScalarsTile",
    "TargetScaling",
    "TemporalInterpolation",
]
