"""Data sets for training, from patches images; OTBTF's module of this name."""

from __future__ import annotations

from .patches.datasets import (
    Buffer,
    Dataset,
    DatasetFromPatchesImages,
    IteratorBase,
    PatchesImagesReader,
    PatchesReaderBase,
    RandomIterator,
)

__all__ = [
    "Buffer",
    "Dataset",
    "DatasetFromPatchesImages",
    "IteratorBase",
    "PatchesImagesReader",
    "PatchesReaderBase",
    "RandomIterator",
]
