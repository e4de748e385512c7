"""How assets of STAC items are read: as they are stored, as physical values, or without the pixels that a mask leaves out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from osgeo import gdal

from ..errors import ParameterError, RasterError, field
from ..files.gdalcalls import collected_errors
from ..rasters.inmemory import Opened
from ..rasters.rasteropening import open_dataset
from ..rasters.rasterreference import Reference
from .table import Row, Scaling

AUTO, SCALED, STORED = "auto", "scaled", "stored"

_MASK = re.compile(r"\s*(?P<asset>[^=]+?)\s*=\s*(?P<values>[\d\s,-]+)\s*")
_VALUES = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")
_LARGEST = 255  # a mask has bytes


@dataclass(frozen=True)
class Mask:
    """Pixels that are left out.

    Attributes:
        asset: key of the asset that marks them.
        values: that it has there.
    """

    asset: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class View:
    """How a raster is read.

    Attributes:
        scalings: of its bands, or one for all; empty for the values as they are stored.
        nodata: its no-data value as it is stored, where its file may not tell; None where nothing is told.
        mask: what marks the pixels that are left out; empty for none.
        without: the mask's values there.
    """

    scalings: tuple[Scaling, ...] = ()
    nodata: float | None = None
    mask: str = ""
    without: tuple[int, ...] = ()


@dataclass(frozen=True)
class Views:
    """How the assets of all items are read.

    Attributes:
        values: AUTO, SCALED or STORED.
        mask: which pixels are left out; None for none.
    """

    values: str = STORED
    mask: Mask | None = None

    def of(self, row: Row, name: str) -> View | None:
        """Return how one asset of an item is read; None where it is taken as it is.

        Raises:
            ParameterError: its values may be meant in two ways, or the item has no such mask.
        """
        asset = row.assets[name]
        scalings = asset.scalings if any(scaling.changes for scaling in asset.scalings) else ()
        if scalings and self.values == AUTO:
            raise ParameterError(
                "the asset {name} has the scale {scale:g} and the offset {offset:g}: set {pixelvalues} to scaled, for a model "
                "that has learnt from such physical values, or to stored, for one that has learnt from the numbers in the files.",
                name=name,
                scale=scalings[0].scale,
                offset=scalings[0].offset,
                pixelvalues=field("pixelvalues"),
            )
        scalings = scalings if self.values == SCALED else ()
        _check_offset(row, name, scalings)
        if self.mask is None or name == self.mask.asset:
            return View(scalings, asset.nodata) if scalings or asset.nodata is not None else None
        if self.mask.asset not in row.assets:
            raise ParameterError(
                "{mask} names the asset {name}, which the item does not have: it has {names}.",
                mask=field("mask"),
                name=self.mask.asset,
                names=", ".join(row.assets),
            )
        return View(scalings, asset.nodata, row.assets[self.mask.asset].href, self.mask.values)


def _check_offset(row: Row, name: str, scalings: tuple[Scaling, ...]) -> None:
    """Raise ParameterError where an item has an offset, and says that its files have it applied already."""
    properties: Mapping[str, Any] = (row.item or {}).get("properties") or {}
    applied = [key for key, value in properties.items() if key.endswith(":boa_offset_applied") and value is True]
    if applied and any(scaling.offset for scaling in scalings):
        raise ParameterError(
            "the asset {name} has the offset {offset:g}, but the item says by {applied} that its values have it already: "
            "which is right cannot be told. Correct the items, or set {pixelvalues} to stored.",
            name=name,
            offset=next(scaling.offset for scaling in scalings if scaling.offset),
            applied=applied[0],
            pixelvalues=field("pixelvalues"),
        )


def mask_of(text: str) -> Mask | None:
    """Return the mask that a text such as `SCL=0,1,3,8-10` names; None for an empty one.

    Raises:
        ParameterError: it is of another form.
    """
    if not text.strip():
        return None
    match = _MASK.fullmatch(text)
    values: set[int] = set()
    for part in match["values"].split(",") if match else ():
        ends = _VALUES.fullmatch(part.strip())
        if ends is None:
            match = None
            break
        values.update(range(int(ends[1]), int(ends[2] or ends[1]) + 1))
    if match is None or not values or max(values) > _LARGEST:
        raise ParameterError(
            "{mask} is {text!r}, but must be an asset and its values to leave out, from 0 to 255, such as SCL=0,1,3,8-10.",
            mask=field("mask"),
            text=text,
        )
    return Mask(match["asset"], tuple(sorted(values)))


# ---------------------------------------------------------------- opening


def opened_view(source: str, view: View) -> Opened | str:
    """Return a raster that is read in another way than it is stored, under its own name; as it is where that is the same.

    Raises:
        RasterError: it or its mask cannot be opened, or they do not lie on the same ground.
    """
    dataset = open_dataset(source)[0]
    mask = open_dataset(view.mask)[0] if view.mask else None
    if mask is None and not view.scalings and _tells_nodata(dataset, view.nodata):
        return source
    bands = [_band(dataset, number, view) for number in range(1, dataset.RasterCount + 1)]
    shape = f'rasterXSize="{dataset.RasterXSize}" rasterYSize="{dataset.RasterYSize}"'
    xml = "".join(
        [
            f"<VRTDataset {shape}>",
            *_georeferencing(dataset),
            *bands,
            _mask_band(source, dataset, mask, view) if mask is not None else "",
            "</VRTDataset>",
        ]
    )
    made = None
    with collected_errors() as errors:
        made = gdal.Open(xml)
    if made is None or errors.failed:
        raise RasterError("Cannot read {source} as its item describes it: {errors}.", source=source, errors=errors)
    return Opened(made, source)


def _tells_nodata(dataset: gdal.Dataset, nodata: float | None) -> bool:
    bands = (dataset.GetRasterBand(number) for number in range(1, dataset.RasterCount + 1))
    return all(band.GetNoDataValue() == nodata for band in bands)


def _georeferencing(dataset: gdal.Dataset) -> list[str]:
    numbers = ", ".join(repr(number) for number in dataset.GetGeoTransform())
    system = dataset.GetProjection()
    return [f"<SRS>{escape(system)}</SRS>" if system else "", f"<GeoTransform>{numbers}</GeoTransform>"]


def _band(dataset: gdal.Dataset, number: int, view: View) -> str:
    band = dataset.GetRasterBand(number)
    nodata = band.GetNoDataValue() if view.nodata is None else view.nodata
    if not view.scalings:
        kind, scaled = gdal.GetDataTypeName(band.DataType), ""
        tag = nodata
    else:
        scaling = view.scalings[number - 1] if len(view.scalings) > 1 else view.scalings[0]
        kind, scaled = (
            "Float32",
            f"<ScaleOffset>{scaling.offset!r}</ScaleOffset><ScaleRatio>{scaling.scale!r}</ScaleRatio>",
        )
        tag = None if nodata is None else _UNUSED
    return (
        f'<VRTRasterBand dataType="{kind}" band="{number}">'
        + ("" if tag is None else f"<NoDataValue>{tag!r}</NoDataValue>")
        + f"<ColorInterp>{gdal.GetColorInterpretationName(band.GetColorInterpretation())}</ColorInterp>"
        + "<ComplexSource>"
        + _source(dataset, number)
        + scaled
        + ("" if nodata is None or not scaled else f"<NODATA>{nodata!r}</NODATA>")
        + "</ComplexSource></VRTRasterBand>"
    )


_UNUSED = -9999.0
"""No-data value of physical values, which none of them has by chance: 0 may be one, once there is an offset."""


def _mask_band(source: str, dataset: gdal.Dataset, mask: gdal.Dataset, view: View) -> str:
    """Return a mask band that is 0 at certain values of another raster, whose pixels may be larger or smaller."""
    table = ",".join(f"{value}:{0 if value in view.without else 255}" for value in range(_LARGEST + 1))
    return (
        '<MaskBand><VRTRasterBand dataType="Byte"><ComplexSource>'
        + _source(mask, 1, _placed(source, dataset, mask, view.mask))
        + f"<LUT>{table}</LUT></ComplexSource></VRTRasterBand></MaskBand>"
    )


def _source(dataset: gdal.Dataset, number: int, place: str = "") -> str:
    name = escape(dataset.GetDescription())
    window = f'xOff="0" yOff="0" xSize="{dataset.RasterXSize}" ySize="{dataset.RasterYSize}"'
    return (
        f'<SourceFilename relativeToVRT="0" shared="0">{name}</SourceFilename><SourceBand>{number}</SourceBand>'
        f"<SrcRect {window}/>{place or f'<DstRect {window}/>'}"
    )


def _placed(source: str, dataset: gdal.Dataset, mask: gdal.Dataset, name: str) -> str:
    """Return where a mask lies in the pixels of a raster.

    Raises:
        RasterError: the mask does not cover the raster, in the same coordinate system.
    """
    ours, theirs = dataset.GetGeoTransform(), mask.GetGeoTransform()
    same = Reference.of(dataset, source).same_as(Reference.of(mask, name))
    straight = not (ours[2] or ours[4] or theirs[2] or theirs[4])
    if same and straight:
        x, y = (theirs[0] - ours[0]) / ours[1], (theirs[3] - ours[3]) / ours[5]
        width, height = mask.RasterXSize * theirs[1] / ours[1], mask.RasterYSize * theirs[5] / ours[5]
        covers = x <= 0.01 and y <= 0.01 and x + width >= dataset.RasterXSize - 0.01
        if covers and y + height >= dataset.RasterYSize - 0.01:
            return f'<DstRect xOff="{x!r}" yOff="{y!r}" xSize="{width!r}" ySize="{height!r}"/>'
    raise RasterError(
        "The mask {name} does not cover {source}, or has another coordinate system: it must have the same ground.",
        name=name,
        source=source,
    )
