"""What of a form cannot be right yet, in a line below it, before Run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from qgis.core import QgsProcessingContext, QgsProcessingOutputLayerDefinition, QgsProject
from qgis.PyQt.QtCore import Qt, QTimer, QVariant
from qgis.PyQt.QtWidgets import QLabel

from ..algorithms.feedback import in_labels
from ..algorithms.reading import Reader
from ..algorithms.translate import tr
from ..core.base.languages import quoted
from ..core.errors import OtbtfError
from ..core.parameters.kinds import Content, Key
from ..core.parameters.parsing import keys
from ..core.parameters.sections import ordered
from ..core.registry import read
from .failures import report
from .modelpanel import ModelPanel

_PAUSE = 300
"""Milliseconds without another change before the form is looked at."""

_MARGIN = 6
"""Pixels around the line."""

_TEMPORARY = "TEMPORARY_OUTPUT"


class FormCheck(QLabel):
    """Follows the fields of a dialog; opens no file and no layer.

    Args:
        panel: QGIS's widget with the parameters of the dialog, as `mainWidget()` returns it.
        algorithm: whose parameters they are.
        model_panel: tells which sources the model needs; None where the form names no model.
    """

    def __init__(self, panel: Any, algorithm: Any, model_panel: ModelPanel | None = None) -> None:
        super().__init__(panel)
        self._model_panel = model_panel
        self._wrappers, self._algorithm, self._operation = panel.wrappers, algorithm, algorithm.OPERATION
        self._context = QgsProcessingContext()
        self._context.setProject(QgsProject.instance())
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setMargin(_MARGIN)
        panel.layout().addWidget(self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE)
        self._timer.timeout.connect(self.look)
        for wrapper in self._wrappers.values():
            wrapper.widgetValueHasChanged.connect(self._wait)  # a method: a lambda would keep the dialog for ever
        if model_panel is not None:
            model_panel.followed.connect(self._wait)
        self.look()

    def hasHeightForWidth(self) -> bool:
        """Return False: else the form would be as high as its contents, and have a second scroll bar beside its own."""
        return False

    def resizeEvent(self, event: Any) -> None:
        """Take the height that the text needs."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        if self.text():  # a label without one knows no height
            self.setMinimumHeight(0)  # which would count
            self.setFixedHeight(self.heightForWidth(self.width()))

    def _wait(self, *_: Any) -> None:
        self._timer.start()

    def look(self) -> None:
        """Say what is missing, or else the first thing that cannot be right; nothing where there is none."""
        try:
            text = self._told()
        except Exception as error:  # noqa: BLE001 (the dialog works without the line)
            report(error)
            text = ""
        self.setText(text)
        self.setVisible(bool(text))
        self._fit()

    def _told(self) -> str:
        values = {name: wrapper.parameterValue() for name, wrapper in self._wrappers.items()}
        known = [key for key in ordered(keys(self._operation, values)) if key.parameter in values]
        given = {key.name: _given(key, values[key.parameter]) for key in known}
        needed = self._model_panel.needed_images() if self._model_panel is not None else ()
        lacking = [key for key in known if (key.required or key.parameter in needed) and given[key.name] is None]
        if lacking:
            labels = ", ".join(quoted(tr(key.label)) for key in lacking)
            return " ".join([tr("Before you run, fill in: {}.").format(labels), *self._further(given, lacking)])
        try:
            read(self._operation, given)
            Reader(self._algorithm, known, values, self._context).check_web_layers()
        except OtbtfError as error:
            return in_labels(error.message, self._operation)
        return ""

    def _further(self, given: Mapping[str, Any], lacking: Sequence[Key]) -> list[str]:
        """Return what else is missing or wrong, as far as it can be told before the layers that are missing are given."""
        if any(key.kind.content not in (Content.RASTER, Content.LAYER) for key in lacking):
            return []  # what would stand in its place could be wrong itself
        layers = {key.name: [key.name] if key.kind.is_list else key.name for key in lacking}
        try:
            read(self._operation, {**given, **layers})
        except OtbtfError as error:
            if not any(key.mention in error.message for key in lacking):
                return [in_labels(error.message, self._operation)]
        return []


def _given(key: Key, value: Any) -> Any:
    """Return a value of a field as a request holds it; a layer, which is not looked at, is a name."""
    if isinstance(value, QgsProcessingOutputLayerDefinition):
        value = value.sink.staticValue()
    if value is None or value == "" or value == [] or (isinstance(value, QVariant) and value.isNull()):
        return None
    if key.group and value == key.default:  # which alone makes no source in use
        return None
    if key.kind.is_output:
        return f"{key.name}{_extension(key)}" if str(value) == _TEMPORARY else str(value)
    if key.kind.content in (Content.RASTER, Content.LAYER):
        return [key.name] if key.kind.is_list else key.name
    return value


def _extension(key: Key) -> str:
    """Return the extension that QGIS gives a temporary file of an output."""
    match = re.search(r"\*(\.\w+)", key.file_filter)
    return match[1] if match else ""
