"""Scale and offset of bands, which are reported but not applied."""

from __future__ import annotations

from osgeo import gdal

from ..phrases import Phrase


def scaling(dataset: gdal.Dataset, name: str) -> str:
    """Return a line for the log where bands have a scale or an offset; else nothing.

    The values are used as they are stored, as OTB does: a model is served as it was trained, and what it was trained on
    need not have the same scale.
    """
    for number in range(1, dataset.RasterCount + 1):
        band = dataset.GetRasterBand(number)
        scale, offset = band.GetScale(), band.GetOffset()
        scale, offset = 1.0 if scale is None else scale, offset or 0.0
        if (scale, offset) != (1.0, 0.0):
            return Phrase(
                "{name} has bands with a scale or an offset (band {number}: value x {scale:g} + {offset:g}). Values "
                "are used as they are stored, not scaled; this holds for every raster of the run. For scaled "
                "values, unscale the raster first (gdal_translate -unscale).",
                name=name,
                number=number,
                scale=scale,
                offset=offset,
            )
    return ""
