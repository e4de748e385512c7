"""Try the plugin's zip in the windows of a new QGIS profile, as docs/start-here.md says, and take a picture of each step.

    python3 .ci/firsthour.py --zip dist/otbtf_qgis.zip [--build build] [--locale fr] [--engine PYTHON] [--dialogs]

QGIS runs under Xvfb; firsthour_in_qgis.py clicks and types. The pictures and logs, for people to look at, are in
BUILD/firsthour/VERSION-LOCALE; VERSION is that of QGIS. With an engine's Python, the installer's dialog is opened and closed
again, and that engine is used. With --dialogs, the dialogs of all algorithms are taken instead.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import qgis_process

TOP = Path(__file__).resolve().parents[1]
SCREEN = "-screen 0 1280x900x24"
LONGEST = 5400

SETTINGS = """[locale]
overrideFlag=true
userLocale={locale}

[app]
plugin_repositories\\QGIS%20Official%20Plugin%20Repository\\enabled=false
"""
"""The language of the windows; and no network for the list of plugins."""


def version(environment: dict[str, str]) -> str:
    """Return the version of QGIS, such as 3.22."""
    done = subprocess.run(
        [qgis_process.program(), "--version"], env=environment, capture_output=True, text=True, check=True
    )
    return ".".join(done.stdout.split()[1].split(".")[:2])


def main() -> int:
    """Run as the command line says; return the status of QGIS."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=TOP / "build")
    parser.add_argument("--zip", type=Path, default=TOP / "dist" / "otbtf_qgis.zip")
    parser.add_argument("--locale", default="en")
    parser.add_argument("--engine", type=Path)
    parser.add_argument("--dialogs", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="firsthour") as scratch:
        folder = Path(scratch)
        profile = folder / "qgis" / "profiles" / "default" / "QGIS"
        profile.mkdir(parents=True)
        (profile / "QGIS3.ini").write_text(SETTINGS.format(locale=arguments.locale), encoding="utf-8")
        environment = qgis_process.environment(folder / "run", folder / "qgis")
        name = f"{version(environment)}-{arguments.locale}" + ("-dialogs" if arguments.dialogs else "")
        taken = arguments.build.resolve() / "firsthour" / name
        shutil.rmtree(taken, ignore_errors=True)
        taken.mkdir(parents=True)
        work = taken / "work"  # QGIS marks layers in the system's folder of temporary files
        work.mkdir()
        environment |= {
            "QT_QPA_PLATFORM": "xcb",
            "PYTHONPATH": str(TOP / ".ci"),  # for hands.py: QGIS does not say where the code is that it runs
            "FIRSTHOUR_ZIP": str(arguments.zip.resolve()),
            "FIRSTHOUR_WORK": str(work),
            "FIRSTHOUR_TAKEN": str(taken),
            "FIRSTHOUR_ENGINE": os.path.abspath(arguments.engine) if arguments.engine else "",
            "FIRSTHOUR_DIALOGS": "1" if arguments.dialogs else "",
        }
        environment.pop("OTBTF_PYTHON", None)
        program = shutil.which("qgis.bin") or shutil.which("qgis") or sys.exit("QGIS is not installed.")
        command = ["xvfb-run", "--auto-servernum", f"--server-args={SCREEN}", program, "--nologo", "--noversioncheck"]
        command += ["--code", str(TOP / ".ci" / "firsthour_in_qgis.py")]
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False, timeout=LONGEST)
        shutil.rmtree(work)
        print(f"{taken}: {len(list(taken.glob('*.png')))} pictures")
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
