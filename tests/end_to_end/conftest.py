"""qgis_process with a profile of its own, the plugin installed and enabled in it as `make install` does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import install
import pytest
import qgis_process


@dataclass(frozen=True)
class QgisProcess:
    """Starts qgis_process.

    Attributes:
        environment: variables for it: its profile, its display, the engine (OTBTF_PYTHON).
    """

    environment: Mapping[str, str]

    def command(self, algorithm: str, parameters: Mapping[str, Any], json_output: bool = True) -> list[str]:
        """Return the command line; a list or tuple repeats its key, as for a list of rasters.

        A key such as `--PROJECT_PATH` is an option of qgis_process.
        """
        line = [qgis_process.program(), *(["--json"] if json_output else []), "run", algorithm]
        line += [f"{key}={value}" for key, value in parameters.items() if key.startswith("--")]
        line.append("--")
        for key, value in parameters.items():
            if key.startswith("--"):
                continue
            several = value if isinstance(value, (list, tuple)) else [value]
            line += [f"{key}={item}" for item in several]
        return line

    def start(
        self, algorithm: str, parameters: Mapping[str, Any], variables: Mapping[str, str] | None = None, **more: Any
    ) -> subprocess.Popen[str]:
        """Start an algorithm and return at once, for tests that stop it in the middle or change its environment."""
        return subprocess.Popen(
            self.command(algorithm, parameters, json_output=False),
            env={**self.environment, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def attempt(
        self, algorithm: str, parameters: Mapping[str, Any], json_output: bool = False, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run an algorithm to its end, whatever that is; status and texts are for the test to judge."""
        return subprocess.run(
            self.command(algorithm, parameters, json_output),
            env={**self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def run(self, algorithm: str, parameters: Mapping[str, Any], timeout: float = 300) -> dict[str, Any]:
        """Run an algorithm that must succeed, and return its results."""
        done = self.attempt(algorithm, parameters, json_output=True, timeout=timeout)
        assert done.returncode == 0, f"{algorithm} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        # Libraries may print before the JSON.
        return json.loads(done.stdout[done.stdout.index("{") :])["results"]


@pytest.fixture(scope="session")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a QGIS configuration in which the plugin is installed and enabled."""
    config = tmp_path_factory.mktemp("qgis")
    install.install(config)
    return config


@pytest.fixture(scope="session")
def qgis(profile: Path, tmp_path_factory: pytest.TempPathFactory) -> QgisProcess:
    """qgis_process in that profile."""
    return QgisProcess(qgis_process.environment(tmp_path_factory.mktemp("run"), profile))
