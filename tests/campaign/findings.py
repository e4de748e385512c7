"""What a campaign counts."""

from __future__ import annotations

import enum
import threading
from collections import Counter


class Fault(enum.Enum):
    """What must not happen, and one thing that may: see EXPECTED."""

    HALF_WRITTEN = "half-written outputs"
    LOST = "lost older outputs"
    LEFT_OVER = "left-over files"
    LEFT_BY_THE_DEAD = "left-over files where every process was killed by SIGKILL"
    LEFT_FOR_GOOD = "left-over files that the next run did not remove"
    HUNG = "hung runs"
    WRONG = "silently wrong outputs"
    CRASHED = "crashes"
    UNEXPLAINED = "internal errors instead of an explanation"


EXPECTED = (Fault.LEFT_BY_THE_DEAD,)
"""Nobody is left who could remove them; the next run does."""


class Findings:
    """Counts faults by kind, and keeps a line on each; any thread may add."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.runs: Counter[str] = Counter()
        self.faults: Counter[Fault] = Counter()

    def ran(self, what: str) -> None:
        """Count a run."""
        with self._lock:
            self.runs[what] += 1

    def add(self, fault: Fault, case: str, details: str) -> None:
        """Count a fault and print what is needed to look into it."""
        with self._lock:
            self.faults[fault] += 1
            if fault not in EXPECTED:
                print(f"  {fault.value}: {case}: {details}", flush=True)

    def report(self) -> str:
        """Return the counts as lines of text."""
        lines = [f"{number:6}  {what}" for what, number in sorted(self.runs.items())]
        lines += ["", *(f"{self.faults[fault]:6}  {fault.value}" for fault in Fault)]
        return "\n".join(lines)

    @property
    def passed(self) -> bool:
        """True if nothing happened that must not."""
        return not any(number for fault, number in self.faults.items() if fault not in EXPECTED)
