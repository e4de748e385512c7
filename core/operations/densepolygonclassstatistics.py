"""DensePolygonClassStatistics: how many pixels of an image each class has, every pixel counted once."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

from ..base.progress import Progress
from ..errors import ParameterError
from ..rasters.alpha import open_images
from ..samples.counting import count, count_dense
from ..samples.footprint import POLYGON
from ..samples.traininglayer import StagedStatistics, StatisticsOutputs, TrainingLayer
from ..samples.validity import Validity


@dataclass(frozen=True)
class DensePolygonClassStatistics(StatisticsOutputs, TrainingLayer):
    """Parameters of `run`; see OTBTF's application of the same name."""

    NEEDS_ENGINE: ClassVar[bool] = False


def run(parameters: DensePolygonClassStatistics, progress: Progress) -> dict[str, Any]:
    """Count the pixels and write the statistics.

    Returns:
        `out` and `outtable`, their paths; `classes` and `samples`, their numbers.

    Raises:
        ParameterError, RasterError, VectorError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    with ExitStack() as stack:
        outputs = StagedStatistics(parameters, (parameters.image, parameters.vec), stack, progress)
        image = open_images([parameters.image], parameters.alpha, progress)
        validity = Validity(image, parameters.nodata, parameters.nodata_from_layer)
        shapes = parameters.open(image, only=POLYGON)
        counted = count(shapes, Validity(image, None, False), parameters.ram, progress, share=0.5)
        samples = count_dense(shapes, counted, validity, parameters.ram, progress)
        if not samples.any():
            raise ParameterError(
                f"The polygons of {parameters.vec} hold no valid pixel of {image.names[0]}: they are smaller than its "
                "pixels, or lie where it has no data. Check NODATA."
            )
        return outputs.write(counted.dense_statistics(samples))
