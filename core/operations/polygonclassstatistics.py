"""PolygonClassStatistics: how many pixels of an image each class and each feature of a training layer has."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

from ..base.progress import Progress
from ..parameters import vocabulary as voc
from ..rasters.alpha import open_images
from ..samples.counting import count
from ..samples.traininglayer import StagedStatistics, StatisticsOutputs, TrainingLayer
from ..samples.validity import Validity


@dataclass(frozen=True)
class PolygonClassStatistics(StatisticsOutputs, TrainingLayer):
    """Parameters of `run`; see OTB's application of the same name."""

    NEEDS_ENGINE: ClassVar[bool] = False

    mask: Any = voc.raster(
        "mask",
        "Mask",
        "Raster of one band on the image's grid: only pixels where it is not 0 count.",
        required=False,
    )


def run(parameters: PolygonClassStatistics, progress: Progress) -> dict[str, Any]:
    """Count the pixels and write the statistics.

    Returns:
        `out` and `outtable`, their paths; `classes` and `samples`, their numbers.

    Raises:
        ParameterError, RasterError, VectorError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    with ExitStack() as stack:
        inputs = (parameters.image, parameters.vec, parameters.mask)
        outputs = StagedStatistics(parameters, inputs, stack, progress)
        image = open_images([parameters.image], parameters.alpha, progress)
        validity = Validity(image, parameters.nodata, parameters.nodata_from_layer, parameters.mask)
        counted = count(parameters.open(image), validity, parameters.ram, progress)
        return outputs.write(counted.statistics())
