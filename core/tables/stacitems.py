"""STAC items as rows: an item collection in a file, or the results of a search at an address.

https://github.com/radiantearth/stac-spec, and the raster extension for scale and offset. Everything is read strictly:
items come from others.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from osgeo import gdal

from ..base.addresses import address_of, masked
from ..base.jsonvalues import Json, OddJson, parse
from ..errors import ParameterError, field
from ..files.gdalcalls import collected_errors
from ..phrases import Phrase
from ..rasters.remoterasters import forget, vsi_name
from .table import Asset, Row, Scaling, Table

_LARGEST = 256 << 20
_MOST_PAGES = 1000
_SCHEMES = {"s3": "/vsis3/", "gs": "/vsigs/"}


def read_items(place: str) -> Table:
    """Read items as rows: their columns are `id`, `collection`, the names of properties and those of assets.

    Args:
        place: a file, or an http(s) address; of a search, following pages are read too.

    Raises:
        ParameterError: it cannot be read, or holds no STAC items.
    """
    address = address_of(place)
    place = address or os.path.abspath(place)
    items: list[Json] = []
    bases: list[str] = []
    for page, base in _pages(place):
        try:
            found = _items(page)
            items += found
            bases += [base] * len(found)
        except OddJson as error:
            raise _refused(place, error) from error
    try:
        rows = tuple(_row(number, item, base) for number, (item, base) in enumerate(zip(items, bases), 1))
    except OddJson as error:
        raise _refused(place, error) from error
    columns = tuple(dict.fromkeys(name for row in rows for name in row.cells))
    return Table(place, "" if address else os.path.dirname(place), columns, rows, of_items=True)


def _refused(place: str, why: object) -> ParameterError:
    return ParameterError(
        "{table} is {place}, which holds no STAC items: {why}. Give a STAC item collection (a GeoJSON FeatureCollection of "
        "items), or the address of a search.",
        table=field("table"),
        place=masked(place),
        why=why,
    )


# -------------------------------------------------------------------- pages


def _pages(place: str) -> Iterator[tuple[Json, str]]:
    """Yield documents and where each lies: the first, and those that it links to as next ones."""
    seen: set[str] = set()
    while place and place not in seen:
        seen.add(place)
        if len(seen) > _MOST_PAGES:
            raise _refused(place, Phrase("it has more than {most} pages", most=_MOST_PAGES))
        try:
            page = parse(_content(place), _LARGEST)
            following = _next(page, place) if address_of(place) else ""
        except OddJson as error:
            raise _refused(place, error) from error
        yield page, place
        place = following


def _content(place: str) -> bytes:
    if not address_of(place):
        try:
            if os.path.getsize(place) > _LARGEST:
                raise _refused(place, Phrase("it has more than {most} MB", most=_LARGEST >> 20))
            with open(place, "rb") as file:
                return file.read()
        except OSError as error:
            raise _refused(place, error.strerror) from error
    name = vsi_name(place, head=False)
    forget(name)
    content: list[bytes] = []
    with collected_errors() as errors:
        file = gdal.VSIFOpenL(name, "rb")
        if file is not None:
            try:
                content.append(bytes(gdal.VSIFReadL(1, _LARGEST, file) or b""))
            finally:
                gdal.VSIFCloseL(file)
    if not content:
        raise _refused(place, Phrase("the server does not send it ({errors})", errors=masked(str(errors))))
    return content[0]


def _next(page: Json, place: str) -> str:
    """Return the address of the next page; empty where this is the last.

    Raises:
        OddJson: it cannot be asked for by its address alone.
    """
    links = page.get("links") if isinstance(page.value, dict) else None
    for link in links.items() if links else ():
        if link.has("rel") and link["rel"].text() == "next":
            if link.has("method") and link["method"].text().upper() != "GET":
                raise OddJson(
                    Phrase(
                        "its next page must be asked for by POST: save all items of the search as one file, and give it"
                    )
                )
            following = urljoin(place, link["href"].text())
            if urlsplit(following).scheme not in ("http", "https"):
                raise OddJson(Phrase("its next page is at {address}", address=masked(following)))
            return following
    return ""


# -------------------------------------------------------------------- items


def _items(page: Json) -> list[Json]:
    kind = page["type"].text()
    if kind == "FeatureCollection":
        return page["features"].items()
    if kind == "Feature":
        return [page]
    raise OddJson(Phrase("its type is {kind}", kind=kind))


def _row(number: int, item: Json, base: str) -> Row:
    if item["type"].text() != "Feature":
        raise item["type"].odd("Feature")
    name = item["id"].text()
    cells = {"id": name}
    if item.has("collection"):
        cells["collection"] = item["collection"].text()
    properties, assets = item["properties"], {}
    for key, value in properties.fields():
        if isinstance(value.value, (str, int, float, bool)):
            cells.setdefault(key, value.value if isinstance(value.value, str) else json.dumps(value.value))
    for key, value in item["assets"].fields():
        assets[key] = _asset(value, base)
    for key in assets:
        if key in cells:
            cells.pop(key)  # what is ambiguous is no column; see `templates`
    cells.update({key: asset.href for key, asset in assets.items()})
    return Row(number, Phrase("item {name}", name=name), cells, assets, item.value)


def _asset(asset: Json, base: str) -> Asset:
    bands = _bands(asset)
    scalings = tuple(_scaling(band) for band in bands)
    tags = {tag for band in bands if (tag := _nodata(band)) is not None}
    return Asset(_href(asset["href"].text(), base), scalings, tags.pop() if len(tags) == 1 else None)


def _bands(asset: Json) -> list[Json]:
    """Return where bands are described: by STAC 1.1, by the raster extension before it, or all by the asset itself."""
    for name in ("bands", "raster:bands"):
        if asset.has(name) and any(_described(band) for band in asset[name].items()):
            return asset[name].items()
    return [asset]


_SCALE, _OFFSET = ("raster:scale", "scale"), ("raster:offset", "offset")


def _described(band: Json) -> bool:
    return any(band.has(name) for name in (*_SCALE, *_OFFSET, "nodata"))


def _scaling(band: Json) -> Scaling:
    return Scaling(_number(band, _SCALE, 1.0), _number(band, _OFFSET, 0.0))


def _number(band: Json, names: tuple[str, ...], default: float) -> float:
    found = next((band[name] for name in names if band.has(name)), None)
    return default if found is None else found.number(-1e300, 1e300)


def _nodata(band: Json) -> float | None:
    if not band.has("nodata"):
        return None
    value: Any = band["nodata"].value
    if isinstance(value, str) and value.lower() in ("nan", "inf", "-inf"):
        return float(value)
    return band["nodata"].number(-1e300, 1e300)


def _href(href: str, base: str) -> str:
    """Return what GDAL opens for an asset, whose address may be relative to that of its item."""
    scheme, _, rest = href.partition("://")
    if rest:
        return _SCHEMES[scheme.lower()] + rest if scheme.lower() in _SCHEMES else href
    if address_of(base):
        return urljoin(base, href)
    if href.startswith("/vsi") or os.path.isabs(href):
        return href
    return os.path.normpath(os.path.join(os.path.dirname(base), *posixpath.normpath(href).split("/")))
