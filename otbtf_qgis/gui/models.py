"""Graphical models that the plugin brings, copied for the user to change."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsApplication, QgsProcessingModelAlgorithm

from ..algorithms.translate import tr


def edit_copy(source: str | Path) -> str:
    """Copy a model into the user's models, open it in the model designer, and return the copy's path.

    A model of the user stays as it is: the copy gets a name that is free.
    """
    from processing.modeler.ModelerDialog import ModelerDialog  # the Processing plugin may load after this one
    from processing.modeler.ModelerUtils import ModelerUtils

    path = copied(Path(source), Path(ModelerUtils.modelsFolders()[0]))
    _show_models()
    dialog = ModelerDialog.create(QgsApplication.processingRegistry().algorithmById(f"model:{path.stem}"))
    dialog.update_model.connect(_show_models)
    dialog.show()
    dialog.activate()
    return str(path)


def copied(source: Path, folder: Path) -> Path:
    """Copy a model into a folder under a name that is free there; the copy's own name is that of its file."""
    folder.mkdir(parents=True, exist_ok=True)
    names = (source.stem if number == 1 else f"{source.stem}{number}" for number in range(1, 1000))
    path = next(folder / f"{name}.model3" for name in names if not (folder / f"{name}.model3").exists())
    model = QgsProcessingModelAlgorithm()
    if not model.fromFile(str(source)):
        raise OSError(tr("{} is not a model that this version of QGIS can read.").format(source))
    model.setName(path.stem)
    if not model.toFile(str(path)):
        raise OSError(tr("{} cannot be written.").format(path))
    return path


def _show_models() -> None:
    """Let the toolbox look at the user's models again."""
    QgsApplication.processingRegistry().providerById("model").refreshAlgorithms()
