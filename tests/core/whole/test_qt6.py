"""What Qt 6 breaks: the plugin loaded with PyQt6, in a process of its own, beside stubs of QGIS's classes.

PyQt6 lies in build/pyqt6, out of the way of pytest-qgis, which takes PyQt5 of Debian's QGIS: `make test` puts it there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import otbtf_qgis
from otbtf_qgis.core import registry

TREE = Path(otbtf_qgis.__file__).absolute().parents[1]
STUBS = Path(__file__).resolve().parents[2] / "support" / "qt6"
PYQT6 = TREE.parent / "pyqt6"

pytestmark = pytest.mark.skipif(not PYQT6.is_dir(), reason=f"needs PyQt6 in {PYQT6}: make {PYQT6.parent.name}/pyqt6")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(str(place) for place in (STUBS, PYQT6, TREE))
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": path, "QT_QPA_PLATFORM": "offscreen"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_plugin_loads_and_unloads_with_qt6() -> None:
    done = run(str(STUBS / "load_plugin.py"))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert {"otbtf_qgis.plugin", "otbtf_qgis.gui.menu", "otbtf_qgis.algorithms.reading"} <= set(found["modules"])
    assert {name.lower() for name in found["algorithms"]} >= {name.lower() for name in registry.names()}
    assert len(found["entries"]) == 5
    assert found["icon"]
    assert found["left"] == [[], []]
    assert found["other Qt"] == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("Qt.AlignLeft", "AttributeError"),
        ("core.QgsProcessingParameterRasterLayer('A', 'a').setFlags(core.QgsProcessing.TypeRaster)", "TypeError"),
        ("core.QgsVectorLayer('a').flags() | core.QgsProcessingParameterDefinition.FlagHidden", "TypeError"),
        ("Qt.AlignmentFlag.AlignLeft", ""),
        ("core.QgsVectorLayer('a').flags() | core.QgsProcessingParameterDefinition.Flag.FlagHidden", ""),
    ],
)
def test_what_qt6_does_not_take_is_found(line: str, fault: str) -> None:
    done = run("-c", f"from qgis import core\nfrom qgis.PyQt.QtCore import Qt\n{line}")
    assert (done.stderr.splitlines() or [""])[-1].startswith(fault), done.stderr
    assert done.returncode == bool(fault)
