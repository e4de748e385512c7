"""The names and colours of classes: read from rasters, kept beside the files made from them.

A raster tells them by its attribute table, its colour table or its category names. An output that
has classes carries them on in a small JSON beside it, `<file name>.json`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osgeo import gdal

from ..jsonvalues import Json, OddJson, read
from ..rasters.gdal_calls import collected_errors
from ..vectors.opening import split_source
from ..vectors.source import LayerSource

_log = logging.getLogger("otbtf_qgis")


@dataclass(frozen=True)
class ClassEntry:
    """How a class is shown: its name, and its colour as `#rrggbb`; empty where it has none."""

    name: str = ""
    color: str = ""


Legend = dict[int, ClassEntry]
"""Class value to what is known of it."""


def sidecar(path: LayerSource) -> Path:
    """Return the path of the JSON that belongs to the file `path` (`|layername=` and the like are left out)."""
    return Path(split_source(path)[0] + ".json")


def raster_legend(dataset: Any) -> Legend:
    """Return what the first band of an open raster says of its classes; empty where it says nothing."""
    band = dataset.GetRasterBand(1)
    with collected_errors():
        legend = _from_table(band.GetDefaultRAT())
        if not legend:
            legend = _from_categories(band.GetCategoryNames() or [], band.GetColorTable())
    return legend


def _from_table(table: Any) -> Legend:
    if table is None:
        return {}
    columns = {table.GetUsageOfCol(index): index for index in range(table.GetColumnCount())}
    value = columns.get(gdal.GFU_MinMax, columns.get(gdal.GFU_Min))
    if value is None:
        return {}
    name = columns.get(gdal.GFU_Name)
    rgb = [columns.get(usage) for usage in (gdal.GFU_Red, gdal.GFU_Green, gdal.GFU_Blue)]
    legend = {}
    for row in range(table.GetRowCount()):
        color = ""
        if None not in rgb:
            color = _hex([table.GetValueAsInt(row, column) for column in rgb])
        entry = ClassEntry(table.GetValueAsString(row, name) if name is not None else "", color)
        if entry != ClassEntry():
            legend[table.GetValueAsInt(row, value)] = entry
    return legend


def _from_categories(names: Sequence[str], colors: Any) -> Legend:
    count = max(len(names), colors.GetCount() if colors is not None else 0)
    legend = {}
    for value in range(count):
        color = ""
        if colors is not None and value < colors.GetCount():
            color = _hex(colors.GetColorEntry(value)[:3])
        entry = ClassEntry(names[value] if value < len(names) else "", color)
        if entry != ClassEntry():
            legend[value] = entry
    return legend


def _hex(rgb: Iterable[int]) -> str:
    return "#" + "".join(f"{min(max(int(part), 0), 255):02x}" for part in rgb)


def as_rows(values: Iterable[int], legend: Mapping[int, ClassEntry]) -> list[dict[str, Any]]:
    """Return the classes `values` as they are written to JSON: value, name and colour, without what is empty."""
    rows = []
    for value in values:
        entry = legend.get(value, ClassEntry())
        row: dict[str, Any] = {"value": value, "name": entry.name, "color": entry.color}
        rows.append({key: part for key, part in row.items() if part != ""})
    return rows


def from_rows(rows: Any) -> Legend:
    """Return the legend that `as_rows` wrote.

    Raises:
        OddJson: it is none.
    """
    return legend_in(Json(list(rows), "classes"))


def legend_in(rows: Json) -> Legend:
    """Return the legend that `as_rows` wrote, from JSON.

    Raises:
        OddJson: it is none.
    """
    found = {}
    for row in rows.items():
        name, color = (row.get(part) for part in ("name", "color"))
        found[row["value"].whole()] = ClassEntry(name.text() if name else "", color.text() if color else "")
    return found


def read_legend(path: LayerSource, warn: Callable[[str], object] = _log.warning) -> Legend:
    """Return the classes kept beside the file `path`; empty where nothing is kept there that can be read.

    Names and colours are a help, not a need: what is odd is left out, and `warn` is told.
    """
    try:
        content = read(sidecar(path))
        return legend_in(content["classes"]) if content.has("classes") else {}
    except OSError:
        return {}
    except OddJson as error:
        warn(f"{sidecar(path)} is left out, so that the classes in it have neither names nor colours: {error}.")
        return {}


def write_legend(folder: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the classes of the file called `name` into `folder`, for `read_legend`; nothing where none has a name.

    Where an older file beside the final place says something of classes, an empty one takes its place.

    Args:
        folder: where the file is being made.
        name: the file's name.
        rows: as `as_rows` returns them.
    """
    named = any(len(row) > 1 for row in rows)
    if not named:
        rows = []
    if named or (folder.parent / f"{name}.json").exists():
        text = json.dumps({"classes": list(rows)}, indent=1, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
