"""The sections of a form as headings that collapse, drawn into QGIS's dialog once it is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qgis.core import QgsProcessingParameterDefinition
from qgis.gui import QgsCollapsibleGroupBoxBasic
from qgis.PyQt.QtWidgets import QGroupBox, QScrollArea, QVBoxLayout, QWidget

from ..algorithms.translate import tr

_ADVANCED = QgsProcessingParameterDefinition.Flag.FlagAdvanced


def draw_sections(panel: Any, sections: Mapping[str, str]) -> None:
    """Put the fields of each section into a box with its title; Advanced stays QGIS's own.

    A form with one section stays as it is.

    Args:
        panel: QGIS's widget with the parameters of the dialog, as `mainWidget()` returns it.
        sections: the title of each parameter's section, by its name.
    """
    titles: dict[QWidget, str] = {}
    for name, wrapper in panel.wrappers.items():
        definition = wrapper.parameterDefinition()
        if name in sections and (definition.isDestination() or not definition.flags() & _ADVANCED):
            widgets = (wrapper.wrappedLabel(), wrapper.wrappedWidget())
            titles.update({_row(widget): sections[name] for widget in widgets if isinstance(widget, QWidget)})
    if len(set(titles.values())) > 1:
        _box(next(iter(titles)).parentWidget(), titles)


def _row(widget: QWidget) -> QWidget:
    """Return what of a field is an item of the form's own layout: the field, or the row that holds it."""
    while not isinstance(widget.parentWidget().parentWidget().parentWidget(), QScrollArea):
        widget = widget.parentWidget()
    return widget


def _box(form: QWidget, titles: Mapping[QWidget, str]) -> None:
    layout = form.layout()
    place, current, body = 0, "", None
    while place < layout.count():
        widget = layout.itemAt(place).widget()
        if widget is None or (widget not in titles and isinstance(widget, QGroupBox)):
            current, body = "", None  # Advanced, or the empty space below
        title = titles.get(widget, current)  # what follows a field belongs to it
        if title and title != current:
            box, body = _new_box(form, title)
            layout.insertWidget(place, box)
            current, place = title, place + 1
        if body is None:
            place += 1
        else:
            body.addWidget(widget, layout.stretch(place))  # which takes it out of the form's layout


def _new_box(form: QWidget, title: str) -> tuple[QWidget, QVBoxLayout]:
    """Return a box that collapses, and the layout for its fields.

    A box that is collapsed hides its children, and shows all of them when it is opened: the fields, some of which are hidden
    for reasons of their own, are inside of one child.
    """
    box = QgsCollapsibleGroupBoxBasic(tr(title), form)
    outer = QVBoxLayout(box)
    fields = QWidget(box)
    outer.addWidget(fields)
    inside = QVBoxLayout(fields)
    inside.setContentsMargins(0, 0, 0, 0)
    return box, inside
