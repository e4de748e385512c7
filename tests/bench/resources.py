"""What serving takes: memory and time against the size of the image, and the time until it starts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import inputs
from timing import Row, judged, side_by_side, taken

from otbtf_qgis.core import registry

TOP = Path(__file__).resolve().parents[2]
BUDGET = 1024
"""MEMORY of the runs whose peak is measured, in MB."""

_PEAK = r"""
import json, re, sys
from pathlib import Path
from otbtf_qgis.core import registry

def status(name):
    return int(re.search(name + r":\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

values = json.loads(sys.argv[1])
registry.run("TensorflowModelServe", {**values, "out": values["out"] + ".warm.tif", "out.box": "0:0:256:256"})
Path("/proc/self/clear_refs").write_text("5")
before = status("VmRSS")
registry.run("TensorflowModelServe", values)
print(json.dumps([before, status("VmHWM")]))
"""


def bench_memory(quick: bool, folder: Path) -> list[Row]:
    """Peak memory of serving a U-Net over mosaics that show one tile again and again, each in a process of its own.

    TensorFlow's own is what the process holds after a first tile.
    """
    model = inputs.network(folder, "fcnn", 2, best=True)
    rows: list[Row] = []
    for side in (2500, 5000) if quick else (2500, 5000, 10000, 20000, 40000):
        source = inputs.mosaic(side)
        values: dict[str, Any] = {"source1.il": str(source), "model.dir": str(model), "out": str(folder / "out.tif")}
        values["memory"] = BUDGET
        command = [sys.executable, "-c", _PEAK, json.dumps(inputs.on_device(values))]
        start = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        own, peak = json.loads(done.stdout.splitlines()[-1])
        case = f"U-Net, {side} x {side} x 4 uint16, MEMORY={BUDGET}"
        rows.append(
            {"case": case, "who": "otbtf_qgis", "seconds": seconds, "side": side, "own MB": own, "peak MB": peak}
        )
    last, case = rows[-1], "peak memory"
    small = rows[min(1, len(rows) - 2)]
    more = (last["peak MB"] - last["own MB"]) / BUDGET
    rows += judged(case, "at most 1.1 times the budget, beside TensorFlow's own", more, 1.1, at_least=False)
    apart = abs(last["peak MB"] / small["peak MB"] - 1)
    sides = f"{small['side']} x {small['side']} and {last['side']} x {last['side']}"
    return rows + judged(case, f"the same for {sides}, but for 10 %", apart, 0.1, at_least=False)


def bench_linear(quick: bool, folder: Path) -> list[Row]:
    """Seconds for a megapixel of a U-Net over mosaics of growing size, in a warm engine."""
    model = inputs.network(folder, "fcnn", 2, best=True)
    values = {"model.dir": str(model), "out": str(folder / "out.tif")}
    rows: list[Row] = []
    for side in (2500, 5000) if quick else (2500, 5000, 10000, 20000):
        given = inputs.on_device({**values, "source1.il": str(inputs.mosaic(side))})
        if not rows:
            registry.run("TensorflowModelServe", given)
        ways = {"otbtf_qgis, warm": partial(registry.run, "TensorflowModelServe", given)}
        case = f"U-Net, {side} x {side} x 4 uint16, class as uint8"
        found = side_by_side(case, ways, 1 if quick else 3, _removing(folder))
        rows.append({**found[0], "side": side, "s/Mpx": found[0]["seconds"] / (side * side / 1e6)})
    costs = [row["s/Mpx"] for row in rows]
    spread = max(costs) / min(costs) - 1
    return rows + judged("cost against size", "seconds per Mpx within 15 %", spread, 0.15, at_least=False)


def _removing(folder: Path) -> Any:
    return lambda: (folder / "out.tif").unlink(missing_ok=True)


def bench_start(quick: bool, folder: Path) -> list[Row]:
    """A small serve (the tutorial's CNN over 500 x 500 pixels): in a new engine, in a warm one, and by qgis_process.

    `start` of a second run is its time until it begins to compute, with the same model on another image.
    """
    model = inputs.network(folder, "cnn16", 6)
    values = {"model.dir": model, "out": folder / "out.tif"}
    values["source1.il"] = inputs.image("small", 500, 500, "uint16")
    warm, other = inputs.engine(), inputs.image("other", 500, 500, "uint16")
    started: list[float] = []

    class Computing(inputs.Progress):
        """Notes when the first tile has been planned."""

        def __init__(self) -> None:
            self.begun = time.perf_counter()

        def info(self, message: str) -> None:
            if message.startswith("Tiles of "):
                started.append(time.perf_counter() - self.begun)

    inputs.serve(warm, values)
    ways = {
        "otbtf_qgis, new engine": lambda: inputs.whole_process(values),
        "otbtf_qgis, second run in a session": lambda: inputs.serve(warm, {**values, "source1.il": other}, Computing()),
    }
    if program := _qgis_process(folder):
        line = [f"{key.upper().replace('.', '_')}={value}" for key, value in inputs.on_device(values).items()]
        ways["qgis_process"] = lambda: subprocess.run(
            [*program[0], "run", "otbtf:tensorflowmodelserve", "--", *line],
            env=program[1], check=True, capture_output=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        ways["qgis_process"]()  # Python's byte code is written
    rows = side_by_side("small serve", ways, 1 if quick else 5)
    warm.stop()
    begun = sorted(started)[len(started) // 2]
    rows += judged("small serve", "a second run begins to compute within 0.2 s", begun, 0.2, at_least=False)
    again, whole = taken(rows, "otbtf_qgis, second run in a session"), taken(rows, "qgis_process")
    if again:
        rows += judged("small serve", "second run in a session under 0.5 s", again, 0.5, at_least=False)
    if whole:
        rows += judged("small serve", "qgis_process under 5 s", whole, 5.0, at_least=False)
    return rows


def _qgis_process(folder: Path) -> tuple[list[str], dict[str, str]] | None:
    """Return qgis_process and its environment, the plugin installed in a profile of its own; None where QGIS is missing."""
    if not (shutil.which("qgis_process.bin") or shutil.which("qgis_process")):
        return None
    sys.path.append(str(TOP / ".ci"))
    import qgis_process

    python = shutil.which("python3", path="/usr/bin") or sys.executable
    install = [python, str(TOP / ".ci" / "install.py"), str(folder / "qgis")]
    environment = qgis_process.environment(folder / "run", folder / "qgis")
    subprocess.run(install, check=True, capture_output=True, env={**environment, "OTBTF_PYTHON": sys.executable})
    return [qgis_process.program()], {**environment, "OTBTF_PYTHON": sys.executable}
