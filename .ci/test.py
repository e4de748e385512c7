"""Run the test suites, each in an environment of its own, and add up their counts.

    python3 .ci/test.py --build build --engine build/venv/bin/python core qgis gui end_to_end -- [pytest's arguments]

tests/core and tests/end_to_end may import TensorFlow but never QGIS, tests/qgis and tests/gui the
reverse: both in one process crash. Every suite runs, whatever the others do; the status is 1 if any failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import qgis_process

TOP = Path(__file__).resolve().parents[1]
WITH_QGIS = ("qgis", "gui")
SEVERAL_AT_ONCE = ("core", "end_to_end")
"""Suites whose files are shared out among processes."""
NOTHING_RAN = 5
"""Pytest's status for a run without tests."""
LONGEST = 40 * 60
"""Seconds after which a suite counts as hung."""


def command(suite: str, engine: Path, build: Path, config: Path, more: list[str]) -> list[str]:
    """Return the command that runs one suite."""
    line = [str(engine), "-m", "pytest", f"tests/{suite}"]
    line += ["-o", f"pythonpath={build / 'tree'} {TOP / '.ci'}", "-o", f"cache_dir={build / 'pytest'}"]
    line += [f"--junitxml={report(suite, build)}", *more]
    if suite in SEVERAL_AT_ONCE:
        # A file's tests stay together: they share what is costly to make.
        line[4:4] = [f"--numprocesses={min(4, os.cpu_count() or 1)}", "--dist=loadfile"]
    if suite in WITH_QGIS:
        # pytest-qgis keeps its QGIS configuration in pytest's root folder: not in the sources, and new each time.
        line += ["-c", "pyproject.toml", f"--rootdir={config}"]
    else:
        line += ["-p", "no:pytest_qgis"]
    if suite == "gui" and shutil.which("xvfb-run"):
        line = ["xvfb-run", "--auto-servernum", "--server-args=-screen 0 1280x1024x24", *line]
    return line


def environment(suite: str, engine: Path, build: Path, config: Path) -> dict[str, str]:
    """Return the environment variables of one suite."""
    variables = qgis_process.environment(build / "run", config)
    variables["OTBTF_PYTHON"] = str(engine)
    if suite == "core":
        variables["PYTHONPATH"] = str(build / "tree")  # for the engines that tests start
    if suite == "gui" and shutil.which("xvfb-run"):
        variables["QT_QPA_PLATFORM"] = "xcb"
    return variables


def report(suite: str, build: Path) -> Path:
    """Return the path of the suite's JUnit report."""
    return build / "reports" / f"{suite}.xml"


def run(suite: str, engine: Path, build: Path, more: list[str]) -> bool:
    """Run one suite; return whether it passed."""
    report(suite, build).unlink(missing_ok=True)
    print(f"\n---- tests/{suite}", flush=True)
    with tempfile.TemporaryDirectory(prefix="otbtf-qgis-") as config:
        variables = environment(suite, engine, build, Path(config))
        process = subprocess.Popen(
            command(suite, engine, build, Path(config), more),
            cwd=TOP,
            env=variables,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # so that what the tests started ends with them
        )
        try:
            status = process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            print(f"tests/{suite} did not end within {LONGEST // 60} minutes.")
            return False
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if status == NOTHING_RAN and more:
        return True  # a selection such as -k that matches no test of this suite
    if status:
        died = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        print(f"tests/{suite} {died}.")
    return status == 0


def counts(suites: list[str], build: Path) -> Counter[str]:
    """Return how many tests passed, failed, broke and were skipped, from the reports that were written."""
    total: Counter[str] = Counter()
    for suite in suites:
        if report(suite, build).exists():
            for found in ElementTree.parse(report(suite, build)).iter("testsuite"):
                total += Counter({key: int(found.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")})
    total["passed"] = total["tests"] - total["failures"] - total["errors"] - total["skipped"]
    return total


def main() -> int:
    """Run the suites named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=TOP / "build")
    parser.add_argument("--engine", type=Path, required=True, help="the engine's Python, with the development tools")
    parser.add_argument("suites", nargs="+")
    own, more = sys.argv[1:], []
    if "--" in own:
        own, more = own[: own.index("--")], own[own.index("--") + 1 :]
    arguments = parser.parse_args(own)
    build = arguments.build.resolve()
    engine = Path(os.path.abspath(arguments.engine))  # not resolved: the link is what makes it a virtual environment

    start = time.monotonic()
    failed = [suite for suite in arguments.suites if not run(suite, engine, build, more)]
    total = counts(arguments.suites, build)
    words = (("failures", "failed"), ("passed", "passed"), ("skipped", "skipped"), ("errors", "errors"))
    summary = ", ".join(f"{total[key]} {word}" for key, word in words if total[key]) or "no tests ran"
    if failed:
        print(f"\nThese suites did not pass: {', '.join(failed)}")
    print(f"\n==== {summary} in {time.monotonic() - start:.2f}s ====")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
