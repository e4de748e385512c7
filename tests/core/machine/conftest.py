"""What the tests of the engine's installation share."""

from __future__ import annotations

from pathlib import Path

import pytest

from otbtf_qgis.core.machine.interpreters import base_python


@pytest.fixture(scope="module")
def base() -> Path:
    """The Python that engines are made with."""
    return base_python()
