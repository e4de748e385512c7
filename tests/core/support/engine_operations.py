"""An engine with operations that a test can steer: not a test, but the program that tests start.

python engine_operations.py TREE [--idle-minutes N]
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv.pop(1))

from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import ModelError
from otbtf_qgis.core.machine import preloading
from otbtf_qgis.core.worker import import_tensorflow, main


class ResourceExhaustedError(Exception):
    """Named like TensorFlow's."""


ERRORS = {
    "user": ModelError("Model a.keras has no output 'é'."),
    "internal": KeyError("lost"),
    "exit": SystemExit(3),
    "memory": MemoryError("Unable to allocate 9 TiB"),
    "exhausted": ResourceExhaustedError("OOM when allocating tensor\nand more"),
}


def echo(values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    place = {"cwd": os.getcwd(), "files": os.listdir()}
    return {"values": values, "pid": os.getpid(), **place, "environment": dict(os.environ)}


def report(values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    progress.info("begins")
    for step in range(1, 1001):
        progress.fraction(step / 1000)
    progress.warning("ends")
    return {}


def fail(values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    raise ERRORS[values["how"]]


def noise(values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    print('{"event": "result", "id": 1, "results": {"forged": true}}')
    os.write(1, b"noise from a library\n")
    subprocess.run(["echo", "noise from a child"], check=True)
    return {"read": sys.stdin.read() + os.read(0, 10).decode()}


def make_temporary(values: Mapping[str, Any], progress: Progress) -> None:
    folder = Path(values["folder"])
    progress.temporary(str(folder))
    folder.mkdir()
    (folder / "half.tif").write_bytes(b"half")


def work(values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Works until it is cancelled, in small steps."""
    make_temporary(values, progress)
    progress.info(str(os.getpid()))
    while not progress.cancelled():
        time.sleep(0.01)
    (Path(values["folder"]) / "half.tif").unlink()
    Path(values["folder"]).rmdir()
    progress.check()
    return {}


def hang(values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Works without ever looking whether it is cancelled; if asked, with a child that does the same."""
    make_temporary(values, progress)
    pids = [os.getpid()]
    if values.get("child"):
        pids.append(subprocess.Popen(["sleep", "60"]).pid)
    progress.info(" ".join(map(str, pids)))
    time.sleep(60)
    return {}


def die(values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    make_temporary(values, progress)
    print("Check failed: the reason", file=sys.stderr)
    if "status" in values:
        os._exit(values["status"])
    os.kill(os.getpid(), signal.Signals[values["signal"]])
    time.sleep(60)
    return {}


def use_tensorflow(values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    progress.info("opens")
    preloading.wait()
    progress.info("computes")
    import_tensorflow()
    return {}


OPERATIONS = {function.__name__: function for function in (echo, report, fail, noise, work, hang, die, use_tensorflow)}


def run(name: str, values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return OPERATIONS[name](values, progress)


def load() -> None:
    """Stands for the import of TensorFlow: the working directory says how it goes."""
    if Path("broken_tensorflow").exists():
        sys.modules["tensorflow"] = None  # type: ignore[assignment]  # what Python takes as "cannot be imported"
        import_tensorflow()
    while Path("slow_tensorflow").exists():
        time.sleep(0.01)


if __name__ == "__main__":
    main(run=run, loads=(load,))
