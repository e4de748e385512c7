"""Creating the engine's Python: a virtual environment that has QGIS's packages and TensorFlow.

QGIS's own Python is never installed into. The environment is made from it, with access to its site
packages, so that GDAL and its drivers are QGIS's; pip adds TensorFlow and the rest. Running it again
repairs or renews what is there. Needs neither QGIS nor TensorFlow.

    python -m otbtf_qgis.core.installation FOLDER [--gpu] [--extras NAMES] [--python PATH] [--wheels PATH]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..base.jsonvalues import OddJson, read
from ..base.progress import Progress
from ..errors import Cancelled, EngineError, ParameterError
from ..phrases import Phrase
from .extras import EXTRAS, extras_in, modules_of, packages_of
from .interpreters import Interpreter, base_python, environment, inspect_python, program
from .programs import PipLog, run_streaming, status_text
from .proxies import with_proxy
from .signals import cleaned_up_on_signals

OLDEST, NEWEST = (3, 9), (3, 14)
MARKER = "otbtf-engine.json"
"""Marks an environment that passed its check: versions, whether it is for a GPU, its extras, and which packages were wanted."""

CONSTRAINTS = Path(__file__).absolute().parent / "constraints"

_OTHERS = ("psutil", "scikit-learn", "skops", "matplotlib", "tqdm", "tensorboard")
_OTHER_MODULES = ("psutil", "sklearn", "skops", "matplotlib", "tqdm", "tensorboard")

_CHECK = """
import importlib.util, json, platform, sys
from osgeo import gdal, gdal_array
import numpy, tensorflow, keras
missing = [name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]
if missing:
    raise ImportError("not there: " + ", ".join(missing))
print("OTBTF " + json.dumps(dict(python=platform.python_version(), tensorflow=tensorflow.__version__,
    keras=keras.__version__, gdal=gdal.__version__, numpy=numpy.__version__)))
"""


# ------------------------------------------------------------- what is needed


def requirements(python: tuple[int, int], platform: str, machine: str, numpy_major: int | None, gpu: bool) -> list[str]:
    """Return pip's requirements for an engine.

    The versions are lower bounds; `constraints` names the file with the upper ones.

    Args:
        python: (major, minor) of the interpreter.
        platform: `sys.platform`: `linux`, `win32` or `darwin`.
        machine: `platform.machine()`.
        numpy_major: major version of the NumPy that GDAL's bindings were built for; None for any.
        gpu: True for CUDA and its libraries.

    Raises:
        EngineError: TensorFlow has no wheel for this Python or platform, or none for a GPU.
    """
    if not OLDEST <= python <= NEWEST:
        raise EngineError(
            "TensorFlow cannot be installed for Python {python}.{python2}: the plugin supports Python "
            "{oldest}.{oldest2} to {newest}.{newest2}. Set another interpreter in the plugin's options or in "
            "OTBTF_PYTHON.",
            python=python[0],
            python2=python[1],
            oldest=OLDEST[0],
            oldest2=OLDEST[1],
            newest=NEWEST[0],
            newest2=NEWEST[1],
        )
    processor = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine.lower(), machine.lower())
    # Wheels that PyPI has; the last one for Macs with an Intel processor was 2.16.
    if (platform, processor) not in {
        ("linux", "x86_64"),
        ("linux", "aarch64"),
        ("win32", "x86_64"),
        ("darwin", "aarch64"),
    }:
        raise EngineError(
            "No current TensorFlow exists for {platform} on {machine}; it exists for Linux on x86_64 and aarch64, "
            "Windows on x86_64, and macOS on Apple processors (arm64). In the plugin's options or in OTBTF_PYTHON, "
            "set an interpreter that has TensorFlow and GDAL.",
            platform=platform,
            machine=machine,
        )
    if gpu and (platform, processor) != ("linux", "x86_64"):
        raise EngineError(
            "TensorFlow with CUDA can be installed on Linux on x86_64 only, not for {platform} on {machine}: "
            "install without GPU (on Windows, QGIS inside WSL 2 can use one).",
            platform=platform,
            machine=machine,
        )
    kind = "[and-cuda]" if gpu else "-cpu" if processor == "x86_64" else ""  # on others there is no -cpu
    return [
        f"tensorflow{kind}{_tensorflow_bound(python)}",
        *_keras(python),
        _numpy(numpy_major),
        *_OTHERS,
        # The TensorBoard that Python 3.9 gets, 2.20, needs pkg_resources.
        *(["setuptools<82"] if python == (3, 9) else []),
    ]


def _tensorflow_bound(python: tuple[int, int]) -> str:
    if python == (3, 9):
        return ">=2.20"  # the last for 3.9
    if python == (3, 14):
        return ">=2.22.0rc0"  # named, so that pip takes the release candidate while there is nothing else
    return ">=2.21"


def _keras(python: tuple[int, int]) -> list[str]:
    if python == (3, 9):
        return ["keras>=3.10"]  # the last for 3.9
    if python == (3, 10):
        return ["keras>=3.12.4"]  # the last for 3.10
    if python == (3, 14):
        return []  # TensorFlow 2.22.0rc0 brings keras-nightly, which writes the same files
    return ["keras>=3.13.2"]


def constraints(python: tuple[int, int]) -> Path:
    """Return pip's file of the newest versions that are known to work, of all packages that are installed."""
    return CONSTRAINTS / f"python{python[0]}.{python[1]}.txt"


def _numpy(major: int | None) -> str:
    """GDAL's gdal_array is compiled against one major version of NumPy; another one breaks it."""
    if major is None:
        return "numpy"
    return "numpy<2" if major < 2 else f"numpy>={major},<{major + 1}"


# ------------------------------------------------------------- the folder


def engine_python(folder: Path) -> Path:
    """Return the path of the interpreter of the virtual environment in `folder`."""
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def is_complete(folder: Path) -> bool:
    """Return True if the environment in `folder` passed its check and has not changed since."""
    return engine_python(folder).is_file() and (folder / MARKER).is_file()


def is_current(folder: Path) -> bool:
    """Return True if the environment in `folder` is complete and was made for what this version of the plugin needs."""
    try:
        wanted = [item.text() for item in read(folder / MARKER)["packages"].items()]
    except (OSError, OddJson):
        return False
    return is_complete(folder) and wanted == _needs(sys.version_info[:2], _extras_of(folder))


def _needs(python: tuple[int, int], extras: Sequence[str]) -> list[str]:
    """Return what an engine of a Python must have, with the oldest versions that do."""
    return [f"tensorflow{_tensorflow_bound(python)}", *_keras(python), *_OTHERS, *packages_of(extras)]


def _extras_of(folder: Path) -> tuple[str, ...]:
    """Return the extras of the environment in `folder`; none where it is not known."""
    try:
        return tuple(item.text() for item in read(folder / MARKER)["extras"].items())
    except (OSError, OddJson):
        return ()


# ------------------------------------------------------------- installing


@dataclass(frozen=True)
class _Packages:
    """What pip is to install.

    Attributes:
        wanted: its requirements.
        bounds: its file of constraints.
        wheels: the folder that it takes the packages from; None for the package index.
    """

    wanted: Sequence[str]
    bounds: Path
    wheels: Path | None


def install(
    folder: Path,
    python: Path,
    progress: Progress,
    gpu: bool = False,
    wheels: Path | None = None,
    extras: Sequence[str] = (),
) -> dict[str, str]:
    """Create the engine's environment in `folder`, or repair the existing one.

    Args:
        folder: where the environment lies; made if missing. One that was made here before is repaired:
            what is missing is installed, and what does not work even so is made anew.
        python: QGIS's Python, or another one with GDAL's bindings.
        progress: receives pip's lines and the share done, and cancels within half a second.
        gpu: True to install TensorFlow with CUDA.
        wheels: a folder with a wheel of each package, which is all that pip uses then; None for the package index.
        extras: names in `EXTRAS`, added to those that the environment has already.

    Returns:
        The versions of python, tensorflow, keras, gdal and numpy, as the new interpreter reports them.

    Raises:
        EngineError: `python`, the platform or the folder is unfit, pip failed, or the result does not work.
        Cancelled: `progress` asked to stop. A new environment is removed, an older one is whole unless a
            warning said otherwise.
    """
    folder = folder.absolute()
    base = _fit(python)
    wanted = requirements(base.version, base.platform, base.machine, base.numpy_major, gpu)
    extras = sorted({*extras, *_extras_of(folder)})
    packages = _Packages([*wanted, *packages_of(extras, gpu)], constraints(base.version), _fit_wheels(wheels))
    if folder.exists() and not folder.is_dir():
        raise EngineError("{folder} is a file: choose a folder for the engine.", folder=folder)
    used = folder.is_dir() and any(folder.iterdir())
    if used and not (folder / "pyvenv.cfg").is_file():
        raise EngineError("{folder} holds other files: choose a new or empty folder for the engine.", folder=folder)
    if used and _is_repairable(folder, base, gpu):
        progress.info(Phrase("Repairing the engine in {folder}", folder=folder))
        _fill_existing(folder, packages, progress)
        try:
            return _finish(folder, gpu, extras, progress)
        except EngineError as error:
            progress.warning(Phrase("{error}\nThe environment is created again.", error=error))
    if used:
        _remove(folder)
    progress.temporary(str(folder))
    try:
        _make(folder, python, progress)
        _fill(folder, packages, progress)
        return _finish(folder, gpu, extras, progress)
    except BaseException:  # KeyboardInterrupt too: nothing half-made may stay
        try:
            _remove(folder)
        except EngineError as left:
            progress.warning(str(left))
        raise


def _fit(python: Path) -> Interpreter:
    base = inspect_python(python)
    if base.gdal_error:
        raise EngineError(
            "{python} cannot import GDAL's Python bindings ({gdal_error}). Use QGIS's own Python, or install them "
            "for this one (Debian and Ubuntu: sudo apt install python3-gdal).",
            python=python,
            gdal_error=base.gdal_error,
        )
    if not base.has_venv:
        raise EngineError(
            "{python} cannot create virtual environments: its modules venv or ensurepip are missing. On Debian and "
            "Ubuntu: sudo apt install python3-venv. Then run this again.",
            python=python,
        )
    return base


def _fit_wheels(wheels: Path | None) -> Path | None:
    if wheels is not None and not any(wheels.glob("*.whl")):
        raise EngineError(
            "{wheels} holds no wheels (files .whl): fill it with `pip download` on a machine with a network connection, as "
            "the documentation on the engine shows.",
            wheels=wheels,
        )
    return wheels.absolute() if wheels is not None else None


def _is_repairable(folder: Path, base: Interpreter, gpu: bool) -> bool:
    """Whether pip can work in the environment there, and it is one of the same Python and kind."""
    try:
        there = inspect_python(engine_python(folder))
    except EngineError:
        return False
    same = (there.version, there.base_prefix) == (base.version, base.base_prefix)
    fit = same and there.has_pip and not there.gdal_error and _was_for_gpu(folder) in (None, gpu)
    return fit and not _has_two_of_a_kind(folder)


_OF_A_KIND = ({"keras", "keras_nightly"}, {"onnxruntime", "onnxruntime_gpu"})
"""Distributions that write the same files."""


def _has_two_of_a_kind(folder: Path) -> bool:
    """Whether two distributions that write the same files are both installed, so that neither is complete."""
    found = {path.name.partition("-")[0] for path in folder.glob("[Ll]ib/**/site-packages/*.dist-info")}
    return any(found >= kind for kind in _OF_A_KIND)


def _was_for_gpu(folder: Path) -> bool | None:
    """What the environment was made for: both kinds write the same files, and would mix."""
    try:
        return read(folder / MARKER)["gpu"].flag()
    except (OSError, OddJson):
        return None


def _make(folder: Path, python: Path, progress: Progress) -> None:
    progress.info(Phrase("Creating a virtual environment of {python} in {folder}", python=python, folder=folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(
            "{folder} cannot be created: {error}. Install the engine in a folder that you can write, and set its Python in "
            "the plugin's options.",
            folder=folder,
            error=error,
        ) from error
    last: list[str] = []
    command = [program(python), "-m", "venv", "--system-site-packages", str(folder)]
    try:
        status = run_streaming(command, environment(), last.append, progress)
    except OSError as error:
        raise EngineError("{python} cannot be started: {error}.", python=python, error=error) from error
    if status:
        raise EngineError(
            Phrase("No virtual environment can be created in {folder}: ", folder=folder) + "\n".join(last[-20:])
        )
    progress.fraction(0.05)


def _fill_existing(folder: Path, packages: _Packages, progress: Progress) -> None:
    """As `_fill`, and report the state of the environment if that is interrupted."""
    try:
        _fill(folder, packages, progress)
    except (EngineError, Cancelled) as error:
        whole = is_complete(folder)
        state = (
            Phrase("was not changed and can be used")
            if whole
            else Phrase("is incomplete: run the installation again to repair it")
        )
        if isinstance(error, Cancelled):
            (progress.info if whole else progress.warning)(
                Phrase("The engine in {folder} {state}.", folder=folder, state=state)
            )
            raise
        raise EngineError(
            "{error}\nThe engine that was in {folder} {state}.", error=error, folder=folder, state=state
        ) from error


def _fill(folder: Path, packages: _Packages, progress: Progress) -> None:
    """Have pip install what is wanted, within the bounds of a constraints file."""
    pip = [str(engine_python(folder)), "-m", "pip"]
    # `--user` in somebody's pip.conf would install beside the environment.
    variables = with_proxy(environment(engine_python(folder)))
    variables.update(PIP_USER="0", PIP_NO_INPUT="1", PIP_DISABLE_PIP_VERSION_CHECK="1")
    install = [*pip, "install", "--only-binary=:all:", "--no-warn-script-location"]
    install += ["--constraint", str(packages.bounds)]

    if packages.wheels is None:
        install += _shown_downloads(install, variables, progress)
    else:
        install += ["--no-index", "--find-links", str(packages.wheels)]

    log = PipLog(progress, 0.08, 0.9, at_change=lambda: (folder / MARKER).unlink(missing_ok=True))
    progress.info(Phrase("Installing ") + ", ".join(packages.wanted))
    status = run_streaming([*install, *packages.wanted], variables, log.line, progress)
    if status:
        raise EngineError(
            "pip could not install the engine ({status_text}). {cause}\nIts last lines:\n{tail}",
            status_text=status_text(status),
            cause=log.cause(folder, packages.wheels),
            tail=log.tail(),
        )


def _shown_downloads(install: Sequence[str], variables: Mapping[str, str], progress: Progress) -> list[str]:
    """Renew pip, which in older versions does not tell how far a download is; return the option for that.

    An engine can do without it.
    """
    renewal = PipLog(progress, 0.05, 0.08)
    if run_streaming([*install, "--progress-bar=off", "--retries=1", "pip>=24.1"], variables, renewal.line, progress):
        progress.info(
            Phrase("pip could not be updated and is used as it is: it prints nothing during large downloads.")
        )
        return []
    return ["--progress-bar=raw"]


def _finish(folder: Path, gpu: bool, extras: Sequence[str], progress: Progress) -> dict[str, str]:
    """Check that everything imports together, and record the result."""
    progress.info("Checking that TensorFlow and GDAL load together")
    lines: list[str] = []
    python = engine_python(folder)
    variables = {**environment(python), "TF_CPP_MIN_LOG_LEVEL": "3"}
    status = run_streaming(
        [str(python), "-c", _CHECK, *_OTHER_MODULES, *modules_of(extras)], variables, lines.append, progress
    )
    said = [line for line in lines if line.startswith("OTBTF ")]
    if status or not said:
        (folder / MARKER).unlink(missing_ok=True)
        hint = Phrase(" TensorFlow needs a processor with AVX.") if status == -4 else ""
        raise EngineError(
            Phrase(
                "{python} does not work ({status_text}).{hint}\n",
                python=python,
                status_text=status_text(status),
                hint=hint,
            )
            + "\n".join(lines[-10:])
        )
    versions: dict[str, str] = json.loads(said[-1][len("OTBTF ") :])
    needs = _needs(inspect_python(python).version, extras)
    marks = {"gpu": gpu, "extras": list(extras), "packages": needs, **versions}
    (folder / MARKER).write_text(json.dumps(marks, indent=2), encoding="utf-8")
    progress.info(Phrase("Ready: ") + ", ".join(f"{name} {version}" for name, version in versions.items()))
    progress.fraction(1.0)
    return versions


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise EngineError(
            "{folder} cannot be removed: {error}. End every QGIS that uses this engine, remove the folder and run "
            "the installation again.",
            folder=folder,
            error=error,
        ) from error


# ------------------------------------------------------------- command line


class _Terminal(Progress):
    def info(self, message: str) -> None:
        print(message, flush=True)

    warning = info


def main(arguments: Sequence[str] | None = None) -> int:
    """Install from a command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m otbtf_qgis.core.installation", description="Install the engine.")
    parser.add_argument("folder", type=Path, help="folder of the virtual environment")
    parser.add_argument("--gpu", action="store_true", help="TensorFlow with CUDA (Linux on x86_64)")
    parser.add_argument("--extras", default="", help=f"optional packages: {', '.join(EXTRAS)}")
    parser.add_argument("--python", type=Path, help="QGIS's Python, or another with GDAL (default: the one running)")
    parser.add_argument("--wheels", type=Path, help="folder of wheels to install from, without a network")
    given = parser.parse_args(arguments)
    try:
        with cleaned_up_on_signals(_Terminal()) as progress:
            install(
                given.folder, given.python or base_python(), progress, given.gpu, given.wheels, extras_in(given.extras)
            )
    except (EngineError, ParameterError) as error:
        print(error, file=sys.stderr)
        return 1
    except (Cancelled, KeyboardInterrupt):
        print("Stopped.", file=sys.stderr)
        return 130
    return 0
