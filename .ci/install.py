"""Install the plugin into a QGIS profile and enable it.

    python3 .ci/install.py [CONFIG]

CONFIG is the folder that holds `profiles`; by default QGIS_CUSTOM_CONFIG_PATH, or where QGIS keeps it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import qgis_process
import tree


def default_config() -> Path:
    """Return the folder in which this user's QGIS keeps its profiles."""
    custom = os.environ.get("QGIS_CUSTOM_CONFIG_PATH")
    if custom:
        return Path(custom)
    if sys.platform == "win32":
        return Path(os.environ["APPDATA"]) / "QGIS" / "QGIS3"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "QGIS" / "QGIS3"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "QGIS" / "QGIS3"


def install(config: Path | None = None) -> Path:
    """Copy the plugin below `config` (the user's own by default), enable it, and return its folder."""
    plugins = (config or default_config()) / "profiles" / "default" / "python" / "plugins"
    package = tree.lay_out(plugins, copy=True)
    with tempfile.TemporaryDirectory() as runtime:
        command = [qgis_process.program(), "plugins", "enable", package.name]
        variables = qgis_process.environment(Path(runtime), config)
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300)
        again = "already enabled" in done.stdout + done.stderr
        if done.returncode and not again:
            sys.exit(f"QGIS could not enable the plugin in {package}:\n{done.stdout}{done.stderr}")
    return package


if __name__ == "__main__":
    print(f"Installed and enabled {install(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None)}")
