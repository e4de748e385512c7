"""A button beside a text field that fills it from a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from qgis.PyQt.QtWidgets import QHBoxLayout, QMenu, QToolButton, QWidget

from ..algorithms.translate import tr


class FieldMenu(QToolButton):
    """Offers names for a field; disabled while there are none.

    Attributes:
        row: what now stands in the field's place, and holds both.

    Args:
        field: the widget beside which the button is put.
        value: returns the text of the field.
        fill: sets it.
        several: whether the field takes several names, separated by spaces.
    """

    def __init__(self, field: QWidget, value: Callable[[], str], fill: Callable[[str], None], several: bool) -> None:
        super().__init__(field.parentWidget())
        self._value, self._fill, self._several = value, fill, several
        self._names: list[tuple[str, str]] = []
        self.setText(tr("Choose"))
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setMenu(QMenu(self))
        self.menu().aboutToShow.connect(self._list)
        self.row = put_beside(field, self)
        self.offer(())

    def offer(self, names: Sequence[tuple[str, str]]) -> None:
        """Offer names, each with a few words about it."""
        self._names = list(names)
        self._list()
        self.setEnabled(bool(self._names))
        self.setToolTip("" if self._names else tr("Choose a model first: the list is what it has."))

    def _list(self) -> None:
        menu, chosen = self.menu(), self._value().split()
        menu.clear()
        for name, about in self._names:
            text = f"{name}  ({about})" if about else name
            action = menu.addAction(text.replace("&", "&&"))  # a single one marks a key
            action.setCheckable(True)
            action.setChecked(name in chosen)
            action.triggered.connect(partial(self._choose, name))

    def _choose(self, name: str, on: bool) -> None:
        others = [other for other in self._value().split() if other != name] if self._several else []
        self._fill(" ".join([*others, name] if on else others))


def put_beside(field: QWidget, button: QWidget) -> QWidget:
    """Put a row of both in the field's place, and return it."""
    layout = field.parentWidget().layout()
    place = layout.indexOf(field)
    row = QWidget(field.parentWidget())
    inside = QHBoxLayout(row)
    inside.setContentsMargins(0, 0, 0, 0)
    layout.insertWidget(place, row)
    inside.addWidget(field, 1)
    inside.addWidget(button)
    return row
