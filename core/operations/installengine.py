"""InstallEngine: make or repair the Python environment that TensorFlow runs in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..base.progress import Progress
from ..errors import ParameterError
from ..machine.installing import engine_python, install
from ..machine.interpreters import base_python
from ..parameters.vocabulary import boolean, text


@dataclass(frozen=True)
class InstallEngine:
    """Parameters of InstallEngine."""

    NEEDS_ENGINE: ClassVar[bool] = False

    folder: str = text(
        "folder",
        "Folder of the engine",
        "Where the virtual environment lies, or shall lie: a folder of its own. Left out in QGIS, the folder is in "
        "the user profile, and the plugin finds it there.",
        advanced=True,
    )
    gpu: bool = boolean(
        "gpu",
        "GPU",
        "Install TensorFlow with CUDA, for an NVIDIA GPU (Linux on x86_64 only; several GB more).",
    )


def run(parameters: InstallEngine, progress: Progress) -> dict[str, Any]:
    """Install the engine with the Python that this process runs in.

    Returns:
        `interpreter`, the path of the engine's Python, and the versions of `python`, `tensorflow`,
        `keras`, `gdal` and `numpy`.

    Raises:
        ParameterError: no folder was given.
        EngineError: the installation failed; see `core.installation.install`.
        Cancelled: `progress` asked to stop.
    """
    if not parameters.folder.strip():
        raise ParameterError("FOLDER is empty: name the folder in which the engine shall be installed.")
    folder = Path(parameters.folder.strip()).expanduser()
    versions = install(folder, base_python(), progress, parameters.gpu)
    return {"interpreter": str(engine_python(folder.absolute())), **versions}
