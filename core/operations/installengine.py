"""InstallEngine: install or repair the Python environment of TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

from ..parameters import sections
from ..parameters import vocabulary as voc
from ..parameters.operation import Operation


@dataclass(frozen=True)
class InstallEngine(Operation):
    """OTBTF has no such application."""

    TITLE = "Install engine"
    GROUP = "engine"
    DESCRIPTION = (
        "Installs the engine, a separate Python environment with TensorFlow and Keras, in your QGIS profile. QGIS's "
        "own Python does not change. The installation downloads about 0.4 GB from the Python package index, through the "
        "proxy of QGIS's settings, and needs some minutes and about 2 GB of disk. Without a network connection, it "
        "installs from a folder of wheels. Run it again to repair the engine."
    )
    RUN = "engine.engineinstallation:install_engine"

    folder: str = voc.text(
        "folder",
        "Engine folder",
        "Folder of the virtual environment. Default in QGIS: a folder in the user profile, where the plugin finds it.",
        advanced=True,
        section=sections.SETTINGS,
    )
    gpu: bool = voc.boolean(
        "gpu",
        "GPU",
        "On: install TensorFlow with CUDA, for an NVIDIA GPU (Linux on x86_64 only; several GB more).",
        section=sections.SETTINGS,
    )
    extras: str = voc.text(
        "extras",
        "Extras",
        "Optional packages to install: cluster (Dask, for CLUSTER), onnx (ONNX Runtime, for .onnx models), objects "
        "(scikit-image, for INSTANCES of otbtf:maptopolygons). An engine keeps the extras that it has.",
        section=sections.SETTINGS,
    )
    wheels: str | None = voc.folder(
        "wheels",
        "Wheel folder",
        "Folder with a wheel (.whl) of each package, to install without a network connection. Default: download them.",
        required=False,
        advanced=True,
        section=sections.SETTINGS,
    )
