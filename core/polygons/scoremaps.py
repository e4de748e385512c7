"""Reading the extent, the boundaries and the distances of objects: bands of one raster, or rasters on one grid."""

from __future__ import annotations

import numpy as np

from .. import errors
from ..base.progress import Progress
from ..errors import ParameterError, RasterError
from ..geometry.grid import Box
from ..operations.maptopolygons import MapToPolygons
from ..phrases import Phrase
from .mapreading import Beside, Placed
from .watershed import Scores

_SCALE = Phrase("divide the values by their maximum first (Raster > Raster Calculator)")

_ROUNDING = 1e-3
"""By which probabilities may miss 0 and 1."""


class ScoreMaps:
    """Extent, boundary and distance of objects.

    Attributes:
        placed: the raster of the extent.
    """

    def __init__(self, parameters: MapToPolygons, progress: Progress) -> None:
        """Open the rasters.

        Raises:
            ParameterError, RasterError: they cannot be used.
        """
        self.placed = Placed(parameters.image, parameters.alpha, progress)
        stack = self._stack = self.placed.stack
        self._threshold = parameters.least_extent
        self._missing = stack.missing(parameters.nodata, parameters.nodata_from_layer, nan=True)
        given = [key for key in ("boundaries", "distances") if getattr(parameters, key) is not None]
        self._check_bands(given)
        self._beside = {key: self._opened(key, parameters, progress) for key in given}

    def _check_bands(self, given: list[str]) -> None:
        known = {
            "in": errors.field("image"),
            "raster": self._stack.names[0],
            "bands": self._stack.bands,
            "instances": errors.field("instances"),
            "boundaries": errors.field("boundaries"),
            "distances": errors.field("distances"),
        }
        if self._stack.bands == 1 and not given:
            raise ParameterError(
                "{instances} is given, but {in} is {raster}, which has the extent of objects only: give {boundaries} or "
                "{distances}, or a raster with extent, boundary and distance as its bands.",
                **known,
            )
        if self._stack.bands > 3:
            raise ParameterError(
                "{in} is {raster}, which has {bands} bands, but {instances} takes at most three: extent, boundary and "
                "distance.",
                **known,
            )
        if self._stack.bands > 1 and given:
            raise ParameterError(
                "{given} is given, but {in} is {raster}, which has {bands} bands: extent, boundary and distance are either "
                "its bands, or three rasters of one band.",
                given=errors.field(given[0]),
                **known,
            )

    def _opened(self, key: str, parameters: MapToPolygons, progress: Progress) -> Beside:
        beside = Beside(key, parameters, self.placed, progress)
        if beside.stack.bands != 1:
            raise ParameterError(
                "{given} is {raster}, which has {bands} bands, but must have one: extract one (Raster > Conversion > "
                "Rearrange bands).",
                given=errors.field(key),
                raster=beside.stack.names[0],
                bands=beside.stack.bands,
            )
        return beside

    def read(self, box: Box) -> Scores:
        """Return the scores in a window; pixels without data are in no object.

        Raises:
            RasterError: a value is not between 0 and 1.
        """
        pixels = self._stack.read(box)
        missing = self._missing.marked(pixels, box)
        bands = dict(zip(("image", "boundaries", "distances"), np.moveaxis(pixels, -1, 0).astype("float64")))
        bands.update({key: beside.read(box)[..., 0] for key, beside in self._beside.items()})
        for values in bands.values():
            missing = missing | np.isnan(values)
        for key, values in bands.items():
            self._check(key, values, missing, box)
        extent = bands["image"]
        inside = ~missing & (extent >= self._threshold)
        return Scores(np.where(missing, np.nan, extent), bands.get("boundaries"), bands.get("distances"), inside)

    def _check(self, key: str, values: np.ndarray, missing: np.ndarray, box: Box) -> None:
        wrong = np.flatnonzero(~missing & ((values < -_ROUNDING) | (values > 1 + _ROUNDING)))
        if len(wrong):
            row, column = divmod(int(wrong[0]), values.shape[1])
            beside = self._beside.get(key)
            gap = Phrase(
                "{scale}, or give it in {nodata} if it is no data", scale=_SCALE, nodata=errors.field("nodata")
            )
            raise RasterError(
                "{given} is {raster}, which has the value {value:g} in column {column}, row {row}, but {instances} needs "
                "extent, boundary and distance between 0 and 1: {cure}.",
                given=errors.field(key if beside else "image"),
                raster=(beside.stack if beside else self._stack).names[0],
                value=values[row, column],
                column=box.x + column,
                row=box.y + row,
                instances=errors.field("instances"),
                cure=_SCALE if beside else gap,
            )
