"""The fields of the sources in a dialog: as many as the model has inputs, titled with what they feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qgis.PyQt.QtWidgets import QLabel

from ..algorithms.translate import tr
from ..core.models.modelinterface import TensorInfo, plain_name
from ..core.parameters.templatenames import Template
from . import modeltext
from .modelreading import Found
from .rows import Row


class Source:
    """The fields of one source.

    Args:
        rows: of its fields.
        label: of its images.
        usual: whether it is shown while no model says how many there are.
    """

    def __init__(self, rows: Sequence[Row], label: QLabel | None, usual: bool) -> None:
        self._rows, self._label, self._usual = rows, label, usual
        self._title = label.text() if label is not None else ""

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
            self._label.setText(f"{self._title} – {fed}" if fed else self._title)


def fed_by_sources(
    found: Found | Template, output: str, trains: bool, names: Mapping[int, str]
) -> dict[int, str] | None:
    """Return what each source that is needed feeds, in words, by its number; None where that is not known.

    Args:
        found: the model.
        output: the output that is to be computed.
        trains: whether the model is trained: then one more source holds the target.
        names: by the number of a source the input that it is said to feed, or the output whose target it holds.
    """
    if isinstance(found, Template):
        return _numbered(found.inputs, names, {}) if found.inputs else None
    summary = found.summary
    if trains and found.graph:
        return None
    known = {info.name: info for info in (*summary.outputs, *summary.inputs)}
    inputs = sorted(info.name for info in summary.inputs)
    if not trains:
        images = summary.image_inputs(output)
        known.update((info.name, info) for info in images)
        return _numbered([info.name for info in images], names, known, target=False)
    return _numbered(inputs, names, known)


def _numbered(
    inputs: Sequence[str], names: Mapping[int, str], known: Mapping[str, TensorInfo], target: bool = True
) -> dict[int, str]:
    """Return what sources feed: those without a name the inputs that are left, in order, and the next one is the target."""
    named = {number: plain_name(name) for number, name in names.items() if name}
    feeds = {number: _words(name, known) for number, name in named.items()}
    left = [_words(name, known) for name in inputs if name not in named.values()]
    if target and all(name in inputs for name in named.values()):
        left.append(tr("target"))
    number = 0
    for words in left:
        number += 1
        while number in feeds:
            number += 1
        feeds[number] = words
    return feeds


def _words(name: str, known: Mapping[str, TensorInfo]) -> str:
    return ", ".join(part for part in (name, modeltext.bands_of(known[name]) if name in known else "") if part)
