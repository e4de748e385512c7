"""The machine's memory, and the memory that a piece of work takes."""

from __future__ import annotations

import ctypes
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from osgeo import gdal

MB = 1 << 20
LARGEST_DEFAULT = 4096 * MB


def budget(memory_mb: int | None) -> int:
    """Return the budget in bytes: the requested one, else a quarter of the machine's memory, at most 4 GB."""
    import psutil

    if memory_mb is not None:
        return memory_mb * MB
    return int(min(psutil.virtual_memory().total // 4, LARGEST_DEFAULT))


def resident() -> int:
    """Return the memory that this process holds now, in bytes."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def release() -> None:
    """Return free memory to the system, where the C library can (glibc); otherwise it keeps much of it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def peak_growth(work: Callable[[], Any]) -> int:
    """Run `work` and return the largest growth of the memory in use meanwhile, in bytes.

    It is that of this process; or that of TensorFlow's tensors where this is more, since TensorFlow keeps the memory of
    earlier ones, into which others grow unseen.
    """
    before = _tensor_memory(anew=True)
    growth = _process_growth(work)
    if before is None:
        return growth
    behind = _tensor_memory(anew=False)
    return growth if behind is None else max(growth, behind["peak"] - before["current"])


def _tensor_memory(anew: bool) -> dict[str, int] | None:
    """Return the bytes of TensorFlow's tensors on the processor, `current` and `peak`; None where it does not tell.

    Args:
        anew: whether the peak begins anew.
    """
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return None
    try:
        if anew:
            tensorflow.config.experimental.reset_memory_stats("CPU:0")
        found: dict[str, int] = tensorflow.config.experimental.get_memory_info("CPU:0")
    except (AttributeError, ValueError, RuntimeError, tensorflow.errors.OpError):
        return None
    return found


def _process_growth(work: Callable[[], Any]) -> int:
    release()  # else it would grow into what is free, unseen
    before = resident()
    try:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: start the high-water mark anew
    except OSError:
        return _sampled_growth(work, before)
    work()
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return max(0, int(peak[1]) * 1024 - before) if peak else 0


def _sampled_growth(work: Callable[[], Any], before: int) -> int:
    peak, done = before, threading.Event()

    def sample() -> None:
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, resident())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        work()
    finally:
        done.set()
        thread.join()
    return max(peak, resident()) - before


@contextmanager
def gdal_cache(size: int) -> Iterator[None]:
    """Let GDAL cache at most `size` bytes of blocks meanwhile. For the engine only: it is GDAL's global state."""
    before = gdal.GetCacheMax()
    gdal.SetCacheMax(size)
    try:
        yield
    finally:
        gdal.SetCacheMax(before)
