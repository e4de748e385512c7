"""The dialogs of the algorithms: QGIS's own, decorated once they are built."""

from __future__ import annotations

from typing import Any

from ..algorithms.base import SHOWN_SOURCES, OtbtfAlgorithm
from .failures import report
from .foldedoutputs import let_write
from .formcheck import FormCheck
from .loading import hide_loading
from .modelform import form_of
from .modelpanel import ModelPanel
from .modelreading import ModelReading
from .scenetables import offer_scene_table
from .sectionboxes import draw_sections

_SIZE = (900, 650)
"""Width and height of a dialog the first time; QGIS restores those that the user has left when it shows the dialog."""


class Dialogs:
    """Makes dialogs for algorithms.

    Args:
        provider: whose algorithms they are.
        window: the application's window, over which dialogs open; None where there is none.
    """

    def __init__(self, provider: Any, window: Any) -> None:
        self._provider, self._window = provider, window
        self._reading = ModelReading(provider)

    def make(self, algorithm: OtbtfAlgorithm, parent: Any) -> Any:
        """Return a dialog with its sections, a line that says what is missing, and a panel that says what the model is.

        None where QGIS's dialog is not as expected: then QGIS opens its own.
        """
        dialog = None
        try:
            every = algorithm.all_sources()
            form = form_of(algorithm.OPERATION, every)
            # With fields for all sources: the panel hides those that the model does not need.
            shown = {SHOWN_SOURCES: every} if form is not None else {}
            own = algorithm.create(shown)
            own.in_dialog = True
            dialog = _dialog_class()(own, False, self._window or parent)
            dialog.resize(*_SIZE)
            # The panel's parent is a widget of QGIS's, which does not keep its Python half alive: the dialog does.
            dialog.model_panel = None
            if form is not None:
                usual = algorithm.usual_sources()
                dialog.model_panel = ModelPanel(dialog.mainWidget(), form, usual, self._reading)
            draw_sections(dialog.mainWidget(), algorithm.sections())
            hide_loading(dialog.mainWidget(), algorithm.no_maps())
            let_write(dialog.mainWidget(), algorithm.folded_outputs())
            dialog.scene_button = offer_scene_table(dialog.mainWidget(), algorithm.OPERATION.SCENE_COLUMNS)
            dialog.form_check = FormCheck(dialog.mainWidget(), own, dialog.model_panel)
        except Exception as error:  # noqa: BLE001 (QGIS's dialogs are no stable interface)
            report(error)
            if dialog is not None:
                dialog.deleteLater()
            return None
        return dialog


def _dialog_class() -> type:
    """Return QGIS's class of an algorithm's dialog: `AlgorithmWidget` from 4.2 on, `AlgorithmDialog` before."""
    try:
        from processing.gui.algorithm_widget import AlgorithmWidget
    except ImportError:
        from processing.gui.AlgorithmDialog import AlgorithmDialog

        return AlgorithmDialog
    return AlgorithmWidget
