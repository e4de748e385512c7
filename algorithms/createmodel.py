"""otbtf:createmodel."""

from __future__ import annotations

from ..core.operations.createmodel import CreateModel as Operation
from ..core.parameters.templatedescription import Template
from ..core.parameters.templatenames import TEMPLATES
from .base import OtbtfAlgorithm
from .helptexts import titles_and_labels
from .translate import tr


class CreateModel(OtbtfAlgorithm):
    """An untrained model from a template."""

    OPERATION = Operation

    def description(self):
        templates = "\n\n".join(map(_described, TEMPLATES.values()))
        return f"{super().description()}\n\n{titles_and_labels(self._keys())(templates)}"


def _described(template: Template) -> str:
    """Return the text about a template in the help."""
    parts = [f"{template.name} \u2013 {tr(template.use)}"]
    if len(template.inputs) > 1:
        parts.append(tr("Sources: {}.").format(", ".join(tr(source) for source in template.inputs)))
    parts.append(tr("Geometry: {}.").format(tr(template.geometry.describe())))
    if template.training:
        parts.append(tr("Trains on: {}.").format(tr(template.training)))
    if template.remark:
        parts.append(tr(template.remark))
    parts.append(tr("After: {}.").format(tr(template.origin)))
    return " ".join(parts)
