"""Disturb runs, and count what that harms: nothing, it should be.

    make campaign N=500 SEED=1 JOBS=2
    make campaign N=0                    damaged and changing inputs alone

Kills: runs of serve, train and extraction, started with qgis_process, get SIGKILL, SIGTERM or SIGINT at random
moments, or their engines do, or both. Damage: see damage.py. What is harmed is printed at once, with the number of
the run: the same seed makes the same choices, though not the same moments to the millisecond.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import damage
import install
import qgis_process
import scene
from findings import Findings
from kills import Kills

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is loaded: errors only


def main() -> int:
    """Read the command line and run; return 1 if anything was harmed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500, help="number of interrupted runs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="runs at the same time")
    parser.add_argument("--rounds", type=int, default=1, help="how often each kind of damage is done")
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a shell, and inherited
    findings, start = Findings(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="otbtf-campaign-") as place:
        folder = Path(place)
        made = scene.make(folder / "inputs")
        damage.run(folder / "damage", made, findings, arguments.seed, arguments.rounds)
        if arguments.kills:
            _interrupt(folder, made, findings, arguments)
    print(f"\n{findings.report()}\n\nin {(time.monotonic() - start) / 60:.0f} minutes")
    return 0 if findings.passed else 1


def _interrupt(folder: Path, made: dict[str, str], findings: Findings, arguments: argparse.Namespace) -> None:
    install.install(folder / "profile")
    environment = {**qgis_process.environment(folder / "run", folder / "profile"), "OTBTF_PYTHON": sys.executable}
    kills = Kills(folder, made, environment, findings, arguments.seed)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for number, _ in enumerate(pool.map(kills.kill, range(arguments.kills)), 1):
            if number % 25 == 0:
                print(f"{number} of {arguments.kills} kills", flush=True)


if __name__ == "__main__":
    sys.exit(main())
