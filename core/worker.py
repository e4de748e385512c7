"""The engine: a process that runs operations for QGIS, which must not load TensorFlow itself.

    python -m otbtf_qgis.core.worker [--idle-minutes MINUTES] [--language CODE]

One JSON object per line. Requests on standard input:

    {"id": 1, "run": "TensorflowModelServe", "values": {"source1.il": ["a.tif"]}}
    {"cancel": 1}

Events on standard output, those of a request with its id:

    {"event": "ready", "pid": 123}                      once, before TensorFlow is imported
    {"event": "started", "id": 1}
    {"event": "progress", "id": 1, "fraction": 0.5}
    {"event": "info", "id": 1, "message": "..."}        and "warning"
    {"event": "temporary", "id": 1, "path": "..."}      to be removed if the engine dies
    {"event": "result", "id": 1, "results": {}}         one of these three ends a request
    {"event": "error", "id": 1, "message": "..."}
    {"event": "cancelled", "id": 1}
    {"event": "idle"}                                   nothing to do for long: it leaves, status 0

A message is a text, or {"template": "The image {path} has {bands} bands", "values": {"path": "a.tif", "bands": 3}}, whose
values may be such messages; see `core.phrases`. The reader translates it. Reports that an operation writes are in the
language of the process.

Standard error is the log, where a line marks the beginning of each request. NaN and Infinity are
written as Python's json writes them. The end of standard input means that the parent is gone: the
engine removes its unfinished output and ends.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import faulthandler
import gc
import importlib
import json
import math
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, BinaryIO, NoReturn

from . import registry
from .base.jsonvalues import OddJson, parse
from .base.languages import language_of, speak
from .base.librarymessages import telling_line
from .base.progress import Progress
from .base.temporaries import Temporaries
from .errors import Cancelled, OtbtfError
from .files.memoryfiles import check_reachable
from .machine import preloading
from .machine.preloading import Load
from .machine.programs import remove_own_folder
from .phrases import Phrase, encoded

PROGRESS_INTERVAL = 0.1  # seconds between two progress events
LARGEST_REQUEST = 256 << 20  # bytes
REQUEST_MARK = "=== "  # begins the line that marks a request in the log
LONGEST_CAUSE = 500  # characters of an unexpected error that are told
PR_SET_PDEATHSIG = 1  # linux/prctl.h

Run = Callable[[str, Mapping[str, Any], Progress], dict[str, Any]]


class Worker:
    """Answers requests one after the other, in the main thread; other threads watch its surroundings."""

    def __init__(self, requests: BinaryIO, events: BinaryIO, run: Run, idle: float) -> None:
        """Make a worker that reads `requests`, writes `events` and leaves after `idle` seconds without work."""
        self._requests = requests
        self._events = events
        self._run = run
        self._idle = idle
        self._lock = threading.Lock()
        self._waiting: queue.Queue[dict[str, Any]] = queue.Queue()
        self._temporaries = Temporaries()
        self._broken: Exception | None = None
        self.cancelled: set[int] = set()

    def watch(self) -> None:
        """Begin to watch signals and standard input."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then asks to cancel
        if os.name == "posix":
            # Whichever thread the system interrupts, one of a library too: Python writes the signal's number into the
            # pipe at once, however long the main thread, which alone runs handlers, is busy.
            told, tell = os.pipe()
            os.set_blocking(tell, False)
            signal.set_wakeup_fd(tell)
            signal.signal(signal.SIGTERM, lambda *_: None)
            threading.Thread(target=self._await_sigterm, args=(told,), daemon=True).start()
        if sys.platform == "linux":
            # Tells of the parent's death even where another process holds our standard input open.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        threading.Thread(target=self._listen, daemon=True).start()

    def warm(self, *loads: Load) -> None:
        """Begin to load what most requests need, and return; see `preloading`.

        If that fails, the request that needs it will say so; without the first, none can run.
        """

        def loading(load: Load, needed: bool) -> None:
            gc.disable()  # it would look again and again at what only grows: an eighth of the time
            try:
                load()
            except Exception as error:  # noqa: BLE001 - a broken installation can raise anything
                traceback.print_exc()
                self._broken = error if needed else self._broken
            gc.freeze()  # it stays: collecting after each request need not look at it
            gc.enable()

        preloading.begin(*(partial(loading, load, number == 0) for number, load in enumerate(loads)))

    def serve(self) -> None:
        """Answer requests until there has been none for the idle time."""
        while True:
            try:
                request = self._waiting.get(timeout=self._idle if self._idle < threading.TIMEOUT_MAX else None)
            except queue.Empty:
                self.send("idle")
                return
            self._answer(request["id"], request["run"], request["values"])
            gc.collect()  # models and tracebacks are full of cycles, and the next request needs the memory

    def send(self, event: str, **fields: Any) -> None:
        """Write one event, from any thread."""
        line = json.dumps({"event": event, **fields}, default=_plain).encode() + b"\n"
        try:
            with self._lock:
                self._events.write(line)
                self._events.flush()
        except OSError:
            self.leave(1)  # nobody reads any more

    def announce(self, number: int, path: str) -> None:
        """Take note of an unfinished output, here and in the parent: either may be the one to remove it."""
        self._temporaries.add(path)
        self.send("temporary", id=number, path=path)

    def leave(self, status: int) -> NoReturn:
        """Remove the unfinished output and end at once, whatever other threads are doing."""
        self._temporaries.remove_for_good()
        remove_own_folder()
        with contextlib.suppress(OSError):  # nobody reads the log any more
            sys.stderr.flush()
        os._exit(status)

    def _answer(self, number: int, name: str, values: Mapping[str, Any]) -> None:
        progress = RequestProgress(self, number)
        print(f"{REQUEST_MARK}{name}", file=sys.stderr)
        self.send("started", id=number)
        try:
            self.send("result", id=number, results=self._perform(name, values, progress))
        except Cancelled:
            self.send("cancelled", id=number)
        except OtbtfError as error:
            self.send("error", id=number, message=encoded(error.message))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - reported; the next request may do better
            traceback.print_exc()
            self.send("error", id=number, message=encoded(explain(error, self._broken, name)))

    def _perform(self, name: str, values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        progress.check()  # it may have been cancelled while it waited
        check_reachable(values)
        try:
            return self._run(name, values, progress)
        finally:
            self._temporaries.forget()  # the operation has looked after them itself

    def _listen(self) -> None:
        try:
            for line in self._requests:
                self._take(line)
        except OSError:  # that is not our parent, then
            traceback.print_exc()
        self.leave(0)

    def _take(self, line: bytes) -> None:
        """Queue a request, or note a cancel; what is neither is answered by an error, and the engine goes on."""
        number: Any = None
        try:
            message = parse(line, LARGEST_REQUEST, infinite=True)
            number = message.value.get("id") if isinstance(message.value, dict) else None
            if message.has("cancel"):
                self.cancelled.add(message["cancel"].whole())
                return
            request = {"id": message["id"].whole(), "run": message["run"].text(), "values": message["values"].value}
            dict(message["values"].fields())  # which values there are is for the operation to judge
        except OddJson as error:
            self.send(
                "error", id=number, message=encoded(Phrase("The engine cannot read the request: {error}.", error=error))
            )
        else:
            self._waiting.put(request)

    def _await_sigterm(self, told: int) -> None:
        while os.read(told, 1) != bytes([signal.SIGTERM]):
            pass
        self.leave(128 + signal.SIGTERM)


class RequestProgress(Progress):
    """Turns what an operation reports into events."""

    keeps_mentions = True

    def __init__(self, worker: Worker, number: int) -> None:
        """Make the progress of the request `number`."""
        self._worker = worker
        self._number = number
        self._next = 0.0

    def fraction(self, done: float) -> None:
        """Send the share of the work that is done, not too often."""
        now = time.monotonic()
        if now >= self._next or done >= 1:
            self._next = now + PROGRESS_INTERVAL
            self._worker.send("progress", id=self._number, fraction=done)

    def info(self, message: str) -> None:
        """Send a line for the log."""
        self._worker.send("info", id=self._number, message=encoded(message))

    def warning(self, message: str) -> None:
        """Send a line for the log that the user should see."""
        self._worker.send("warning", id=self._number, message=encoded(message))

    def temporary(self, path: str) -> None:
        """Announce a file or folder to remove if this process dies."""
        self._worker.announce(self._number, path)

    def cancelled(self) -> bool:
        """Return True once a cancel for this request has been read."""
        return self._number in self._worker.cancelled


def explain(error: BaseException, broken: Exception | None, operation: str) -> str:
    """Return what to tell the user about an unexpected exception.

    Args:
        error: what an operation raised.
        broken: why TensorFlow could not be imported, if that is so; then this is the cause.
        operation: the name of the operation.
    """
    if isinstance(error, MemoryError) or any(kind.__name__ == "ResourceExhaustedError" for kind in type(error).__mro__):
        return Phrase(
            "Not enough memory: {first_line}. {memory_cure}",
            first_line=_line(error),
            memory_cure=registry.memory_cure(operation),
        )
    if broken is not None or isinstance(error, ImportError):
        what = "TensorFlow" if broken is not None else getattr(error, "name", None) or Phrase("a package")
        return Phrase(
            "The engine's Python ({executable}) cannot import {what}: {first_line}. Run otbtf:installengine, which "
            "also repairs an installation, or choose another interpreter.",
            executable=sys.executable,
            what=what,
            first_line=_line(broken or error),
        )
    return Phrase("Internal error: {type}: {first_line}", type=type(error).__name__, first_line=_line(error))


def _line(error: BaseException) -> str:
    return telling_line(error, LONGEST_CAUSE)


def _plain(value: Any) -> Any:
    """Turn what json does not know, NumPy's numbers and paths, into what it does."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take standard input and output for the protocol, so that no library can read or write there.

    What anything else prints goes to standard error, the log.
    """
    requests = os.fdopen(os.dup(0), "rb")
    events = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stderr.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    sys.stdout = sys.stderr
    return requests, events


UNUSED_BY_KERAS = ("matplotlib", "matplotlib.pyplot", "pandas", "sklearn")
"""What Keras imports where it is installed, for functions that no operation calls: up to half a second of a start."""


def import_tensorflow() -> None:
    """Import TensorFlow, which takes one or two seconds, without Keras, which it imports in its last line else."""
    with _hidden("keras.src.optimizers"):
        importlib.import_module("tensorflow")


def import_keras() -> None:
    """Import Keras; what it can do without is not found meanwhile."""
    with _hidden(*UNUSED_BY_KERAS):
        importlib.import_module("keras")


@contextlib.contextmanager
def _hidden(*names: str) -> Iterator[None]:
    """Hide modules that are not imported yet, so that their importers work without them."""
    hidden = [name for name in names if name not in sys.modules]
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(hidden))  # Python takes None as "cannot be imported"
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]


def main(run: Run = registry.run, loads: Sequence[Load] = (import_tensorflow, import_keras)) -> NoReturn:
    """Be the engine, until the parent is gone or there has been nothing to do for long.

    Args:
        run: runs the operation called by a name, with values and a progress.
        loads: called one after the other once the engine is ready, to have loaded what requests will need.
    """
    parser = argparse.ArgumentParser(prog="otbtf_qgis.core.worker", description="The engine process of otbtf_qgis.")
    parser.add_argument(
        "--idle-minutes", type=float, default=math.inf, help="minutes without work after which the engine ends (never)"
    )
    parser.add_argument("--language", default="", help="language of reports, such as fr (English)")
    arguments = parser.parse_args()
    speak(language_of(arguments.language))
    requests, events = _take_pipes()
    faulthandler.enable(all_threads=False)
    worker = Worker(requests, events, run, arguments.idle_minutes * 60)
    try:
        worker.watch()
        worker.send("ready", pid=os.getpid())
        preloading.gdal()  # before TensorFlow
        worker.warm(*loads)
        worker.serve()
    except Exception:  # noqa: BLE001 - any line written to the log fails once the parent is gone
        with contextlib.suppress(OSError):
            traceback.print_exc()
        worker.leave(1)
    worker.leave(0)


if __name__ == "__main__":
    main()
