"""PolygonClassStatistics: the number of pixels of each class and each feature of a training layer on an image."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from ..base.progress import Progress
from ..operations.polygonclassstatistics import PolygonClassStatistics
from ..parameters.nodatarules import WITHOUT_BANDS, rule_of
from ..rasters.alpha import open_images
from .counting import count
from .traininglayer import StagedStatistics, open_shapes
from .validity import Validity


def count_polygons(parameters: PolygonClassStatistics, progress: Progress) -> dict[str, Any]:
    """Count the pixels and write the statistics.

    Returns:
        `out` and `outtable`, their paths; `classes` and `samples`, their numbers.

    Raises:
        ParameterError, RasterError, VectorError: bad input; nothing is written then.
        Cancelled: `progress` asked to stop.
    """
    with ExitStack() as stack:
        outputs = StagedStatistics(parameters, stack, progress)
        image = open_images([parameters.image], parameters.alpha, progress)
        validity = Validity(
            image, parameters.nodata, parameters.nodata_from_layer, parameters.mask, rule_of(parameters, WITHOUT_BANDS)
        )
        counted = count(open_shapes(parameters, image), validity, parameters.ram, progress)
        return outputs.write(counted.statistics())
