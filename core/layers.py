"""Layers for networks on images; OTBTF's module of this name."""

from __future__ import annotations

from .models.attentionlayers import PlaceAttention, TanhGelu
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
from .models.missingvalues import FillNodata, MergedDates, TemporalInterpolation
from .models.serieslayers import (
    DateEncoding,
    EnlargedAttention,
    ImageOfPixels,
    ImagesOfDates,
    LightweightAttention,
    SeriesOfImages,
    SeriesOfPixels,
)

__all__ = [
    "ApplyMask",
    "Argmax",
    "ClassValues",
    "DateEncoding",
    "DilatedMask",
    "EnlargedAttention",
    "FillNodata",
    "HarmonicFit",
    "ImageOfPixels",
    "ImagesOfDates",
    "LightweightAttention",
    "Max",
    "MergedDates",
    "PixelShuffle",
    "PlaceAttention",
    "ScalarsTile",
    "SeriesOfImages",
    "SeriesOfPixels",
    "TanhGelu",
    "TargetScaling",
    "TemporalInterpolation",
]
