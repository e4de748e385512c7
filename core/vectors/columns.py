"""Reading points by columns, where OGR can: ten times as fast as feature by feature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from osgeo import ogr

from ..files.gdalcalls import collected_errors

POINT_SIZES = (21, 29, 37)
"""Bytes of a point of two, three and four dimensions as WKB: byte order, type, coordinates."""

Batch = tuple[np.ndarray, np.ndarray, np.ndarray, tuple[np.ma.MaskedArray, ...]]
"""Feature ids, x, y, and the values of each field asked for."""


def batches(layer: Any, names: Sequence[str], size: int) -> Iterator[Batch]:
    """Yield the first features of a layer in batches, as far as they are plain points with numbers.

    It ends before the first batch that holds anything else (features without geometry, multipoints, ...), and at once
    where the format or this GDAL (before 3.6) does not read by columns.

    Args:
        layer: an ogr.Layer of points.
        names: fields of numbers.
        size: features in a batch.
    """
    fid = layer.GetFIDColumn() or "OGC_FID"
    shape = layer.GetGeometryColumn() or "wkb_geometry"
    definition = layer.GetLayerDefn()
    taken = {definition.GetFieldDefn(index).GetName() for index in range(definition.GetFieldCount())}
    if not layer.TestCapability(getattr(ogr, "OLCFastGetArrowStream", "none")) or taken & {fid, shape}:
        return
    options = ["INCLUDE_FID=YES", "USE_MASKED_ARRAYS=YES", f"MAX_FEATURES_IN_BATCH={size}"]
    stream = iter(layer.GetArrowStreamAsNumPy(options))
    while True:
        batch: Any = None
        with collected_errors() as errors:
            batch = next(stream, None)
        if batch is None or errors.failed or not {fid, shape, *names} <= set(batch):
            return
        geometries = batch[shape]
        if isinstance(geometries, np.ma.MaskedArray) or geometries.dtype not in [f"V{size}" for size in POINT_SIZES]:
            return
        raw = np.frombuffer(geometries.tobytes(), "uint8").reshape(len(geometries), -1)
        places = raw[:, 5:21].copy().view("<f8")
        columns = tuple(column for column in (_number_column(batch[name]) for name in names) if column is not None)
        if (raw[:, 0] != 1).any() or np.isnan(places).any() or len(columns) < len(names):
            return
        yield np.array(batch[fid], "int64"), places[:, 0].copy(), places[:, 1].copy(), columns


def _number_column(values: np.ndarray) -> np.ma.MaskedArray | None:
    """Return a column as int64 or float64, in memory of its own; None where it holds no numbers."""
    if values.dtype.kind not in "iufb":
        return None
    kind = "float64" if values.dtype.kind == "f" else "int64"
    return np.ma.MaskedArray(np.array(np.ma.getdata(values), kind), np.array(np.ma.getmaskarray(values)))
