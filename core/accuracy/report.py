"""A report as one HTML file that needs nothing else, for a browser and for QGIS's results viewer.

The viewer is a small web view in some versions of QGIS and Qt's rich text in others, so the page keeps
to tables, headings and pictures inside the file, and sets no colour that a dark theme would spoil.
"""

from __future__ import annotations

import base64
import dataclasses
import html
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..base.addresses import masked
from ..base.languages import spoken, tr
from ..parameters.kinds import Key, parameter_name
from ..parameters.parsing import keys
from ..phrases import Phrase, plain
from .figures import confusion_figure
from .scores import ClassScores, RegressionScores

_PAGE = """<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<title>{title}</title></head>
<body style="font-family: sans-serif; margin: 16px">
<h1 style="font-size: x-large">{title}</h1>
{body}"""

_TITLE_END, _END = "</h1>\n", "\n</body></html>\n"

_CELL = "padding: 3px 14px 3px 0; border-bottom: 1px solid #999999"


class Report:
    """Collects the parts of a report, in their order, and writes them as HTML.

    All texts are escaped; phrases are translated into the language of the process.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts: list[str] = []

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f"<p>{_escaped(text)}</p>")

    def heading(self, heading: str) -> None:
        """Add the heading of a part; an empty one adds nothing."""
        if heading:
            self._parts.append(f'<h2 style="font-size: large">{_escaped(heading)}</h2>')

    def table(self, heading: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Add a table.

        Args:
            heading: above it; may be empty.
            header: names of the columns; empty for a table of names and values.
            rows: texts, whole numbers and fractions (three digits after the point; nan is a dash).
        """
        self.heading(heading)
        cells = [list(row) for row in rows]
        lines = []
        if header:
            right = [bool(cells) and all(_is_number(row[at]) for row in cells) for at in range(len(header))]
            lines.append(_row("th", header, right))
        lines += [_row("td", row, [_is_number(value) for value in row]) for row in cells]
        style = "border-collapse: collapse; margin: 6px 0 14px 0"
        self._parts.append(f'<table cellspacing="0" style="{style}">{"".join(lines)}</table>')

    def figure(self, heading: str, png: bytes, alt: str) -> None:
        """Add a picture (PNG), with words for those who cannot see it."""
        self.heading(heading)
        data = base64.b64encode(png).decode("ascii")
        self._parts.append(f'<p><img src="data:image/png;base64,{data}" alt="{_escaped(alt)}"></p>')

    def parameters(self, parameters: Any) -> None:
        """Add the parameters of an operation (its dataclass) that have a value."""
        header = (Phrase("Parameter"), Phrase("Meaning"), Phrase("Value"))
        self.table(Phrase("Parameters"), header, _parameter_rows(parameters, type(parameters), ""))

    def class_scores(self, heading: str, scores: ClassScores) -> None:
        """Add the scores of classes: all in all, the matrix as a picture, and each class."""
        self.heading(heading)
        total = int(scores.support.sum())
        overall = [
            (Phrase("Overall accuracy"), scores.overall_accuracy),
            (Phrase("Kappa"), scores.kappa),
            (Phrase("Mean F-score"), scores.f1_macro),
            (Phrase("Samples"), total),
        ]
        self.table("", (), overall)
        alt = Phrase(
            "Confusion matrix of {count} {count:class|classes}; overall accuracy {accuracy}",
            count=len(scores.labels),
            accuracy=_value(scores.overall_accuracy),
        )
        self.figure("", confusion_figure(scores), alt)
        found = scores.matrix.sum(axis=0)
        rows = zip(scores.names, scores.precision, scores.recall, scores.fscore, scores.support, found)
        header = [Phrase("Class"), Phrase("Precision"), Phrase("Recall"), Phrase("F-score")]
        self.table("", [*header, Phrase("In the reference"), Phrase("Found")], rows)

    def regression_scores(self, heading: str, scores: RegressionScores) -> None:
        """Add the errors of predicted values, band by band."""
        rows = zip(range(1, len(scores.rmse) + 1), scores.rmse, scores.mae, scores.r2)
        self.table(heading, (Phrase("Band"), "RMSE", "MAE", "R2"), rows)

    def added_to(self, page: str) -> str:
        """Return a page that `html` made of another report, with these parts at its end."""
        end = page.rindex(_END)
        return page[:end] + "\n" + "\n".join(self._parts) + page[end:]

    def followed_by(self, heading: str, page: str) -> str:
        """Return the page with the content of another one, which `html` made, behind its own.

        Args:
            heading: in place of the other page's title.
            page: the other one.
        """
        start, end = page.index(_TITLE_END) + len(_TITLE_END), page.rindex(_END)
        self.heading(heading)
        self._parts.append(page[start:end])
        return self.html()

    def html(self) -> str:
        """Return the page."""
        return _PAGE.format(language=spoken().name, title=_escaped(self._title), body="\n".join(self._parts)) + _END


def _escaped(text: object) -> str:
    """Return a text as HTML, translated if it is a phrase, without what is secret in addresses: reports are passed on."""
    shown = tr(text) if isinstance(text, Phrase) else str(text)
    return html.escape(masked(shown)).replace("\n", "<br>")


def _is_number(value: Any) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, (bool, str))


def _row(tag: str, values: Sequence[Any], right: Sequence[bool]) -> str:
    """Return a line of a table; numbers stand at the right."""
    cells = []
    for value, number in zip(values, right):
        align = "right" if number else "left"
        cells.append(f'<{tag} align="{align}" style="text-align: {align}; {_CELL}">{_escaped(_value(value))}</{tag}>')
    return f"<tr>{''.join(cells)}</tr>"


def _value(value: Any) -> str:
    """Return a value as the report shows it."""
    if not _is_number(value):
        return value if isinstance(value, str) else str(value)
    if math.isnan(value):
        return "–"
    if float(value).is_integer() and not _is_fraction(value):
        return f"{int(value):,}".replace(",", "\u202f")
    text = f"{float(value):.3f}" if 1e-3 <= abs(value) < 1e5 or value == 0 else f"{float(value):.4g}"
    return spoken().written(text)


def _is_fraction(value: Any) -> bool:
    """Tell whether a value is of a type that has a fraction, even where this one has none."""
    return not hasattr(value, "__index__")


def _given(value: Any) -> str:
    """Return a parameter's value as one would type it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(str(item) for item in value) if isinstance(value, tuple) else str(value)


def _parameter_rows(parameters: Any, operation: type, prefix: str) -> Iterator[tuple[str, str, str]]:
    """Yield parameter, label and value, those of numbered sources with their number."""
    for field in dataclasses.fields(parameters):
        value = getattr(parameters, field.name)
        if "key" in field.metadata:
            key: Key = field.metadata["key"]
            name = prefix + key.name
            if value not in (None, "", ()):
                label = next(one.label for one in keys(operation, [name]) if one.name == name)
                yield parameter_name(name), plain(label), _given(value)
        elif "numbered" in field.metadata:
            for number, item in enumerate(value, 1):
                yield from _parameter_rows(item, operation, f"{prefix}{field.metadata['numbered'].prefix}{number}.")
