"""The classes of a layer, as the user has styled it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsMapLayer,
    QgsPalettedRasterRenderer,
    QgsRasterLayer,
    QgsVectorLayer,
)

from ..core.classes.legend import ClassEntry, complete_classes, write_legend
from ..core.records.recordwriting import CLASSES


def categories_of(layer: QgsMapLayer | None, field: str) -> dict[str, dict[str, str]]:
    """Return name and colour of each class of a layer that is categorized by `field`, by the class as text.

    Call it in the main thread.
    """
    renderer = layer.renderer() if isinstance(layer, QgsVectorLayer) else None
    if not isinstance(renderer, QgsCategorizedSymbolRenderer) or renderer.classAttribute().strip('"') != field:
        return {}
    found = {}
    for category in renderer.categories():
        value, symbol = category.value(), category.symbol()
        for one in value if isinstance(value, (list, tuple)) else [value]:
            name = category.label() if category.label() != str(one) else ""
            found[str(one)] = {"name": name, "color": symbol.color().name() if symbol is not None else ""}
    return found


def palette_of(layer: QgsMapLayer | None) -> dict[str, dict[str, str]]:
    """Return name and colour of each class of a raster layer that is shown by a palette, by the class as text.

    Call it in the main thread.
    """
    renderer = layer.renderer() if isinstance(layer, QgsRasterLayer) else None
    if not isinstance(renderer, QgsPalettedRasterRenderer):
        return {}
    values = [(f"{item.value:.0f}", item) for item in renderer.classes()]
    return {
        value: {"name": item.label if item.label != value else "", "color": item.color.name()} for value, item in values
    }


def complete_patches(results: dict[str, Any], categories: dict[str, dict[str, str]]) -> None:
    """Write the names and colours into the files beside patches and labels, if the data has none of its own."""
    known = {text: ClassEntry(entry["name"], entry["color"]) for text, entry in categories.items()}
    for key, path in results.items() if known else ():
        if key == "OUT_TFRECORDS":
            complete_classes(Path(path, CLASSES), known)
        elif key == "OUTLABELS" or key.endswith("_OUT"):
            complete_classes(Path(f"{path}.json"), known)


def with_categories(results: dict[str, Any], categories: dict[str, dict[str, str]]) -> None:
    """Write the names and colours into the result LEGEND and the file beside the output, if the data has none of its own."""
    rows = json.loads(results["LEGEND"])
    for row in rows:
        named = row.get("name") not in (None, "", str(row["value"]))  # a text that is a number is its own name
        if not named and not row.get("color"):
            row.update({key: text for key, text in categories.get(str(row["value"]), {}).items() if text})
    results["LEGEND"] = json.dumps(rows, ensure_ascii=False)
    kept = [{key: part for key, part in row.items() if key != "count"} for row in rows]
    out = Path(results["OUT"])
    write_legend(out.parent, out.name, kept, str(results["FIELD"]))
