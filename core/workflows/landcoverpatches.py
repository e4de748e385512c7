"""Sparse labels: patches around labelled pixels, each with the label of the pixel in its middle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from osgeo import gdal

from ..base.progress import Progress
from ..errors import field
from ..files.staging import Staging
from ..geometry.grid import Box
from ..parameters.nodatarules import NodataRule
from ..rasters.alpha import BAND, said
from ..rasters.outputtrial import CLASSES
from ..rasters.rasteroutput import OutputRaster
from ..rasters.rasterstack import Stack
from ..samples.validity import Validity
from ..vectors.vectorlayer import VectorLayer
from .labelregions import region_numbers
from .landcoverlabels import Labels, MapClasses, RasterLabels, VectorLabels
from .nestedruns import run_nested
from .patchlocations import PatchLocations, pixels_of
from .trainingplan import TrainingPlan

if TYPE_CHECKING:
    from ..operations.landcovermap import LandCoverMap

_SAMPLES, _MASK = "samples.gpkg", "with_data.tif"
_MEMORY = 256  # MB for what is looked at together

_FEATURE = "originfid"
"""The field in which SampleSelection keeps the feature's id."""


@dataclass(frozen=True)
class LabelledPixels:
    """Pixels around which patches may be cut, n of them, before it is known what their labels are in the map.

    Attributes:
        x, y: coordinates in the image's system, float64, shape (n,).
        texts: the labels as text, shape (n,).
        features: number of the feature or region that each comes from, int64, shape (n,).
    """

    x: np.ndarray
    y: np.ndarray
    texts: np.ndarray
    features: np.ndarray

    @property
    def found(self) -> list[str]:
        """The labels that occur, each once."""
        return sorted(set(self.texts.tolist()))

    def located(self, classes: MapClasses, progress: Progress) -> PatchLocations:
        """Return them with the classes of the map."""
        own = np.array([classes.numbers[text] for text in self.texts.tolist()], "int64")
        counts = (own[:, None] == np.array(classes.values)).astype("float64")
        return PatchLocations(self.x, self.y, counts, self.features, classes)


def choose_patches(
    parameters: LandCoverMap,
    image: Stack,
    labels: Labels,
    plan: TrainingPlan,
    folder: Path,
    progress: Progress,
) -> LabelledPixels:
    """Choose labelled pixels, as many of each class as asked for.

    Args:
        parameters: of the operation.
        image: the image.
        labels: on it.
        plan: tells the side of the patches, and what becomes of missing values.
        folder: for files.
        progress: receives progress and warnings.

    Raises:
        ParameterError, RasterError, VectorError: there are none.
        Cancelled: `progress` asked to stop.
    """
    path = str(folder / _SAMPLES)
    if isinstance(labels, RasterLabels):
        fields = [_from_raster(parameters, labels, plan.size, path, progress)]
    else:
        fields = [_from_features(parameters, image, labels, plan, folder, progress), _FEATURE]
    layer = VectorLayer(path)
    parts = list(layer.read_points([layer.field(name) for name in fields], progress))
    columns = [np.concatenate([part.columns[place].data for part in parts]) for place in range(len(fields))]
    x, y = (np.concatenate([getattr(part, axis) for part in parts]) for axis in "xy")
    texts = np.array([str(label) for label in columns[0].tolist()], object)
    if isinstance(labels, RasterLabels):
        features = region_numbers(labels.raster, pixels_of(labels.raster.stack.grid, x, y), progress)
    else:
        features = columns[1]
    return LabelledPixels(x, y, texts, features)


def _from_raster(parameters: LandCoverMap, labels: RasterLabels, size: int, path: str, progress: Progress) -> str:
    """Choose pixels of a raster whose patches lie in the image; return the name of the field of classes."""
    raster = labels.raster
    values = {
        "inref": raster.source,
        "strategy": "atmost",
        "strategy.constant.nb": parameters.samples,
        "nodata": raster.nodata,
        "nodata_from_layer": raster.nodata_from_layer,
        "alpha": said(raster.stack) or BAND,
        "pad": size // 2,
        "seed": parameters.seed,
        "outvec": path,
    }
    words = {
        "inref": field("labels_raster"),
        "strategy.constant.nb": field("samples"),
        "nodata": field("labels_nodata"),
        "alpha": field("alpha"),
        "pad": field("patchsize"),
        "seed": field("seed"),
    }
    run_nested("LabelImageSampleSelection", values, words, progress)
    return "class"


def _from_features(
    parameters: LandCoverMap, image: Stack, labels: VectorLabels, plan: TrainingPlan, folder: Path, progress: Progress
) -> str:
    """Choose pixels of features; return the name of the field of classes."""
    several = len(parameters.image) > 1
    mask = _mask(image, parameters.nodata, plan.missing.for_training, folder, progress) if several else None
    values = {
        "in": parameters.image[0],
        "mask": mask,
        "nodata_from_layer": not several,
        "vec": labels.source,
        "field": labels.field.name,
        "nodata": None if several else parameters.nodata,
        "nodata_rule": "" if several else plan.missing.rule,
        "alpha": parameters.alpha,
        "strategy": "constant",
        "strategy.constant.nb": parameters.samples,
        "sampler": "random",
        "rand": parameters.seed,
        "out": str(folder / _SAMPLES),
    }
    words = {
        "in": field("image"),
        "mask": field("image"),
        "vec": field("labels_vector"),
        "field": field("labels_field"),
        "nodata": field("nodata"),
        "nodata_rule": field("nodata_rule"),
        "alpha": field("alpha"),
        "strategy.constant.nb": field("samples"),
        "rand": field("seed"),
    }
    return str(run_nested("SampleSelection", values, words, progress)["field"])


def _mask(image: Stack, nodata: float | None, rule: NodataRule, folder: Path, progress: Progress) -> str:
    """Write where an image of several files has data, which no single one of them tells, and return its path."""
    path, grid = str(folder / _MASK), image.grid
    validity = Validity(image, nodata, True, rule=rule)
    rows = max(1, validity.pixels_within(_MEMORY) // grid.width)
    driver = gdal.GetDriverByName("GTiff")
    with (
        Staging(path, progress) as staging,
        OutputRaster(staging, grid, 1, np.dtype("uint8"), image.reference, driver, content=CLASSES) as raster,
    ):
        for top in range(0, grid.height, rows):
            progress.check()
            strip = Box(0, top, grid.width, min(rows, grid.height - top))
            raster.write(strip, validity.read(strip).astype("uint8")[..., None])
        raster.commit(progress)
    return path
