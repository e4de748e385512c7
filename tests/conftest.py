"""What all suites share. Which side of the plugin a suite is on follows from whether pytest-qgis takes part."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import hypothesis
import pytest

# A shell starts what runs in its background with Ctrl-C ignored, and nohup ignores hanging up; programs that tests start
# would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


TOP = Path(__file__).resolve().parents[1]
sys.path.append(str(Path(__file__).resolve().parent / "support"))  # what several suites' tests import

# The same examples every time, no file beside the sources, and no failure for a machine that is busy.
hypothesis.settings.register_profile("otbtf", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("otbtf")


def pytest_configure(config: pytest.Config) -> None:
    """Let no test bring QGIS and TensorFlow into one process: importing the other one fails."""
    with_qgis = config.pluginmanager.hasplugin("pytest_qgis")
    for name in ("tensorflow", "keras", "h5py") if with_qgis else ("qgis",):
        sys.modules[name] = None  # type: ignore[assignment]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ../shared with real images and OTBTF's own results; tests that need it skip without."""
    folder = TOP.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder ../shared")
    return folder
