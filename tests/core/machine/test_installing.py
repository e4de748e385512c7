"""Installing the engine: with real virtual environments and a real pip, from an index of tiny wheels.

The whole thing with TensorFlow is what `make test` makes its engine with; the last test looks at that.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import package_index
import pytest

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, EngineError
from otbtf_qgis.core.machine import installing, proxies
from otbtf_qgis.core.machine.extras import packages_of
from otbtf_qgis.core.machine.installing import (
    MARKER,
    engine_python,
    install,
    is_complete,
    is_current,
)
from otbtf_qgis.core.machine.interpreters import base_python, inspect_python

posix = pytest.mark.skipif(os.name == "nt", reason="uses shell scripts")


class Recorder(Progress):
    """Keeps what it is told, and cancels as soon as `stop_when` is true."""

    def __init__(self, stop_when: Callable[[], bool] = lambda: False) -> None:
        self.lines: list[str] = []
        self.fractions: list[float] = []
        self.stopped_at = 0.0
        self._stop_when = stop_when

    def info(self, message: str) -> None:
        self.lines.append(message)

    warning = info

    def fraction(self, done: float) -> None:
        self.fractions.append(done)

    def cancelled(self) -> bool:
        if not self.stopped_at and self._stop_when():
            self.stopped_at = time.monotonic()
        return self.stopped_at > 0


@pytest.fixture(scope="module")
def served() -> Iterator:
    with package_index.serve() as index, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PIP_") or name.lower().endswith("_proxy")]:
            patch.delenv(name)
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("PIP_INDEX_URL", index.url)
        patch.setenv("PIP_NO_CACHE_DIR", "1")
        patch.setenv("PIP_RETRIES", "0")
        yield index


@pytest.fixture
def index(served):
    served.reset()
    return served


@pytest.fixture(scope="module")
def made(served, base, tmp_path_factory):
    """An environment, made once, and what was reported meanwhile."""
    served.reset()
    folder = tmp_path_factory.mktemp("made") / "engine"
    progress = Recorder()
    versions = install(folder, base, progress)
    return folder, versions, progress


@pytest.fixture
def engine(made, tmp_path) -> Path:
    """A copy of it to spoil; only its console scripts would not survive that."""
    return Path(shutil.copytree(made[0], tmp_path / "engine", symlinks=True))


def packages(folder: Path) -> Path:
    return next(path for path in folder.rglob("site-packages") if path.is_dir() and not path.is_symlink())


def uninstall(folder: Path, *distributions: str) -> None:
    subprocess.run(
        [str(engine_python(folder)), "-m", "pip", "uninstall", "-qy", *distributions], check=True, capture_output=True
    )


def test_new_environment_works(made):
    folder, versions, _ = made
    assert is_complete(folder)
    tested = package_index.VERSIONS  # newer ones are there, too
    assert (versions["tensorflow"], versions["keras"]) == (tested["tensorflow-cpu"], tested["keras"])
    marks = json.loads((folder / MARKER).read_text())
    assert "skops" in marks.pop("packages")
    assert marks == {"gpu": False, "extras": [], **versions} and is_current(folder)
    found = inspect_python(engine_python(folder))
    assert found.base_prefix == sys.base_prefix and not found.gdal_error


def test_new_environment_reports_pips_lines_and_how_far_it_is(made):
    _, _, progress = made
    assert any(line.startswith("Collecting keras") for line in progress.lines)
    assert any(line.startswith("Successfully installed") for line in progress.lines)
    assert progress.fractions == sorted(progress.fractions)
    assert progress.fractions[-1] == 1.0 and len(set(progress.fractions)) > 5


def test_nothing_was_installed_into_the_base(made, base):
    folder, _, _ = made
    for module in ("skops", "keras"):
        assert (packages(folder) / module).is_dir()
        said = subprocess.run(
            [str(base), "-s", "-c", f"import {module}; print({module}.__file__)"], capture_output=True
        )
        assert str(folder).encode() not in said.stdout


def test_again_installs_what_is_missing(engine, index):
    uninstall(engine, "skops", "keras")
    before = (engine / "pyvenv.cfg").stat().st_ino
    result = registry.run("InstallEngine", {"folder": str(engine)})
    assert result["interpreter"] == str(engine_python(engine))
    assert result["keras"] == package_index.VERSIONS["keras"]
    assert (packages(engine) / "skops").is_dir() and is_complete(engine)
    assert (engine / "pyvenv.cfg").stat().st_ino == before


def test_extras_are_installed_and_stay(engine, index):
    """A repair keeps them, and so does an engine that is made anew."""
    registry.run("InstallEngine", {"folder": str(engine), "extras": "cluster"})
    assert (packages(engine) / "distributed").is_dir() and is_current(engine)
    marks = json.loads((engine / MARKER).read_text())
    assert marks["extras"] == ["cluster"] and "distributed>=2024.8" in marks["packages"]
    shutil.rmtree(packages(engine) / "distributed")  # pip's note that it is installed stays
    progress = Recorder()
    registry.run("InstallEngine", {"folder": str(engine)}, progress)
    assert any("not there: distributed" in line for line in progress.lines)
    assert (packages(engine) / "distributed").is_dir() and is_current(engine)


def test_onnx_runtime_is_for_the_cpu_or_for_the_gpu_and_never_both(engine, index):
    assert packages_of(["onnx"]) == ["onnxruntime>=1.19"] and packages_of(["onnx"], gpu=True) == [
        "onnxruntime-gpu>=1.19"
    ]
    registry.run("InstallEngine", {"folder": str(engine), "extras": "onnx"})
    assert (packages(engine) / "onnxruntime").is_dir() and is_current(engine)
    # As pip leaves it, where somebody adds the other one.
    (packages(engine) / "onnxruntime_gpu-1.19.2.dist-info").mkdir()
    mark = engine / "ours.txt"  # goes with the engine; a new file may have the number of an old one
    mark.touch()
    registry.run("InstallEngine", {"folder": str(engine)})
    assert not mark.exists()
    assert not list(packages(engine).glob("onnxruntime_gpu*")) and is_current(engine)


def test_again_makes_anew_what_pip_cannot_see_broken_and_removes_what_stays_broken(engine, index, base):
    shutil.rmtree(packages(engine) / "keras")  # pip's note that it is installed stays
    index.reset(tensorflow="raise ImportError('no AVX here')")
    progress = Recorder()
    with pytest.raises(EngineError, match=r"does not work \(status 1\)(.|\n)*no AVX here"):
        install(engine, base, progress)
    assert any("No module named 'keras'" in line and "environment is created again" in line for line in progress.lines)
    assert not engine.exists()


def test_offline_says_so_and_leaves_what_was_there(engine, index, base, monkeypatch):
    uninstall(engine, "skops")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(EngineError) as caught:
        install(engine, base, Progress())
    assert "The package index cannot be reached" in str(caught.value)
    assert "ERROR: Cannot install skops" in str(caught.value)
    assert "was not changed" in str(caught.value)
    assert (packages(engine) / "keras").is_dir() and is_complete(engine)


def test_a_folder_of_wheels_needs_no_index(engine, tmp_path, index, monkeypatch):
    uninstall(engine, "skops", "keras")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    index.save(tmp_path / "wheels")
    progress = Recorder()
    values = {"folder": str(engine), "wheels": str(tmp_path / "wheels")}
    assert registry.run("InstallEngine", values, progress)["keras"] == package_index.VERSIONS["keras"]
    assert is_complete(engine) and not any("rror" in line for line in progress.lines)


def test_a_folder_that_misses_a_wheel_is_named(engine, tmp_path, index, base):
    uninstall(engine, "skops")
    wheels = tmp_path / "wheels"
    index.save(wheels)
    next(wheels.glob("skops*")).unlink()
    with pytest.raises(EngineError, match=rf"{wheels} has no wheel of a package(.|\n)*skops"):
        install(engine, base, Progress(), wheels=wheels)
    (tmp_path / "empty").mkdir()
    with pytest.raises(EngineError, match=r"empty holds no wheels \(files .whl\)"):
        install(engine, base, Progress(), wheels=tmp_path / "empty")


def test_pip_goes_through_the_proxy_and_its_password_into_no_log_or_argument(engine, index, base, monkeypatch):
    uninstall(engine, "skops")
    monkeypatch.setenv("PIP_INDEX_URL", "http://packages.invalid/simple")  # which only the proxy knows
    monkeypatch.setenv("PIP_TRUSTED_HOST", "packages.invalid")
    address = index.url.replace("//", "//me:p%40ss@").replace("/simple", "")
    progress = Recorder()
    with proxies.used({"HTTP_PROXY": address, "HTTPS_PROXY": address}):
        install(engine, base, progress)
    assert (packages(engine) / "skops").is_dir()
    assert index.proxied == {"Basic " + base64.b64encode(b"me:p@ss").decode()}
    assert not any("p@ss" in line or "p%40ss" in line for line in progress.lines)


def test_an_engine_of_another_version_of_the_plugin_is_recognised(engine):
    assert is_current(engine) and is_complete(engine)
    marker = json.loads((engine / MARKER).read_text())
    for other in ({**marker, "packages": marker["packages"][1:]}, {"gpu": False}):
        (engine / MARKER).write_text(json.dumps(other))
        assert is_complete(engine) and not is_current(engine)


def test_cancel_of_a_repair_leaves_what_was_there(engine, index, base):
    uninstall(engine, "skops")
    index.hanging = "skops"
    progress = Recorder(stop_when=index.asked.is_set)
    with pytest.raises(Cancelled):
        install(engine, base, progress)
    assert time.monotonic() - progress.stopped_at < 0.5
    assert any("was not changed" in line for line in progress.lines)
    assert is_complete(engine)


def test_cancel_of_a_new_one_leaves_nothing(tmp_path, index, base):
    progress = Recorder(stop_when=(tmp_path / "engine" / "pyvenv.cfg").exists)
    with pytest.raises(Cancelled):
        install(tmp_path / "engine", base, progress)
    assert progress.stopped_at and list(tmp_path.iterdir()) == []


@posix
def test_command_line_stops_at_ctrl_c(tmp_path, base):
    tree = Path(installing.__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-m", "otbtf_qgis.core.installation", str(tmp_path / "engine"), "--python", str(base)],
        cwd=tree,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        end = time.monotonic() + 60
        while not (tmp_path / "engine" / "pyvenv.cfg").exists() and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)[1]
    assert (process.returncode, said) == (130, "Stopped.\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not (Path(sys.prefix) / MARKER).is_file(), reason="this Python was not made by the installation")
def test_the_engine_that_runs_this_test_was_installed_by_this_code():
    folder = Path(sys.prefix)
    noted = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    code = (
        "from osgeo import gdal, gdal_array; import tensorflow, keras, numpy; "
        "print(tensorflow.__version__, keras.__version__, numpy.__version__)"
    )
    said = subprocess.run([str(engine_python(folder)), "-c", code], check=True, capture_output=True, text=True)
    tensorflow, keras, numpy = said.stdout.split()
    assert (tensorflow, keras, numpy) == (noted["tensorflow"], noted["keras"], noted["numpy"])
    assert int(numpy.split(".")[0]) == inspect_python(base_python()).numpy_major
    assert tuple(int(part) for part in tensorflow.split(".")[:2]) >= (2, 20)


def test_nothing_of_the_current_folder_is_run(tmp_path, index, base, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    for name in ("json", "pip", "venv", "ensurepip", "platform", "numpy", "osgeo", "tensorflow", "keras", "sklearn"):
        (here / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r} + ' ')\n")
    monkeypatch.chdir(here)
    install(Path("engine"), base, Progress())
    assert is_complete(here / "engine")
    install(Path("engine"), base, Progress())  # a repair
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()
