"""What an operation provides so that its output can be computed in parts; `core.parts.rasterwork` has more of rasters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..base.progress import Progress


@dataclass(frozen=True)
class MadePart:
    """What a part was besides its files.

    Attributes:
        counts: whole numbers by name, of which the operation makes its results.
        told: warnings.
        blocks: width and height of the blocks of each file, where they are rasters.
    """

    counts: Mapping[str, int]
    told: Sequence[str] = ()
    blocks: Sequence[tuple[int, int]] = field(default=())


class PartedWork(Protocol):
    """An operation with its inputs open.

    Opening takes the parameters and a progress: `OpenWork`.
    """

    @property
    def memory(self) -> tuple[int, int]:
        """The memory that a run takes, and GDAL's share of it, in bytes."""

    def identity(self, parts_are_kept: bool) -> dict[str, str]:
        """Return what must be the same for all runs; see `core.parts.partidentity`."""


class OpenWork(Protocol):
    """Opens the inputs of an operation. Another process finds it by the name of its module, so it is defined in one."""

    def __call__(self, parameters: Any, progress: Progress) -> Any:
        """Open the inputs, and return the `PartedWork` that the operation's `PartedOutput` takes.

        Raises:
            OtbtfError: an input cannot be used.
        """
