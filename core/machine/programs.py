"""Running a program line by line, and interpreting pip's output."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ..base.progress import Progress
from ..base.temporaries import remove, scratch_folder, scratch_folder_around
from ..phrases import Phrase
from .downloads import Downloads
from .proxies import without_credentials


@contextlib.contextmanager
def empty_folder() -> Iterator[str]:
    """Yield a new working folder for a Python process; remove it afterwards.

    Python looks for modules in the current folder first (`-m`, `-c`): a `json.py` there would be run.
    """
    with scratch_folder() as folder:
        yield str(folder)


def remove_own_folder() -> None:
    """Remove the empty folder that this process was started in: the process that made it may have ended."""
    with contextlib.suppress(OSError):
        folder = scratch_folder_around(os.getcwd())
        if folder is not None:
            remove(str(folder))  # on Windows it is still in use


_started: set[subprocess.Popen[str]] = set()


def run_streaming(
    command: Sequence[str], variables: Mapping[str, str], on_line: Callable[[str], None], progress: Progress
) -> int:
    """Run a program, hand on each line of its output (errors included) and return its exit status.

    It works in an empty folder.

    Args:
        command: the program and its arguments, paths among them absolute.
        variables: its environment.
        on_line: called with each line, in this thread.
        progress: asked for cancelling at least every 100 ms.

    Raises:
        OSError: the program cannot be started.
        Cancelled: `progress` asked to stop; the program and those it started have been killed.
    """
    with empty_folder() as folder:
        return _run(command, variables, folder, on_line, progress)


def _run(
    command: Sequence[str],
    variables: Mapping[str, str],
    folder: str,
    on_line: Callable[[str], None],
    progress: Progress,
) -> int:
    process = subprocess.Popen(  # nosec B603 (a list of arguments, no shell)
        list(command),
        env=dict(variables),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # a group of its own, so that its children can be killed with it
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    _started.add(process)
    lines: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
    reader.start()
    try:
        while True:
            progress.check()
            try:
                line = lines.get(timeout=0.1)
            except queue.Empty:
                continue
            if line is None:
                return process.wait()
            on_line(line)
    except BaseException:  # KeyboardInterrupt too
        _kill(process)
        raise
    finally:
        _started.discard(process)


def kill_started() -> None:
    """Kill the programs that are running, and wait until they are gone: this process is about to end."""
    for process in list(_started):
        _kill(process)


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    if process.stdout is not None:
        with process.stdout:
            for line in process.stdout:
                lines.put(line.rstrip())
    lines.put(None)


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a process and its children, and wait until it is gone."""
    if os.name == "nt":
        taskkill = os.path.join(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "taskkill.exe")
        command = [taskkill, "/F", "/T", "/PID", str(process.pid)]
        subprocess.run(command, capture_output=True, check=False)  # nosec B603 (no shell)
    else:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def status_text(status: int) -> str:
    """Return an exit status in words: `status 1`, or `killed by SIGILL`."""
    if status >= 0:
        return Phrase("status {status}", status=status)
    try:
        return Phrase("killed by {signals}", signals=signal.Signals(-status).name)
    except ValueError:
        return Phrase("killed by signal {status}", status=-status)


_UNITS = {"bytes": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9}

_FOLDER = "<folder>"
"""Stands for the folder of the engine."""

_CAUSES = (
    (
        r"No space left on device|Errno 28|WinError 112",
        Phrase(
            "The disk is full: the engine needs about 2 GB in {folder} (8 GB with a GPU), and temporarily as much again "
            "in the folder for temporary files (TMPDIR).",
            folder=_FOLDER,
        ),
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError",
        Phrase(
            "The certificate of the package index is not trusted, as behind some company proxies: set the company's "
            "certificate with `pip config set global.cert FILE`."
        ),
    ),
    (
        r"dependencies for SOCKS",
        Phrase(
            "pip reaches the proxy only with the package PySocks: set an HTTP proxy, or install PySocks for QGIS's Python "
            "(Debian and Ubuntu: sudo apt install python3-socks)."
        ),
    ),
    (
        r"ProxyError|407 Proxy",
        Phrase(
            "The proxy refused the connection: check the proxy, its user and its password in QGIS's Settings > Options > "
            "Network, or set it with `pip config set global.proxy ADDRESS`."
        ),
    ),
    (
        r"NewConnectionError|name resolution|getaddrinfo|Network is unreachable|Connection refused|ConnectTimeout"
        r"|ReadTimeout|Read timed out|RemoteDisconnected|ConnectionResetError|IncompleteRead|ProtocolError",
        Phrase(
            "The package index cannot be reached: check the network connection (and the proxy), then run this again."
        ),
    ),
    (
        r"ResolutionImpossible|conflicting dependencies",
        Phrase(
            "The package index could not be reached, or has no compatible versions for this Python and system: check the "
            "network connection (and the proxy), then run this again."
        ),
    ),
    (
        r"from versions: none",
        Phrase(
            "The package index could not be reached, or has no build of a package for this Python and system: check the "
            "network connection (and the proxy), then run this again."
        ),
    ),
    (
        r"No matching distribution found",
        Phrase("The package index has no build of a package for this Python and system."),
    ),
    (r"DO NOT MATCH THE HASHES|BadZipFile", Phrase("A download is damaged: run this again.")),
    (
        r"Permission denied|Errno 13|WinError 5",
        Phrase("The folder {folder}, or a file in it, cannot be written.", folder=_FOLDER),
    ),
)


class PipLog:
    """Reads pip's output: passes it on, reports progress, and determines the cause of a failure.

    Args:
        progress: receives the lines and the share done.
        start: the share done before pip was started.
        end: the share done once pip has ended.
        at_change: called once pip begins to change what is installed.
    """

    _BYTES = 360e6  # what a new engine without a GPU downloads, roughly
    _PACKAGES = 50

    def __init__(
        self, progress: Progress, start: float, end: float, at_change: Callable[[], object] = lambda: None
    ) -> None:
        self._progress = progress
        self._start, self._span = start, end - start
        self._at_change = at_change
        self._downloads = Downloads(progress)
        self._packages: set[str] = set()
        self._bytes = self._file = 0.0
        self._furthest = 0.0
        self._last: deque[str] = deque(maxlen=40)

    def line(self, text: str) -> None:
        """Take one line of pip's output."""
        part = re.match(r"Progress (\d+) of (\d+)", text)
        if part:
            self._downloads.advance(int(part[1]), int(part[2]))
            self._advance(self._share(self._file * int(part[1]) / max(1, int(part[2]))))
            return
        if not text.strip():
            return
        text = without_credentials(text)
        self._last.append(text)
        words = text.split()
        if words[0] == "Collecting" or text.startswith("Requirement already satisfied"):
            self._packages.add(words[3] if words[0] == "Requirement" else words[1])
        file = re.match(r"\s*(Downloading|Using cached) (\S+) \(([\d.]+) (\w+)\)", text)
        if file:
            self._bytes += self._file
            self._file = float(file[3]) * _UNITS.get(file[4], 0.0)
            self._downloads.begin(file[2].rpartition("/")[2].partition("-")[0])
        if text.startswith("Installing collected packages"):
            self._at_change()
            self._downloads.end()
            self._advance(0.75)
        elif text.startswith("Successfully installed"):
            self._advance(1.0)
        else:
            self._advance(self._share(0.0))
        if words[0] != "Requirement":
            self._progress.info(text)

    def _share(self, of_file: float) -> float:
        packages = min(1.0, len(self._packages) / self._PACKAGES)
        return 0.25 * packages + 0.5 * min(1.0, (self._bytes + of_file) / self._BYTES)

    def _advance(self, share: float) -> None:
        self._furthest = max(self._furthest, share)
        self._progress.fraction(self._start + self._span * self._furthest)

    def cause(self, folder: Path, wheels: Path | None = None) -> str:
        """Return the cause of pip's failure and the cure, as far as its last lines show it.

        Args:
            folder: that of the environment.
            wheels: the folder that pip has searched for packages; None for the package index.
        """
        text = self.tail()
        if wheels is not None and re.search("No matching distribution|from versions:|ResolutionImpossible", text):
            return Phrase(
                "{wheels} has no wheel of a package, or none for this Python and system: download all of them again.",
                wheels=wheels,
            )
        for pattern, words in _CAUSES:
            if re.search(pattern, text):
                return words.with_texts(lambda text: str(folder) if text == _FOLDER else text)
        return Phrase("The lines below give the cause.")

    def tail(self) -> str:
        """Return pip's last lines."""
        return "\n".join(self._last)
