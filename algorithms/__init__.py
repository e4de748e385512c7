"""The Processing algorithms: parameters in, a request to core, outputs back.

They follow from the declarations in `core.operations`. A module named like an operation holds its algorithm where QGIS
needs more than that.
"""

from __future__ import annotations

import importlib
import importlib.util

from ..core import registry


def algorithm_classes() -> list[type]:
    """Return the classes of all algorithms. Importing them needs QGIS; importing this package does not."""
    return [_algorithm_class(name) for name in registry.names()]


def _algorithm_class(name: str) -> type:
    module = f"{__name__}.{name.lower()}"
    if importlib.util.find_spec(module):
        own: type = getattr(importlib.import_module(module), name)
        return own
    from .base import OtbtfAlgorithm

    operation = registry.declaration(name)
    return type(name, (OtbtfAlgorithm,), {"OPERATION": operation, "__module__": __name__, "__doc__": operation.TITLE})
