"""The pixels of a QGIS data provider, block by block; nothing that a server fails to send passes for a pixel."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from qgis.core import Qgis, QgsNetworkAccessManager, QgsRasterBlock, QgsRasterBlockFeedback, QgsRectangle
from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtGui import QImage

from ..core.base.progress import Progress
from ..core.errors import RasterError
from ..core.phrases import Phrase
from ..core.rasters.pixeltypes import numpy_type
from .layergrid import nudged
from .replies import Replies

_PAUSES = (1.0, 3.0)
"""Seconds before a block is read again of which the server did not send all."""

_FINER = 3
"""Of tiles of one zoom level, each pixel is read as 3 x 3, of which the middle one counts.

QGIS scales each tile to whole pixels of the picture: from 3.42 on a pixel too wide and high, which would move parts of it.
"""

_LOOK = 100  # milliseconds between two looks at the user's wish to stop
_COLOURS = (Qgis.DataType.ARGB32, Qgis.DataType.ARGB32_Premultiplied)
_VIRTUAL_NODATA = -3.4028234663852886e38
"""What the calculator of virtual rasters writes where an input has no data; QGIS 3.22 declares no value for it."""


class ProviderBlocks:
    """Reads a provider: pictures as red, green, blue and a mask; data as their own bands, with a no-data value.

    Attributes:
        bands: number of bands.
        dtype: NumPy's type of all bands.
        nodata: no-data value of all bands, nan for real numbers of several; None where there is a mask, or no no-data.
        masked: whether what has no data follows from `read` alone: the transparent pixels of a picture.
    """

    def __init__(
        self, provider: Any, one_level: bool, called: str, network: QgsNetworkAccessManager, progress: Progress
    ) -> None:
        """Take a provider; call it in the thread that reads it.

        Args:
            provider: a clone of a layer's provider that belongs to this thread.
            one_level: whether it has tiles of one zoom level only.
            called: the parameter and the layer, for messages.
            network: the network manager of the main thread, which hears of the requests of all threads.
            progress: may ask to stop.
        """
        self._provider, self._called, self._progress = provider, called, progress
        self._replies = Replies(str(provider.dataSourceUri()), network)
        self._finer = _FINER if one_level else 1
        self._in_tiles = bool(provider.nativeResolutions()) and not one_level
        self.masked = provider.dataType(1) in _COLOURS
        self.bands, self.dtype, self.nodata = 3, np.dtype("uint8"), None
        if not self.masked:
            self.bands = provider.bandCount()
            self.dtype, self.nodata = _data_type(provider)

    @property
    def missing(self) -> int:
        """Number of addresses that the server says it has nothing for, such as tiles beyond what it covers."""
        return self._replies.missing

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear of the server's replies meanwhile, which `read` needs."""
        with self._replies.heard():
            yield

    def read(self, extent: QgsRectangle, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the pixels (bands x height x width) of an extent, and where all bands have no data (height x width).

        Raises:
            RasterError: the provider fails, or its server does, after several attempts.
            Cancelled: the user asked to stop.
        """
        for pause in (*_PAUSES, None):
            blocks, problems = self._attempt(extent, width * self._finer, height * self._finer)
            if not problems:
                pixels, empty = self._pixels(blocks)
                problems = self._failures() if empty.any() else []
                if not problems:
                    return pixels, empty
            if pause is not None:
                self._wait(pause)
        raise RasterError(
            "{called} cannot be read: {fromkeys}. A part of it is missing, so nothing is computed. Check that QGIS "
            "shows the layer there, then run again; tiles that have arrived are kept for a while.",
            called=self._called,
            fromkeys="; ".join(dict.fromkeys(problems)),
        )

    def _attempt(self, extent: QgsRectangle, width: int, height: int) -> tuple[list[QgsRasterBlock], list[str]]:
        """Return the blocks of all bands, and why they cannot be used."""
        self._replies.forget()
        feedback, timer = QgsRasterBlockFeedback(), QTimer()
        # Providers wait in an event loop of their own, where Cancel reaches them by a timer only.
        timer.timeout.connect(lambda: feedback.cancel() if self._progress.cancelled() else None)
        timer.start(_LOOK)
        bands = range(1, 2 if self.masked else self.bands + 1)
        extent = nudged(extent, extent.width() / width) if self._in_tiles else extent
        blocks = [self._provider.block(band, extent, width, height, feedback) for band in bands]
        timer.stop()
        self._progress.check()
        errors = [str(error) for error in feedback.errors()]
        problems = self._failures(errors) if errors else []
        if any(not block.isValid() or (block.width(), block.height()) != (width, height) for block in blocks):
            problems = problems or self._failures() or [Phrase("the provider returns no pixels")]
        return blocks, problems

    def _failures(self, errors: Sequence[str] = ()) -> list[str]:
        """Return what failed, from the replies, else from what the provider says itself; nothing if tiles just lack."""
        self._replies.settle()
        return self._replies.failures() or ([] if self._replies.explained() else [*errors])

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._progress.check()
            time.sleep(_LOOK / 1000)

    def _pixels(self, blocks: list[QgsRasterBlock]) -> tuple[np.ndarray, np.ndarray]:
        if self.masked:
            middle = slice(self._finer // 2, None, self._finer)
            colours = _colours(blocks[0].image())[middle, middle]
            return colours[..., :3].transpose(2, 0, 1), colours[..., 3] == 0
        values, empty = zip(*(self._values(block) for block in blocks))
        return np.stack(values), np.logical_and.reduce(empty)

    def _values(self, block: QgsRasterBlock) -> tuple[np.ndarray, np.ndarray]:
        """Return a band's values, those without data replaced by the file's no-data value, and where these are."""
        shape = block.height(), block.width()
        own = np.frombuffer(bytes(block.data()), numpy_type(_code(block.dataType()))).reshape(shape)
        values, empty = own.astype(self.dtype), np.zeros(shape, bool)
        if block.hasNoDataValue():
            empty |= own == block.noDataValue()
        elif block.hasNoData():  # known pixel by pixel only
            empty |= np.fromiter(map(block.isNoData, range(own.size)), bool, own.size).reshape(shape)
        if np.issubdtype(own.dtype, np.floating):
            empty |= np.isnan(own)
        if self._provider.name() == "virtualraster":
            empty |= own == _VIRTUAL_NODATA
        if self.nodata is None and empty.any():
            raise RasterError(
                "{called} has pixels without data, but declares no value for them: save it as a GeoTIFF.",
                called=self._called,
            )
        values[empty] = self.nodata if self.nodata is not None else 0
        return values, empty


def _data_type(provider: Any) -> tuple[np.dtype, float | None]:
    """Return the type that holds all bands of data, and their no-data value; nan where they have no common one."""
    bands = range(1, provider.bandCount() + 1)
    types = [numpy_type(_code(provider.dataType(band))) for band in bands]
    declared = {
        float(provider.sourceNoDataValue(band))
        if provider.sourceHasNoDataValue(band) and provider.useSourceNoDataValue(band)
        else None
        for band in bands
    }
    ranges = any(provider.userNoDataValues(band) for band in bands)
    common = np.result_type(*types)
    if len(set(types)) == len(declared) == 1 and (declared != {None} or not ranges) and common.kind in "iu":
        return common, declared.pop()
    return np.result_type(common, "float32"), float("nan")


def _code(kind: Any) -> int:
    """Return the number that QGIS and GDAL share for a pixel type."""
    return int(getattr(kind, "value", kind))


def _colours(image: QImage) -> np.ndarray:
    """Return a picture as height x width x RGBA, not premultiplied."""
    plain = image.convertToFormat(QImage.Format.Format_RGBA8888)
    pointer = plain.constBits()
    pointer.setsize(plain.sizeInBytes())
    rows = np.frombuffer(pointer, "uint8").reshape(plain.height(), plain.bytesPerLine())
    return rows[:, : 4 * plain.width()].reshape(plain.height(), plain.width(), 4).copy()
