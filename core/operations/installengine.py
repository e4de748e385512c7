"""InstallEngine: make or repair the Python environment that TensorFlow runs in."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import vocabulary as voc
from ..parameters.operation import Operation


@dataclass(frozen=True)
class InstallEngine(Operation):
    """OTBTF has no such application."""

    TITLE = "Install engine"
    GROUP = "engine"
    DESCRIPTION = (
        "Installs the engine: a Python environment of its own with TensorFlow and Keras, in your QGIS profile. "
        "QGIS's own Python is left as it is. It needs a network, some minutes and about 2 GB of disk. Run it again "
        "to repair an engine."
    )
    RUN = "engine.engineinstallation:install_engine"

    folder: str = voc.text(
        "folder",
        "Folder of the engine",
        "Where the virtual environment lies, or shall lie: a folder of its own. Left out in QGIS, the folder is in "
        "the user profile, and the plugin finds it there.",
        advanced=True,
    )
    gpu: bool = voc.boolean(
        "gpu",
        "GPU",
        "Install TensorFlow with CUDA, for an NVIDIA GPU (Linux on x86_64 only; several GB more).",
    )
