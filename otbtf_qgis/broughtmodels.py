"""The graphical models that the plugin brings, as algorithms of its provider."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from qgis.core import QgsProcessingModelAlgorithm

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
    """Yield the models that this version of QGIS can read."""
    for path in sorted(FOLDER.glob("*.model3")):
        model = BroughtModel()
        if model.fromFile(str(path)):
            model.setSourceFilePath(str(path))
            yield model


def _titles() -> dict[str, str]:
    return {LAND_COVER_MODEL.stem: tr("Step by step: a land cover map (model)")}
