"""otbtf:createmodel."""

from __future__ import annotations

from qgis.core import QgsProcessingOutputNumber, QgsProcessingOutputString

from ..core.operations.createmodel import CreateModel as Operation
from ..core.parameters.templatenames import TEMPLATES, Template
from .base import OtbtfAlgorithm
from .translate import tr


class CreateModel(OtbtfAlgorithm):
    """An untrained model from a template."""

    OPERATION = Operation
    GROUP = "models"

    def displayName(self):
        return tr("Create a model")

    def description(self):
        introduction = tr(
            "Makes an untrained model from a template, as a .keras file and as a SavedModel, to train with "
            "otbtf:tensorflowmodeltrain; formulas can be served at once. Its inputs are called source1, source2, ...; a "
            "classifier's output is predictions, made from the layer features.\n\n"
            "Give the patches that it will be trained on, or the number of bands of each source."
        )
        return "\n\n".join([introduction, *(_described(template) for template in TEMPLATES.values())])

    def initAlgorithm(self, configuration=None):
        super().initAlgorithm(configuration)
        self.addOutput(QgsProcessingOutputNumber("PARAMETERS", tr("Number of weights")))
        for name, label in (
            ("VERDICT", tr("How the model is applied")),
            ("GEOMETRY", tr("Parameters for serving it")),
            ("INPUTS", tr("Names of its inputs")),
            ("OUTPUTS", tr("Names of its outputs")),
            ("LOSS", tr("The loss that suits it")),
        ):
            self.addOutput(QgsProcessingOutputString(name, label))


def _described(template: Template) -> str:
    """Return what the help says of a template."""
    parts = [f"{template.name}: {tr(template.use)}"]
    if len(template.inputs) > 1:
        parts.append(f"{tr('Sources')}: {', '.join(tr(source) for source in template.inputs)}.")
    parts.append(f"{tr('Geometry')}: {template.geometry.describe()}.")
    if template.training:
        parts.append(f"{tr('Trains on')}: {tr(template.training)}.")
    if template.remark:
        parts.append(tr(template.remark))
    parts.append(f"{tr('After')}: {template.origin}.")
    return " ".join(parts)
