"""otbtf:installengine."""

from __future__ import annotations

from ..core.operations.installengine import InstallEngine as Operation
from .base import OtbtfAlgorithm


class InstallEngine(OtbtfAlgorithm):
    """TensorFlow into a Python environment of its own."""

    OPERATION = Operation

    def _with_defaults(self, values):
        return super()._with_defaults({"folder": self.provider().engine_folder(), **values})

    def _run(self, values, progress):
        self.provider().stop_engine()  # its files are about to be replaced; the next request starts the new one
        return super()._run(values, progress)
