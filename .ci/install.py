"""Install the plugin into a QGIS profile and enable it.

    python3 .ci/install.py [--build build] [CONFIG]

CONFIG is the folder that holds `profiles`; by default QGIS_CUSTOM_CONFIG_PATH, or where QGIS keeps it. The documentation
site in BUILD, which `make site` has built, becomes the plugin's help.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import docsite
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


def install(config: Path | None = None, help_pages: Path | None = None) -> Path:
    """Copy the plugin below `config` (the user's own by default), enable it, and return its folder.

    Args:
        config: the folder that holds `profiles`.
        help_pages: the built documentation site; None for a plugin without it.
    """
    plugins = (config or default_config()) / "profiles" / "default" / "python" / "plugins"
    package = tree.lay_out(plugins, copy=True, help_pages=help_pages)
    with tempfile.TemporaryDirectory() as runtime:
        command = [qgis_process.program(), "plugins", "enable", package.name]
        variables = qgis_process.environment(Path(runtime), config)
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300)
        again = "already enabled" in done.stdout + done.stderr
        if done.returncode and not again:
            sys.exit(f"QGIS could not enable the plugin in {package}:\n{done.stdout}{done.stderr}")
    return package


def main() -> None:
    """Install as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, nargs="?", help="the folder that holds profiles")
    parser.add_argument("--build", type=Path, default=tree.TOP / "build")
    arguments = parser.parse_args()
    config = arguments.config.resolve() if arguments.config else None
    pages = docsite.html_folder(arguments.build)
    if not pages.exists():
        sys.exit(f"{pages} does not exist: run `make site` first, or `make install` instead.")
    print(f"Installed and enabled {install(config, pages)}")


if __name__ == "__main__":
    main()
