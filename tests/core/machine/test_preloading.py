"""Loading in a thread: in order, once, and as far as a request needs it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from otbtf_qgis.core.machine import preloading


class Loads:
    """Two things to load, of which each waits until it may go on."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.threads: list[str] = []
        self.begun = {name: threading.Event() for name in ("first", "second")}
        self.may_go_on = {name: threading.Event() for name in ("first", "second")}

    def load(self, name: str) -> Callable[[], None]:
        def loading() -> None:
            self.begun[name].set()
            assert self.may_go_on[name].wait(10)
            self.done.append(name)
            self.threads.append(threading.current_thread().name)

        return loading

    def begin(self) -> None:
        preloading.begin(self.load("first"), self.load("second"))

    def let(self, *names: str) -> None:
        for name in names:
            self.may_go_on[name].set()


@pytest.fixture
def loads() -> Loads:
    return Loads()


def test_all_is_loaded_in_the_background(loads: Loads) -> None:
    loads.begin()
    loads.let("first", "second")
    assert loads.begun["second"].wait(10)
    preloading.wait()
    assert loads.done == ["first", "second"]
    assert loads.threads == ["preloading", "preloading"]


def test_what_is_not_needed_is_not_loaded_until_it_is(loads: Loads) -> None:
    loads.begin()
    assert loads.begun["first"].wait(10)
    threading.Timer(0.05, lambda: loads.let("first")).start()
    preloading.wait(leaving=1)
    assert loads.done == ["first"]
    preloading.wait(leaving=1)
    assert not loads.begun["second"].is_set()
    loads.let("second")
    preloading.wait()
    preloading.wait()
    assert loads.done == ["first", "second"]
    assert loads.threads[1] == threading.current_thread().name


def test_what_is_being_loaded_is_waited_for(loads: Loads) -> None:
    loads.let("first")
    loads.begin()
    assert loads.begun["second"].wait(10)
    threading.Timer(0.05, lambda: loads.let("second")).start()
    preloading.wait(leaving=1)
    assert loads.done == ["first", "second"]


def test_without_anything_begun() -> None:
    preloading.wait()


def test_sqlite_is_not_that_of_tensorflow() -> None:
    """Of GeoPackages, TensorFlow's knows no spatial index; each program that comes first is a process of its own."""
    pytest.importorskip("tensorflow")
    check = "import sqlite3; sqlite3.connect(':memory:').execute('CREATE VIRTUAL TABLE t USING rtree(id, a, b)')"
    for program in (
        f"import tensorflow; from otbtf_qgis import core; {check}",
        f"from otbtf_qgis.core.samples import layersamples; import tensorflow; {check}",
    ):
        command = [sys.executable, "-c", program]
        tree = Path(preloading.__file__).parents[3]
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]


def test_numpy_is_there_before_two_threads_import_it() -> None:
    program = (
        "import sys; from otbtf_qgis.core.machine import preloading; assert 'numpy' not in sys.modules; "
        "preloading.gdal(); assert 'numpy' in sys.modules and 'tensorflow' not in sys.modules"
    )
    tree = Path(preloading.__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", program], cwd=tree, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
