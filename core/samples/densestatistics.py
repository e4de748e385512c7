"""DensePolygonClassStatistics: the number of pixels of each class on an image, each pixel counted once."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..operations.densepolygonclassstatistics import DensePolygonClassStatistics
from ..parameters.nodatarules import WITHOUT_BANDS, rule_of
from ..rasters.alpha import open_images
from .counting import count, count_dense
from .footprint import POLYGON
from .traininglayer import StagedStatistics, open_shapes
from .validity import Validity


def count_dense_polygons(parameters: DensePolygonClassStatistics, progress: Progress) -> dict[str, Any]:
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
            image, parameters.nodata, parameters.nodata_from_layer, rule=rule_of(parameters, WITHOUT_BANDS)
        )
        shapes = open_shapes(parameters, image, only=POLYGON)
        counted = count(shapes, Validity(image, None, False), parameters.ram, progress, share=0.5)
        samples = count_dense(shapes, counted, validity, parameters.ram, progress)
        if not samples.any():
            raise ParameterError(
                "The polygons of {vec} hold no valid pixel of {name}: they are smaller than its pixels, or lie "
                "where it has no data. Check {nodata}.",
                vec=parameters.vec,
                name=image.names[0],
                nodata=field("nodata"),
            )
        return outputs.write(counted.dense_statistics(samples))
