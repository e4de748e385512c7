"""The work of BandMathX and BandMath: an expression over images, tile by tile, in double precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..bandmath.expression import Expression, Surroundings
from ..bandmath.meaning import BANDMATHX, Language
from ..bandmath.scalarmeaning import BANDMATH
from ..base.progress import Part, Progress
from ..errors import ParameterError, RasterError, field
from ..geometry.grid import Box
from ..operations.bandmath import BandMath
from ..operations.bandmathx import BandMathX
from ..patches.imagestatistics import computed_statistics, variables_of
from ..phrases import Phrase
from ..rasters.alpha import AUTO, BAND, decide
from ..rasters.conversion import Converter
from ..rasters.nodatacomparison import ranges_of, within
from ..rasters.outputarea import wanted_box
from ..rasters.pixeltypes import check_fits, written_type
from ..rasters.placement import check_same, handed_on
from ..rasters.rasterreference import check_references
from ..rasters.rasterstack import Stack
from ..samples.validity import Validity
from .tooloutput import check_output, converted, output_raster, results, warn, write_by_tiles


def band_math(parameters: BandMath, progress: Progress) -> dict[str, Any]:
    """Compute the expression for each pixel and return {"out": path, ...}, as `core.imagetools.tooloutput.results` has it.

    Values are computed in double precision. In an output of whole numbers, fractions are cut off and values beyond the
    type become its largest or smallest, as in OTB.

    Raises:
        ParameterError, RasterError: bad input, before work starts.
        Cancelled: `progress` asked to stop; nothing is left behind.
    """
    return compute(parameters, BANDMATH, progress)


def band_math_x(parameters: BandMathX, progress: Progress) -> dict[str, Any]:
    """Compute the expression for each pixel and return {"out": path, ...}, as `core.imagetools.tooloutput.results` has it.

    Values are computed in double precision. In an output of whole numbers, fractions are cut off and values beyond the
    type become its largest or smallest, as in OTB.

    Raises:
        ParameterError, RasterError: bad input, before work starts.
        Cancelled: `progress` asked to stop; nothing is left behind.
    """
    return compute(parameters, BANDMATHX, progress)


def compute(parameters: Any, language: Language, progress: Progress) -> dict[str, Any]:
    """Compute an expression in one of the two languages; see `band_math_x`."""
    expression = Expression(parameters.exp, language)
    images = _opened(parameters, expression, progress)
    _check_alike(images)
    bands = expression.check([image.bands for image in images])
    check_output(parameters)
    first = images[0]
    box = wanted_box(parameters.out_box, "", first.grid, first.reference)
    reference = handed_on(
        first.names[0], first.reference, box == first.grid.box, Phrase("by {out_box}", out_box=field("out_box"))
    )
    dtype = written_type("float32", parameters.out_pixeltype)
    valid = [Validity(image, parameters.nodata, parameters.nodata_from_layer) for image in images]
    masked = not all(each.everywhere for each in valid)
    nodata = parameters.out_nodata if parameters.out_nodata is not None else np.nan if dtype.kind == "f" else 0.0
    check_fits(nodata, dtype, field("out_nodata"))
    statistics = _statistics(expression, images, Part(progress, 0, 0.5))
    work = _Work(expression, images, statistics, valid, Converter(dtype, nodata), nodata)
    chosen = parameters.out_nodata is not None
    share = Part(progress, 0.5 if statistics else 0, 1)
    declared = nodata if masked or chosen else None
    with output_raster(parameters, first.grid.part(box), bands, dtype, reference, progress, declared) as raster:
        each = work.bytes_per_pixel(bands)
        write_by_tiles(raster, box, each, parameters.memory, work.tile, share)
        raster.commit(progress)
    warn(work.converter, nodata, progress)
    if work.mistaken and not chosen:
        progress.warning(
            Phrase(
                "{mistaken} results equal the no-data value {nodata:g} of the output and became no-data: set "
                "{out_nodata} to a value that the expression does not return, such as 255 for uint8.",
                mistaken=work.mistaken,
                nodata=nodata,
                out_nodata=field("out_nodata"),
            )
        )
    return results(parameters.out, box, bands)


def _opened(parameters: Any, expression: Expression, progress: Progress) -> list[Stack]:
    """Open the images; bands that are marked as alpha are bands where the expression cannot do without."""
    looks_up = "Phy" in parameters.exp  # the coordinates of a pixel, or its size
    images = [Stack([source], placed=looks_up) for source in parameters.il]
    alpha = parameters.alpha
    if alpha == AUTO and any(image.alphas for image in images):
        try:
            expression.check([image.bands - len(image.alphas) for image in images])
        except ParameterError:
            alpha = BAND
    for image in images:
        decide(image, alpha, progress)
    return images


def _check_alike(images: Sequence[Stack]) -> None:
    first = images[0]
    check_same([image.names[0] for image in images], [image.reference for image in images])
    for image in images[1:]:
        if (image.grid.width, image.grid.height) != (first.grid.width, first.grid.height):
            raise RasterError(
                "{name} has {width} x {height} pixels, but {first_names} {grid_width} x {grid_height}: bring one to "
                "the grid of the other (Raster > Projections > Warp, or otbcli_Superimpose).",
                name=image.names[0],
                width=image.grid.width,
                height=image.grid.height,
                first_names=first.names[0],
                grid_width=first.grid.width,
                grid_height=first.grid.height,
            )
        placed = image.reference.georeferenced and first.reference.georeferenced
        if placed and not image.grid.same_as(first.grid):
            raise RasterError(
                "{name} is elsewhere ({grid}) than {first_names} ({grid2}): bring one to the grid of the other "
                "(Raster > Projections > Warp).",
                name=image.names[0],
                grid=image.grid.describe(),
                first_names=first.names[0],
                grid2=first.grid.describe(),
            )
    referenced = [(image.names[0], image.reference) for image in images if image.reference.wkt]
    if referenced:
        check_references(referenced)


def _statistics(expression: Expression, images: Sequence[Stack], progress: Progress) -> dict[str, float]:
    """Return the values of the statistics in the expression; of all pixels, as OTB has them."""
    found: dict[str, float] = {}
    numbers = expression.images_with_statistics
    for done, number in enumerate(numbers):
        image, share = images[number - 1], Part(progress, done / len(numbers), (done + 1) / len(numbers))
        found.update(variables_of(number, computed_statistics(image, image.missing(None, False), share)))
    return found


class _Work:
    """Computes any box of the output.

    Attributes:
        mistaken: number of results that equal the no-data value, though their pixels have data; 0 where all have.
    """

    def __init__(
        self,
        expression: Expression,
        images: Sequence[Stack],
        statistics: dict[str, float],
        valid: Sequence[Validity],
        converter: Converter,
        nodata: float,
    ) -> None:
        self._expression, self._images, self._statistics = expression, images, statistics
        self._valid = [each for each in valid if not each.everywhere]
        self.converter, self._nodata = converter, nodata
        self._ranges = ranges_of(nodata, converter.dtype, converter.dtype)
        self._grid = images[0].grid
        self.mistaken = 0

    def bytes_per_pixel(self, bands: int) -> float:
        """Return about what computing a pixel takes: the images and every intermediate result in double precision."""
        width, height = self._expression.margins
        window = (2 * width + 1) * (2 * height + 1)
        values = sum(image.bands for image in self._images) + 3 * window + 8 * bands
        return 16.0 * values

    def tile(self, box: Box) -> np.ndarray:
        """Return the output's pixels of `box`."""
        width, height = self._expression.margins
        around = Box(box.x - width, box.y - height, box.width + 2 * width, box.height + 2 * height)
        pixels = [image.read_padded(around, "edge").astype("float64") for image in self._images]
        surroundings = Surroundings((width, height), self._places(box))
        with np.errstate(all="ignore"):
            values = self._expression.compute(np, pixels, self._statistics, surroundings)
            found = converted(values, self.converter)
        if self._valid:
            present = np.logical_and.reduce([valid.read(box) for valid in self._valid])
            self.mistaken += int(
                np.count_nonzero(within(found, self._ranges) & (values == values) & present[..., None])
            )
            found[~present] = self._nodata
        return found

    def _places(self, box: Box) -> dict[str, Any]:
        rows = np.arange(box.y, box.bottom)
        stored = (self._grid.height - 1 - rows if self._grid.south_up else rows)[:, None, None]
        columns = np.arange(box.x, box.right)[None, :, None]
        x0, dx, _, y0, _, dy = _geotransform(self._images[0])
        places: dict[str, Any] = {
            "idxX": columns,
            "idxY": stored,
            "idxPhyX": x0 + (columns + 0.5) * dx,
            "idxPhyY": y0 + (stored + 0.5) * dy,
        }
        for number, image in enumerate(self._images, 1):
            _, width, _, _, _, height = _geotransform(image)
            places.update({f"im{number}PhyX": width, f"im{number}PhyY": height})
        return places


def _geotransform(image: Stack) -> tuple[float, ...]:
    return tuple(image.datasets[0].GetGeoTransform())
