"""otbtf:installengine."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.machine import proxies
from ..core.operations.installengine import InstallEngine as Operation
from .base import OtbtfAlgorithm
from .proxysettings import proxy_variables
from .translate import tr


class InstallEngine(OtbtfAlgorithm):
    """TensorFlow into a Python environment of its own."""

    OPERATION = Operation

    _proxy: Mapping[str, str]

    def prepareAlgorithm(self, parameters, context, feedback):
        self._proxy = proxy_variables()  # of the settings, which belong to the main thread
        return super().prepareAlgorithm(parameters, context, feedback)

    def _with_defaults(self, values):
        return super()._with_defaults({"folder": self.provider().engine_folder(), **values})

    def _run(self, values, progress):
        self.provider().stop_engine()  # its files are about to be replaced; the next request starts the new one
        if self._proxy:
            progress.info(tr("pip uses the proxy of QGIS's settings."))
        with proxies.used(self._proxy):
            return super()._run(values, progress)
