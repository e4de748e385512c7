"""otbtf:describemodel."""

from __future__ import annotations

from qgis.core import QgsProcessingOutputString

from ..core.operations.describemodel import DescribeModel as Operation
from .base import OtbtfAlgorithm
from .translate import tr


class DescribeModel(OtbtfAlgorithm):
    """What a model takes, returns and sees."""

    OPERATION = Operation
    GROUP = "models"

    def displayName(self):
        return tr("Describe a model")

    def description(self):
        return tr(
            "Says what a TensorFlow or Keras model takes and returns, and how far it looks: receptive field, expression "
            "field, spacing scale, stride, and the border that depends on what lies outside. Given rasters, it says "
            "whether they fit, and why not.\n\n"
            "The description is a page to read, and a STAC item with the machine learning model extension (MLM). Kept "
            "beside the model as its sidecar, it saves probing when the model is served, and names and colours the map "
            "by the model's classes."
        )

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        self.parameterDefinition("OUT_HTML").setCreateByDefault(True)  # it is shown in the results viewer
        for name, label in (
            ("VERDICT", tr("How the model is applied")),
            ("PARAMETERS", tr("Parameters for serving it")),
            ("FITS", tr("Whether the rasters fit (yes, no, or empty without rasters)")),
            ("MISFITS", tr("Why the rasters do not fit")),
            ("SIDECAR_PATH", tr("The sidecar that was written")),
        ):
            self.addOutput(QgsProcessingOutputString(name, label))
