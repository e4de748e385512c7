"""The graphical models that the plugin brings, as algorithms of its provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qgis.core import QgsProcessingModelAlgorithm, QgsXmlUtils
from qgis.PyQt.QtXml import QDomDocument

from .algorithms.helppages import algorithm_page
from .algorithms.translate import tr

FOLDER = Path(__file__).parent / "resources" / "models"
LAND_COVER_MODEL = FOLDER / "landcovermodel.model3"


class BroughtModel(QgsProcessingModelAlgorithm):
    """A model with a title beside its name, of which QGIS makes the id, and with a page for its Help button."""

    def displayName(self) -> str:
        return _titles().get(self.name()) or super().displayName()

    def helpUrl(self) -> str:
        return algorithm_page(self.name())

    def createInstance(self) -> BroughtModel:
        made = type(self)()
        made.loadVariant(self.toVariant())
        made.setProvider(self.provider())
        made.setSourceFilePath(self.sourceFilePath())
        return made


def brought_models() -> Iterator[BroughtModel]:
    """Yield the models that this version of QGIS can read.

    Each is loaded once, with its texts already in the user's language: QGIS waits for it when it starts.
    """
    for path in sorted(FOLDER.glob("*.model3")):
        document, model = QDomDocument(), BroughtModel()
        document.setContent(path.read_text(encoding="utf-8"))
        if model.loadVariant(_in_words(QgsXmlUtils.readVariant(document.firstChildElement()))):
            model.setSourceFilePath(str(path))
            yield model


def _in_words(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's content with its texts in the user's language; names, on which ids depend, stay.

    What is translated here, `.ci/translations.py` finds in the files.
    """
    definitions = {
        name: {**definition, "description": tr(definition["description"]), "help": tr(definition.get("help") or "")}
        for name, definition in content["parameterDefinitions"].items()
    }
    help_texts = {name: tr(text) for name, text in content["help"].items()}
    children = {name: _child_in_words(child) for name, child in content["children"].items()}
    return {**content, "parameterDefinitions": definitions, "help": help_texts, "children": children}


def _child_in_words(child: Mapping[str, Any]) -> dict[str, Any]:
    outputs = {
        name: {**output, "component_description": tr(output["component_description"])}
        for name, output in (child["outputs"] or {}).items()
    }
    return {**child, "outputs": outputs, "component_description": tr(child["component_description"])}


def _titles() -> dict[str, str]:
    return {LAND_COVER_MODEL.stem: tr("Step by step: a land cover map (model)")}
