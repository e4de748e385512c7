"""Rasters that another program changes while they are read."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import serving

BEFORE, AFTER = 7.0, 9.0
SHAPE = (60, 4000, 1)
"""Larger than what is read ahead."""


def overwritten(path: Path, newer: Path) -> None:
    """Write the newer content over the older, in place."""
    with path.open("r+b") as file:
        file.write(newer.read_bytes())


def written_anew(path: Path, newer: Path) -> None:
    """Empty the file first, as most programs do, and write it in parts."""
    content = newer.read_bytes()
    with path.open("wb") as file:
        for start in range(0, len(content), 1 << 16):
            file.write(content[start : start + (1 << 16)])
            file.flush()
            time.sleep(0.02)


def replaced(path: Path, newer: Path) -> None:
    """Put another file in its place."""
    os.replace(newer, path)


def removed(path: Path, newer: Path) -> None:
    """Remove the file."""
    path.unlink()


MANNERS = (overwritten, written_anew, replaced, removed)


@contextlib.contextmanager
def changing(path: Path, out: Path, manner: Callable[[Path, Path], None], choices: random.Random) -> Iterator[None]:
    """Write a raster of one value, and change it to another one some time after `out` has an unfinished output."""
    newer = path.with_name("newer.tif")
    for place, value in ((path, BEFORE), (newer, AFTER)):
        serving.write(place, np.full(SHAPE, value, np.float32), options=["BLOCKYSIZE=1"])  # read row by row
    delay, ended = choices.uniform(0, 1), threading.Event()

    def change() -> None:
        while not ended.wait(0.005):
            if any(name.startswith(".otbtf-") for name in os.listdir(out)):
                ended.wait(delay)
                manner(path, newer)
                return

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def is_of_one_time(out: Path) -> bool:
    """Return whether a map shows the raster as it was at one moment."""
    return set(np.unique(serving.read(out / "map.tif"))) in ({BEFORE}, {AFTER})
