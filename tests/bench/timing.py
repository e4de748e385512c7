"""Taking the time of several ways to do the same, side by side."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any


def side_by_side(case: str, ways: Mapping[str, Callable[[], Any]], repeat: int) -> list[dict[str, Any]]:
    """Run each way `repeat` times, in turns, so that whatever else the machine does meets all of them alike.

    Returns:
        A row for each way: `case`, `who`, `seconds` (the median) and `ratio` to the first one's.
    """
    seconds: dict[str, list[float]] = {who: [] for who in ways}
    for _ in range(repeat):
        for who, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[who].append(time.perf_counter() - start)
    medians = {who: statistics.median(taken) for who, taken in seconds.items()}
    first = next(iter(medians.values()))
    return [{"case": case, "who": who, "seconds": taken, "ratio": taken / first} for who, taken in medians.items()]
