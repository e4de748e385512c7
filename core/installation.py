"""Installing the engine from a command line; `machine.installing` does the work.

python -m otbtf_qgis.core.installation FOLDER [--gpu] [--extras NAMES] [--python PATH] [--wheels PATH]
"""

from __future__ import annotations

import sys

from .machine.installing import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
