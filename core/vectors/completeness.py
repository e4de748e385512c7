"""Vector files that lack a part, where GDAL reads what is left and tells nothing."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import VectorError
from ..files.filebytes import end_of, part_of, parts_of, size_of
from ..files.gdalcalls import collected_errors
from ..phrases import Phrase


def check_complete(dataset: Any, layer: Any, path: str) -> None:
    """Raise VectorError if a file of the layer ends before what its header, or a file beside it, tells of.

    Args:
        dataset: GDAL's dataset, and `layer` its layer, read from the beginning afterwards.
        path: what to call it in the message.
    """
    lacking = _CHECKS.get(dataset.GetDriver().ShortName, _nothing)(dataset, layer)
    if lacking:
        raise VectorError("{path} is damaged or incomplete: {lacking}. Get the file again.", path=path, lacking=lacking)


def _nothing(dataset: Any, layer: Any) -> Phrase | None:
    return None


def _flatgeobuf(dataset: Any, layer: Any) -> Phrase | None:
    """Look for the last of the features that the header counts: GDAL takes the end of the file for theirs."""
    found = 0
    with collected_errors() as errors:
        count = layer.GetFeatureCount()
        if layer.TestCapability("RandomRead"):  # the file has an index, which tells where each feature lies
            found = count if count < 1 or layer.GetFeature(count - 1) is not None else 0
        else:
            layer.SetIgnoredFields([field.GetName() for field in layer.schema])
            while layer.GetNextFeature() is not None:
                found += 1
            layer.SetIgnoredFields([])
        layer.ResetReading()
    if found >= count and not errors.failed:
        return None
    return Phrase("its header tells of {count} features, the last of which cannot be read", count=count)


def _mapinfo(dataset: Any, layer: Any) -> Phrase | None:
    """Look at the files of the layer alone: a folder is a data set of many."""
    files = [os.path.splitext(file) for file in dataset.GetFileList() or ()]
    own = {end.lower(): stem + end for stem, end in files if os.path.basename(stem).lower() == layer.GetName().lower()}
    return _table(own) if ".dat" in own else _interchange(own, layer) if {".mif", ".mid"} <= set(own) else None


def _table(files: dict[str, str]) -> Phrase | None:
    """Compare the parts of a MapInfo table: the header of .dat has the number of rows, .id the place of each in .map.

    The layout of .dat is that of dBASE III; .id holds a 32 bit offset into .map for each row, 0 for one without geometry
    (MITAB, mitab_datfile.cpp and mitab_idfile.cpp).
    """
    header = part_of(files[".dat"], 0, 12)
    if len(header) < 12:
        return Phrase("its file {file} has no header", file=files[".dat"])
    rows, start, width = struct.unpack("<4xIHH", header)
    if (size := size_of(files[".dat"])) < start + rows * width:
        return Phrase(
            "its file {file} has {size} bytes, but its header tells of {rows} rows",
            file=files[".dat"],
            size=size,
            rows=rows,
        )
    if ".map" not in files or ".id" not in files:
        return None
    if (size := size_of(files[".id"])) < 4 * rows:
        return Phrase(
            "its file {file} has {size} bytes, too few for {rows} {rows:row|rows}",
            file=files[".id"],
            size=size,
            rows=rows,
        )
    places = (np.frombuffer(part[: len(part) // 4 * 4], "<u4") for part in parts_of(files[".id"]))
    last = max((int(some.max(initial=0)) for some in places), default=0)
    if last >= (size := size_of(files[".map"])):
        return Phrase(
            "its file {file} ends at byte {size}, before some of its geometries", file=files[".map"], size=size
        )
    return None


def _interchange(files: dict[str, str], layer: Any) -> Phrase | None:
    """Compare the geometries of .mif with the rows of .mid."""
    rows = _rows(files[".mid"])
    count = rows
    with collected_errors():
        count = layer.GetFeatureCount()
        layer.ResetReading()
    if count >= rows:
        return None
    return Phrase(
        "its file {file} has {rows} {rows:row|rows}, but there are {count} geometries",
        file=files[".mid"],
        rows=rows,
        count=count,
    )


def _rows(path: str) -> int:
    """Count the rows of a .mid file: its lines that are not empty; a line end within quotes ends none."""
    rows, quoted, empty = 0, False, True
    for part in parts_of(path):
        for number, piece in enumerate(part.split(b"\n")):
            if number and not quoted:
                rows += not empty
                empty = True
            quoted ^= piece.count(b'"') % 2 == 1
            empty = empty and not piece.strip()
    return rows + (not empty)


def _gmt(dataset: Any, layer: Any) -> Phrase | None:
    """Look for the end of the last line: half a number is a number, too."""
    return None if end_of(dataset.GetDescription(), 1) in (b"\n", b"") else Phrase("its last line has no end")


_CHECKS: dict[str, Callable[[Any, Any], Phrase | None]] = {
    "FlatGeobuf": _flatgeobuf,
    "MapInfo File": _mapinfo,
    "OGR_GMT": _gmt,
}
