"""InstallEngine: make or repair the Python environment that TensorFlow runs in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..machine.extras import extras_in
from ..machine.installing import engine_python, install
from ..machine.interpreters import base_python
from ..operations.installengine import InstallEngine


def install_engine(parameters: InstallEngine, progress: Progress) -> dict[str, Any]:
    """Install the engine with the Python that this process runs in.

    Returns:
        `interpreter`, the path of the engine's Python, and the versions of `python`, `tensorflow`,
        `keras`, `gdal` and `numpy`.

    Raises:
        ParameterError: no folder was given, or there is no such extra.
        EngineError: the installation failed; see `core.machine.installing.install`.
        Cancelled: `progress` asked to stop.
    """
    if not parameters.folder.strip():
        raise ParameterError("{folder} is empty: enter the folder to install the engine in.", folder=field("folder"))
    folder = Path(parameters.folder.strip()).expanduser()
    wheels = Path(parameters.wheels) if parameters.wheels else None
    versions = install(folder, base_python(), progress, parameters.gpu, wheels, extras_in(parameters.extras))
    return {"interpreter": str(engine_python(folder.absolute())), **versions}
