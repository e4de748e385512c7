"""The rows of a dialog: a field of QGIS's with its label, hidden or grey where it does not apply."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingContext
from qgis.PyQt.QtCore import QEvent, QObject
from qgis.PyQt.QtWidgets import QWidget


class Row(QObject):
    """The widgets of one parameter.

    Args:
        parent: the row ends with it.
        wrapper: QGIS's wrapper of the field.
        outer: what holds the field together with what was put beside it; None for the field itself.
    """

    def __init__(self, parent: QObject, wrapper: Any, outer: QWidget | None = None) -> None:
        super().__init__(parent)
        self._wrapper = wrapper
        widgets = (outer or wrapper.wrappedWidget(), wrapper.wrappedLabel())
        self._widgets = [widget for widget in widgets if isinstance(widget, QWidget)]
        self._tips = [widget.toolTip() for widget in self._widgets]
        self._shown, self._why_not, self._kept = True, "", None
        self._waits = False

    @property
    def is_given(self) -> bool:
        """Whether the field holds something else than its default."""
        return (self._wrapper.parameterValue() or None) != (self._default or None)

    @property
    def _default(self) -> Any:
        return self._wrapper.parameterDefinition().defaultValue()

    def show(self, on: bool) -> None:
        """Show or hide the row."""
        if on == self._shown:
            return
        self._shown = on
        for widget in self._widgets:
            if not on:
                widget.installEventFilter(self)
                widget.hide()
                continue
            widget.removeEventFilter(self)
            if not widget.parentWidget().property("collapsed"):
                widget.show()
            elif not self._waits:
                # Unfolding shows all up to QGIS 3.40, later only what was not hidden when it was folded.
                self._waits = True
                widget.parentWidget().collapsedStateChanged.connect(self._unfolded)

    def _unfolded(self, folded: bool) -> None:
        for widget in self._widgets:
            if self._shown and not folded:
                widget.show()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep hidden what a group shows, all that it holds, when it is unfolded."""
        if event.type() == QEvent.Type.ShowToParent and not self._shown:
            watched.hide()
        return False

    def apply(self, why_not: str, context: QgsProcessingContext) -> None:
        """Let the field apply, or make it grey and reset it to its default; what it held comes back when it applies.

        Args:
            why_not: why it does not apply, for people; empty where it does.
            context: for QGIS.
        """
        if why_not and self.is_given:
            self._kept = self._wrapper.parameterValue()
            self._wrapper.setParameterValue(self._default, context)
        if why_not == self._why_not:
            return
        self._why_not = why_not
        if not why_not and self._kept is not None:
            kept, self._kept = self._kept, None
            if not self.is_given:
                self._wrapper.setParameterValue(kept, context)
        for widget, tip in zip(self._widgets, self._tips):
            widget.setEnabled(not why_not)
            widget.setToolTip(why_not or tip)
