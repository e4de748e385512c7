"""Make the pictures of the documentation: dialogs and maps of the real plugin, with the tutorial's data, in QGIS.

    build/venv/bin/python .ci/pictures.py [--build build] [NAME ...]

The commands of docs/tutorial.md make the data, once, in the folder otbtf_tutorial of the system's temporary files, whose path
the pictures show; remove it to make them again. QGIS runs under Xvfb with a profile of its own. docs/pictures_in_qgis.py
shows the dialogs and saves the pictures, which become small files of docs/images. With names, only those pictures are made.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import install
import qgis_process
import tutorial
from PIL import Image

TOP = Path(__file__).resolve().parents[1]
IMAGES = TOP / "docs" / "images"
LARGEST = 150_000
COLOURS = (256, 128, 64, 32)
DATA = Path(tempfile.gettempdir()) / "otbtf_tutorial"
SCREEN = "-screen 0 1600x1200x24"


def make_data(environment: dict[str, str]) -> None:
    """Run the tutorial's commands, unless they have been run to the end."""
    done = DATA / "done"
    if not done.exists():
        shutil.rmtree(DATA, ignore_errors=True)
        DATA.mkdir()
        tutorial.run(DATA, environment)
        done.touch()


def take(folder: Path, names: list[str], environment: dict[str, str]) -> Path:
    """Let QGIS save the pictures, and return the folder with them."""
    taken = folder / "taken"
    shutil.rmtree(taken, ignore_errors=True)
    taken.mkdir()
    variables = {**environment, "QT_QPA_PLATFORM": "xcb", "PICTURES_DATA": str(DATA)}
    variables |= {"PICTURES_TAKEN": str(taken), "PICTURES_NAMES": " ".join(names)}
    program = shutil.which("qgis.bin") or shutil.which("qgis") or sys.exit("QGIS is not installed.")
    command = ["xvfb-run", "--auto-servernum", f"--server-args={SCREEN}", program, "--nologo", "--noversioncheck"]
    command += ["--code", str(TOP / "docs" / "pictures_in_qgis.py")]
    subprocess.run(command, env=variables, stdin=subprocess.DEVNULL, check=True, timeout=1800)
    return taken


def shrink(source: Path, target: Path) -> int:
    """Save a picture with as many colours as its file may have, and return its bytes."""
    with Image.open(source) as image:
        whole = image.convert("RGB")
    for colours in COLOURS:
        whole.quantize(colours, dither=Image.Dither.NONE).save(target, optimize=True)
        if target.stat().st_size <= LARGEST:
            break
    return target.stat().st_size


def main() -> int:
    """Make the pictures; return 1 if one is missing or too large."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=TOP / "build")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    folder = build / "pictures"
    install.install(folder / "qgis")
    environment = qgis_process.environment(folder / "run", folder / "qgis")
    environment["OTBTF_PYTHON"] = os.environ.get("OTBTF_PYTHON", str(build / "venv" / "bin" / "python"))
    make_data(environment)
    taken = sorted(take(folder, arguments.names, environment).glob("*.png"))
    missing = set(arguments.names) - {path.stem for path in taken}
    for name in sorted(missing):
        print(f"pictures: {name} was not made", file=sys.stderr)
    sizes = {path.name: shrink(path, IMAGES / path.name) for path in taken}
    for name, size in sizes.items():
        print(f"docs/images/{name}: {size / 1000:.0f} kB{' is too large' if size > LARGEST else ''}")
    return 1 if missing or not taken or max(sizes.values()) > LARGEST else 0


if __name__ == "__main__":
    sys.exit(main())
