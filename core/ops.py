"""Operations for building and training networks; OTBTF's module of this name."""

from __future__ import annotations

from .models.kerasops import (
    one_hot,
)

__all__ = [
    "one_hot",
]
