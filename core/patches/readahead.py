"""Reading samples ahead, while those before them are used."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Generator, Sequence
from typing import Any

from ..errors import ParameterError
from .patchesreader import PatchesReaderBase, Sample

THREAD = "otbtf-samples"
"""Name of the threads that read."""

_PAUSE = 0.1  # seconds after which a thread that waits looks whether it is still wanted


class Buffer:
    """A list of limited length.

    Attributes:
        container: its items.
        max_length: how many it may hold.
    """

    def __init__(self, max_length: int) -> None:
        self.max_length = max_length
        self.container: list[Any] = []

    def size(self) -> int:
        """Return the number of items."""
        return len(self.container)

    def add(self, new_element: Any) -> None:
        """Append an item.

        Raises:
            ParameterError: the buffer is full.
        """
        if self.is_complete():
            raise ParameterError(
                "The buffer holds {max_length} items already: make it longer, or empty it.", max_length=self.max_length
            )
        self.container.append(new_element)

    def is_complete(self) -> bool:
        """Return whether the buffer is full."""
        return self.size() >= self.max_length


def read_ahead(
    reader: PatchesReaderBase, order: Sequence[int], length: int
) -> Generator[tuple[Sample, float], None, None]:
    """Yield samples, `length` stacked at a time, and the seconds they were waited for; a thread reads the next ones.

    The thread ends when the generator is closed. Its errors are raised here.

    Args:
        reader: the samples.
        order: which of them, in the order of their use.
        length: how many are read together.
    """
    ready: queue.Queue[Sample | Exception | None] = queue.Queue(maxsize=1)
    unwanted = threading.Event()
    arguments = (reader, order, length, ready, unwanted)
    threading.Thread(target=_read, args=arguments, name=THREAD, daemon=True).start()
    try:
        while True:
            start = time.monotonic()
            window = ready.get()
            if window is None:
                return
            if isinstance(window, Exception):
                raise window
            yield window, time.monotonic() - start
    finally:
        unwanted.set()


def _read(
    reader: PatchesReaderBase,
    order: Sequence[int],
    length: int,
    ready: queue.Queue[Sample | Exception | None],
    unwanted: threading.Event,
) -> None:
    """Read samples in the order given, then say None; an error is handed over in place of samples."""

    def hand_over(item: Sample | Exception | None) -> None:
        while not unwanted.is_set():
            with contextlib.suppress(queue.Full):
                ready.put(item, timeout=_PAUSE)
                return

    try:
        for start in range(0, len(order), length):
            hand_over(reader.get_batch(order[start : start + length]))
            if unwanted.is_set():
                return
        hand_over(None)
    except Exception as error:  # noqa: BLE001 (raised again in the thread that waits)
        hand_over(error)
