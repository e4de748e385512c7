"""TFRecords: data sets as files that TensorFlow reads fast; OTBTF's module of this name."""

from __future__ import annotations

from .patches.recordsets import (
    TFRecords,
)

__all__ = [
    "TFRecords",
]
