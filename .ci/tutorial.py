"""The commands of docs/tutorial.md: read from the page, and run as a reader runs them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import qgis_process

PAGE = Path(__file__).resolve().parents[1] / "docs" / "tutorial.md"
INDENT = "    "


def commands() -> str:
    """Return the page's commands as a script."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return "\n".join(line[len(INDENT) :] for line in lines if line.startswith(INDENT)) + "\n"


def run(folder: Path, environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Run all commands in a folder; return the results of each algorithm, the last ones where it ran several times.

    Args:
        folder: an empty folder.
        environment: variables with which qgis_process finds the plugin and the engine.

    Raises:
        CalledProcessError: a command has failed; its output is in the folder `results`.
    """
    results, programs = folder / "results", folder / "bin"
    results.mkdir()
    programs.mkdir()
    program = programs / "qgis_process"
    program.write_text(_PROGRAM.format(program=shlex.quote(qgis_process.program()), results=shlex.quote(str(results))))
    program.chmod(0o755)
    variables = {**environment, "PATH": f"{programs}{os.pathsep}{environment['PATH']}"}
    script = ["bash", "-euo", "pipefail", "-c", commands()]
    subprocess.run(script, cwd=folder, env=variables, stdin=subprocess.DEVNULL, check=True, timeout=900)
    return {path.stem: _results(path) for path in sorted(results.glob("*.json"))}


_PROGRAM = """#!/bin/sh
# qgis_process of the page's commands; what the algorithm $2 returns goes to a file.
exec {program} --json "$@" > {results}/"${{2#*:}}".json
"""


def _results(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text[text.index("{") :])["results"]  # libraries may print before the JSON
    return found
