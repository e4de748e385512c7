"""Calling GDAL so that it behaves the same whether its exceptions are on or off.

Inside QGIS that switch belongs to QGIS, so nothing here touches it (nor any other global state of
GDAL). Errors are collected by a handler that is pushed for the current thread only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from osgeo import gdal

from ..base.addresses import masked
from ..errors import OtbtfError, RasterError
from ..phrases import Phrase
from .privatecopies import source_to_open


class Errors:
    """The errors that GDAL reported inside `collected_errors`."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.warnings: list[str] = []
        self.failures: list[str] = []
        self.failed = False

    def add(self, level: int, message: str) -> None:
        """Take what GDAL reports, unless it is a mere note."""
        if level >= gdal.CE_Warning:
            self.messages.append(message)
            (self.warnings if level == gdal.CE_Warning else self.failures).append(message)
        self.failed |= level >= gdal.CE_Failure

    @property
    def phrase(self) -> Phrase:
        """The text as `str` has it, but translatable."""
        texts = (text if isinstance(text, Phrase) else text.strip().rstrip(".") for text in self.messages)
        seen = dict.fromkeys(text for text in texts if text)
        return Phrase("; ").join(seen) if seen else Phrase("GDAL gives no reason")

    def __str__(self) -> str:
        return str(self.phrase)


@contextmanager
def _thread_option(name: str, value: str) -> Iterator[None]:
    """Set one of GDAL's options meanwhile, for this thread only."""
    before = gdal.GetThreadLocalConfigOption(name)
    gdal.SetThreadLocalConfigOption(name, value)
    try:
        yield
    finally:
        gdal.SetThreadLocalConfigOption(name, before)


def mapped_files() -> AbstractContextManager[None]:
    """Have the TIFF files that this thread opens inside mapped into memory, where they are not compressed.

    Reading small parts takes a fraction of the time then: GDAL copies pixels from the file's pages, without splitting
    them by band into blocks and back. All that was read counts as memory of this process, though.
    """
    return _thread_option("GTIFF_VIRTUAL_MEM_IO", "YES")


def reads_directly(dataset: gdal.Dataset) -> bool:
    """Return whether a raster gains by `direct_reading`, and is safe with it.

    Of files in strips, it gives anything for what is missing at the end, without an error (GDAL 3.6).
    """
    if dataset.GetDriver().ShortName != "GTiff" or dataset.GetMetadataItem("COMPRESSION", "IMAGE_STRUCTURE"):
        return False
    return bool(dataset.RasterCount) and dataset.GetRasterBand(1).GetBlockSize()[0] < dataset.RasterXSize


def direct_reading() -> AbstractContextManager[None]:
    """Have the TIFF files that this thread opens inside read straight into the caller's array.

    Measured: a quarter of the processor's time that it takes through GDAL's cache of blocks.
    """
    return _thread_option("GTIFF_DIRECT_IO", "YES")


def open_unchanged(source: str, flags: int, error: type[OtbtfError], options: Sequence[str] = ()) -> Any:
    """Open a data set for reading as gdal.OpenEx does, and leave it and what lies beside it as they are.

    Args:
        source: what GDAL opens.
        flags: what it may be, and more, as gdal.OpenEx takes them.
        error: what is raised.
        options: open options of its driver.

    Raises:
        OtbtfError: the file changes by being opened, and cannot be copied.
    """
    name = source_to_open(source, error)
    options = list(options)
    # Else GDAL makes a database beside the file, or notes how large it is when unpacked.
    with _thread_option("OGR_VFK_DB_NAME", ":memory:"), _thread_option("CPL_VSIL_GZIP_WRITE_PROPERTIES", "NO"):
        if flags & gdal.OF_VECTOR:
            options += _without_traces(name)
        return gdal.OpenEx(name, flags | gdal.OF_READONLY, open_options=options)


def _without_traces(source: str) -> list[str]:
    """Return the options that keep a format from writing beside what it reads: GML its .gfs."""
    driver = gdal.IdentifyDriverEx(source, gdal.OF_VECTOR)
    known = (driver.GetMetadataItem("DMD_OPENOPTIONLIST") or "") if driver is not None else ""
    return ["WRITE_GFS=NO"] if "'WRITE_GFS'" in known else []


def close_now(dataset: gdal.Dataset | None) -> None:
    """Close a data set that was written, whoever else refers to it; nobody may use it afterwards.

    A data set that is let go is closed with the last reference to it, and Python's profilers (each worker of Dask has one)
    keep those of the functions that they look at. Until then its file may lack pixels.
    """
    if dataset is None:
        return
    if hasattr(dataset, "Close"):  # since GDAL 3.8
        dataset.Close()
    else:
        gdal.Dataset.__swig_destroy__(dataset)


def ask_lazy(dataset: gdal.Dataset) -> None:
    """Have GDAL read now what it reads of a raster when it is asked for: where it lies."""
    dataset.GetProjection()
    dataset.GetGeoTransform()
    dataset.GetGCPCount()


def decoding_options() -> list[str]:
    """Return the options for opening a raster whose format decompresses in several threads.

    Before GDAL 3.10, GeoTIFFs read so can crash, or tell of errors that are none (OSGeo/gdal issues 7921 and 8984).
    The @ lets other formats pass over it.
    """
    return ["@NUM_THREADS=ALL_CPUS"] if int(gdal.VersionInfo()) >= 3100000 else []


def check_options(name: str, options: Sequence[str], errors: Errors) -> None:
    """Raise RasterError where the format of a raster that was opened lacks one of the options given for it.

    Args:
        name: of the raster, for the message.
        options: open options that the user gave.
        errors: what GDAL said while it was opened, among it a mere warning of that.
    """
    lacking = [text for text in errors.messages if "open option" in text] if options else []
    if lacking:
        raise RasterError(
            "{name} was opened with {options}: {lacking}. Remove the option.",
            name=masked(name),
            options=", ".join(options),
            lacking=masked(lacking[0]),
        )


def _without_exceptions() -> AbstractContextManager[Any]:
    """Have GDAL's bindings raise nothing meanwhile, in this thread only.

    Since GDAL 3.7 they keep a failure from the handlers else, and drop it where the call returns something all the same.
    """
    return gdal.ExceptionMgr(useExceptions=False) if int(gdal.VersionInfo()) >= 3070000 else nullcontext()


@contextmanager
def collected_errors() -> Iterator[Errors]:
    """Collect GDAL's errors and warnings of this thread, in either mode; swallow its RuntimeError.

    The caller looks at `failed` afterwards, and at the value that the call should have returned.
    """
    errors = Errors()

    def handler(*told: Any) -> None:
        # The bindings hand over nothing where the message is no UTF-8: it may quote a damaged file.
        level, _, message = told or (gdal.GetLastErrorType(), gdal.GetLastErrorNo(), gdal.GetLastErrorMsg())
        errors.add(level, message.encode("utf-8", "backslashreplace").decode())

    gdal.PushErrorHandler(handler)
    try:
        with _without_exceptions():
            yield errors
    except RuntimeError as error:  # what the bindings raise where exceptions are on
        errors.failed = True
        if not errors.messages:
            errors.messages.append(str(error))
    except SystemError as error:  # the same, as the bindings may end then: here, or in whatever is called next
        undecoded = _undecoded(error)
        if undecoded is None:
            raise
        errors.failed = True
        errors.messages.append(undecoded.decode("utf-8", "backslashreplace"))
    finally:
        gdal.PopErrorHandler()


def _undecoded(error: BaseException) -> bytes | None:
    """Return the message that the bindings could not decode, from an error that this led to; None if it did not."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, UnicodeDecodeError):
            return cause.object
        cause = cause.__cause__
    return None
