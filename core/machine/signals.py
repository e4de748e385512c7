"""Removal of unfinished files when a signal ends the process during an operation."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading
from collections.abc import Iterator, Sequence

from ..base.progress import Passed, Progress
from ..base.temporaries import Temporaries
from .programs import kill_started

_ENDING = ("SIGTERM", "SIGHUP", "SIGINT")
_LONGEST_END = 30.0
"""Seconds allowed for the removal of unfinished files."""


class _Remembering(Passed):
    """A progress that remembers unfinished files."""

    def __init__(self, to: Progress) -> None:
        super().__init__(to)
        self.temporaries = Temporaries()

    def temporary(self, path: str) -> None:
        self.temporaries.add(path)
        super().temporary(path)


@contextlib.contextmanager
def cleaned_up_on_signals(progress: Progress) -> Iterator[Progress]:
    """Yield a progress; a signal that ends the process first removes what the operation has announced to it.

    Then it ends the process as it would have done, with the same exit status. A signal that QGIS, Python or the calling
    program handles, or ignores, is left to them; so are all where the operation does not run in the main thread, and on
    Windows.
    """
    numbers = _unhandled()
    if not numbers:
        yield progress
        return
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    before = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    if before != -1:  # somebody listens already
        signal.set_wakeup_fd(before)
        os.close(told)
        os.close(tell)
        yield progress
        return
    remembering = _Remembering(progress)
    # Whichever thread the system interrupts, Python writes the signal's number into the pipe at once, however long the
    # main thread, which alone runs handlers, is busy in GDAL.
    ending = threading.Event()
    attending = threading.Thread(target=_attend, args=(told, numbers, remembering.temporaries, ending), daemon=True)
    attending.start()
    for number in numbers:
        signal.signal(number, lambda *_: None)
    try:
        yield remembering
    finally:
        if ending.is_set():  # what was started has been killed, which is no error of the run: the signal ends it
            attending.join(_LONGEST_END)
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        os.close(tell)


def _unhandled() -> list[int]:
    """Return the signals that would end this process at once, where that can be changed from here."""
    if os.name != "posix" or threading.current_thread() is not threading.main_thread():
        return []
    numbers = [int(getattr(signal, name)) for name in _ENDING]
    return [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL and _is_default(number)]


def _is_default(number: int) -> bool:
    """Return whether no handler is set, by C code either, of which Python's `getsignal` does not know."""
    handler = ctypes.pythonapi.PyOS_getsig
    handler.restype = ctypes.c_void_p
    return handler(number) is None


def _attend(told: int, numbers: Sequence[int], temporaries: Temporaries, ending: threading.Event) -> None:
    with os.fdopen(told, "rb", buffering=0) as pipe:
        while True:
            byte = pipe.read(1)
            if not byte:  # the operation has come to its end
                return
            if byte[0] in numbers:
                break
    ending.set()
    kill_started()
    temporaries.remove_for_good()
    ctypes.pythonapi.PyOS_setsig(byte[0], None)  # Python's own may be called in the main thread only
    os.kill(os.getpid(), byte[0])
