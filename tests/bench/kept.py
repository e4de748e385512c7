"""What long benchmarks have found so far: one that was interrupted goes on with what is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

PLACE = Path(__file__).resolve().parents[2] / "build" / "bench"


class KeptRuns:
    """The results of single runs, in a file until the benchmark is through: the next one begins anew."""

    def __init__(self, name: str, quick: bool) -> None:
        """Open the file of a benchmark, which need not exist."""
        self._path = PLACE / f"{name}-{'quick' if quick else 'runs'}.json"
        self._found: dict[str, list[float]] = json.loads(self._path.read_text()) if self._path.exists() else {}
        if self._found:
            print(f"{len(self._found)} runs are taken from {self._path}: remove it to measure all anew.", flush=True)

    def of(self, run: str, measure: Callable[[], list[float]]) -> list[float]:
        """Return what a run has found, and print it; `measure` is called where it is not known."""
        if run not in self._found:
            self._found[run] = measure()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(self._found, indent=1) + "\n")
        print(f"{run}: {' '.join(f'{value:.3f}' for value in self._found[run])}", flush=True)
        return self._found[run]

    def done(self) -> None:
        """Forget the runs: all of them are in the results."""
        self._path.unlink(missing_ok=True)
