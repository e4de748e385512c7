"""How a request or a script describes a raster of which a path does not say enough."""

from __future__ import annotations

import math
import numbers
import re
from dataclasses import dataclass
from typing import Any

from ..base.addresses import masked
from ..errors import RasterError
from ..phrases import Phrase
from .describedsource import DescribedSource

Ranges = tuple[tuple[float, float], ...]
"""Values that are no-data: from and to, both included; (nan, nan) stands for NaN."""

_RANGE = Phrase("A range in nodata")
_OPTION = re.compile(r"\|option:([^|]*)")
_FORM = '{"path": ..., "crs": ..., "nodata": [[[min, max], ...], ...], "use_source_nodata": ..., "open_options": [...]}'


@dataclass(frozen=True)
class RasterSource(DescribedSource):
    """A raster, and what is known of it beside its file: a source for every parameter that takes a raster.

        image = RasterSource("image.tif", crs="EPSG:32654", nodata=[[[0, 0]], [[0, 0], [65535, 65535]]])
        core.run("TensorflowModelServe", {"source1.il": [image], ...})

    In a request to the engine it is a JSON object with the same names.

    Attributes:
        path: what GDAL opens: a path, an http(s) address, a subdataset's name.
        crs: the coordinate system to use in place of the file's own: a code such as `EPSG:32654`, or WKT; empty for the
            file's own.
        nodata: for each band, the ranges of values that are no-data beside the file's own no-data value; both ends
            belong to a range. Empty for none in any band.
        use_source_nodata: False where the file's own no-data value does not count; one for all bands, or one for each.
        open_options: of GDAL's driver, each as `KEY=VALUE`.

    Raises:
        RasterError: one of them is of another type, a range is none, or an option has no `=`.
    """

    WHAT, FORM, ERROR = Phrase("raster"), _FORM, RasterError

    path: str
    crs: str = ""
    nodata: tuple[Ranges, ...] = ()
    use_source_nodata: bool | tuple[bool, ...] = True
    open_options: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._take(
            path=self._path(self.path),
            crs=self._text("crs", self.crs),
            nodata=tuple(_ranges(band) for band in self._listed("nodata", self.nodata)),
            use_source_nodata=_switches(self.use_source_nodata),
            open_options=tuple(_option(option) for option in self._listed("open_options", self.open_options)),
        )

    @classmethod
    def of_text(cls, text: str) -> RasterSource:
        """Return the raster that QGIS writes as `path|option:KEY=VALUE`.

        Raises:
            RasterError: an option has no `=`.
        """
        return cls(_OPTION.sub("", text), open_options=tuple(_OPTION.findall(text)))

    @property
    def plain(self) -> bool:
        """Whether the path alone says all."""
        return self == RasterSource(self.path)

    def uses_nodata_of(self, band: int) -> bool:
        """Return whether the file's no-data value of a band, counted from 0, counts."""
        use = self.use_source_nodata
        return use if isinstance(use, bool) else use[band]

    def ranges_of(self, band: int) -> Ranges:
        """Return the ranges of a band, counted from 0."""
        return self.nodata[band] if self.nodata else ()

    def check_bands(self, count: int) -> None:
        """Raise RasterError where there is something for another number of bands than the raster's."""
        for name in ("nodata", "use_source_nodata"):
            value = getattr(self, name)
            if not isinstance(value, bool) and len(value) not in ({0, count} if name == "nodata" else {count}):
                raise RasterError(
                    "{name} of {path} has {count} items, but the raster has {count2} bands: give an item for each "
                    "band.",
                    name=name,
                    path=masked(self.path),
                    count=len(value),
                    count2=count,
                )


def described(source: Any) -> Any:
    """Return a JSON object as the `RasterSource` that it is, a path object as text, and anything else as it is.

    Raises:
        RasterError: see `RasterSource.read`.
    """
    return RasterSource.described(source)


def path_of(source: Any) -> str:
    """Return the path (or address) of a raster or layer; empty where it is a raster in memory."""
    return str(source) if isinstance(source, str) or isinstance(getattr(source, "path", None), str) else ""


def has_options(text: str) -> bool:
    """Return whether a text is one as `RasterSource.of_text` reads it."""
    return _OPTION.search(text) is not None


def _ranges(band: Any) -> Ranges:
    return tuple(_range(pair) for pair in RasterSource._listed("nodata", band))


def _range(pair: Any) -> tuple[float, float]:
    numbers_ = isinstance(pair, (list, tuple)) and all(
        isinstance(end, numbers.Real) and not isinstance(end, bool) for end in pair
    )
    if not numbers_ or len(pair) != 2:
        raise RasterSource._refused(_RANGE, pair, Phrase("two numbers, [min, max]"))
    low, high = (int(end) if isinstance(end, numbers.Integral) else float(end) for end in pair)
    if not low <= high and not (math.isnan(low) and math.isnan(high)):
        raise RasterSource._refused(_RANGE, pair, Phrase("two numbers of which the first is not larger"))
    return low, high


def _switches(value: Any) -> bool | tuple[bool, ...]:
    if isinstance(value, bool):
        return value
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, bool) for item in value):
        raise RasterSource._refused(
            "use_source_nodata", value, Phrase("true, false, or a list of these, one for each band")
        )
    return tuple(value)


def _option(value: Any) -> str:
    if not isinstance(value, str) or not value.partition("=")[0] or "=" not in value:
        raise RasterSource._refused(Phrase("An item of open_options"), value, Phrase("a text KEY=VALUE"))
    return value
