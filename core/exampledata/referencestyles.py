"""How QGIS shows the reference data: its classes alone, in their colours and under their names."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr  # nosec B406 (escapes, and parses nothing)

from osgeo import gdal, ogr

from .referenceclasses import named_classes

_QML = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n<qgis version=\"3.22\">\n{}\n</qgis>\n"
_TABLE = "layer_styles"
"""Where QGIS looks for the style of a layer in a GeoPackage."""


def raster_style() -> str:
    """Return the style of the label rasters: without it, QGIS would list all 256 colours that a GeoTIFF's palette has."""
    entries = "".join(
        f'<paletteEntry value="{int(class_)}" color="{_hex(colour)}" alpha="255" label={quoteattr(name)}/>'
        for class_, (name, colour) in named_classes().items()
    )
    renderer = (
        f'<rasterrenderer type="paletted" band="1" opacity="1"><colorPalette>{entries}</colorPalette></rasterrenderer>'
    )
    return _QML.format(f"<pipe>{renderer}</pipe>")


def store_polygon_style(dataset: gdal.Dataset, layer: str) -> None:
    """Store the style of the layer `layer`, whose field `class` has the classes, in its GeoPackage."""
    table = dataset.CreateLayer(_TABLE, None, ogr.wkbNone, ["FID=id"])
    for name in ("f_table_catalog", "f_table_schema", "f_table_name", "f_geometry_column", "styleName", "styleQML"):
        table.CreateField(ogr.FieldDefn(name, ogr.OFTString))
    table.CreateField(ogr.FieldDefn("styleSLD", ogr.OFTString))
    default = ogr.FieldDefn("useAsDefault", ogr.OFTInteger)
    default.SetSubType(ogr.OFSTBoolean)
    table.CreateField(default)
    for name, kind in (
        ("description", ogr.OFTString),
        ("owner", ogr.OFTString),
        ("ui", ogr.OFTString),
        ("update_time", ogr.OFTDateTime),
    ):
        table.CreateField(ogr.FieldDefn(name, kind))
    row = ogr.Feature(table.GetLayerDefn())
    texts = {"f_table_catalog": "", "f_table_schema": "", "f_table_name": layer, "f_geometry_column": "geom"}
    for name, text in {**texts, "styleName": layer, "styleQML": _polygon_style(), "styleSLD": ""}.items():
        row.SetField(name, text)
    row.SetField("useAsDefault", 1)
    table.CreateFeature(row)


def _polygon_style() -> str:
    categories, symbols = [], []
    for place, (class_, (name, colour)) in enumerate(named_classes().items()):
        categories.append(
            f'<category value="{int(class_)}" type="integer" symbol="{place}" label={quoteattr(name)} render="true"/>'
        )
        symbols.append(
            f'<symbol name="{place}" type="fill" alpha="1"><layer class="SimpleFill" enabled="1" pass="0">'
            f'<prop k="color" v="{",".join(map(str, colour))},255"/><prop k="outline_color" v="35,35,35,255"/>'
            '<prop k="outline_width" v="0.2"/><prop k="style" v="solid"/></layer></symbol>'
        )
    return _QML.format(
        '<renderer-v2 type="categorizedSymbol" attr="class">'
        f"<categories>{''.join(categories)}</categories><symbols>{''.join(symbols)}</symbols></renderer-v2>"
    )


def _hex(colour: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)
