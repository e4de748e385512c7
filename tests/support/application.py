"""A QGIS without windows in a process of its own, with our provider: what a script of a user sees."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import otbtf_qgis

TREE = Path(otbtf_qgis.__file__).absolute().parents[1]

_BEGIN = """
import json, sys, time
from pathlib import Path
from qgis.core import QgsApplication
application = QgsApplication([], False)
application.initQgis()
sys.path.append(str(Path(QgsApplication.pkgDataPath()) / "python" / "plugins"))
import processing
from processing.core.Processing import Processing
Processing.initialize()
from otbtf_qgis.provider import OtbtfProvider
provider = OtbtfProvider()
QgsApplication.processingRegistry().addProvider(provider)
given = json.loads(Path(sys.argv[1]).read_text())

def shown(algorithm):
    "Return the values that the model designer stores for a step: the defaults that its form shows."
    fields = QgsApplication.processingRegistry().algorithmById(algorithm).parameterDefinitions()
    return {field.name(): field.defaultValue() for field in fields
            if field.defaultValue() not in (None, "", []) and not field.flags() & field.Flag.FlagHidden}
"""

_END = """
QgsApplication.processingRegistry().removeProvider(provider)
application.exitQgis()
"""


def run(environment: Mapping[str, str], script: str, given: Any, timeout: float = 300) -> str:
    """Run a script in QGIS and return what it printed.

    Args:
        environment: variables for it; those of `qgis_process` do.
        script: lines of Python at the top level, with `provider`, `processing`, `given` and `shown` at hand.
        given: what it finds as `given`; anything that JSON holds.
        timeout: seconds after which it is killed.
    """
    python = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    with tempfile.TemporaryDirectory() as folder:
        values, program = Path(folder, "given.json"), Path(folder, "script.py")
        values.write_text(json.dumps(given))
        program.write_text(_BEGIN + script + _END)
        done = subprocess.run(
            [str(python), str(program), str(values)],
            env={**environment, "PYTHONPATH": str(TREE)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
