"""The files of a raster: watched while a run reads them, and as long as their format promises."""

from __future__ import annotations

import re

from osgeo import gdal

from ..base.addresses import masked
from ..errors import RasterError
from ..files import inputs
from ..files.gdalcalls import collected_errors, open_unchanged
from .netcdfheader import promised_bytes

_BESIDE = (".aux.xml", ".ovr")
"""Files without pixels that are read, which QGIS and GDAL write while they show a raster."""

_LONGEST_HEADER = 1 << 20
_DEEPEST = 8  # virtual rasters within others
_TRUNCATED = re.compile(r"premature end|corrupt jpeg|truncated|unexpected end", re.IGNORECASE)


def watch_files(dataset: gdal.Dataset, name: str) -> None:
    """Have the run notice when a file of an open raster changes, those of a virtual one's sources too.

    Raises:
        RasterError: a file is none that ends, such as a pipe.
    """
    watching = inputs.current()
    for path in _files(dataset, _DEEPEST):
        inputs.check_ordinary(path, f"{name}: its file {path}" if path != name else "")
        local = inputs.local_file(path)
        if watching is not None and local:
            watching.watch(local, name)


def _files(dataset: gdal.Dataset, deepest: int) -> list[str]:
    """Return the names of files from which pixels are read, as far as GDAL tells them."""
    own, found = dataset.GetDescription(), []
    for path in _file_list(dataset):
        if path.lower().endswith(_BESIDE):
            continue
        found.append(path)
        if path.lower().endswith(".vrt") and path != own and deepest:
            inner = None
            with collected_errors():
                inner = open_unchanged(path, gdal.OF_RASTER, RasterError)
            if inner is not None:
                found += _files(inner, deepest - 1)
    return found


def _file_list(dataset: gdal.Dataset) -> list[str]:
    with collected_errors():
        return dataset.GetFileList() or []
    return []


def tells_of_truncation(messages: list[str]) -> bool:
    """Return whether GDAL's warnings say that pixels are missing: JPEG files are filled up with grey then."""
    return any(_TRUNCATED.search(message) for message in messages)


def check_whole(dataset: gdal.Dataset, name: str) -> None:
    """Raise RasterError where a file is shorter than what its format promises.

    Asked only where GDAL gives zeros for what is missing, and no error: ENVI, PCIDSK, PCRaster, classic netCDF.
    """
    promise = _PROMISES.get(dataset.GetDriver().ShortName)
    if promise is None or not dataset.RasterCount:
        return
    path, size = promise(dataset)
    found = gdal.VSIStatL(path) if size else None
    if found is not None and found.size < size:
        raise RasterError(
            f"{masked(name)} is damaged or incomplete: its file {masked(path)} has {found.size} bytes, where its header "
            f"promises {size}. Get it again."
        )


def _pixel_bytes(dataset: gdal.Dataset) -> int:
    bands = (dataset.GetRasterBand(number + 1) for number in range(dataset.RasterCount))
    each = sum(gdal.GetDataTypeSize(band.DataType) // 8 for band in bands)
    return int(dataset.RasterXSize * dataset.RasterYSize * each)


def _envi(dataset: gdal.Dataset) -> tuple[str, int]:
    header = dataset.GetMetadata("ENVI") or {}
    if header.get("file_compression", "0").strip() not in ("", "0"):
        return "", 0
    offset = header.get("header_offset", "0").strip()
    return dataset.GetDescription(), _pixel_bytes(dataset) + (int(offset) if offset.isdecimal() else 0)


def _pcraster(dataset: gdal.Dataset) -> tuple[str, int]:
    return dataset.GetDescription(), 256 + _pixel_bytes(dataset)


def _pcidsk(dataset: gdal.Dataset) -> tuple[str, int]:
    path = dataset.GetDescription()
    head = _head(path, 368).decode("latin-1")
    blocks, layout = head[16:32].strip(), head[360:368].strip()  # of 512 bytes; tiled files may have holes
    return path, 512 * int(blocks) if blocks.isdecimal() and layout in ("PIXEL", "BAND") else 0


def _netcdf(dataset: gdal.Dataset) -> tuple[str, int]:
    match = re.match(r'NETCDF:"?(.*?)"?(?::[^:"/\\]+)?$', dataset.GetDescription(), re.IGNORECASE)
    path = match[1] if match else dataset.GetDescription()
    try:
        return path, promised_bytes(_head(path, _LONGEST_HEADER))
    except ValueError:  # netCDF 4 is HDF5, which looks at its size itself
        return "", 0


def _head(path: str, size: int) -> bytes:
    file = gdal.VSIFOpenL(path, "rb")
    if file is None:
        return b""
    try:
        return bytes(gdal.VSIFReadL(1, size, file) or b"")
    finally:
        gdal.VSIFCloseL(file)


_PROMISES = {"ENVI": _envi, "PCIDSK": _pcidsk, "PCRaster": _pcraster, "netCDF": _netcdf}
"""Return a file's name, and the bytes that it must have at least; 0 where that is not known."""
