"""The toolbox's entry that opens a copy of a model which the plugin brings; QGIS offers Edit only for the user's own."""

from __future__ import annotations

from typing import Any

from processing.gui.ContextAction import ContextAction
from processing.gui.ProviderActions import ProviderContextMenuActions

from ..algorithms.translate import tr
from ..broughtmodels import BroughtModel
from .models import edit_copy


class EditCopy(ContextAction):
    """Copies the model that was right-clicked into the user's models, and opens it in the model designer.

    It is in the toolbox's context menu from the start until `remove`.

    Args:
        message_bar: the application's.
    """

    def __init__(self, message_bar: Any) -> None:
        super().__init__()
        self.name = tr("Edit a Copy of the Model…")
        self._bar = message_bar
        ProviderContextMenuActions.registerProviderContextMenuActions([self])

    def isEnabled(self):
        return isinstance(self.itemData, BroughtModel)

    def execute(self):
        try:
            path = edit_copy(self.itemData.sourceFilePath())
        except OSError as error:
            self._bar.pushWarning("OTBTF", tr("The model could not be copied: {}").format(error))
            return
        self._bar.pushInfo("OTBTF", tr("The model is now among your models: {}").format(path))

    def remove(self) -> None:
        """Take the entry out of the toolbox's context menu."""
        if self in ProviderContextMenuActions.actions:
            ProviderContextMenuActions.deregisterProviderContextMenuActions([self])
