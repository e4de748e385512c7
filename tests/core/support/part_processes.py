"""Warm processes that make maps: two of them can compute parts of one run at the same moment.

Run as a program, it takes the values of a run as a line of JSON, and answers with the results, or the error, as a line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_PATHS = [path for path in sys.path if path]


class ServingProcess:
    """A process of its own; leave it as a context manager."""

    def __init__(self) -> None:
        """Start it; it takes some seconds until it answers."""
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(_PATHS)},
        )

    def __enter__(self) -> ServingProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(
        self,
        values: dict[str, Any],
        environment: dict[str, str] | None = None,
        operation: str = "TensorflowModelServe",
        **more: Any,
    ) -> None:
        """Begin a run, with more variables in the environment."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([environment or {}, operation, {**values, **more}]) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for the results of the run, or {"error": message}."""
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def results(self, values: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Run, and return the results."""
        self.start(values, **more)
        return self.answer()

    def kill(self) -> None:
        """End it at once, as a machine that loses power does."""
        self._process.kill()
        self._process.communicate()


def wait_for(folder: Path, pattern: str, seconds: float = 30.0) -> Path:
    """Wait until a file appears, and return its path."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := sorted(folder.glob(pattern)):
            return found[0]
        time.sleep(0.005)
    raise AssertionError(f"no {pattern} in {folder}")


def _serve() -> None:
    from otbtf_qgis.core import registry
    from otbtf_qgis.core.base.progress import Progress
    from otbtf_qgis.core.errors import OtbtfError

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        environment, operation, values = json.loads(line)
        os.environ.update(environment)
        try:
            found = registry.run(operation, values, Progress())
        except OtbtfError as error:
            found = {"error": str(error)}
        for name in environment:
            del os.environ[name]
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    _serve()
