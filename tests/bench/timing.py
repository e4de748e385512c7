"""Taking the time of several ways to do the same, side by side, and judging it by a target."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

Row = dict[str, Any]


def side_by_side(
    case: str, ways: Mapping[str, Callable[[], Any]], repeat: int, before: Callable[[], Any] = lambda: None
) -> list[Row]:
    """Run each way `repeat` times, in turns, so that whatever else the machine does meets all of them alike.

    Args:
        case: what they do.
        ways: by name.
        repeat: how often.
        before: called before each of them, outside the time taken.

    Returns:
        A row for each way: `case`, `who`, `seconds` (the median) and `ratio` to the first one's.
    """
    seconds: dict[str, list[float]] = {who: [] for who in ways}
    for _ in range(repeat):
        for who, way in ways.items():
            before()
            start = time.perf_counter()
            way()
            seconds[who].append(time.perf_counter() - start)
    medians = {who: statistics.median(taken) for who, taken in seconds.items()}
    first = next(iter(medians.values()))
    return [{"case": case, "who": who, "seconds": taken, "ratio": taken / first} for who, taken in medians.items()]


def taken(rows: list[Row], who: str) -> float | None:
    """Return the seconds of one way; None where it was not tried."""
    return next((row["seconds"] for row in rows if row["who"] == who), None)


def judged(case: str, target: str, measured: float, limit: float, at_least: bool = True) -> list[Row]:
    """Return a row that says whether a target is reached."""
    reached = measured >= limit if at_least else measured <= limit
    return [{"case": case, "who": "target", "target": target, "measured": measured, "reached": reached}]
