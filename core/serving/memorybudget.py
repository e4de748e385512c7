"""How the memory that a run may take is divided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..machine.memory import MB, budget
from ..probing.sources import OpenSource

PLANNED_SHARE = 0.85
"""Share of the memory budget for which tiles are planned: the C library keeps some of what was freed."""


@dataclass(frozen=True)
class MemoryBudget:
    """Memory in bytes: all of it, and what GDAL may keep of blocks."""

    memory: int
    cache: int

    @classmethod
    def of(cls, megabytes: int | None, sources: Sequence[OpenSource]) -> MemoryBudget:
        """Return the budget for what the user gives, None for what the machine allows.

        GDAL keeps what neighbouring tiles read twice, two lines of blocks, and little more: outputs are written faster
        through a small cache, which stays in the processor's.
        """
        memory = budget(megabytes)
        lines = sum(source.stack.line_of_blocks for source in sources)
        return cls(memory, max(16 * MB, min(32 * MB + 2 * lines, 512 * MB, memory // 8)))

    @property
    def planned(self) -> int:
        """What tiles are planned for."""
        return int(PLANNED_SHARE * self.memory) - self.cache
