"""The end of QGIS: its parts go in an order that differs between versions, and none may make the plugin raise.

PyQt aborts the process on an exception in what QGIS calls, and with it the results and the log of qgis_process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from qgis.core import QgsApplication

import otbtf_qgis

PLUGINS = os.path.join(QgsApplication.pkgDataPath(), "python", "plugins")
"""QGIS's own plugins, Processing among them."""

TREE = Path(otbtf_qgis.__file__).absolute().parents[1]
PYTHON = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"

BEGIN = """
from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QMainWindow, QMenu
from qgis.gui import QgsMessageBar
application = QgsApplication([], True)
application.initQgis()
import otbtf_qgis

class Interface:
    def __init__(self):
        self.window = QMainWindow()
        self.menu, self.bar = QMenu(self.window), QgsMessageBar(self.window)
    def mainWindow(self): return self.window
    def pluginMenu(self): return self.menu
    def messageBar(self): return self.bar
    def addPluginToMenu(self, name, action): pass
    def removePluginMenu(self, name, action): action.setVisible(False)

interface = Interface()
plugin = otbtf_qgis.classFactory(interface)
plugin.initGui()
plugin.provider.warm_engine()
process = plugin.provider._engine._warm
process._begun.wait(10)
print("engine", process._process.pid, flush=True)

def forget_the_registry():  # as QGIS 3.44 does at the exit of qgis_process
    QgsApplication.processingRegistry = staticmethod(lambda: None)

def quit():
    QTimer.singleShot(0, application.quit)
    application.exec()
"""

ENDS = {
    "the plugin, QGIS": "plugin.unload(); application.exitQgis()",
    "the plugin twice": "plugin.unload(); plugin.unload(); application.exitQgis()",
    "QGIS alone": "application.exitQgis()",
    "QGIS, the plugin": "application.exitQgis(); plugin.unload()",
    "QGIS, the application, the plugin": "application.exitQgis(); del application; plugin.unload()",
    "quit, the plugin": "quit(); plugin.unload(); application.exitQgis()",
    "quit, QGIS": "quit(); application.exitQgis()",
    "the provider, the plugin": (
        "QgsApplication.processingRegistry().removeProvider('otbtf'); plugin.unload(); application.exitQgis()"
    ),
    "the registry, the plugin": "forget_the_registry(); plugin.unload(); application.exitQgis()",
    "the registry, QGIS": "forget_the_registry(); application.exitQgis()",
    "the window, the plugin": (
        "from qgis.PyQt import sip; sip.delete(interface.window); plugin.unload(); application.exitQgis()"
    ),
    "a provider of the same name": (
        "other = otbtf_qgis.classFactory(None); other.initProcessing(); other.unload(); plugin.unload();"
        "application.exitQgis()"
    ),
    "the interpreter alone": "",
}


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    engine = folder / "engine"
    engine.write_text("#!/bin/sh\nexec cat\n")  # ends, as an engine does, when nobody holds its standard input
    engine.chmod(0o755)
    return subprocess.run(
        [str(PYTHON), "-c", BEGIN + script],
        env={
            **os.environ,
            "OTBTF_PYTHON": str(engine),
            "PYTHONPATH": os.pathsep.join((str(TREE), PLUGINS)),
            "QT_QPA_PLATFORM": "offscreen",
        },
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("order", ENDS)
def test_no_order_of_the_end_raises(order: str, tmp_path: Path) -> None:
    done = run(ENDS[order], tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    pid = int(done.stdout.split("engine ")[1].split()[0])
    assert not psutil.pid_exists(pid)


def test_an_error_of_ours_when_the_message_log_is_gone(tmp_path: Path) -> None:
    """A run may still be at work when QGIS ends; its error finds no log."""
    script = """
from otbtf_qgis.algorithms.base import _explained
from otbtf_qgis.core.operations.enginereport import EngineReport
application.exitQgis()
QgsApplication.messageLog = staticmethod(lambda: None)
try:
    with _explained(EngineReport):
        raise ValueError("odd")
except Exception as error:
    print("told:", error)
plugin.unload()
"""
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "ValueError" in done.stdout.split("told:")[1]


@pytest.mark.parametrize(("interface", "status"), [("None", -signal.SIGINT), ("object()", 0)])
def test_ctrl_c_ends_qgis_process_without_an_exception(interface: str, status: int, tmp_path: Path) -> None:
    """In qgis_process, QGIS aborts where Python raises KeyboardInterrupt in what it asks of a plugin; windows keep theirs."""
    script = f"""
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
import otbtf_qgis
otbtf_qgis.classFactory({interface})
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    pass
"""
    path = os.pathsep.join((str(TREE), PLUGINS))
    done = subprocess.run([str(PYTHON), "-c", script], env={**os.environ, "PYTHONPATH": path}, cwd=tmp_path, timeout=60)
    assert done.returncode == status
