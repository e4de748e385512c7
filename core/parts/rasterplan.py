"""What a plan says of the rasters of the output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.jsonvalues import Json
from ..phrases import Phrase

_LARGEST_TEXT = 8 << 20


@dataclass(frozen=True)
class PlannedRaster:
    """One raster of the output.

    Attributes:
        name: field of its parameter.
        bands: their number.
        dtype: of its pixels.
        background: what no-data becomes.
        nodata: what is declared as such; None for nothing.
        vrt: the virtual raster of the whole, without its sources.
    """

    name: str
    bands: int
    dtype: str
    background: float
    nodata: float | None
    vrt: str

    @property
    def file(self) -> str:
        """End of the names of its files in the folder of parts."""
        return "tif" if self.name == "out" else f"{self.name}.tif"

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel of all bands."""
        return self.bands * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class RasterPlan:
    """The rasters of the output.

    Attributes:
        rasters: the first is that of OUT.
        driver, options: how parts are written.
        overviews: whether they get overviews.
    """

    rasters: tuple[PlannedRaster, ...]
    driver: str
    options: tuple[str, ...]
    overviews: bool

    def values(self) -> dict[str, Any]:
        """Return it in values of JSON; `read_raster_plan` reads them."""
        return {
            "rasters": [vars(raster) for raster in self.rasters],
            "driver": self.driver,
            "options": self.options,
            "overviews": self.overviews,
        }


def read_raster_plan(found: Json) -> RasterPlan:
    """Return what the values of a plan say.

    Raises:
        OddJson: they say nothing of rasters.
    """
    return RasterPlan(
        tuple(map(_read_raster, found["rasters"].items())),
        found["driver"].text(),
        tuple(item.text() for item in found["options"].items()),
        found["overviews"].flag(),
    )


def _read_raster(found: Json) -> PlannedRaster:
    nodata = found.get("nodata")
    try:
        dtype = np.dtype(found["dtype"].text(20)).name
    except TypeError as error:
        raise found["dtype"].odd(Phrase("a type of pixels")) from error
    return PlannedRaster(
        found["name"].text(),
        found["bands"].whole(1),
        dtype,
        found["background"].number(),
        None if nodata is None else nodata.number(),
        found["vrt"].text(_LARGEST_TEXT),
    )
