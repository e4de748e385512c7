"""The results of a table as STAC items, with the fields (MLM) of the model that made them."""

from __future__ import annotations

import datetime
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..base.jsonvalues import OddJson, read
from ..errors import OtbtfError
from ..models.sidecar import sidecar_path
from ..operations.runtable import RunTable
from ..parameters.kinds import Content, Key
from ..parameters.operation import NumberResult, Operation
from ..parameters.parsing import keys
from ..rasters.rasteropening import open_dataset
from ..rasters.rasterreference import Reference
from .ground import corners, longitudes_and_latitudes
from .rowcalls import RowCall, outputs_of
from .rowrun import RowOutcome

_MODELS = ("model.dir", "deepmodel.dir", "model")
_TYPES = {
    ".tif": "image/tiff; application=geotiff",
    ".vrt": "application/xml",
    ".xml": "application/xml",
    ".json": "application/json",
    ".geojson": "application/geo+json",
    ".gpkg": "application/geopackage+sqlite3",
    ".csv": "text/csv",
    ".html": "text/html",
    ".png": "image/png",
}


def results_as_items(
    parameters: RunTable, operation: type[Operation], calls: Sequence[RowCall], outcomes: Sequence[RowOutcome]
) -> str:
    """Return a STAC item collection as JSON: an item for each row that is done.

    An item has the outputs as assets, with paths as seen from the collection; the numbers that were found; the place of
    the first raster; the time of the item that the row was, else that of its column `datetime`, else that of the run; and
    the model's MLM fields.
    """
    folder = os.path.dirname(os.path.abspath(str(parameters.out_items)))
    models = _Models()
    labels = Counter(call.label for call in calls)
    items = [
        _item(operation, call, outcome, _id(call, labels), folder, models)
        for call, outcome in zip(calls, outcomes)
        if not outcome.error and outcome.results  # not of a row that had nothing to do
    ]
    return json.dumps({"type": "FeatureCollection", "features": items}, ensure_ascii=False, indent=1) + "\n"


class _Models:
    """The MLM fields of models, each read once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[dict[str, Any], list[str]]] = {}

    def of(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str], str]:
        """Return the fields of the model that an operation takes, STAC extensions that they need, and its sidecar's path."""
        path = next((str(values[name]) for name in _MODELS if values.get(name)), "")
        place = sidecar_path(path) if path else None
        if place is None or not place.is_file():
            return {}, [], ""
        if path not in self._known:
            self._known[path] = _fields_of(place)
        fields, extensions = self._known[path]
        return fields, extensions, str(place) if fields else ""


def _fields_of(place: Path) -> tuple[dict[str, Any], list[str]]:
    try:
        item = read(place)
        fields = {name: each.value for name, each in item["properties"].fields() if name.startswith("mlm:")}
        extensions = [each.text() for each in item["stac_extensions"].items()] if item.has("stac_extensions") else []
    except (OSError, OddJson):
        return {}, []
    return fields, extensions


def _id(call: RowCall, labels: Mapping[str, int]) -> str:
    """Return what an item is called, which no other one is."""
    if call.label and labels[call.label] == 1:
        return call.label
    name = f"{call.label or 'row'}-{call.row.number}"
    while name in labels:
        name += f"-{call.row.number}"
    return name


def _item(
    operation: type[Operation], call: RowCall, outcome: RowOutcome, name: str, folder: str, models: _Models
) -> dict[str, Any]:
    known = {key.name: key for key in keys(operation, call.values)}
    outputs = {name: str(outcome.results[name]) for name in outputs_of(call, operation) if outcome.results.get(name)}
    fields, extensions, sidecar = models.of(call.values)
    place = _place([path for name, path in outputs.items() if known[name].kind.content is Content.RASTER])
    numbers = {
        f"otbtf:{result.name}": outcome.results[result.name]
        for result in operation.RESULTS
        if isinstance(result, NumberResult) and outcome.results.get(result.name) is not None
    }
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": extensions,
        "id": name,
        **(place or {"geometry": None}),
        "properties": {**_times(call), "otbtf:operation": operation.__name__, **numbers, **fields},
        "links": _links(call, folder, sidecar),
        "assets": {name: _asset(known[name], path, folder) for name, path in outputs.items()},
    }


def _times(call: RowCall) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    properties: Mapping[str, Any] = (call.row.item or {}).get("properties") or {}
    if properties.get("datetime") is None and properties.get("start_datetime"):
        span = {name: properties.get(name) for name in ("start_datetime", "end_datetime")}
        return {"datetime": None, **span, "created": now}
    return {
        "datetime": properties.get("datetime") or _as_stac(call.row.cells.get("datetime", "")) or now,
        "created": now,
    }


def _as_stac(text: str) -> str:
    """Return the time in a cell in the form of RFC 3339, in UTC where it names no zone; empty where it is none."""
    try:
        time = datetime.datetime.fromisoformat(text.replace("Z", "+00:00").replace("/", "-"))
    except ValueError:
        return ""
    zoned = time if time.tzinfo else time.replace(tzinfo=datetime.timezone.utc)
    return zoned.astimezone(datetime.timezone.utc).isoformat().replace("+00:00", "Z")


def _links(call: RowCall, folder: str, sidecar: str) -> list[dict[str, str]]:
    links = []
    given = (call.row.item or {}).get("links")
    for link in given if isinstance(given, list) else []:
        if isinstance(link, dict) and link.get("rel") == "self" and isinstance(link.get("href"), str):
            links.append({"rel": "derived_from", "href": link["href"], "type": "application/geo+json"})
    if sidecar:
        links.append({"rel": "derived_from", "href": _from(folder, sidecar), "type": "application/geo+json"})
    return links


def _asset(key: Key, path: str, folder: str) -> dict[str, Any]:
    kind = _TYPES.get(os.path.splitext(path)[1].lower())
    return {
        "href": _from(folder, path),
        "title": key.label,
        **({"type": kind} if kind else {}),
        "roles": ["data"] if key.kind.content in (Content.RASTER, Content.LAYER) else ["metadata"],
    }


def _from(folder: str, path: str) -> str:
    """Return a path as seen from a folder, as an address has it."""
    if "://" in path or path.startswith("/vsi"):
        return path
    try:
        relative = os.path.relpath(os.path.abspath(path), folder)
    except ValueError:  # on another drive
        return path
    return Path(relative).as_posix() if relative.startswith("..") else f"./{Path(relative).as_posix()}"


def _place(rasters: Sequence[str]) -> dict[str, Any] | None:
    """Return geometry and bounding box of the first raster, in degrees; None where they cannot be told."""
    for path in rasters:
        try:
            dataset = open_dataset(path)[0]
            places = longitudes_and_latitudes(Reference.of(dataset, path), corners(dataset))
        except OtbtfError:
            continue
        if places:
            x, y = zip(*places)
            ring = [list(place) for place in (*places, places[0])]
            geometry = {"type": "Polygon", "coordinates": [ring]}
            return {"geometry": geometry, "bbox": [min(x), min(y), max(x), max(y)]}
    return None
