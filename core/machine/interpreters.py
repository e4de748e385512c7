"""Python interpreters: QGIS's own, and the description that an interpreter prints of itself."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ..base.jsonvalues import Json, OddJson, parse
from ..errors import EngineError
from ..phrases import Phrase
from .programs import empty_folder, status_text

_PROBE = """
import json, platform, sys
facts = {"version": sys.version_info[:2], "platform": sys.platform, "base_prefix": sys.base_prefix,
         "machine": platform.machine() if sys.maxsize > 2**32 else platform.machine() + " (32 bit)",
         "numpy": None, "error": "", "venv": True, "pip": True}
try:
    from osgeo import gdal
except Exception as error:
    facts["error"] = "%s: %s" % (type(error).__name__, error)
try:
    import numpy
    facts["numpy"] = int(numpy.__version__.split(".")[0])
except ImportError:
    pass
if facts["numpy"] and not facts["error"]:
    try:
        from osgeo import gdal_array
    except Exception as error:
        facts["error"] = "gdal_array: %s" % error
for name, modules in (("venv", ("venv", "ensurepip")), ("pip", ("pip",))):
    try:
        for module in modules:
            __import__(module)
    except ImportError:
        facts[name] = False
print("OTBTF " + json.dumps(facts))
"""


@dataclass(frozen=True)
class Interpreter:
    """The description that a Python interpreter printed of itself.

    Attributes:
        version: (major, minor).
        platform: its `sys.platform`.
        machine: its `platform.machine()`, marked where the interpreter is one of 32 bits.
        base_prefix: where the installation lies that a virtual environment comes from.
        numpy_major: NumPy's major version; None without NumPy.
        gdal_error: why GDAL's bindings cannot be imported; empty where they can.
        has_venv: whether `venv` and `ensurepip` are there.
        has_pip: whether pip is there.
    """

    version: tuple[int, int]
    platform: str
    machine: str
    base_prefix: str
    numpy_major: int | None
    gdal_error: str
    has_venv: bool
    has_pip: bool


def environment(interpreter: Path | None = None) -> dict[str, str]:
    """Return the environment variables for a Python beside QGIS's: those of QGIS, without those that mislead it.

    Args:
        interpreter: the one to be started. One that lies in a virtual environment shall not see the
            user's site packages: what lies there may change, or be for another NumPy than GDAL's.
    """
    astray = ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    kept = {name: value for name, value in os.environ.items() if name not in astray}
    kept.update({name: os.path.abspath(value) for name, value in kept.items() if _names_file(name, value)})
    kept["PYTHONIOENCODING"] = "utf-8"
    if interpreter is not None and (interpreter.parent.parent / "pyvenv.cfg").is_file():
        kept["PYTHONNOUSERSITE"] = "1"
    return kept


_FILE_VARIABLES = ("PIP_", "SSL_", "REQUESTS_", "CURL_", "GDAL_", "PROJ_", "CPL_", "AWS_", "GOOGLE_")


def _names_file(name: str, value: str) -> bool:
    """Return whether a variable of pip or GDAL names a file of the current folder, which is not that of the program."""
    return name.startswith(_FILE_VARIABLES) and bool(value) and not os.path.isabs(value) and os.path.exists(value)


def program(python: Path) -> str:
    """Return the command that starts an interpreter, from any folder; a bare name is searched on the PATH."""
    return str(python) if python.parent == Path(".") else str(python.absolute())


def base_python() -> Path:
    """Return the Python that this process runs in, be it embedded in QGIS, as an executable file.

    `sys.executable` does not tell: it is QGIS itself on Windows and macOS, and whatever `python3` the
    PATH gives in qgis_process. So it is looked for below `sys.base_prefix`, and tried.

    Raises:
        EngineError: no interpreter of this version with GDAL's bindings was found.
    """
    reasons = []
    for candidate in _candidates(Path(sys.base_prefix), sys.platform, sys.version_info[:2]):
        if not candidate.is_file():
            continue
        try:
            found = inspect_python(candidate)
        except EngineError as error:
            reasons.append(error.message)
            continue
        if found.version == sys.version_info[:2] and not found.gdal_error:
            return candidate
        reasons.append(
            Phrase(
                "{candidate} is Python {version}.{found_version}; {gdal_error}",
                candidate=candidate,
                version=found.version[0],
                found_version=found.version[1],
                gdal_error=found.gdal_error,
            )
        )
    raise EngineError(
        "QGIS's Python {version_info}.{sys_version_info} with GDAL was not found as a program below {base_prefix}. "
        "{reasons} In the plugin's options or in OTBTF_PYTHON, set an interpreter that has TensorFlow and GDAL.",
        version_info=sys.version_info[0],
        sys_version_info=sys.version_info[1],
        base_prefix=sys.base_prefix,
        reasons=Phrase(" ").join(reasons),
    )


def _candidates(prefix: Path, platform: str, version: tuple[int, int]) -> list[Path]:
    """The places where an installation at `prefix` may keep its interpreter, the likeliest first."""
    if platform == "win32":
        return [prefix / "python.exe", prefix / "python3.exe"]
    names = (f"python{version[0]}.{version[1]}", f"python{version[0]}", "python")
    folders = [prefix / "bin"]
    if platform == "darwin":  # the application bundle: QGIS.app/Contents/MacOS/bin, since 3.44 MacOS
        contents = next((parent for parent in (prefix, *prefix.parents) if parent.name == "Contents"), None)
        if contents is not None:
            folders += [contents / "MacOS" / "bin", contents / "MacOS"]
    return [folder / name for folder in folders for name in names]


def inspect_python(python: Path) -> Interpreter:
    """Start the interpreter `python` and return its description of itself.

    Raises:
        EngineError: it cannot be started, or fails at once.
    """
    # -s: without the user's site packages, so that NumPy is the one that GDAL's bindings were built for.
    command = [program(python), "-s", "-c", _PROBE]
    try:
        with empty_folder() as folder:
            done = subprocess.run(  # nosec B603 (a list of arguments, no shell)
                command, env=environment(), cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, timeout=60
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(
            "The Python interpreter {python} cannot be started: {error}.", python=python, error=error
        ) from error
    said = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.startswith("OTBTF ")]
    if done.returncode or not said:
        last = done.stderr.decode("utf-8", "replace").strip()[-500:]
        raise EngineError(
            "The Python interpreter {python} does not work ({status_text}): {last}",
            python=python,
            status_text=status_text(done.returncode),
            last=last,
        )
    try:
        return _interpreter(parse(said[-1][len("OTBTF ") :]))
    except OddJson as error:
        raise EngineError(
            "The Python interpreter {python} does not work: it printed an unexpected description of itself, {error}.",
            python=python,
            error=error,
        ) from error


def _interpreter(facts: Json) -> Interpreter:
    version = tuple(part.whole() for part in facts["version"].items())
    if len(version) != 2:
        raise facts["version"].odd(Phrase("two whole numbers"))
    numpy = facts.get("numpy")
    return Interpreter(
        version=version,
        platform=facts["platform"].text(),
        machine=facts["machine"].text(),
        base_prefix=facts["base_prefix"].text(),
        numpy_major=numpy.whole() if numpy else None,
        gdal_error=facts["error"].text(),
        has_venv=facts["venv"].flag(),
        has_pip=facts["pip"].flag(),
    )
