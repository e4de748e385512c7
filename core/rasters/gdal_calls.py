"""Calling GDAL so that it behaves the same whether its exceptions are on or off.

Inside QGIS that switch belongs to QGIS, so nothing here touches it (nor any other global state of
GDAL). Errors are collected by a handler that is pushed for the current thread only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from osgeo import gdal


class Errors:
    """The errors that GDAL reported inside `collected_errors`."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.failed = False

    def __str__(self) -> str:
        seen = dict.fromkeys(message.strip().rstrip(".") for message in self.messages if message.strip())
        return "; ".join(seen) or "GDAL gives no reason"


@contextmanager
def collected_errors() -> Iterator[Errors]:
    """Collect GDAL's errors and warnings of this thread, in either mode; swallow its RuntimeError.

    The caller looks at `failed` afterwards, and at the value that the call should have returned.
    """
    errors = Errors()

    def handler(level: int, _number: int, message: str) -> None:
        if level >= gdal.CE_Warning:
            errors.messages.append(message)
        if level >= gdal.CE_Failure:
            errors.failed = True

    gdal.PushErrorHandler(handler)
    try:
        yield errors
    except RuntimeError as error:  # what the bindings raise where exceptions are on
        errors.failed = True
        if not errors.messages:
            errors.messages.append(str(error))
    finally:
        gdal.PopErrorHandler()
