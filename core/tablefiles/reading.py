"""Reading a table: a CSV file, a layer, or STAC items."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any

from ..base.addresses import address_of, masked
from ..base.progress import Progress
from ..errors import ParameterError, VectorError, field
from ..parameters.vectorsource import Address
from ..phrases import Phrase
from ..vectors.texts import field_text
from ..vectors.vectorlayer import VectorLayer
from .stacitems import read_items
from .table import Row, Table

_SEPARATORS = ("\t", ";", ",")
_QUOTED = re.compile(r'"[^"]*"')
_TEXTS = (".csv", ".txt", ".tsv")
_JSON = (".json", ".geojson")


def read_table(path: str) -> Table:
    """Read a table.

    Args:
        path: a CSV file; a layer, as `vectors.vectorlayer` opens it; a file of STAC items or an address that returns them.

    Raises:
        ParameterError: it cannot be read, or holds no rows.
    """
    if address_of(path):
        table = read_items(path)
    elif not os.path.exists(Address.of(path).path):
        raise ParameterError("{table} is {path}, which does not exist.", table=field("table"), path=path)
    elif path.lower().endswith(_TEXTS):
        table = _read_csv(path)
    elif path.lower().endswith(_JSON):
        table = read_items(path)
    else:
        table = _read_layer(path)
    if not table.rows:
        raise ParameterError("{table} is {path}, which has no rows.", table=field("table"), path=masked(path))
    return table


# ---------------------------------------------------------------------- CSV


def _read_csv(path: str) -> Table:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            separator = max(_SEPARATORS, key=_QUOTED.sub("", header).count)
            file.seek(0)
            columns, rows = _rows(path, csv.reader(file, delimiter=separator, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ParameterError(
            "{table} is {path}, which cannot be read: {error}. It must be a CSV file in UTF-8 whose first line names the "
            "columns.",
            table=field("table"),
            path=path,
            error=error,
        ) from error
    return Table(path, os.path.dirname(os.path.abspath(path)), columns, tuple(rows))


def _rows(path: str, lines: Iterator[list[str]]) -> tuple[tuple[str, ...], list[Row]]:
    columns = tuple(name.strip() for name in next(lines, []))
    _check_columns(path, columns)
    rows: list[Row] = []
    for cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        where = Phrase("line {line}", line=lines.line_num)  # type: ignore[attr-defined]
        if len(cells) != len(columns):
            raise ParameterError(
                "{table} is {path}, where {where} has {count} values, but there are {columns} columns: put quotes around a "
                "value that holds the separator.",
                table=field("table"),
                path=path,
                where=where,
                count=len(cells),
                columns=len(columns),
            )
        rows.append(Row(len(rows) + 1, where, dict(zip(columns, map(str.strip, cells)))))
    return columns, rows


def _check_columns(path: str, columns: tuple[str, ...]) -> None:
    if not all(columns):
        raise ParameterError(
            "{table} is {path}, where column {number} has no name: the first line must name all columns.",
            table=field("table"),
            path=path,
            number=(*columns, "").index("") + 1,
        )
    if twice := [name for name, count in Counter(columns).items() if count > 1]:
        raise ParameterError(
            "{table} is {path}, which has two columns {name}: rename one.",
            table=field("table"),
            path=path,
            name=twice[0],
        )


# -------------------------------------------------------------------- layer


def _read_layer(path: str) -> Table:
    try:
        layer = VectorLayer(path)
        rows = tuple(_features(layer))
    except VectorError as error:
        raise ParameterError(
            "{table} is {path}, which is no table: {error}", table=field("table"), path=path, error=error.message
        ) from error
    folder = os.path.dirname(os.path.abspath(layer.path))
    return Table(path, folder, tuple(each.name for each in layer.fields), rows)


def _features(layer: VectorLayer) -> Iterator[Row]:
    def told(feature: Any) -> tuple[Phrase, dict[str, str]]:
        cells = {each.name: field_text(feature, each.index, layer.path).strip() for each in layer.fields}
        return Phrase("feature {fid}", fid=feature.GetFID()), cells

    for number, (place, cells) in enumerate(chain.from_iterable(layer.taken(told, Progress())), 1):
        yield Row(number, place, cells)
