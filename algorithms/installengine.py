"""otbtf:installengine."""

from __future__ import annotations

from ..core.operations.installengine import InstallEngine as Operation
from .base import OtbtfAlgorithm
from .translate import tr


class InstallEngine(OtbtfAlgorithm):
    """TensorFlow into a Python environment of its own."""

    OPERATION = Operation
    GROUP = "engine"

    def displayName(self):
        return tr("Install engine")

    def description(self):
        return tr(
            "Installs the engine: a Python environment of its own with TensorFlow and Keras, in your QGIS profile. "
            "QGIS's own Python is left as it is. It needs a network, some minutes and about 2 GB of disk. Run it again "
            "to repair an engine."
        )

    def _with_defaults(self, values):
        return super()._with_defaults({"folder": self.provider().engine_folder(), **values})

    def _run(self, values, progress):
        self.provider().stop_engine()  # its files are about to be replaced; the next request starts the new one
        return super()._run(values, progress)
