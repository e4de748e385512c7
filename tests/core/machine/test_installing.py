"""Installing the engine: with real virtual environments and a real pip, from an index of tiny wheels.

The whole thing with TensorFlow is what `make test` makes its engine with; the last test looks at that.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import package_index
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from otbtf_qgis.core import registry
from otbtf_qgis.core.base.progress import Progress
from otbtf_qgis.core.errors import Cancelled, EngineError, ParameterError
from otbtf_qgis.core.machine import installing, proxies
from otbtf_qgis.core.machine.extras import EXTRAS, packages_of
from otbtf_qgis.core.machine.installing import (
    MARKER,
    constraints,
    engine_python,
    install,
    is_complete,
    is_current,
    requirements,
)
from otbtf_qgis.core.machine.interpreters import _candidates, base_python, environment, inspect_python

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
def base() -> Path:
    return base_python()


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


# ---------------------------------------------------------------- requirements


@pytest.mark.parametrize(
    ("python", "tensorflow", "keras"),
    [
        ((3, 9), "tensorflow-cpu>=2.20", "keras>=3.10"),
        ((3, 10), "tensorflow-cpu>=2.21", "keras>=3.12.4"),
        ((3, 11), "tensorflow-cpu>=2.21", "keras>=3.13.2"),
        ((3, 13), "tensorflow-cpu>=2.21", "keras>=3.13.2"),
    ],
)
def test_requirements_by_python(python, tensorflow, keras):
    assert requirements(python, "linux", "x86_64", 2, False)[:3] == [tensorflow, keras, "numpy>=2,<3"]


@pytest.mark.parametrize(
    ("platform", "machine", "gpu", "tensorflow"),
    [
        ("linux", "x86_64", True, "tensorflow[and-cuda]>=2.21"),
        ("linux", "aarch64", False, "tensorflow>=2.21"),
        ("win32", "AMD64", False, "tensorflow-cpu>=2.21"),
        ("darwin", "arm64", False, "tensorflow>=2.21"),
    ],
)
def test_requirements_by_platform(platform, machine, gpu, tensorflow):
    assert requirements((3, 12), platform, machine, None, gpu)[:3] == [tensorflow, "keras>=3.13.2", "numpy"]


def test_python_314_gets_no_keras_beside_the_nightly_one_that_tensorflow_brings():
    assert requirements((3, 14), "linux", "x86_64", 2, False)[:2] == ["tensorflow-cpu>=2.22.0rc0", "numpy>=2,<3"]
    assert "keras-nightly" in bounds((3, 14)) and "keras" not in bounds((3, 14))


PYTHONS = [(3, minor) for minor in range(9, 15)]


def bounds(python: tuple[int, int]) -> dict[str, str]:
    lines = [line for line in constraints(python).read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("<=") for line in lines)


@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_has_a_newest_version_that_it_admits(python):
    for gpu in (False, True):
        for text in [*requirements(python, "linux", "x86_64", None, gpu), *packages_of(EXTRAS, gpu)]:
            wanted = Requirement(text)
            assert wanted.specifier.contains(bounds(python)[wanted.name], prereleases=True), text
    newest = {(3, 9): "3.10.0", (3, 10): "3.12.4"}  # what Python 3.9 and 3.10 can have of Keras ends there
    assert bounds(python).get("keras") == newest.get(python, None if python == (3, 14) else "3.15.1")


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", ["engine", *EXTRAS])
def test_the_extra_of_the_package_asks_for_the_same(python, name):
    """What pip takes of `otbtf_qgis[engine]` is what InstallEngine takes: name by name the same bounds."""
    place = {"python_version": f"{python[0]}.{python[1]}"}
    project = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    listed = re.findall(r'^    "([^"]+)",', project.partition(f"\n{name} = [")[2].partition("\n]")[0], re.MULTILINE)
    extra = [Requirement(text) for text in listed]
    here = {wanted.name: wanted.specifier for wanted in extra if not wanted.marker or wanted.marker.evaluate(place)}
    texts = requirements(python, "linux", "aarch64", None, False) if name == "engine" else packages_of([name])
    asked = [Requirement(text) for text in texts]
    ours = {wanted.name: wanted.specifier for wanted in asked if wanted.name != "numpy"}  # of GDAL's major version
    ours = {
        name: spec & SpecifierSet(f"<={bounds(python)[name]}") if name != "setuptools" else spec
        for name, spec in ours.items()
    }
    assert here == ours


def test_numpy_keeps_the_major_version_of_gdals():
    assert "numpy<2" in requirements((3, 11), "linux", "x86_64", 1, False)


def test_the_old_tensorboard_gets_what_it_needs() -> None:
    assert "setuptools<82" in requirements((3, 9), "linux", "x86_64", 1, False)
    assert not any("setuptools" in wanted for wanted in requirements((3, 10), "linux", "x86_64", 1, False))


@pytest.mark.parametrize("python", [(3, 8), (3, 15)])
def test_python_without_tensorflow(python):
    with pytest.raises(EngineError, match=rf"Python 3\.{python[1]}: .*3\.9 to 3\.14.*OTBTF_PYTHON"):
        requirements(python, "linux", "x86_64", 1, False)


@pytest.mark.parametrize(
    ("platform", "machine"),
    [("darwin", "x86_64"), ("win32", "ARM64"), ("linux", "x86_64 (32 bit)"), ("freebsd14", "amd64")],
)
def test_platform_without_tensorflow(platform, machine):
    with pytest.raises(EngineError, match="No current TensorFlow exists for " + platform):
        requirements((3, 12), platform, machine, 2, False)


@pytest.mark.parametrize(("platform", "machine"), [("win32", "AMD64"), ("darwin", "arm64"), ("linux", "aarch64")])
def test_gpu_where_there_is_none(platform, machine):
    with pytest.raises(EngineError, match="CUDA can be installed on Linux on x86_64 only"):
        requirements((3, 12), platform, machine, 2, True)


# ---------------------------------------------------------------- interpreters


def test_base_python_is_the_installation_that_this_one_comes_from(base):
    assert Path(sys.base_prefix) in base.parents
    found = inspect_python(base)
    assert (found.version, found.base_prefix, found.gdal_error) == (sys.version_info[:2], sys.base_prefix, "")


def test_base_python_does_not_trust_sys_executable(base):
    code = (
        "import sys; sys.executable = '/no/such/qgis'; sys.path.insert(0, sys.argv[1]); "
        "from otbtf_qgis.core.machine.interpreters import base_python; print(base_python())"
    )
    tree = Path(installing.__file__).parents[3]
    said = subprocess.run([sys.executable, "-c", code, str(tree)], check=True, capture_output=True, text=True)
    assert Path(said.stdout.strip()) == base


def test_places_on_windows_and_in_a_mac_bundle():
    windows = _candidates(Path("C:/OSGeo4W/apps/Python312"), "win32", (3, 12))
    assert windows[0] == Path("C:/OSGeo4W/apps/Python312/python.exe")
    contents = Path("/Applications/QGIS.app/Contents")
    assert contents / "MacOS/bin/python3.9" in _candidates(contents / "MacOS", "darwin", (3, 9))
    framework = contents / "Frameworks/Python.framework/Versions/3.12"
    assert contents / "MacOS/python3.12" in _candidates(framework, "darwin", (3, 12))


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


# ---------------------------------------------------------------- installing


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
    (
        packages(engine) / "onnxruntime_gpu-1.19.2.dist-info"
    ).mkdir()  # as pip leaves it, where somebody adds the other one
    before = (engine / "pyvenv.cfg").stat().st_ino
    registry.run("InstallEngine", {"folder": str(engine)})
    assert (engine / "pyvenv.cfg").stat().st_ino != before
    assert not list(packages(engine).glob("onnxruntime_gpu*")) and is_current(engine)


def test_an_extra_that_does_not_exist(tmp_path):
    told = "EXTRAS is cluster, dask, but dask is none of those that exist: cluster"
    with pytest.raises(ParameterError, match=told):
        registry.run("InstallEngine", {"folder": str(tmp_path / "engine"), "extras": "cluster, dask"})
    assert not (tmp_path / "engine").exists()


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


def test_the_page_downloads_the_wheels_that_are_wanted():
    page = (Path(__file__).parents[3] / "docs" / "engine.md").read_text(encoding="utf-8")
    command = re.search(r"pip download(.*?)\n\n", page, re.DOTALL)
    wanted = requirements((3, 11), "linux", "x86_64", 1, gpu=False)
    assert command and set(wanted) <= set(command[1].replace('"', "").split())


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


def test_a_folder_that_cannot_be_made(base):
    with pytest.raises(
        EngineError, match=r"/dev/null/engine cannot be created: .*set its Python in the plugin's options"
    ):
        install(Path("/dev/null/engine"), base, Progress())


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


# ---------------------------------------------------------------- the operation


def test_operation_without_folder():
    with pytest.raises(ParameterError, match="FOLDER is empty"):
        registry.run("InstallEngine", {})


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


# ---------------------------------------------------------------- the current folder


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
