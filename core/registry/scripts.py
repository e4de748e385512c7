"""An operation in a script: what a terminal shows of it, how Ctrl-C stops it, and what is said of missing packages."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from ..base.missingpackages import GDAL_MISSING
from ..base.progress import Passed, Progress
from ..base.temporaries import Temporaries
from ..errors import Cancelled, EngineError

_log = logging.getLogger("otbtf_qgis")


def check_eager() -> None:
    """Raise EngineError where a script has TensorFlow build graphs, in which no model can be run as ours are."""
    executing_eagerly = getattr(sys.modules.get("tensorflow"), "executing_eagerly", lambda: True)
    if not executing_eagerly():
        raise EngineError(
            "TensorFlow builds graphs here and computes nothing: run the operation outside of tf.Graph. A script "
            "that calls tf.compat.v1.disable_v2_behavior() can run operations only in another process."
        )


@contextlib.contextmanager
def missing_packages_explained() -> Iterator[None]:
    """Turn the error for a package that a script's Python lacks into an EngineError that says how to install it."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name in ("", "otbtf_qgis"):  # a fault of ours
            raise
        if name == "osgeo":
            raise EngineError(GDAL_MISSING) from error
        raise EngineError(
            "The package {name} is missing: install it, for example with pip install 'otbtf_qgis[engine]'.", name=name
        ) from error


# --------------------------------------------------------------- being shown


class Logged(Progress):
    """Passes messages to Python's logging, under the name `otbtf_qgis`."""

    def info(self, message: str) -> None:
        """Log a line."""
        _log.info("%s", message)

    def warning(self, message: str) -> None:
        """Log a line that the user should see."""
        _log.warning("%s", message)


class Bar(Progress):
    """A bar of tqdm on a terminal, with messages above it."""

    def __init__(self, bar: Any) -> None:
        """Show progress by a bar whose total is 1."""
        self._bar = bar
        self._lock = threading.Lock()

    def fraction(self, done: float) -> None:
        """Show the share of the work that is done."""
        with self._lock:
            self._bar.update(done - self._bar.n)

    def info(self, message: str) -> None:
        """Write a line above the bar."""
        self._bar.write(message, file=sys.stderr)

    def warning(self, message: str) -> None:
        """Write a line above the bar."""
        self._bar.write(f"Warning: {message}", file=sys.stderr)


@contextlib.contextmanager
def on_terminal(title: str) -> Iterator[Progress]:
    """Yield a progress that shows a bar where standard error is a terminal, and else logs messages."""
    tqdm = _tqdm() if sys.stderr is not None and sys.stderr.isatty() else None
    if tqdm is None:
        yield Logged()
        return
    form = "{desc}: {percentage:3.0f}% |{bar}| {elapsed}, {remaining} left"
    with tqdm(total=1.0, desc=title, bar_format=form, file=sys.stderr, dynamic_ncols=True) as bar:
        yield Bar(bar)


def _tqdm() -> Any:
    try:
        from tqdm import tqdm
    except ImportError:  # without the extra `engine`
        return None
    return tqdm


# -------------------------------------------------------------- being stopped


class _Stoppable(Passed):
    """A progress that cancels after the first Ctrl-C, and remembers what to remove if that is not soon enough."""

    def __init__(self, to: Progress) -> None:
        super().__init__(to)
        self.temporaries = Temporaries()
        self.stopped = False

    def stop(self, number: int, frame: Any) -> None:
        """Take Ctrl-C: the first time wait for the operation to stop by itself, the second time break off at once."""
        if self.stopped:
            signal.default_int_handler(number, frame)
        self.stopped = True

    def temporary(self, path: str) -> None:
        self.temporaries.add(path)
        super().temporary(path)

    def cancelled(self) -> bool:
        return self.stopped or super().cancelled()


@contextlib.contextmanager
def stopped_by_ctrl_c(progress: Progress) -> Iterator[Progress]:
    """Yield a progress that cancels on Ctrl-C, so that the operation's threads end and its output is removed.

    KeyboardInterrupt is raised once that is done. Elsewhere than in the main thread, and where a program handles Ctrl-C
    itself, nothing is changed.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield progress
        return
    stoppable = _Stoppable(progress)
    signal.signal(signal.SIGINT, stoppable.stop)
    try:
        yield stoppable
    except BaseException as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # another one must not break off the removing
        stoppable.temporaries.remove()
        if stoppable.stopped and isinstance(error, Cancelled):
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
