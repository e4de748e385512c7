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

from ..base.jsonvalues import Json, OddJson, read
from ..base.progress import Progress
from ..files.gdalcalls import collected_errors
from ..files.privatecopies import original
from ..files.staging import write_text_file
from ..parameters.vectorsource import LayerSource
from ..phrases import Phrase
from ..vectors.vectoropening import split_source
from .classfield import class_number

_log = logging.getLogger("otbtf_qgis")


@dataclass(frozen=True)
class ClassEntry:
    """How a class is shown: its name, and its colour as `#rrggbb`; empty where it has none."""

    name: str = ""
    color: str = ""


_FILLING = "#000000"
"""What formats that store 256 colours or more have where none was given; one class may be black, several are not."""

Legend = dict[int, ClassEntry]
"""Class value to what is known of it."""

TextLegend = Mapping[str, ClassEntry]
"""The same by the class as text, as a field holds it."""


def sidecar(path: LayerSource) -> Path:
    """Return the path of the JSON that belongs to the file `path` (`|layername=` and the like are left out)."""
    return Path(split_source(path)[0] + ".json")


def raster_legend(dataset: Any) -> Legend:
    """Return the classes that the first band of an open raster names; empty if it names none."""
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
    filling = [value for value, entry in legend.items() if entry.color == _FILLING]
    for value in filling if len(filling) > 1 else ():
        legend[value] = ClassEntry(legend[value].name)
    return {value: entry for value, entry in legend.items() if entry != ClassEntry()}


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


def from_rows(rows: Iterable[Mapping[str, Any]]) -> Legend:
    """Return the legend that `as_rows` wrote; classes that are no whole numbers are left out.

    Raises:
        OddJson: it is none.
    """
    return legend_in(Json(list(rows), "classes"))


def legend_in(rows: Json) -> Legend:
    """Return the legend that `as_rows` wrote, from JSON; see `from_rows`."""
    return _numbered(texts_in(rows))


def texts_in(rows: Json) -> dict[str, ClassEntry]:
    """Return the entries of rows as `as_rows` returns them, by the class as text.

    Raises:
        OddJson: they are of another form.
    """
    found = {}
    for row in rows.items():
        name, color = (row.get(part) for part in ("name", "color"))
        value = row["value"]
        text = value.text() if isinstance(value.value, str) else str(value.whole())
        found[text] = ClassEntry(name.text() if name else "", color.text() if color else "")
    return found


def _numbered(texts: TextLegend) -> Legend:
    found = ((class_number(text), entry) for text, entry in texts.items())
    return {value: entry for value, entry in found if value is not None}


def of_texts(numbers: Mapping[str, int], named: bool, known: TextLegend) -> Legend:
    """Return the legend of the classes of a text field.

    Args:
        numbers: of the classes, as `classfield.numbers_of` returns them.
        named: whether the texts are names; numbers may have another name.
        known: names and colours by text.
    """
    legend = {}
    for text, number in numbers.items():
        entry = known.get(text, ClassEntry())
        legend[number] = ClassEntry(text if named else entry.name or text, entry.color)
    return legend


def read_legend(path: LayerSource, field: str = "", warn: Callable[[str], object] = _log.warning) -> Legend:
    """Return the classes kept beside the file `path`; empty where nothing is kept there that can be read.

    Names and colours are a help, not a need: what is odd is left out, and `warn` is told.

    Args:
        path: the file.
        field: the field of a layer that holds the classes; what is kept of another one is passed over.
        warn: takes a line for the user.
    """
    return _numbered(read_texts(path, field, warn))


def read_texts(
    path: LayerSource, field: str = "", warn: Callable[[str], object] = _log.warning
) -> dict[str, ClassEntry]:
    """Return what `read_legend` does, by the class as text: of names too."""
    try:
        content = read(sidecar(path))
        own = content["field"].text() if content.has("field") else ""
        if own and field and own.casefold() != field.casefold():
            return {}
        return texts_in(content["classes"]) if content.has("classes") else {}
    except OSError:
        return {}
    except OddJson as error:
        warn(
            Phrase(
                "{sidecar} cannot be used, so its classes have neither names nor colours: {error}.",
                sidecar=sidecar(path),
                error=error,
            )
        )
        return {}


def complete_classes(file: Path, known: TextLegend) -> None:
    """Add names and colours to the classes that a JSON file lists, where it tells none; nothing where it lists none.

    Args:
        file: such as `write_legend` and `patchesimage.write_description` write.
        known: names and colours by the class as text.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        rows = content["classes"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    for row in rows:
        text = str(row["value"])
        name = row.get("name") or text
        entry = known.get(name, ClassEntry())
        if name == text and entry.name:
            row["name"] = entry.name
        if not row.get("color") and entry.color:
            row["color"] = entry.color
    write_text_file(str(file), json.dumps(content, indent=1, ensure_ascii=False) + "\n", Progress())


def known_classes(dataset: Any) -> Legend:
    """Return the known classes of an open raster: its own, else those of the JSON beside it."""
    name = original(dataset.GetDescription())  # a part of a raster, or one in memory, has none
    return raster_legend(dataset) or (read_legend(name) if name else {})


def write_legend(folder: Path, name: str, rows: Sequence[Mapping[str, Any]], field: str = "") -> None:
    """Write the classes of the file called `name` into `folder`, for `read_legend`; nothing where none has a name.

    Where an older file beside the final place says something of classes, an empty one takes its place.

    Args:
        folder: where the file is being made.
        name: the file's name.
        rows: as `as_rows` returns them.
        field: the field of a layer that holds the classes.
    """
    named = any(len(row) > 1 for row in rows)
    if not named:
        rows = []
    if named or (folder.parent / f"{name}.json").exists():
        content = {**({"field": field} if field else {}), "classes": list(rows)}
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
