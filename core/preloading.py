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

_threads: list[threading.Thread] = []


def begin(load: Callable[[], object]) -> None:
    """Call `load` in a thread of its own, and return at once."""
    thread = threading.Thread(target=load, name="preloading", daemon=True)
    _threads.append(thread)
    thread.start()


def wait() -> None:
    """Return once what was begun has ended; at once where nothing was."""
    for thread in _threads:
        thread.join()
    _threads.clear()


def gdal() -> None:
    """Load GDAL, if there is one, before TensorFlow or shielded from it.

    On Linux, TensorFlow's library shows those that are loaded after it an SQLite of its own, which lacks what
    GeoPackages need.
    """
    if "osgeo.gdal" in sys.modules:
        return
    flags = sys.getdlopenflags() if "tensorflow" in sys.modules and hasattr(os, "RTLD_DEEPBIND") else None
    try:
        if flags is not None:
            sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
        with contextlib.suppress(ImportError):
            importlib.import_module("osgeo.gdal")
    finally:
        if flags is not None:
            sys.setdlopenflags(flags)
