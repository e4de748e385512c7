"""Reference data as files: a label raster with names and colours, and its regions as polygons."""

from __future__ import annotations

from collections.abc import Callable

from osgeo import gdal, ogr, osr

from ..base.progress import Progress
from ..errors import RasterError, VectorError
from ..files.gdalcalls import close_now, collected_errors
from ..files.staging import Staging
from .referenceclasses import CLASSES, named_classes
from .referencestyles import store_polygon_style


def colour_classes(dataset: gdal.Dataset) -> None:
    """Give a label raster the classes' palette; GeoTIFF takes it only before the first pixel.

    Raises:
        RasterError: GDAL cannot store it.
    """
    band = dataset.GetRasterBand(1)
    palette = gdal.ColorTable()
    for class_, (_, colour) in CLASSES.items():
        palette.SetColorEntry(int(class_), (*colour, 255))
    with collected_errors() as errors:
        band.SetRasterColorTable(palette)
        band.SetRasterColorInterpretation(gdal.GCI_PaletteIndex)
    if errors.failed:
        raise RasterError("Cannot store the colours of the classes: {errors}.", errors=errors)


def name_classes(dataset: gdal.Dataset) -> None:
    """Give a label raster the classes' names: as category names, and with the colours in an attribute table.

    GDAL writes them into a file beside the raster when it closes it, so this comes last: a run that
    stops earlier has closed nothing but the raster.

    Raises:
        RasterError: GDAL cannot store them.
    """
    band = dataset.GetRasterBand(1)
    with collected_errors() as errors:
        band.SetRasterCategoryNames([name for name, _ in named_classes().values()])
        band.SetDefaultRAT(_attribute_table())
    if errors.failed:
        raise RasterError("Cannot store the names of the classes: {errors}.", errors=errors)


def _attribute_table() -> gdal.RasterAttributeTable:
    table = gdal.RasterAttributeTable()
    table.CreateColumn("Value", gdal.GFT_Integer, gdal.GFU_MinMax)
    table.CreateColumn("Class", gdal.GFT_String, gdal.GFU_Name)
    for name, usage in (("Red", gdal.GFU_Red), ("Green", gdal.GFU_Green), ("Blue", gdal.GFU_Blue)):
        table.CreateColumn(name, gdal.GFT_Integer, usage)
    table.SetRowCount(len(CLASSES))
    for row, (class_, (name, colour)) in enumerate(named_classes().items()):
        table.SetValueAsInt(row, 0, int(class_))
        table.SetValueAsString(row, 1, name)
        for column, value in enumerate(colour):
            table.SetValueAsInt(row, 2 + column, value)
    return table


def write_polygons(labels: gdal.Dataset, staging: Staging, progress: Progress) -> None:
    """Write the labelled regions as a GeoPackage layer with the fields `class` and `name`.

    Args:
        labels: the label raster, open for writing still.
        staging: where the GeoPackage is made; the layer is named after the file.
        progress: may cancel.

    Raises:
        VectorError: it cannot be written.
        Cancelled: the user has asked to stop.
    """

    def fill(dataset: gdal.Dataset, layer: ogr.Layer) -> None:
        _fill(layer, labels.GetRasterBand(1), progress)
        dataset.ExecuteSQL(_naming(staging.final.stem))

    write_layer(labels, staging, fill, progress)


def write_layer(
    raster: gdal.Dataset, staging: Staging, fill: Callable[[gdal.Dataset, ogr.Layer], None], progress: Progress
) -> None:
    """Write a GeoPackage layer of polygons of a raster, with the fields `class` and `name`, styled by class.

    Args:
        raster: open for writing still.
        staging: where the GeoPackage is made; the layer is named after the file.
        fill: writes the polygons into the data set's layer.
        progress: may cancel.

    Raises:
        VectorError: it cannot be written.
        Cancelled: the user has asked to stop.
    """
    name = staging.final.stem
    dataset = layer = None
    with collected_errors() as errors:
        raster.FlushCache()
        dataset = gdal.GetDriverByName("GPKG").Create(str(staging.path), 0, 0, 0, gdal.GDT_Unknown)
        if dataset is not None:
            layer = dataset.CreateLayer(name, osr.SpatialReference(raster.GetProjection()), ogr.wkbPolygon)
        if layer is not None:
            layer.CreateField(ogr.FieldDefn("class", ogr.OFTInteger))
            layer.CreateField(ogr.FieldDefn("name", ogr.OFTString))
            fill(dataset, layer)
            store_polygon_style(dataset, name)
    with collected_errors() as closing:
        layer = None
        close_now(dataset)
    progress.check()
    for failure in (errors, closing):
        if failure.failed:
            raise VectorError("Cannot write the polygons {final}: {failure}.", final=staging.final, failure=failure)


def _fill(layer: ogr.Layer, band: gdal.Band, progress: Progress) -> None:
    layer.StartTransaction()
    gdal.Polygonize(band, band.GetMaskBand(), layer, 0, [], lambda *_: 0 if progress.cancelled() else 1)
    layer.CommitTransaction()


def _naming(layer: str) -> str:
    """SQL that gives each polygon the name of its class."""
    cases = " ".join(f"WHEN {int(class_)} THEN {_quoted(name)}" for class_, (name, _) in named_classes().items())
    return f'UPDATE "{layer}" SET "name" = CASE "class" {cases} END'  # nosec B608 (our own file and names)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
