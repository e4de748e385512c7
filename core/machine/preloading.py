"""Loading TensorFlow in a thread while a new engine already opens what it is asked to work on, and GDAL before it.

Whatever imports TensorFlow or Keras waits for that thread first: two threads that import packages which import each
other can find them half made.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
from collections.abc import Callable

Load = Callable[[], object]

_left: list[Load] = []
_loading = threading.Lock()
_enough = threading.Event()


def begin(*loads: Load) -> None:
    """Call `loads` one after the other in a thread of their own, and return at once."""
    _enough.clear()
    _left.extend(loads)
    threading.Thread(target=_in_background, name="preloading", daemon=True).start()


def _in_background() -> None:
    while not _enough.is_set() and _load_next(0):
        pass


def wait(leaving: int = 0) -> None:
    """Return once what was begun has ended; at once where nothing was.

    Args:
        leaving: so many of the last may be left out, for one that needs them to load.
    """
    _enough.set()
    while _load_next(leaving):
        pass


def _load_next(leaving: int) -> bool:
    """Load the first of what is left, if that is more than `leaving`, after what another thread is loading."""
    with _loading:
        if len(_left) <= leaving:
            return False
        load = _left[0]
        try:
            load()
        finally:
            del _left[0]
    return True


def gdal() -> None:
    """Load GDAL, if there is one, Python's SQLite and NumPy before TensorFlow or shielded from it.

    NumPy is what two threads would import at once: its parts import each other, and Python may then raise a deadlock.
    On Linux, TensorFlow's library shows those that are loaded after it an SQLite of its own, which lacks what
    GeoPackages need.
    """
    # A GDAL that came after TensorFlow, unshielded, shares TensorFlow's: another one beside it would crash the process.
    if "osgeo.gdal" in sys.modules and ("sqlite3" in sys.modules or _came_before("tensorflow", "osgeo.gdal")):
        return
    flags = sys.getdlopenflags() if "tensorflow" in sys.modules and hasattr(os, "RTLD_DEEPBIND") else None
    try:
        if flags is not None:
            sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
        for name in ("sqlite3", "osgeo.gdal", "numpy"):
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
    finally:
        if flags is not None:
            sys.setdlopenflags(flags)


def _came_before(one: str, other: str) -> bool:
    """Return whether a module was imported before another one, which is there."""
    names = list(sys.modules)
    return one in names and names.index(one) < names.index(other)
