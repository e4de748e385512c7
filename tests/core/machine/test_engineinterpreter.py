"""The choice of the engine's interpreter; no QGIS takes part."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from otbtf_qgis.core.errors import EngineError
from otbtf_qgis.core.machine.installing import MARKER, engine_python
from otbtf_qgis.engine.interpreter import VARIABLE, find


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    python = engine_python(tmp_path / "engine")
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (tmp_path / "engine" / MARKER).write_text("{}")
    return tmp_path / "engine"


def program(path: Path) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_variable_goes_before_option_before_private(tmp_path, private, monkeypatch):
    first, second = program(tmp_path / "first"), program(tmp_path / "second")
    assert find("", private) == engine_python(private)
    assert find(str(second), private) == second
    monkeypatch.setenv(VARIABLE, str(first))
    assert find(str(second), private) == first


def test_nothing_is_started(tmp_path):
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch '{tmp_path}/started'\n")
    trap.chmod(0o755)
    find(str(trap), tmp_path)
    assert not (tmp_path / "started").exists()


def test_missing_engine_says_how_to_install(tmp_path):
    with pytest.raises(EngineError, match=r"not installed.*otbtf:installengine"):
        find("", tmp_path / "none")


def test_incomplete_engine_is_not_used(private):
    (private / MARKER).unlink()
    with pytest.raises(EngineError, match=r"incomplete.*otbtf:installengine"):
        find("", private)


def test_wrong_variable_is_named_even_if_there_is_a_private_engine(private, monkeypatch):
    monkeypatch.setenv(VARIABLE, "/no/such/python")
    with pytest.raises(EngineError, match=r"OTBTF_PYTHON is /no/such/python, which does not exist"):
        find("", private)


def test_wrong_option_is_named(private):
    with pytest.raises(EngineError, match=r"option .* is /no/such/python, which does not exist"):
        find("/no/such/python", private)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no execute permission")
def test_file_that_is_no_program(tmp_path):
    (tmp_path / "text").write_text("")
    with pytest.raises(EngineError, match="which cannot be run"):
        find(str(tmp_path / "text"), tmp_path)


def test_folder_instead_of_interpreter(private):
    with pytest.raises(EngineError, match=f"must be its interpreter: use {engine_python(private)}"):
        find(str(private), private)
