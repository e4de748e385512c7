"""Rasters at http(s) addresses, read by GDAL in parts.

All that GDAL must know is said in the file's name (`/vsicurl?option=value&url=...`), so that it holds in whatever
thread reads it, and QGIS's own settings stay as they are. Addresses are shown without what is secret in them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Optional
from urllib.parse import quote, urlsplit

from osgeo import gdal

from ..base.addresses import masked
from ..errors import RasterError
from ..files.gdalcalls import Errors, ask_lazy, check_options, collected_errors, decoding_options
from ..phrases import Phrase
from .messages import Reports

RETRIES = 3
"""How often GDAL repeats a request that is answered with 429 or 5xx, and we a read that broke off."""

RETRY_DELAY = 0.5
"""Seconds before the first repetition; later ones wait longer."""

STALLED = 10
"""Seconds without a byte after which a connection counts as broken, and those that connecting may take."""

_STATUS = re.compile(r"(?:HTTP (?:response|error) code[^\d]{0,4}|response_code=)([45]\d\d)")
_BUSY = (429, 500, 502, 503, 504)
_NO_RANGES = "Range downloading not supported"
_DOWNLOAD = Phrase("download the file and give its path")

State = tuple[tuple[str, Optional[str]], ...]


def vsi_name(address: str, head: bool) -> str:
    """Return the name under which GDAL reads an address, its query included.

    Args:
        address: http(s) address.
        head: whether size and date are asked for by HEAD (signed addresses often allow GET only).
    """
    options = {
        "empty_dir": "yes",  # neither lists the folder nor looks for side files
        "use_head": "yes" if head else "no",
        "max_retry": RETRIES,
        "retry_delay": RETRY_DELAY,
        "low_speed_limit": 1,
        "low_speed_time": STALLED,
        "connecttimeout": STALLED,
    }
    address = quote(address, safe="%/:?#[]@!$&'()*+,;=~")  # spaces and letters beyond ASCII, as browsers take them
    given = "&".join(f"{name}={value}" for name, value in options.items())
    return f"/vsicurl?{given}&url={quote(address, safe='')}"


@dataclass(frozen=True)
class Remote:
    """An open raster at an address.

    Attributes:
        name: GDAL's name for it.
        address: for people: without what is secret.
        state: size, date and entity tag when it was opened, as far as the server tells them.
    """

    name: str
    address: str
    state: State

    def check_unchanged(self) -> None:
        """Raise RasterError if the file is not the one that was opened."""
        now = _state(self.name)
        if now is None:
            raise RasterError(
                "{address} can no longer be reached, so it is unknown whether it changed during reading: run again, "
                "or {download}.",
                address=self.address,
                download=_DOWNLOAD,
            )
        for (what, before), (_, after) in zip(self.state, now):
            if before is not None and after is not None and before != after:
                raise RasterError(
                    "{address} changed during reading ({what}: {before}, now {after}), so its parts are "
                    "inconsistent: run again when it is complete, or {download}.",
                    address=self.address,
                    what=what,
                    before=before,
                    after=after,
                    download=_DOWNLOAD,
                )

    def read(self, attempt: Callable[[], Any], where: str) -> None:
        """Call `attempt`, which reads by GDAL, again if a connection broke off.

        Args:
            attempt: the call.
            where: which pixels it reads, for the message.

        Raises:
            RasterError: it failed each time, or the file has changed.
        """
        for number in range(RETRIES + 1):
            if number:
                time.sleep(RETRY_DELAY * number)
            read = None
            with collected_errors() as errors:
                read = attempt()
            if read is not None and not errors.failed:
                return
            forget(self.name)  # else a part that came short is taken for the end of the file
            self.check_unchanged()
        raise RasterError(
            "Cannot read {where} of {address} in {retries} attempts: {errors}. The server sends incomplete data, or "
            "is overloaded: try again later, or {download}.",
            where=where,
            address=self.address,
            retries=RETRIES + 1,
            errors=masked(str(errors)),
            download=_DOWNLOAD,
        )


def open_remote(address: str, options: Sequence[str] = ()) -> tuple[gdal.Dataset, Remote]:
    """Open the raster at an address for reading.

    Args:
        address: http(s) address.
        options: open options of its format, `KEY=VALUE`.

    Raises:
        RasterError: it cannot be reached or opened; the message says why.
    """
    for head in (False,) if urlsplit(address).query else (True, False):
        name = vsi_name(address, head)
        forget(name)  # what is known of the address may be older than the file
        state = _state(name)
        if state is None:
            forget(name)  # so that opening asks again, and tells the status
        dataset = None
        with collected_errors() as errors:
            flags = gdal.OF_RASTER | gdal.OF_READONLY | gdal.OF_VERBOSE_ERROR
            dataset = gdal.OpenEx(name, flags, open_options=[*options, *decoding_options()])
            if dataset is not None:
                ask_lazy(dataset)
        if dataset is not None:
            check_options(address, options, errors)
            Reports(address).check_opened(dataset, errors)
            return dataset, Remote(name, masked(address), state or ())
        refusal = _refusal(address, errors)
        if _status(errors) not in (400, 401, 403, 405, 501):
            break  # a server that only refuses HEAD answers with one of these
    raise refusal


def forget(name: str) -> None:
    """Drop what GDAL has kept of a file: whether it exists, its size, its parts."""
    gdal.VSICurlPartialClearCache(name)


def _state(name: str) -> State | None:
    """Ask the server for what identifies the file's content; None if it does not answer."""
    with collected_errors():
        found = gdal.GetFileMetadata(name, "HEADERS")
    headers = {key.lower(): value for key, value in (found or {}).items()}
    if not headers:
        return None
    size = headers.get("content-length")
    if "/" in headers.get("content-range", ""):  # newer GDALs ask for the first bytes only
        size = headers["content-range"].rsplit("/", 1)[1]
    return ((Phrase("size"), size), (Phrase("date"), headers.get("last-modified")), ("ETag", headers.get("etag")))


def _status(errors: Errors) -> int:
    """Return the last status that the server answered with, as far as GDAL tells; else 0."""
    found = _STATUS.findall(masked(str(errors)))
    return int(found[-1]) if found else 0


def _refusal(address: str, errors: Errors) -> RasterError:
    status, told = _status(errors), masked(str(errors))
    if status in (401, 403):
        why = Phrase(
            "the server refuses access. Check the address: it may need a user and password, or its signature has "
            "expired"
        )
    elif status in (404, 410):
        why = Phrase("there is no such file on the server. Check the address")
    elif status in _BUSY:
        why = Phrase(
            "the server is overloaded or out of order, {retries} attempts. Try again later, or {download}",
            retries=RETRIES + 1,
            download=_DOWNLOAD,
        )
    elif status:
        why = Phrase("the server refuses the request. Check the address")
    elif _NO_RANGES in told:
        why = Phrase(
            "the server does not send parts of files (no HTTP range requests). Instead, {download}", download=_DOWNLOAD
        )
    else:
        why = Phrase(
            "{told}. Check the address, that the server can be reached, and that GDAL reads the format", told=told
        )
    code = f" (HTTP {status})" if status else ""
    return RasterError("Cannot open the raster {address}{code}: {why}.", address=masked(address), code=code, why=why)
