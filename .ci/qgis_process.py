"""The path of this machine's qgis_process, and an environment in which it works."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

UNWANTED = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "QGIS_PREFIX_PATH")
"""Variables of a developer's shell that break QGIS's embedded Python."""


def program() -> str:
    """Return the path of qgis_process; Debian's wrapper of that name is broken, so the binary comes first."""
    for name in ("qgis_process.bin", "qgis_process"):
        found = shutil.which(name)
        if found:
            return found
    sys.exit("qgis_process is not installed; `make install` and `make test` install it on Debian.")


def environment(runtime: Path, config: Path | None = None) -> dict[str, str]:
    """Return environment variables for a QGIS process.

    Args:
        runtime: folder for sockets, made with mode 0700 as Qt asks.
        config: folder of the QGIS configuration (profiles/default lies below it); the user's own if None.
    """
    runtime.mkdir(parents=True, exist_ok=True)
    runtime.chmod(0o700)
    variables = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    variables["PATH"] = os.pathsep.join(["/usr/bin", "/bin", os.environ.get("PATH", "")])
    variables["XDG_RUNTIME_DIR"] = str(runtime)
    if sys.platform.startswith("linux"):
        variables["QT_QPA_PLATFORM"] = "offscreen"
    if config is not None:
        variables["QGIS_CUSTOM_CONFIG_PATH"] = str(config)
        # Qt and QGIS's libraries keep files of their own beside the profile.
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
            variables[name] = str(config / name.lower())
    return variables
