"""The files of a raster: watched during a run, and checked for the length that their format requires."""

from __future__ import annotations

import contextlib
import html
import os
import re
import struct
from collections.abc import Callable, Iterator, Sequence

from osgeo import gdal

from ..base.addresses import masked
from ..errors import RasterError
from ..files import inputs
from ..files.filebytes import part_of
from ..files.filesbehind import files_behind
from ..files.gdalcalls import collected_errors, open_unchanged
from ..phrases import Phrase
from .messages import Reports
from .netcdfheader import promised_bytes
from .pcidskheader import promised_files
from .textheaders import HEADERS, check_headers, read_fields, read_text

_BESIDE = (".aux.xml", ".ovr")
"""Files without pixels that are read, which QGIS and GDAL write while they show a raster."""

_LONGEST_HEADER = 1 << 20
_LONGEST_XML = 1 << 22
_COMMON = (".tif", ".tiff", ".jp2", ".png", ".jpg", ".aux.xml", ".ovr", ".msk")
"""Endings of files that need not be opened to know that GDAL itself looks whether they are whole."""

_DEEPEST = 8  # virtual rasters within others
_TRUNCATED = re.compile(r"premature end|corrupt jpeg|truncated|unexpected end", re.IGNORECASE)


def watch_files(dataset: gdal.Dataset, name: str) -> None:
    """Have the run notice when a file of an open raster changes, those of a virtual one's sources too.

    Raises:
        RasterError: a file is none that ends, such as a pipe.
    """
    watching = inputs.current()
    for path in files_behind(dataset):
        if path.lower().endswith(_BESIDE):
            continue
        inputs.check_ordinary(path, Phrase("{name}: its file {path}", name=name, path=path) if path != name else "")
        local = inputs.local_file(path)
        if watching is not None and local:
            watching.watch(local, name)


def _file_list(dataset: gdal.Dataset) -> list[str]:
    with collected_errors():
        return dataset.GetFileList() or []
    return []


def tells_of_truncation(messages: list[str]) -> bool:
    """Return whether GDAL's warnings say that pixels are missing: JPEG files are filled up with grey then."""
    return any(_TRUNCATED.search(message) for message in messages)


def check_whole(dataset: gdal.Dataset, name: str) -> None:
    """Raise RasterError if a file lacks a part that its format requires; report what may be wrong.

    Asked only where GDAL gives zeros or takes defaults for what is missing, and no error.
    """
    if dataset.RasterCount:
        _check_whole(dataset, name, Reports(name), _DEEPEST)


def _check_whole(dataset: gdal.Dataset, name: str, reports: Reports, deepest: int) -> None:
    driver, files = dataset.GetDriver().ShortName, _file_list(dataset)
    for path in files:
        _check_beside(path, reports)
    reports.tell(check_headers(dataset, files))
    _check_sizes(dataset, driver, files, name, reports)
    if driver == "VRT" and deepest:
        run = inputs.current()
        for path in files:
            if path == dataset.GetDescription() or (run is not None and path in run.whole):
                continue
            if (source := _source_to_check(path)) is not None:
                _check_whole(source, Phrase("{name}: its source {path}", name=name, path=path), reports, deepest - 1)
            if run is not None:
                run.whole.add(path)


def _source_to_check(path: str) -> gdal.Dataset | None:
    """Open a source of a virtual raster if its format is one of those that must be looked at."""
    if path.lower().endswith(_COMMON) or not inputs.local_file(path):
        return None
    source = None
    with collected_errors():  # what is wrong with a source is said when it is read
        driver = gdal.IdentifyDriverEx(path, gdal.OF_RASTER)
        if driver is not None and driver.ShortName in (*_PROMISES, *HEADERS):
            source = open_unchanged(path, gdal.OF_RASTER, RasterError)
    return source if source is not None and source.RasterCount else None


def _check_sizes(dataset: gdal.Dataset, driver: str, files: Sequence[str], name: str, reports: Reports) -> None:
    for path, size in _PROMISES[driver](dataset, files) if driver in _PROMISES else ():
        found = gdal.VSIStatL(path) if size > 0 else None
        if found is not None and found.size < size:
            raise RasterError(
                "{name} is damaged or incomplete: its file {path} has {size} bytes, but its header requires "
                "{size2}. Get the file again.",
                name=masked(name),
                path=masked(path),
                size=found.size,
                size2=size,
            )
        if found is not None and found.size > size and driver in _NO_MORE:
            reports.tell(
                [
                    Phrase(
                        "{path} has {size} bytes, but its header describes {size2}: the last {found_size} are not read. "
                        "Check columns, lines, bands, and data type in the header.",
                        path=masked(path),
                        size=found.size,
                        size2=size,
                        found_size=found.size - size,
                    )
                ]
            )


def _check_beside(path: str, reports: Reports) -> None:
    """Raise RasterError where GDAL passes over what lies beside a raster because it is no XML; tell of an empty file."""
    if path.lower().endswith(".prj") and (found := gdal.VSIStatL(path)) is not None and not found.size:
        reports.tell(
            [
                Phrase(
                    "{path} is empty, so no coordinate system is read from it: get it again, or remove it.",
                    path=masked(path),
                )
            ]
        )
    if path.lower().endswith(".aux.xml") and inputs.local_file(path):
        text, parsed = part_of(path, 0, _LONGEST_XML).decode("latin-1"), None
        if len(text) < _LONGEST_XML:
            with collected_errors():
                parsed = gdal.ParseXMLString(text)
            if parsed is None:
                raise RasterError(
                    "{path} is damaged or incomplete, so its information about the raster beside it is lost, such "
                    "as georeferencing or no-data values. Get it again, or remove it.",
                    path=masked(path),
                )


Promises = Iterator[tuple[str, int]]
"""Names of files, and the bytes that each must have at least; 0 where that is not known."""


def _pixel_bytes(dataset: gdal.Dataset) -> int:
    bands = (dataset.GetRasterBand(number + 1) for number in range(dataset.RasterCount))
    each = sum(gdal.GetDataTypeSize(band.DataType) // 8 for band in bands)
    return int(dataset.RasterXSize * dataset.RasterYSize * each)


def _envi(dataset: gdal.Dataset, files: Sequence[str]) -> Promises:
    header = dataset.GetMetadata("ENVI") or {}
    if header.get("file_compression", "0").strip() in ("", "0"):
        yield dataset.GetDescription(), _pixel_bytes(dataset) + _number(header.get("header_offset"))


def _ehdr(dataset: gdal.Dataset, files: Sequence[str]) -> Promises:
    """Only where lines follow each other without gaps; missing parts are GDAL's errors."""
    path = next((path for path in files if path.lower().endswith(".hdr")), "")
    fields = read_fields(read_text(path), " ")
    bits = dataset.GetRasterBand(1).GetMetadataItem("NBITS", "IMAGE_STRUCTURE")
    each = _number(bits) or gdal.GetDataTypeSize(dataset.GetRasterBand(1).DataType)
    line = (dataset.RasterXSize * each + 7) // 8
    total = _number(fields.get("totalrowbytes"))
    if _number(fields.get("bandgapbytes")) or total not in (0, line, line * dataset.RasterCount):
        return
    size = _number(fields.get("skipbytes")) + dataset.RasterYSize * line * dataset.RasterCount
    found = gdal.VSIStatL(dataset.GetDescription())
    lacking = [name for name in ("nbands", "nbits") if name not in fields]
    if found is not None and found.size > size and lacking:
        raise RasterError(
            "The header {path} is damaged or incomplete: it lacks {lacking}, and {size} bytes are more than the "
            "{size2} of {bands} band(s) of {each} bits, which GDAL assumes instead. Get it again.",
            path=masked(path),
            lacking=", ".join(lacking),
            size=found.size,
            size2=size,
            bands=dataset.RasterCount,
            each=each,
        )
    yield dataset.GetDescription(), size


def _plain(dataset: gdal.Dataset, files: Sequence[str]) -> Promises:
    """Nothing but pixels."""
    yield dataset.GetDescription(), _pixel_bytes(dataset)


def _beside(ending: str, offset: str = "") -> Callable[[gdal.Dataset, Sequence[str]], Promises]:
    """Return the promise of formats with pixels in a file with this ending."""

    def promise(dataset: gdal.Dataset, files: Sequence[str]) -> Promises:
        path = next((path for path in files if path.lower().endswith(ending)), "")
        header = next((path for path in files if path.lower().endswith(".sgrd")), "")
        skipped = _number(read_fields(read_text(header), "=").get(offset)) if offset and header else 0
        if path and not path.startswith("/vsizip"):
            yield path, _pixel_bytes(dataset) + skipped

    return promise


def _pcraster(dataset: gdal.Dataset, files: Sequence[str]) -> Promises:
    yield dataset.GetDescription(), 256 + _pixel_bytes(dataset)


def _pcidsk(dataset: gdal.Dataset, files: Sequence[str]) -> Promises:
    return promised_files(dataset.GetDescription(), part_of)


def _netcdf(dataset: gdal.Dataset, files: Sequence[str]) -> Promises:
    match = re.match(r'NETCDF:"?(.*?)"?(?::[^:"/\\]+)?$', dataset.GetDescription(), re.IGNORECASE)
    path = match[1] if match else dataset.GetDescription()
    with contextlib.suppress(ValueError):  # netCDF 4 is HDF5, which looks at its size itself
        yield path, promised_bytes(part_of(path, 0, _LONGEST_HEADER))


def _hfa(dataset: gdal.Dataset, files: Sequence[str]) -> Promises:
    """The file of pixels beside a large Imagine file, a stack of layers of blocks."""
    path = next((path for path in files if path.lower().endswith(".ige")), "")
    band = dataset.GetRasterBand(1)
    columns, lines = band.GetBlockSize()
    bits = _number(band.GetMetadataItem("NBITS", "IMAGE_STRUCTURE")) or gdal.GetDataTypeSize(band.DataType)
    blocks = -(-dataset.RasterXSize // columns) * -(-dataset.RasterYSize // lines)
    tree = part_of(dataset.GetDescription(), 0, _LONGEST_XML) if path else b""
    for match in re.finditer(re.escape(os.path.basename(path).encode()) + rb"\0(.{24})", tree, re.DOTALL):
        _, begin, layers, layer = struct.unpack("<qqii", match[1])
        if 0 <= layer < layers and begin > 0:
            yield path, begin + layers * blocks * (columns * lines * bits // 8)


def _ilwis(dataset: gdal.Dataset, files: Sequence[str]) -> Promises:
    """The files of values that maps name."""
    own = dataset.GetDescription()
    maps = [own]
    if own.lower().endswith(".mpl"):
        listed = read_fields(read_text(own), "=")
        maps = [os.path.join(os.path.dirname(own), path) for name, path in listed.items() if re.match(r"map\d+$", name)]
    for path in maps:
        text = read_text(path)
        fields = read_fields(text.partition("[MapStore]")[2], "=")
        each = {"byte": 1, "int": 2, "long": 4, "float": 4, "real": 8}.get(fields.get("type", "").lower(), 0)
        if each and "data" in fields and "startoffset" not in fields:
            values = os.path.join(os.path.dirname(path), fields["data"].strip("'"))
            yield values, dataset.RasterXSize * dataset.RasterYSize * each


def _raw_bands(dataset: gdal.Dataset, files: Sequence[str]) -> Promises:
    """The raw files that a virtual raster describes by offsets."""
    text = "".join(dataset.GetMetadata_List("xml:VRT") or [])
    for opening, body in re.findall(r"<VRTRasterBand\b([^>]*)>(.*?)</VRTRasterBand>", text, re.DOTALL):
        name = re.search(r"<SourceFilename\b([^>]*)>([^<]*)<", body)
        number = re.search(r'\bband="(\d+)"', opening)
        if "VRTRawRasterBand" in opening and name and number:
            each = gdal.GetDataTypeSize(dataset.GetRasterBand(int(number[1])).DataType) // 8
            pixel = _offset(body, "PixelOffset", each)
            line = _offset(body, "LineOffset", pixel * dataset.RasterXSize)
            last = max(0, pixel * (dataset.RasterXSize - 1)) + max(0, line * (dataset.RasterYSize - 1))
            path = html.unescape(name[2])
            if re.search(r"relativeToVRT=.1", name[1], re.IGNORECASE):
                path = os.path.join(os.path.dirname(dataset.GetDescription()), path)
            yield path, _offset(body, "ImageOffset", 0) + last + each


def _offset(body: str, name: str, default: int) -> int:
    match = re.search(rf"<{name}>\s*(-?\d+)\s*<", body)
    return int(match[1]) if match else default


def _sqlite(dataset: gdal.Dataset, files: Sequence[str]) -> Promises:
    """SQLite fills up the last page with zeros. Where there is a write-ahead log, pages may be there."""
    path = inputs.local_file(dataset.GetDescription())
    head = part_of(path, 0, 100) if path else b""
    if head[:16] == b"SQLite format 3\0" and head[24:28] == head[92:96] and not os.path.exists(f"{path}-wal"):
        page = int.from_bytes(head[16:18], "big")
        yield path, (page if page > 1 else 1 << 16) * int.from_bytes(head[28:32], "big")


def _number(text: str | None) -> int:
    """Return a whole number; 0 where there is none."""
    match = re.match(r"\s*(\d+)\s*$", text or "")
    return int(match[1]) if match else 0


_PROMISES: dict[str, Callable[[gdal.Dataset, Sequence[str]], Promises]] = {
    "ENVI": _envi,
    "EHdr": _ehdr,
    "ROI_PAC": _plain,
    "RST": _plain,
    "RRASTER": _beside(".gri"),
    "SAGA": _beside(".sdat", "datafile_offset"),
    "PCIDSK": _pcidsk,
    "PCRaster": _pcraster,
    "netCDF": _netcdf,
    "HFA": _hfa,
    "ILWIS": _ilwis,
    "VRT": _raw_bands,
    **dict.fromkeys(("GPKG", "MBTiles", "Rasterlite"), _sqlite),
}

_NO_MORE = ("ENVI", "EHdr", "ROI_PAC", "RST", "RRASTER", "SAGA")
"""Formats whose files end with the last pixel."""
