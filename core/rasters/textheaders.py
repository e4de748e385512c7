"""Text headers of raw rasters: GDAL uses defaults for missing fields, without a warning.

A header that was cut off lacks its last lines, or ends within one. Fields that its format demands must be there, and so
must the rest of a position of which there is a part. What only may be a fault is a warning.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from osgeo import gdal

from ..base.addresses import masked
from ..errors import RasterError
from ..files.filebytes import end_of
from ..phrases import Phrase

_LONGEST = 1 << 24
"""Bytes of a header that are looked at."""

_PIXELS = ("AAIGrid", "XYZ")
"""Formats of which the pixels are text, too."""

Fields = Mapping[str, str]
"""What a header says, by names in lower case."""


@dataclass(frozen=True)
class _Format:
    """What a header must hold.

    Attributes:
        ending: of its name.
        separator: between the names of its fields and their values.
        required: fields without which pixels or their place are wrong.
        usual: fields for which a default is right only sometimes: it is told that they are lacking.
        together: fields of which there are all or none.
        end: the last line; empty where there is none of its own.
    """

    ending: str
    separator: str = "="
    required: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    end: str = ""


_CORNERS = tuple(
    f"{row}_{column}_corner_{axis}"
    for row in ("top", "bottom")
    for column in ("left", "right")
    for axis in ("latitude", "longitude")
)

_FORMATS = {
    "ENVI": (_Format(".hdr", "=", ("samples", "lines", "bands", Phrase("data type"))),),
    "EHdr": (_Format(".hdr", " "),),
    "GenBin": (
        _Format(
            ".hdr",
            ":",
            ("rows", "cols", "bands", "datatype", "interleaving"),
            together=("ul_x_coordinate", "ul_y_coordinate", "lr_x_coordinate", "lr_y_coordinate"),
        ),
    ),
    "PAux": (_Format(".aux", ":", ("rawdefinition",), together=("upleftx", "uplefty", "lorightx", "lorighty")),),
    "RRASTER": (_Format(".grd", "=", ("datatype", "byteorder", "nbands")),),
    "ROI_PAC": (_Format(".rsc", " ", together=("x_first", "x_step", "y_first", "y_step")),),
    "RST": (_Format(".rdc", ":", ("ref. system", "min. x", "max. x", "min. y", "max. y")),),
    "SAGA": (_Format(".sgrd", usual=("nodata_value", "toptobottom")),),
    "MFF": (_Format(".hdr", together=_CORNERS, end="END"),),
    "MFF2": (
        _Format(
            "attrib",
            required=(
                *("channel.enumeration", "channel.interleave", "extent.cols", "extent.rows"),
                *("pixel.encoding", "pixel.size", "pixel.field", "pixel.order", "version"),
            ),
        ),
        _Format("georef", together=tuple(name.replace("_corner_", ".") for name in _CORNERS)),
    ),
    "ILWIS": (
        _Format(".mpr"),
        _Format(".mpl"),
        _Format(".grf", together=("minx", "maxx", "miny", "maxy")),
        _Format(".csy"),
    ),
    "AAIGrid": (_Format(".asc", " "),),
    "XYZ": (_Format("", " "),),
}

HEADERS = frozenset(_FORMATS)
"""Formats with such headers, or pixels as lines of text."""

_ESRI_CORNER = (
    ("ulxmap", "ulymap", "xdim", "ydim"),
    ("xllcorner", "yllcorner", "cellsize"),
    ("xllcenter", "yllcenter", "cellsize"),
)


def check_headers(dataset: gdal.Dataset, files: list[str]) -> Iterator[str]:
    """Yield what may be wrong with the headers of an open raster.

    Args:
        dataset: the raster.
        files: the names of its files.

    Raises:
        RasterError: a header is damaged or incomplete.
    """
    driver = dataset.GetDriver().ShortName
    if driver not in HEADERS:
        return
    for layout in _FORMATS[driver]:
        for path in [*files, *_not_listed(dataset, driver)]:
            if path.lower().endswith(layout.ending) and not path.lower().endswith((".aux.xml", ".prj")):
                yield from _check_header(dataset, driver, layout, path)
    if driver == "XYZ":
        yield from _unfinished_list(dataset)
    if dataset.GetProjection() and _nowhere(dataset):
        yield (
            Phrase(
                "{get_description} has a coordinate system, but no position: its header may be incomplete. Compare it "
                "with the original.",
                get_description=masked(dataset.GetDescription()),
            )
        )


def _not_listed(dataset: gdal.Dataset, driver: str) -> list[str]:
    """Return headers that GDAL does not count to the files of a raster."""
    own = dataset.GetDescription()
    if driver == "MFF2":
        folder = own if os.path.isdir(own) else os.path.dirname(own)
        return [os.path.join(folder, name) for name in ("attrib", "georef")]
    if driver != "ILWIS":
        return []
    folder, found = os.path.dirname(own), []
    maps = [name for key, name in read_fields(read_text(own), "=").items() if re.fullmatch(r"map\d+", key)]
    for name in [os.path.join(folder, name) for name in maps] or [own]:
        georeference = os.path.join(folder, read_fields(read_text(name), "=").get("georef", ""))
        system = os.path.join(folder, read_fields(read_text(georeference), "=").get("coordsystem", ""))
        found += [name, georeference, system] if name != own else [georeference, system]
    return list(dict.fromkeys(path for path in found if os.path.isfile(path)))


def _unfinished_list(dataset: gdal.Dataset) -> Iterator[str]:
    """Yield that a list of points ends elsewhere than in a corner of its grid, unless columns have names."""
    path, transform = dataset.GetDescription(), dataset.GetGeoTransform()
    text = read_text(path, 1 << 12)
    try:
        x, y = (float(word) for word in re.split(r"[\s,;]+", text.strip().splitlines()[-1].strip())[:2])
    except (IndexError, ValueError):
        return
    column, row = (x - transform[0]) / transform[1] - 0.5, (y - transform[3]) / transform[5] - 0.5
    for place, last in ((column, dataset.RasterXSize - 1), (row, dataset.RasterYSize - 1)):
        if min(abs(place), abs(place - last)) > 0.1:
            yield (
                Phrase(
                    "The points of {path} end within a row or column of their grid, so the file may be truncated: "
                    "compare it with the original.",
                    path=masked(path),
                )
            )
            return


def _check_header(dataset: gdal.Dataset, driver: str, layout: _Format, path: str) -> Iterator[str]:
    text = read_text(path, 1 << 12 if driver in _PIXELS else _LONGEST)
    if text and not text.endswith(("\n", "\r", "}")) and driver != "MFF2":
        yield (
            Phrase(
                "{path} ends within a line ({shown}), so it may be truncated: compare it with the original. If it is "
                "complete, end its last line with a line break.",
                path=masked(path),
                shown=_shown(text),
            )
        )
    if layout.end and text.split()[-1:] != [layout.end]:
        yield Phrase(
            "{path} does not end with {end}: it may be truncated. Compare it with the original.",
            path=masked(path),
            end=layout.end,
        )
    if driver in _PIXELS or len(text) == _LONGEST:
        return
    if driver in ("ENVI", "MFF2"):
        text = re.sub(r"(?m)^[ \t]*;[^=\r\n]*$", "", text)  # comments
        if open_ := _unclosed(text):
            raise _incomplete(path, Phrase("the value of {open} begins with {{ and is never closed", open=open_))
        text = re.sub(r"\{[^}]*\}", "{}", text)  # what stands there is no field
    fields = read_fields(text, layout.separator)
    required, usual = layout.required, layout.usual
    together = layout.together
    if driver in _MORE:
        more_required, more_usual, more_together = _MORE[driver](dataset, fields, path)
        required, usual, together = (*required, *more_required), (*usual, *more_usual), (*together, *more_together)
    if lacking := [name for name in required if not fields.get(name)]:
        raise _incomplete(path, Phrase("it lacks {lacking}", lacking=", ".join(lacking)))
    present = [name for name in together if fields.get(name)]
    if present and len(present) < len(together):
        lacking = [name for name in together if name not in present]
        raise _incomplete(
            path,
            Phrase("it has {present}, but lacks {lacking}", present=", ".join(present), lacking=", ".join(lacking)),
        )
    if lacking := [name for name in usual if not fields.get(name)]:
        yield (
            Phrase(
                "{path} does not specify {lacking}: GDAL uses its default, and reads values of type "
                "{get_data_type_name}. If these look wrong, compare the header with the original.",
                path=masked(path),
                lacking=", ".join(lacking),
                get_data_type_name=gdal.GetDataTypeName(dataset.GetRasterBand(1).DataType),
            )
        )


_More = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""Further fields that are required, usual, and together."""


def _envi(dataset: gdal.Dataset, fields: Fields, path: str) -> _More:
    interleave = _without_comment(fields.get("interleave", ""))
    if interleave and interleave.lower() not in ("bsq", "bil", "bip"):
        raise _incomplete(
            path, Phrase("interleave is {interleave!r}, but must be bsq, bil, or bip", interleave=interleave)
        )
    order = _without_comment(fields.get("byte order", ""))
    if order not in ("", "0", "1"):
        raise _incomplete(path, Phrase("byte order is {order!r}, but must be 0 or 1", order=order))
    interleaved = ("interleave",) if dataset.RasterCount > 1 else ()
    ordered = (Phrase("byte order"),) if _bytes_each(dataset) > 1 else ()
    return (*interleaved, *ordered), (), ()


def _rraster(dataset: gdal.Dataset, fields: Fields, path: str) -> _More:
    return ("bandorder",) if dataset.RasterCount > 1 else (), (), ()


def _genbin(dataset: gdal.Dataset, fields: Fields, path: str) -> _More:
    return ("byte_order",) if _bytes_each(dataset) > 1 else (), (), ()


def _ehdr(dataset: gdal.Dataset, fields: Fields, path: str) -> _More:
    kind = dataset.GetRasterBand(1).DataType
    usual = []
    if _bytes_each(dataset) > 1:
        usual += ["byteorder"] if kind == gdal.GDT_Float32 else ["byteorder", "pixeltype"]
    if dataset.RasterCount > 1:
        usual.append("layout")
    corner = next((names for names in _ESRI_CORNER if any(name in fields for name in names)), ())
    sized = "cellsize" in fields or ("xdim" in fields and corner[:1] != ("ulxmap",))
    return (), tuple(usual), corner[:2] if sized else corner


def _paux(dataset: gdal.Dataset, fields: Fields, path: str) -> _More:
    sizes = fields.get("rawdefinition", "").split()
    if len(sizes) < 3 or not sizes[2].isdecimal():
        raise _incomplete(
            path, Phrase("RawDefinition is {sizes!r}, but must be columns, lines, and channels", sizes=" ".join(sizes))
        )
    names = tuple(f"chandefinition-{number + 1}" for number in range(int(sizes[2])))
    for name in names:
        words = fields.get(name, "").split()
        if words and (len(words) < 5 or words[4].lower() not in ("swapped", "unswapped")):
            raise _incomplete(
                path,
                Phrase(
                    "{name} is {words!r}, but must be type, offset, distances of pixels and lines, and Swapped or "
                    "Unswapped",
                    name=name,
                    words=" ".join(words),
                ),
            )
    return names, (), ()


_MORE = {"ENVI": _envi, "RRASTER": _rraster, "EHdr": _ehdr, "GenBin": _genbin, "PAux": _paux}


def read_text(path: str, size: int = _LONGEST) -> str:
    """Return a text file, or its last bytes where it is longer; empty where it cannot be read."""
    return end_of(path, size).decode("latin-1")


def read_fields(text: str, separator: str) -> dict[str, str]:
    """Return the fields of a header by their names in lower case; the first of several with one name.

    Args:
        text: the header.
        separator: `=` or `:`, with or without spaces around it; a space for any white space.
    """
    pattern = re.compile(
        r"[ \t]*(\S+)[ \t]+(.*)" if separator == " " else rf"[ \t]*([^{separator}]*?)[ \t]*{separator}(.*)"
    )
    fields: dict[str, str] = {}
    for line in re.split(r"[\r\n]+", text):
        if match := pattern.match(line):
            fields.setdefault(re.sub(r"\s+", " ", match[1]).lower(), match[2].strip())
    return fields


def _without_comment(value: str) -> str:
    return value.partition(";")[0].strip()


def _unclosed(text: str) -> str:
    """Return the name of the value that begins with `{` and is not closed; empty if all are, or it has no name."""
    after = text.rpartition("}")[2]
    before, brace, _ = after.partition("{")
    return before.split("\n")[-1].partition("=")[0].strip() or Phrase("a field") if brace else ""


def _shown(text: str) -> str:
    """Return the last line of a text, or its end."""
    return repr(re.split(r"[\r\n]+", text)[-1][-30:])


def _nowhere(dataset: gdal.Dataset) -> bool:
    placed = dataset.GetGeoTransform(can_return_null=True) is not None or dataset.GetGCPCount()
    return not (placed or dataset.GetMetadata("RPC") or dataset.GetMetadata("GEOLOCATION"))


def _bytes_each(dataset: gdal.Dataset) -> int:
    return int(gdal.GetDataTypeSize(dataset.GetRasterBand(1).DataType) // 8)


def _incomplete(path: str, why: str) -> RasterError:
    return RasterError(
        "The header {path} is damaged or incomplete: {why}. Get it again; without it the pixels would be read "
        "wrongly, or placed elsewhere.",
        path=masked(path),
        why=why,
    )
