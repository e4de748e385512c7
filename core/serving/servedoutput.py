"""What the map is beside its pixels: its no-data value, and the classes that it holds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ..classes.classtables import declare_classes
from ..errors import field
from ..rasters.outputtrial import Content
from ..rasters.pixeltypes import check_fits
from .openmodel import OpenModel

_WHOLE = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
"""Types of outputs that are taken for class numbers."""


def declared_nodata(given: float | None, opened: OpenModel, dtype: np.dtype, background: float) -> float | None:
    """Return the no-data value that the output declares; `given` is what the user sets.

    Raises:
        ParameterError: its pixel type cannot hold it, or the background value.
    """
    if opened.masked:
        check_fits(background, dtype, field("output_bv"))
    if given is not None:
        check_fits(given, dtype, field("out_nodata"))
        return given
    return background if opened.masked else None


def shows_classes(opened: OpenModel, bands: int, dtype: np.dtype) -> bool:
    """Return whether the output holds the numbers of the model's classes: in real numbers too, as OTB writes maps."""
    if bands != 1 or not opened.classes:
        return False
    values = [item.value for item in opened.classes]
    exact = bool((np.array(values).astype(dtype) == values).all())
    return dtype.kind in "iu" or (opened.dtype_name in _WHOLE and exact)


def told_classes(opened: OpenModel, bands: int, dtype: np.dtype) -> dict[str, Any]:
    """Return what the operation's results say of classes.

    Returns:
        `classes`, value, name and colour of each, where the output holds their numbers; `probabilities`, their names in the
        order of the bands, where it has a band of real numbers for each.
    """
    if shows_classes(opened, bands, dtype):
        return {"classes": [vars(item) for item in opened.classes]}
    if bands == len(opened.classes) > 1 and dtype.kind == "f":
        return {"probabilities": [item.name or str(item.value) for item in opened.classes]}
    return {}


def output_content(opened: OpenModel, bands: int, dtype: np.dtype, others: Sequence[float]) -> Content:
    """Return what the output holds: classes where the model returns whole numbers, or names its only band's classes.

    One output of three or four bands of bytes is taken for a picture.
    """
    known = opened.classes if bands == 1 else ()
    picture = opened.dtype_name == "uint8" and bands in (3, 4) and len(opened.outputs) == 1
    return Content(
        classes=bool(known) or (opened.dtype_name in _WHOLE and not picture),
        values=[*(item.value for item in known), *others] if known else (),
        describe=partial(declare_classes, classes=opened.classes, numbers=shows_classes(opened, bands, dtype)),
    )
