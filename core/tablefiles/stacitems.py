"""STAC items as rows: an item collection in a file, or the results of a search at an address.

https://github.com/radiantearth/stac-spec, and the raster extension for scale and offset. Everything is read strictly:
items come from others.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

from osgeo import gdal

from ..base.addresses import address_of, masked
from ..base.jsonvalues import Json, OddJson, parse, read
from ..errors import ParameterError, field
from ..files.filebytes import part_of
from ..files.gdalcalls import collected_errors
from ..phrases import Phrase
from ..rasters.remoterasters import forget, vsi_name
from .table import Asset, Row, Scaling, Table

_LARGEST = 256 << 20
_MOST_PAGES = 1000
_SCHEMES = {"s3": "/vsis3/", "gs": "/vsigs/", "az": "/vsiaz/"}


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
    more = ""
    for page, base, following in _pages(place):
        more = following
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
    folder = "" if address else os.path.dirname(place)
    return Table(place, folder, columns, rows, of_items=True, more="" if address else more)


def _refused(place: str, why: object) -> ParameterError:
    return ParameterError(
        "{table} is {place}, which holds no STAC items: {why}. Give a STAC item collection (a GeoJSON FeatureCollection of "
        "items), or the address of a search.",
        table=field("table"),
        place=masked(place),
        why=why,
    )


# -------------------------------------------------------------------- pages


def _pages(place: str) -> Iterator[tuple[Json, str, str]]:
    """Yield documents, where each lies, and the next one: the first, and from an address those that it links to."""
    seen: set[str] = set()
    while place and place not in seen:
        seen.add(place)
        if len(seen) > _MOST_PAGES:
            raise _refused(place, Phrase("it has more than {most} pages", most=_MOST_PAGES))
        try:
            page = _content(place)
            following = _next(page, place)
        except OddJson as error:
            raise _refused(place, error) from error
        yield page, place, following
        place = following if address_of(place) else ""


def _content(place: str) -> Json:
    if not address_of(place):
        try:
            return read(place, _LARGEST)
        except OSError as error:
            raise _refused(place, error.strerror) from error
    name = vsi_name(place, head=False)
    forget(name)
    content = b""
    with collected_errors():
        content = part_of(name, 0, _LARGEST + 1)
    if not content:
        raise _refused(place, Phrase("the server does not send it ({errors})", errors=_cause(name)))
    return parse(content, _LARGEST)


def _cause(name: str) -> str:
    """Return why GDAL cannot open a file, which it tells only where it is asked for it."""
    forget(name)
    gdal.VSIErrorReset()
    with collected_errors() as errors:
        file = gdal.VSIFOpenExL(name, "rb", True)
        if file is not None:
            gdal.VSIFCloseL(file)
    return masked(gdal.VSIGetLastErrorMsg() or str(errors))


def _next(page: Json, place: str) -> str:
    """Return the address of the next page, in a file as it stands there; empty where this is the last.

    Raises:
        OddJson: it cannot be asked for by its address alone.
    """
    links = page.get("links") if isinstance(page.value, dict) else None
    for link in links.items() if links else ():
        if link.has("rel") and link["rel"].text() == "next":
            if not address_of(place):
                return link["href"].text()
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
    scalings = tuple(Scaling(_number(band, _SCALE), _number(band, _OFFSET)) for band in bands)
    if len(set(scalings)) == 1:
        scalings = scalings[:1]
    tags = {_nodata(band) for band in bands}
    return Asset(_href(asset["href"].text(), base), scalings, tags.pop() if len(tags) == 1 else None)


_Band = tuple[Json, ...]
"""What describes a band, the more particular first."""


def _bands(asset: Json) -> list[_Band]:
    """Return what describes each band: STAC 1.1, the raster extension before it, and for all bands the asset itself."""
    lists = [asset[name].items() for name in ("bands", "raster:bands") if asset.has(name)]
    count = max(map(len, lists), default=0) or 1
    return [(*(each[number] for each in lists if number < len(each)), asset) for number in range(count)]


_SCALE, _OFFSET = ("raster:scale", "scale"), ("raster:offset", "offset")


def _number(band: _Band, names: tuple[str, ...]) -> float | None:
    found = next((each[name] for each in band for name in names if each.has(name)), None)
    return None if found is None else found.number(-1e300, 1e300)


def _nodata(band: _Band) -> float | None:
    found = next((each["nodata"] for each in band if each.has("nodata")), None)
    if found is None:
        return None
    if isinstance(found.value, str) and found.value.lower() in ("nan", "inf", "-inf"):
        return float(found.value)
    return found.number(-1e300, 1e300)


def _href(href: str, base: str) -> str:
    """Return what GDAL opens for an asset, whose address may be relative to that of its item."""
    scheme, _, rest = href.partition("://")
    if scheme.lower() == "file" and rest:
        return url2pathname(urlsplit(href).path)
    if rest:
        return _SCHEMES[scheme.lower()] + rest if scheme.lower() in _SCHEMES else href
    if address_of(base):
        return urljoin(base, href)
    if href.startswith("/vsi") or os.path.isabs(href):
        return href
    return os.path.normpath(os.path.join(os.path.dirname(base), *posixpath.normpath(href).split("/")))
