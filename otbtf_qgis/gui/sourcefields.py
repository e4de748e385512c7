"""The fields of the sources in a dialog: as many as the model has inputs, titled with what they feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QLabel

from ..algorithms.translate import tr
from ..core.models.modelinterface import plain_name
from ..core.parameters.templatedescription import Template
from . import modeltext
from .modelform import ModelForm
from .modelreading import Found
from .rows import Row


class Source:
    """The fields of one source.

    Args:
        rows: of its fields.
        label: of its images.
        name: its text where the source is needed: without QGIS's mark of what is optional.
        usual: whether it is shown while no model says how many there are.
    """

    def __init__(self, rows: Sequence[Row], label: QLabel | None, name: str, usual: bool) -> None:
        self._rows, self._label, self._name, self._usual = rows, label, name, usual
        self._title = label.text() if label is not None else ""
        if label is not None:
            label.setTextFormat(Qt.TextFormat.PlainText)  # a model's names may look like markup

    def forget(self) -> None:
        """Show the source as QGIS does, without a model."""
        self.follow(self._usual, "")

    def follow(self, needed: bool, fed: str) -> None:
        """Title the source with what it feeds; hide it where it is not needed.

        A source of which a field is given stays in sight, so that nothing that the user has chosen is lost.
        """
        on = needed or any(row.is_given for row in self._rows)
        for row in self._rows:
            row.show(on)
        if self._label is not None:
            self._label.setText(f"{self._name} – {fed}" if fed else self._title)


TARGET = ""
"""Stands for the name of what a model is to learn, where no source names an output for it."""


def fed_by_sources(
    found: Found | Template, output: str, form: ModelForm, names: Mapping[int, str]
) -> dict[int, str] | None:
    """Return the name of what each source that is needed feeds, by its number; None where that is not known.

    Args:
        found: the model.
        output: the output that is to be computed.
        form: whether it is trained, and whether a source holds what it is to learn.
        names: by the number of a source the input that it is said to feed, or the output whose target it holds.
    """
    if isinstance(found, Template):
        return _numbered(found.inputs, names, form.target_among_sources) if found.inputs else None
    if not form.trains:
        return _numbered([info.name for info in found.summary.image_inputs(output)], names, False)
    if found.graph:
        return None
    return _numbered(sorted(info.name for info in found.summary.inputs), names, form.target_among_sources)


def _numbered(inputs: Sequence[str], names: Mapping[int, str], target: bool) -> dict[int, str]:
    """Return what sources feed: those without a name the inputs that are left, in order, and the next one is the target."""
    feeds = {number: plain_name(name) for number, name in names.items() if name}
    left = [name for name in inputs if name not in feeds.values()]
    if target and all(name in inputs for name in feeds.values()):
        left.append(TARGET)
    number = 0
    for name in left:
        number += 1
        while number in feeds:
            number += 1
        feeds[number] = name
    return feeds


def title_of(name: str, found: Found | Template, output: str) -> str:
    """Return what a source feeds in words, for its title."""
    if name == TARGET:
        return tr("target")
    if isinstance(found, Template):
        return name
    known = {info.name: info for info in (*found.summary.outputs, *found.summary.inputs)}
    known.update((info.name, info) for info in found.summary.image_inputs(output))
    bands = modeltext.bands_of(known[name]) if name in known else ""
    return ", ".join(filter(None, (name, bands)))
