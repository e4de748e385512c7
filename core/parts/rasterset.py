"""The rasters that one run writes together: all are moved to their places, or none."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from ..base.progress import Progress
from ..errors import field
from ..files.staging import Staging
from ..geometry.grid import Grid
from ..parameters.rasteroutputs import output_paths, results_of
from ..rasters.outputfields import OUT_FIELDS
from ..rasters.rasteroutput import OutputRaster, creation_options, driver_for
from ..rasters.rasterreference import Reference
from .rasterwork import RasterForm


class RasterSet:
    """Rasters, each with the form that a run in parts would give it.

    Attributes:
        results: their paths by key.
    """

    def __init__(self, parameters: Any, stack: ExitStack, progress: Progress) -> None:
        """Check the outputs and make room for them, until `stack` is left.

        Args:
            parameters: of the operation.
            stack: owns the files.
            progress: told of the hidden folders.

        Raises:
            ParameterError: an output cannot be made.
        """
        paths, self.results = output_paths(parameters), results_of(parameters)
        self._stack, self._progress, self._overviews = stack, progress, parameters.out_overviews
        drivers = {name: driver_for(path, parameters.out_format, OUT_FIELDS) for name, path in paths.items()}
        self._options = creation_options(parameters.out_co, OUT_FIELDS.options)
        self._made = {
            name: (stack.enter_context(Staging(path, progress, field(name))), drivers[name])
            for name, path in paths.items()
        }
        self._rasters: list[OutputRaster] = []

    def open(self, forms: Sequence[RasterForm], grid: Grid, reference: Reference) -> list[OutputRaster]:
        """Create the rasters.

        Args:
            forms: what they are, one for each path.
            grid: their pixels.
            reference: their coordinate system.

        Raises:
            RasterError: GDAL cannot create one.
        """
        for form in forms:
            place, driver = self._made[form.name]
            raster = OutputRaster(
                place,
                grid,
                form.bands,
                form.dtype,
                reference,
                driver,
                self._options,
                nodata=form.nodata,
                content=form.content,
                fields=form.fields,
                overviews=self._overviews,
            )
            self._rasters.append(self._stack.enter_context(raster))
        return self._rasters

    def commit(self) -> None:
        """Close and check all, then move them to their places, the map last.

        Raises:
            RasterError: one of these fails; nothing is changed at the final paths then.
            Cancelled: while copying.
        """
        for raster in self._rasters:
            raster.close(self._progress)
        for place, _ in list(self._made.values())[::-1]:
            place.commit()
