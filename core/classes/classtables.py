"""The names and colours of classes, written into the map that holds them."""

from __future__ import annotations

from typing import Any

from osgeo import gdal

from ..files.gdalcalls import collected_errors
from .modelclasses import Classes
from .palette import coloured

_TABLED = (gdal.GDT_Byte, gdal.GDT_UInt16)
"""The pixel types for which GeoTIFF and most others take a colour table."""


def declare_classes(dataset: Any, classes: Classes, numbers: bool = True) -> None:
    """Write classes into a new raster, before its pixels.

    A single band of their numbers gets an attribute table and, where its type and values allow it, a colour table and
    category names. As many bands as classes are probabilities: they are called by the classes' names. What the format cannot
    hold is left out: the pixels matter more.

    Args:
        dataset: GDAL's dataset, just created.
        classes: what the output holds; nothing is done where there are none. Those without a colour get one.
        numbers: whether a single band holds the numbers of the classes.
    """
    if not classes:
        return
    classes = coloured(classes)
    band = dataset.GetRasterBand(1)
    with collected_errors():
        if dataset.RasterCount == len(classes) > 1:
            for number, item in enumerate(classes, 1):
                dataset.GetRasterBand(number).SetDescription(item.name)
        elif dataset.RasterCount == 1 and numbers:
            if band.DataType in _TABLED and all(0 <= item.value <= 255 for item in classes):
                _write_table(band, classes)
            band.SetDefaultRAT(_attribute_table(classes))


def _write_table(band: Any, classes: Classes) -> None:
    names = [""] * (max(item.value for item in classes) + 1)
    colors = gdal.ColorTable()
    for item in classes:
        names[item.value] = item.name
        colors.SetColorEntry(item.value, (*_rgb(item.color), 255))
    if any(names):
        band.SetCategoryNames(names)
    band.SetColorTable(colors)


def _attribute_table(classes: Classes) -> Any:
    table = gdal.RasterAttributeTable()
    table.CreateColumn("Value", gdal.GFT_Integer, gdal.GFU_MinMax)
    table.CreateColumn("Class", gdal.GFT_String, gdal.GFU_Name)
    for name, usage in (("Red", gdal.GFU_Red), ("Green", gdal.GFU_Green), ("Blue", gdal.GFU_Blue)):
        table.CreateColumn(name, gdal.GFT_Integer, usage)
    table.SetRowCount(len(classes))
    for row, item in enumerate(classes):
        table.SetValueAsInt(row, 0, item.value)
        table.SetValueAsString(row, 1, item.name)
        for column, part in enumerate(_rgb(item.color)):
            table.SetValueAsInt(row, 2 + column, part)
    return table


def _rgb(color: str) -> tuple[int, int, int]:
    """The parts of `#rrggbb`."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
