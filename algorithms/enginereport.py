"""otbtf:enginereport."""

from __future__ import annotations

from qgis.core import QgsProcessingOutputNumber, QgsProcessingOutputString

from ..core.operations.enginereport import EngineReport as Operation
from .base import OtbtfAlgorithm
from .translate import tr


class EngineReport(OtbtfAlgorithm):
    """What the engine is made of."""

    OPERATION = Operation
    GROUP = "engine"

    def displayName(self):
        return tr("Engine report")

    def description(self):
        return tr(
            "Says what the engine is made of: its Python, the versions of TensorFlow, Keras, GDAL and NumPy, the "
            "devices that TensorFlow sees, processor cores and memory. Attach it when you report a problem."
        )

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        self.parameterDefinition("OUT_HTML").setCreateByDefault(True)  # it is shown in the results viewer
        for name, label in (
            ("INTERPRETER", tr("Python of the engine")),
            ("PYTHON", tr("Version of Python")),
            ("TENSORFLOW", tr("Version of TensorFlow")),
            ("KERAS", tr("Version of Keras")),
            ("GDAL", tr("Version of GDAL")),
            ("NUMPY", tr("Version of NumPy")),
        ):
            self.addOutput(QgsProcessingOutputString(name, label))
        self.addOutput(QgsProcessingOutputNumber("CORES", tr("Processor cores")))
        self.addOutput(QgsProcessingOutputNumber("MEMORY_TOTAL_MB", tr("Memory of the machine (MB)")))
