"""Measure speed: run the benchmarks beside this file, print tables and write build/bench/results.json.

    make bench                            all, at full size
    make bench ARGS="--quick rounds"      small sizes (into quick.json), and only what has `rounds` in its name
    make bench DEVICE=gpu:0               all, computed on this device
    make bench PEERS=1                    as root: install the programs to compare with (Debian's otb-bin) first

What is measured replaces the same in results.json, and the rest stays there: docs/figures/performance.py makes the
table and the figures of docs/performance.md of it.

A benchmark is a function `bench_*(quick, folder)` in a module of this folder. It works in the empty `folder`, which
is the current one too, and returns rows: dictionaries with `case`, `seconds` and whatever else it has to say.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import pkgutil
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is loaded: errors only

HERE = Path(__file__).resolve().parent
PLACE = HERE.parents[1] / "build" / "bench"


Row = Mapping[str, Any]
Bench = Callable[[bool, Path], Sequence[Row]]


def benches(words: Sequence[str]) -> Iterator[tuple[str, Bench]]:
    """Yield name and function of each benchmark whose name holds one of the words; all where none is given."""
    for module in pkgutil.iter_modules([str(HERE)]):
        if module.name == "__main__":
            continue
        for name, function in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction):
            full = f"{module.name}.{name.removeprefix('bench_')}"
            if name.startswith("bench_") and (not words or any(word in full for word in words)):
                yield full, function


def table(rows: Sequence[Row]) -> str:
    """Return the rows as lines of text, a column for each key."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_text(row.get(column, "")) for column in columns] for row in rows]
    widths = [max(len(line[index]) for line in [columns, *cells]) for index in range(len(columns))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths)) for line in [columns, *cells])
    return "\n".join(line.rstrip() for line in lines)


def _text(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="run only benchmarks with one of these in their names")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that the benchmarks work")
    arguments = parser.parse_args()
    # The Python processes that benchmarks start find the package by this alone: not from the repository's top folder,
    # whose folder otbtf_qgis is only a part of it.
    os.environ["PYTHONPATH"] = os.path.abspath(os.environ["PYTHONPATH"])
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a plugin is compiled once
    if os.environ.get("PEERS") == "1":
        _install_peers()
    _check_device()
    PLACE.mkdir(parents=True, exist_ok=True)
    result = PLACE / ("quick.json" if arguments.quick else "results.json")
    for name, bench in benches(arguments.words):
        with tempfile.TemporaryDirectory(prefix="run-", dir=PLACE) as folder:
            os.chdir(folder)
            start = time.monotonic()
            rows = bench(arguments.quick, Path(folder))
            os.chdir(PLACE)
        print(f"\n{name} ({time.monotonic() - start:.0f} s)\n{table(rows)}", flush=True)
        _keep(result, name, rows)
    print(f"\nWritten to {result}")


def _keep(result: Path, name: str, rows: Sequence[Row]) -> None:
    """Put what one benchmark found into the file of results."""
    report = json.loads(result.read_text()) if result.exists() else {"benches": {}}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    machine = {"platform": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()}
    machine["device"] = os.environ.get("DEVICE", "auto")
    report["benches"][name] = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "load": load,
        **machine,
        "rows": rows,
    }
    result.write_text(json.dumps(report, indent=2) + "\n")


def _check_device() -> None:
    """End if the device to be measured is not there."""
    from otbtf_qgis.core.errors import OtbtfError
    from otbtf_qgis.core.machine.devices import device_scope, devices

    try:
        for device in devices(os.environ.get("DEVICE", "auto")):
            device_scope(device)
    except OtbtfError as error:
        sys.exit(str(error))


def _install_peers() -> None:
    """Install Orfeo ToolBox and GDAL's programs by apt."""
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        sys.exit("PEERS=1 installs Debian packages, which takes root.")
    command = ["apt-get", "install", "--yes", "--no-install-recommends", "otb-bin", "gdal-bin"]
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    )


if __name__ == "__main__":
    main()
