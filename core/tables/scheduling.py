"""Running rows one after the other in this process, where the model stays loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..base.progress import Part, Progress
from .rowrun import RowOutcome, RowTask, run_row

Arrived = Callable[[RowOutcome], None]


def run_rows(tasks: Sequence[RowTask], arrived: Arrived, progress: Progress) -> None:
    """Run rows.

    Args:
        tasks: the rows.
        arrived: called with what became of each, as it ends.
        progress: told how far all are.

    Raises:
        Cancelled: `progress` asked to stop; the rows that have arrived are done.
    """
    for count, task in enumerate(tasks):
        progress.check()
        arrived(run_row(task, Part(progress, count / len(tasks), (count + 1) / len(tasks))))
        progress.fraction((count + 1) / len(tasks))
