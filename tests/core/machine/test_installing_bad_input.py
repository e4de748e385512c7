"""What is refused before an engine is made: Pythons that lack something, folders, extras."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import EngineError, ParameterError
from otbtf_qgis.core.machine import installing
from otbtf_qgis.core.machine.installing import install

posix = pytest.mark.skipif(os.name == "nt", reason="uses shell scripts")


def script(path: Path, base: Path, without: str) -> Path:
    """A Python that lacks a module, as one on which its package is not installed."""
    path.write_text(
        f"#!/bin/sh\n[ \"$1\" = -s ] && shift\nexec '{base}' -c \"import sys; sys.modules['{without}'] = None\n$2\"\n"
    )
    path.chmod(0o755)
    return path


@posix
def test_python_without_venv(tmp_path, base):
    with pytest.raises(EngineError, match="sudo apt install python3-venv"):
        install(tmp_path / "engine", script(tmp_path / "python", base, "ensurepip"), Progress())
    assert not (tmp_path / "engine").exists()


@posix
def test_python_without_gdal(tmp_path, base):
    with pytest.raises(EngineError, match=r"cannot import GDAL's Python bindings .*python3-gdal"):
        install(tmp_path / "engine", script(tmp_path / "python", base, "osgeo"), Progress())


def test_python_that_is_not_there(tmp_path):
    with pytest.raises(EngineError, match="/no/such/python cannot be started"):
        install(tmp_path / "engine", Path("/no/such/python"), Progress())


def test_an_extra_that_does_not_exist(tmp_path):
    told = "EXTRAS is cluster, dask, but dask is none of those that exist: cluster"
    with pytest.raises(ParameterError, match=told):
        registry.run("InstallEngine", {"folder": str(tmp_path / "engine"), "extras": "cluster, dask"})
    assert not (tmp_path / "engine").exists()


def test_a_folder_that_cannot_be_made(base):
    with pytest.raises(
        EngineError, match=r"/dev/null/engine cannot be created: .*set its Python in the plugin's options"
    ):
        install(Path("/dev/null/engine"), base, Progress())


def test_folder_with_other_things_is_left_alone(tmp_path, base):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(EngineError, match="holds other files"):
        install(tmp_path, base, Progress())
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_file_instead_of_folder(tmp_path, base):
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineError, match="is a file"):
        install(tmp_path / "file", base, Progress())


def test_command_line_error_is_a_message(capsys, tmp_path):
    assert installing.main([str(tmp_path / "engine"), "--python", "/no/such/python"]) == 1
    assert "/no/such/python cannot be started" in capsys.readouterr().err


def test_operation_without_folder():
    with pytest.raises(ParameterError, match="FOLDER is empty"):
        registry.run("InstallEngine", {})
