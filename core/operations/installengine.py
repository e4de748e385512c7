"""InstallEngine: make or repair the Python environment that TensorFlow runs in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..parameters.vocabulary import boolean, text


@dataclass(frozen=True)
class InstallEngine:
    """Parameters of InstallEngine."""

    RUN: ClassVar[str] = "engine.engineinstallation:install_engine"
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
