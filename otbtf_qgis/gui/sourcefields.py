"""The fields of the sources in a dialog: as many as the model has inputs, titled with what they feed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qgis.core import QgsProcessingParameterDefinition
from qgis.PyQt.QtWidgets import QLabel, QWidget

from ..core.models.modelsummary import ModelSummary
from . import modeltext
from .fieldmenu import FieldMenu
from .modelform import SourceFields

_ADVANCED = QgsProcessingParameterDefinition.Flag.FlagAdvanced


class Source:
    """The fields of one source.

    Args:
        number: its number, from 1.
        fields: names of its parameters.
        wrappers: QGIS's wrappers of all fields of the dialog, by name of the parameter.
        menu: the menu beside the name of its input, if it has one.
    """

    def __init__(self, number: int, fields: SourceFields, wrappers: Mapping[str, Any], menu: FieldMenu | None) -> None:
        self._number, self._fields, self._menu = number, fields, menu
        self._wrappers = {name: wrappers[name] for name in fields.every if name in wrappers}
        self._label = self._wrappers[fields.images].wrappedLabel() if fields.images in self._wrappers else None
        self._title = self._label.text() if isinstance(self._label, QLabel) else ""

    def forget(self) -> None:
        """Show the source as QGIS does."""
        self._show(True)
        self._set_title(self._title)

    def follow(self, summary: ModelSummary, output: str) -> None:
        """Title the source with the input that it feeds; hide it where the model has none, and nothing is given."""
        images = summary.image_inputs(output)
        self._show(self._number <= max(len(images), 1) or self._is_used())
        own = self._value(self._fields.placeholder)
        fed = [info for info in summary.inputs if info.name == own] if own else images[self._number - 1 : self._number]
        about = [", ".join(part for part in (info.name, modeltext.bands_of(info)) if part) for info in fed]
        self._set_title(f"{self._title} – {about[0]}" if about else self._title)

    def _is_used(self) -> bool:
        """Return whether a field holds something: it stays in sight, and nothing that the user has chosen is lost."""
        defaults = {name: wrapper.parameterDefinition().defaultValue() for name, wrapper in self._wrappers.items()}
        return any((self._value(name) or None) != (defaults[name] or None) for name in self._wrappers)

    def _value(self, name: str) -> Any:
        return self._wrappers[name].parameterValue() if name in self._wrappers else None

    def _show(self, on: bool) -> None:
        """Show or hide the fields; those that may be folded away, and so are shown by QGIS, become grey."""
        for name, wrapper in self._wrappers.items():
            row = self._menu if self._menu is not None and name == self._fields.placeholder else None
            field = wrapper.wrappedWidget() if row is None else row.parentWidget()
            for widget in (field, wrapper.wrappedLabel()):
                if isinstance(widget, QWidget) and wrapper.parameterDefinition().flags() & _ADVANCED:
                    widget.setEnabled(on)
                elif isinstance(widget, QWidget):
                    widget.setVisible(on)

    def _set_title(self, title: str) -> None:
        if isinstance(self._label, QLabel):
            self._label.setText(title)
