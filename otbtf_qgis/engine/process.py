"""One engine process, and the threads that hold its three pipes."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

from ..core.base.jsonvalues import Json, OddJson, parse
from ..core.base.languages import spoken
from ..core.base.temporaries import Temporaries
from ..core.machine.interpreters import environment, program
from ..core.machine.programs import empty_folder
from ..core.phrases import Phrase, decoded
from ..core.registry import memory_cure
from ..core.worker import LARGEST_REQUEST, REQUEST_MARK

LOG_LINES = 200  # of the engine's log that are kept
LAST_WORDS = 8  # of these, shown when it dies
END_WAIT = 2.0  # seconds for a process to be gone after it was told to stop, or killed

PACKAGE = Path(__file__).absolute().parents[1]

# Like `python -m otbtf_qgis.core.worker`, but without the current folder on sys.path, and with the
# package taken from its own place: the folder around it is full of other people's plugins, whose
# names could be those of Python packages, so it is not put on sys.path at all.
START = """\
import sys
sys.path[:] = [entry for entry in sys.path if entry]
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
spec = PathFinder.find_spec("otbtf_qgis", [sys.argv.pop(1)])
sys.modules["otbtf_qgis"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["otbtf_qgis"])
from otbtf_qgis.core.worker import main
main()
"""

logger = logging.getLogger(__name__)


def command(interpreter: Path, idle_minutes: float, package: Path = PACKAGE) -> list[str]:
    """Return the command that starts an engine with the `package` folder's code."""
    line = [program(interpreter), "-c", START, str(package.parent), "--idle-minutes", str(idle_minutes)]
    return [*line, "--language", spoken().name]


def _message(found: Json) -> str:
    try:
        return decoded(found.value)
    except ValueError as error:
        raise found.odd(Phrase("a message")) from error


_PARTS: dict[str, dict[str, Callable[[Json], Any]]] = {
    "progress": {"fraction": Json.number},
    "info": {"message": _message},
    "warning": {"message": _message},
    "error": {"message": _message},
    "temporary": {"path": Json.text},
    "result": {"results": lambda found: {name: value.value for name, value in found.fields()}},
}
"""What an event of a kind must have, and how it is read."""


class EngineProcess:
    """An engine from its start to its end.

    Making one returns at once. A thread of its own starts the process, reads its events and lives as
    long as it does: Linux tells the engine that its parent has died when the *thread* that started it
    ends.

    Attributes:
        events: what the engine has reported, as dictionaries; None once it has ended.
        left: unfinished outputs that could not be removed after the end.
        ready: True once the engine has said that it can be sent requests.
        retired: True once the engine has said that it leaves, having been idle for long.
        stopped: True once it was told to end, or killed, while it ran.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        """Begin to start the process with these arguments, the program first."""
        self.arguments = list(arguments)
        self.events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.left: list[str] = []
        self.ready = False
        self.retired = False
        self.stopped = False
        self._requests: queue.Queue[bytes | None] = queue.Queue()
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._temporaries = Temporaries()
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None
        self._status = 0
        self._begun = threading.Event()
        self._ended = threading.Event()
        threading.Thread(target=self._live, name="otbtf engine", daemon=True).start()

    @property
    def usable(self) -> bool:
        """True while a request can be sent to it, as far as is known."""
        return not (self.retired or self.stopped or self._ended.is_set())

    def send(self, message: Mapping[str, Any]) -> None:
        """Queue a message for the engine; never blocks."""
        self._requests.put(json.dumps(message).encode() + b"\n")

    def stop(self) -> None:
        """Tell the engine to end, by closing its standard input. Returns at once; see `wait`."""
        self.stopped = self.stopped or not self._ended.is_set()
        self._requests.put(None)

    def wait(self) -> None:
        """Wait until the engine has ended after a `stop`; kill it if that takes long."""
        if not self._ended.wait(END_WAIT):
            self.kill()

    def kill(self) -> None:
        """Kill the engine and what it started, and wait until its unfinished output is removed."""
        self.stopped = self.stopped or not self._ended.is_set()
        self._begun.wait(END_WAIT)
        process = self._process
        if process is not None and process.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                if os.name == "posix":
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    process.kill()
        self._ended.wait(END_WAIT)

    def obituary(self, operation: str) -> str:
        """Return how the engine ended during a run of an operation, with the last lines of its log, for the user."""
        if self._failure is not None:
            return Phrase(
                "The engine's Python, {argument}, cannot be started: {reason}. Run otbtf:installengine, or choose "
                "another interpreter.",
                argument=self.arguments[0],
                reason=self._failure.strerror,
            )
        if self.stopped:
            return Phrase("The engine was stopped during the run.")
        words = self._last_words()
        quoted = "".join(f"\n    {line}" for line in words)
        ending = _ending(self._status, memory_cure(operation))
        return Phrase("{ending} The last lines of its log:{lines}", ending=ending, lines=quoted) if words else ending

    def _last_words(self) -> list[str]:
        """Return the last lines that the run at hand has logged, less the stack that a crash leaves."""
        words: list[str] = []
        for line in list(self._log):
            if line.startswith(REQUEST_MARK):
                words.clear()
            elif line.strip():
                words.append(line[:300])
            if line.startswith("Fatal Python error"):
                break
        return words[-LAST_WORDS:]

    # ------------------------------------------------------------ the threads

    def _live(self) -> None:
        try:
            with empty_folder() as folder:
                self._start(folder)
        except OSError as error:
            self._failure = error
        finally:
            self._begun.set()
            self._ended.set()
            self.events.put(None)

    def _start(self, folder: str) -> None:
        self._process = subprocess.Popen(  # nosec B603 (a list of arguments, no shell)
            self.arguments,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"TF_CPP_MIN_LOG_LEVEL": "2", **environment(Path(self.arguments[0]))},
            start_new_session=os.name == "posix",  # Ctrl-C is for us, who then ask it to cancel
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._begun.set()
        self._attend(self._process)

    def _attend(self, process: subprocess.Popen[bytes]) -> None:
        log = threading.Thread(target=self._read_log, args=(process.stderr,), daemon=True)
        log.start()
        threading.Thread(target=self._write_requests, args=(process.stdin,), daemon=True).start()
        with cast("IO[bytes]", process.stdout) as stdout:
            for line in stdout:
                self._receive(line)
        self._status = process.wait()
        self._requests.put(None)
        self.left = self._temporaries.remove()
        log.join(END_WAIT / 4)  # no longer: a child of the engine may hold the pipe open

    def _receive(self, line: bytes) -> None:
        try:
            found = parse(line, LARGEST_REQUEST, infinite=True)
            kind, event = found["event"].text(), found.value
            event.update({name: read(found[name]) for name, read in _PARTS.get(kind, {}).items()})
        except OddJson:
            self._log.append(f"Not an event: {line!r}")  # that program is no engine
            return
        if kind == "temporary":
            self._temporaries.add(event["path"])
        elif kind in ("result", "error", "cancelled"):
            self._temporaries.forget()
        elif kind == "ready":
            self.ready = True
        elif kind == "idle":
            self.retired = True
        self.events.put(event)

    def _read_log(self, stderr: IO[bytes]) -> None:
        with stderr:
            for line in stderr:
                text = line.decode("utf-8", "replace").rstrip()
                self._log.append(text)
                logger.debug("%s", text)

    def _write_requests(self, stdin: IO[bytes]) -> None:
        with contextlib.suppress(OSError), stdin:  # a broken pipe: the engine has ended, which _attend sees
            for line in iter(self._requests.get, None):
                stdin.write(line)
                stdin.flush()


def _ending(status: int, cure: str) -> str:
    """Return how a process with this exit status ended, in words; `cure` is what helps against a lack of memory."""
    if sys.platform == "win32":
        return Phrase("The engine ended unexpectedly, with exit status {status:#x}.", status=status)
    names = {number.value: number.name for number in signal.Signals}
    number = -status if status < 0 else status - 128  # a shell, or the engine on SIGTERM, says 128 + signal
    if status >= 0 and number not in names:
        return Phrase("The engine ended unexpectedly, with exit status {status}.", status=status)
    name = names.get(number, Phrase("signal {number}", number=number))
    if name == "SIGKILL":
        return Phrase("The engine was killed by SIGKILL, perhaps for lack of memory. {cure}", cure=cure)
    if name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE"):
        return Phrase("The engine crashed ({name}).", name=name)
    return Phrase("The engine was ended by {name}.", name=name)
