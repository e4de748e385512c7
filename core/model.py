"""The base class of models for training; OTBTF's module of this name."""

from __future__ import annotations

from .training.modelbase import (
    ModelBase,
    _is_chief,
    cropped_tensor_name,
)

__all__ = [
    "ModelBase",
    "_is_chief",
    "cropped_tensor_name",
]
