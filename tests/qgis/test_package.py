"""The package as Python and the plugin repository see it."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

import otbtf_qgis

TOP = Path(__file__).resolve().parents[2]


def test_version_is_that_of_metadata() -> None:
    metadata = configparser.ConfigParser()
    metadata.read(TOP / "metadata.txt", encoding="utf-8")
    assert otbtf_qgis.__version__ == metadata["general"]["version"]


def test_importing_needs_neither_qgis_nor_tensorflow(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "for name in ('qgis', 'PyQt5', 'PyQt6', 'tensorflow', 'keras', 'h5py'): sys.modules[name] = None\n"
        "import otbtf_qgis, otbtf_qgis.algorithms, otbtf_qgis.core.operations\n"
        "print(callable(otbtf_qgis.classFactory))\n"
    )
    folder = str(Path(otbtf_qgis.__file__).parents[1])
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env={"PYTHONPATH": folder}, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "True", done.stderr
