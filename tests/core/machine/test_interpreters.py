"""The Python that an engine is made with, and the environment in which it runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from otbtf_qgis.core.machine import interpreters
from otbtf_qgis.core.machine.interpreters import _candidates, environment, inspect_python


def test_base_python_is_the_installation_that_this_one_comes_from(base):
    assert Path(sys.base_prefix) in base.parents
    found = inspect_python(base)
    assert (found.version, found.base_prefix, found.gdal_error) == (sys.version_info[:2], sys.base_prefix, "")


def test_base_python_does_not_trust_sys_executable(base):
    code = (
        "import sys; sys.executable = '/no/such/qgis'; sys.path.insert(0, sys.argv[1]); "
        "from otbtf_qgis.core.machine.interpreters import base_python; print(base_python())"
    )
    tree = Path(interpreters.__file__).parents[3]
    said = subprocess.run([sys.executable, "-c", code, str(tree)], check=True, capture_output=True, text=True)
    assert Path(said.stdout.strip()) == base


def test_places_on_windows_and_in_a_mac_bundle():
    windows = _candidates(Path("C:/OSGeo4W/apps/Python312"), "win32", (3, 12))
    assert windows[0] == Path("C:/OSGeo4W/apps/Python312/python.exe")
    contents = Path("/Applications/QGIS.app/Contents")
    assert contents / "MacOS/bin/python3.9" in _candidates(contents / "MacOS", "darwin", (3, 9))
    framework = contents / "Frameworks/Python.framework/Versions/3.12"
    assert contents / "MacOS/python3.12" in _candidates(framework, "darwin", (3, 12))


def test_an_interpreter_is_named_relative_to_the_current_folder(tmp_path, base, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(base)
    monkeypatch.chdir(tmp_path)
    assert inspect_python(Path("bin/python")) == inspect_python(base)


def test_variables_of_pip_are_relative_to_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wheels").mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", "wheels")
    monkeypatch.setenv("PIP_INDEX_URL", "https://host/simple")
    found = environment()
    assert (found["PIP_FIND_LINKS"], found["PIP_INDEX_URL"]) == (str(tmp_path / "wheels"), "https://host/simple")
