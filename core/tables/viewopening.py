"""Opening rasters in another way than they are stored: as VRTs that GDAL reads without a copy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape  # nosec B406 (escapes, and parses nothing)

from osgeo import gdal

from ..base.progress import Progress
from ..errors import RasterError
from ..files.gdalcalls import collected_errors
from ..phrases import Phrase
from ..rasters.inmemory import Opened
from ..rasters.rasteropening import open_dataset
from ..rasters.rasterreference import Reference
from .views import LARGEST, View

_UNUSED = -9999.0
"""No-data value of physical values, which none of them has by chance: 0 may be one, once there is an offset."""

_Tags = Sequence["float | None"]
"""No-data value of each band as it is stored; None for none."""


def opened_view(source: str, view: View, progress: Progress) -> Opened | str:
    """Return a raster that is read in another way than it is stored, under its own name; as it is where that is the same.

    Raises:
        RasterError: it or its mask cannot be opened, they do not lie on the same ground, or it has other bands than its item
            describes.
    """
    dataset = open_dataset(source)[0]
    own = [dataset.GetRasterBand(number).GetNoDataValue() for number in range(1, dataset.RasterCount + 1)]
    tags = _tags(source, dataset, own, view.nodata, progress)
    if not view.mask and not view.scalings and all(mine is theirs for mine, theirs in zip(own, tags)):
        return source
    with collected_errors() as errors:
        made = _scaled(source, dataset, view, tags) if view.scalings else _tagged(dataset, tags)
        if made is not None and view.mask:
            made = _masked(source, dataset, made, view)
    if made is None or errors.failed:
        raise RasterError("Cannot read {source} as its item describes it: {errors}.", source=source, errors=errors)
    return Opened(made, source)


def _tags(source: str, dataset: gdal.Dataset, own: _Tags, told: float | None, progress: Progress) -> _Tags:
    """Return the no-data values that count: those of the file, or that of its item where the file tells nothing."""
    other = next((tag for tag in own if tag is not None and told is not None and not _same(tag, told)), None)
    if other is not None:
        progress.warning(
            Phrase(
                "{source} has the no-data value {own:g}, but its item says {told:g}: that of the file counts.",
                source=source,
                own=other,
                told=told,
            )
        )
    return own if _has_mask(dataset) else [told if tag is None else tag for tag in own]


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _has_mask(dataset: gdal.Dataset) -> bool:
    return bool(dataset.GetRasterBand(1).GetMaskFlags() & gdal.GMF_PER_DATASET)


def _tagged(dataset: gdal.Dataset, tags: _Tags) -> gdal.Dataset | None:
    made = gdal.Translate("", dataset, format="VRT")
    for number, tag in enumerate(tags if made is not None else (), 1):
        if tag is not None:
            made.GetRasterBand(number).SetNoDataValue(tag)
    return made


# ------------------------------------------------------------------ scaled


def _scaled(source: str, dataset: gdal.Dataset, view: View, tags: _Tags) -> gdal.Dataset | None:
    """Return physical values, as float32.

    Raises:
        RasterError: the item describes another number of bands.
    """
    if len(view.scalings) not in (1, dataset.RasterCount):
        raise RasterError(
            "{source} has {bands} bands, but its item describes {described} with different scales: correct the item.",
            source=source,
            bands=dataset.RasterCount,
            described=len(view.scalings),
        )
    numbers = [each.numbers for each in view.scalings] * (dataset.RasterCount if len(view.scalings) == 1 else 1)
    bands = (_scaled_band(dataset, *each) for each in zip(range(1, len(tags) + 1), numbers, tags))
    system, place = dataset.GetProjection(), ", ".join(repr(number) for number in dataset.GetGeoTransform())
    xml = "".join(
        [
            f'<VRTDataset rasterXSize="{dataset.RasterXSize}" rasterYSize="{dataset.RasterYSize}">',
            f"<SRS>{escape(system)}</SRS>" if system else "",
            f"<GeoTransform>{place}</GeoTransform>",
            *bands,
            _mask_band(_source(dataset, "mask,1")) if _has_mask(dataset) else "",
            "</VRTDataset>",
        ]
    )
    return gdal.Open(xml)


def _scaled_band(dataset: gdal.Dataset, number: int, scaling: tuple[float, float], nodata: float | None) -> str:
    scale, offset = scaling
    band = dataset.GetRasterBand(number)
    return (
        f'<VRTRasterBand dataType="Float32" band="{number}">'
        + ("" if nodata is None else f"<NoDataValue>{_UNUSED!r}</NoDataValue>")
        + f"<ColorInterp>{gdal.GetColorInterpretationName(band.GetColorInterpretation())}</ColorInterp>"
        + f"<ComplexSource>{_source(dataset, str(number))}"
        + f"<ScaleOffset>{offset!r}</ScaleOffset><ScaleRatio>{scale!r}</ScaleRatio>"
        + ("" if nodata is None else f"<NODATA>{nodata!r}</NODATA>")
        + "</ComplexSource></VRTRasterBand>"
    )


def _source(dataset: gdal.Dataset, band: str, place: str = "") -> str:
    name = escape(dataset.GetDescription())
    window = f'xOff="0" yOff="0" xSize="{dataset.RasterXSize}" ySize="{dataset.RasterYSize}"'
    return (
        f'<SourceFilename relativeToVRT="0" shared="0">{name}</SourceFilename><SourceBand>{band}</SourceBand>'
        f"<SrcRect {window}/>{place or f'<DstRect {window}/>'}"
    )


def _mask_band(content: str) -> str:
    return (
        f'<MaskBand><VRTRasterBand dataType="Byte"><ComplexSource>{content}</ComplexSource></VRTRasterBand></MaskBand>'
    )


# ------------------------------------------------------------------ masked


def _masked(source: str, dataset: gdal.Dataset, made: gdal.Dataset, view: View) -> gdal.Dataset | None:
    """Return a view with a mask band that is 0 at certain values of another raster, whose pixels may be larger or smaller.

    Raises:
        RasterError: the raster has a mask of its own, or the other does not cover it.
    """
    if _has_mask(dataset):
        raise RasterError(
            "{source} has a mask or an alpha band of its own, so that {mask} cannot mask it, too: use only one of them.",
            source=source,
            mask=view.mask,
        )
    mask = open_dataset(view.mask)[0]
    table = ",".join(f"{value}:{0 if value in view.without else 255}" for value in range(LARGEST + 1))
    # The table goes on beyond its ends as it ends.
    content = (
        f"{_source(mask, '1', _placed(source, dataset, mask, view.mask))}<LUT>-1:255,{table},{LARGEST + 1}:255</LUT>"
    )
    xml: str = made.GetMetadata("xml:VRT")[0]
    return gdal.Open(xml.replace("</VRTDataset>", f"{_mask_band(content)}</VRTDataset>"))


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
        "The mask {name} does not fit {source}: it must cover the same ground in the same coordinate system, and neither may "
        "be rotated.",
        name=name,
        source=source,
    )
