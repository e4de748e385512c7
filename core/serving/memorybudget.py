"""The memory budget of a run, and its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..machine.memory import MB, budget
from ..probing.sources import OpenSource

PLANNED_SHARE = 0.85
"""Share of the memory budget for which tiles are planned: the C library keeps some of what was freed."""


@dataclass(frozen=True)
class MemoryBudget:
    """Memory in bytes: the whole budget, and GDAL's share for cached blocks; and how many devices share the rest."""

    memory: int
    cache: int
    devices: int = 1

    @classmethod
    def of(cls, megabytes: int | None, sources: Sequence[OpenSource]) -> MemoryBudget:
        """Return the budget that the user sets; for None, the one that the machine allows.

        GDAL keeps what neighbouring tiles read twice, two lines of blocks, and little more: outputs are written faster
        through a small cache, which stays in the processor's.
        """
        memory = budget(megabytes)
        lines = sum(source.stack.line_of_blocks for source in sources)
        return cls(memory, max(16 * MB, min(32 * MB + 2 * lines, 512 * MB, memory // 8)))

    @property
    def planned(self) -> int:
        """Bytes for which tiles are planned."""
        return (int(PLANNED_SHARE * self.memory) - self.cache) // self.devices
