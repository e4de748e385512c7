"""CreateExampleData: a synthetic scene with reference data, to try the operations."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from osgeo import gdal, osr

from ..base.progress import Progress, Quiet
from ..errors import ParameterError, RasterError, field
from ..files.gdalcalls import collected_errors
from ..files.staging import Staging, check_writable
from ..geometry.grid import Axis, Box, Grid
from ..operations.createexampledata import CreateExampleData
from ..rasters.rasteroutput import OutputRaster
from ..rasters.rasterreference import Reference
from . import referencefiles, scene
from .fieldfiles import field_numbers, write_fields
from .parcels import Parcels, lay_out
from .referencestyles import raster_style
from .smallobjectfiles import write_boxes, write_image
from .smallobjects import SIDE, SPACING, draw_small_objects

EPSG = 32654


WEST, NORTH = 380_000, 3_960_000  # metres; Tokyo lies within the first 10 km


FINE, COARSE = 10, 20  # metres


_BLOCK = 512  # pixels of 10 m; some 100 MB while one is drawn


@dataclass(frozen=True)
class _Files:
    """The paths of what is made, in the order of the fields below `outdir`."""

    xs10: Path
    xs20: Path
    truth_a: Path
    truth_b: Path
    polygons_a: Path
    polygons_b: Path
    ortho_a: Path
    ortho_b: Path
    objects_a: Path
    objects_b: Path
    fields: Path

    @classmethod
    def inside(cls, folder: Path) -> _Files:
        names = (
            "xs_10m.tif",
            "xs_20m.tif",
            "terrain_truth_A.tif",
            "terrain_truth_B.tif",
            "terrain_truth_A.gpkg",
            "terrain_truth_B.gpkg",
            "orthophoto_A.tif",
            "orthophoto_B.tif",
            "trees_houses_A.gpkg",
            "trees_houses_B.gpkg",
            "fields.gpkg",
        )
        return cls(*(folder / name for name in names))


def create_example_data(parameters: CreateExampleData, progress: Progress) -> dict[str, Any]:
    """Draw the scene block by block and write all files; older ones are replaced at the very end.

    Returns:
        The paths: `outdir`, `xs10` (B2, B3, B4, B8 at 10 m), `xs20` (B5, B6, B7, B8A, B11, B12 at 20 m),
        `truth.a`, `truth.b` (labels 0 to 5, 255 = no data) and `polygons.a`, `polygons.b` (the same);
        `ortho.a`, `ortho.b` (red, green, blue, near infrared at 0.5 m) and `objects.a`, `objects.b` (the boxes of all trees
        and houses in them); `fields` (polygons of all fields in the scene).

    Raises:
        ParameterError: the size is odd.
        RasterError, VectorError: a file cannot be written.
        Cancelled: the user has asked to stop; nothing is left then.
    """
    if parameters.size % 2:
        raise ParameterError(
            "{size} is {parameters_size}, but must be even, so that pixels of 20 m cover the same ground: use {size2}.",
            size=field("size"),
            parameters_size=parameters.size,
            size2=parameters.size + 1,
        )
    folder = Path(parameters.outdir)
    files = _Files.inside(folder)
    with _folder(folder, progress), ExitStack() as stack:
        stagings = [stack.enter_context(Staging(str(path), progress)) for path in dataclasses.astuple(files)]
        rasters = _create(stagings[:4], parameters.size)
        numbers = _field_raster(
            stack.enter_context(Staging(str(files.fields.with_suffix(".tif")), progress)), parameters.size
        )
        parcels = lay_out(parameters.seed, parameters.size)
        _draw(parcels, parameters.size, (*rasters, numbers), progress)
        rasters += _draw_small_objects(parameters.seed, stagings[6:10], progress)
        for labels, staging in zip(rasters[2:4], stagings[4:6]):
            progress.check()
            referencefiles.write_polygons(labels.dataset, staging, progress)
        write_fields(numbers.dataset, parcels, stagings[10], progress)
        progress.fraction(0.95)
        progress.check()
        for labels in rasters[2:4]:
            referencefiles.name_classes(labels.dataset)
        for staging in stagings[2:4]:
            (staging.folder / staging.final.with_suffix(".qml").name).write_text(raster_style(), encoding="utf-8")
        for raster in rasters:
            raster.commit(progress)
        for staging in (*stagings[4:6], *stagings[8:]):
            staging.commit()
    progress.fraction(1.0)
    paths = {field.name.replace("_", "."): str(getattr(files, field.name)) for field in dataclasses.fields(files)}
    return {"outdir": str(folder), **paths}


@contextlib.contextmanager
def _folder(folder: Path, progress: Progress) -> Iterator[None]:
    """Make the output folder where it is missing, and take it away again if nothing comes of it."""
    made = not folder.exists()
    if made:
        check_writable(str(folder), field("outdir"))
        progress.temporary(str(folder))
        folder.mkdir()
    try:
        yield
    except BaseException:
        if made:
            with contextlib.suppress(OSError):  # not empty: somebody else has put something there
                folder.rmdir()
        raise


def _create(stagings: Sequence[Staging], size: int) -> list[OutputRaster]:
    reference = _reference()
    driver = gdal.GetDriverByName("GTiff")

    def create(staging: Staging, spacing: int, bands: Sequence[str], dtype: npt.DTypeLike, **more: Any) -> OutputRaster:
        pixels = size * FINE // spacing
        grid = Grid(Axis(WEST, spacing, pixels), Axis(-NORTH, spacing, pixels))
        raster = OutputRaster(staging, grid, len(bands), np.dtype(dtype), reference, driver, **more)
        for number, name in enumerate(bands, 1):
            raster.dataset.GetRasterBand(number).SetDescription(name)
        return raster

    xs: dict[str, Any] = {"dtype": np.uint16, "options": ("PREDICTOR=2",)}
    labels: dict[str, Any] = {"dtype": np.uint8, "nodata": scene.NO_LABEL}
    rasters = [
        create(stagings[0], FINE, scene.BANDS_10M, **xs),
        create(stagings[1], COARSE, scene.BANDS_20M, **xs),
        create(stagings[2], FINE, ("class",), **labels),
        create(stagings[3], FINE, ("class",), **labels),
    ]
    for raster in rasters[2:]:
        referencefiles.colour_classes(raster.dataset)
    return rasters


def _field_raster(staging: Staging, size: int) -> OutputRaster:
    """Return a raster for the numbers of fields, which is never committed."""
    grid = Grid(Axis(WEST, FINE, size), Axis(-NORTH, FINE, size))
    driver = gdal.GetDriverByName("GTiff")
    return OutputRaster(staging, grid, 1, np.dtype(np.int32), _reference(), driver, nodata=0)


def _draw_small_objects(seed: int, stagings: Sequence[Staging], progress: Progress) -> list[OutputRaster]:
    """Write images and boxes of trees and houses, one image beside the other; return the images, which are to be committed."""
    reference, images = _reference(), []
    for area in (0, 1):
        progress.check()
        objects = draw_small_objects(seed, area)
        west = WEST + area * SIDE * SPACING
        images.append(write_image(objects, stagings[area], reference, west, NORTH))
        write_boxes(objects, stagings[2 + area], reference, west, NORTH, Quiet(progress))
    return images


def _reference() -> Reference:
    system = osr.SpatialReference()
    with collected_errors() as errors:
        system.ImportFromEPSG(EPSG)
    if errors.failed:
        raise RasterError(
            "GDAL does not know EPSG:{epsg}: {errors}. Is PROJ's database (proj.db) installed?",
            epsg=EPSG,
            errors=errors,
        )
    return Reference(system.ExportToWkt(), True)


def _draw(parcels: Parcels, size: int, rasters: Sequence[OutputRaster], progress: Progress) -> None:
    xs_10m, xs_20m, *truths, numbers = rasters
    for top in range(0, size, _BLOCK):
        for left in range(0, size, _BLOCK):
            progress.check()
            box = Box(left, top, min(_BLOCK, size - left), min(_BLOCK, size - top))
            block = scene.draw(parcels, _indices(box.y, box.bottom), _indices(box.x, box.right))
            xs_10m.write(box, np.moveaxis(block.xs_10m, 0, -1))
            half = Box(box.x // 2, box.y // 2, box.width // 2, box.height // 2)
            xs_20m.write(half, np.moveaxis(block.xs_20m, 0, -1))
            for raster, labels in zip(truths, block.truth):
                raster.write(box, labels[..., None])
            numbers.write(box, field_numbers(parcels, block.parcel)[..., None])
            progress.fraction(0.9 * (top * size + box.height * box.right) / (size * size))


def _indices(first: int, end: int) -> npt.NDArray[np.int64]:
    return np.arange(first, end, dtype=np.int64)
