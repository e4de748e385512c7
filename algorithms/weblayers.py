"""Raster layers that GDAL cannot open (basemaps, WMS, WCS, databases), copied to a GeoTIFF for the time of a run."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsNetworkAccessManager,
    QgsProviderRegistry,
    QgsRasterLayer,
    QgsRectangle,
    QgsUnitTypes,
)
from qgis.PyQt.QtCore import QThread

from ..core.base.progress import Progress
from ..core.base.temporaries import scratch_folder
from ..core.errors import ParameterError
from ..core.parameters import kinds
from ..core.parameters.kinds import Content, Key
from ..core.parameters.operation import Operation
from ..core.parameters.parsing import keys
from ..core.parameters.sections import GEOMETRY
from ..core.phrases import Phrase
from .layercopy import LayerCopy
from .layergrid import LayerGrid
from .providerblocks import ProviderBlocks
from .vectorsources import crs_text

EXTENT = Key(
    "web.extent",
    kinds.EXTENT,
    "Web layers: extent",
    "Extent to read of layers that are not files, such as basemaps (XYZ), WMS, WCS, database rasters and virtual rasters: "
    "xmin,xmax,ymin,ymax [EPSG:code]. Without a code, it is in the layer's CRS. Required for these layers, otherwise "
    "ignored.",
    advanced=True,
    section=GEOMETRY,
)
PIXEL_SIZE = Key(
    "web.pixelsize",
    kinds.NUMBER,
    "Web layers: pixel size",
    "Pixel size at which to read these layers, in units of the layer's CRS (metres of EPSG:3857 for basemaps). It selects "
    "the zoom level. Default: the layer's own pixel size; required for layers without one.",
    minimum=0,
    advanced=True,
    section=GEOMETRY,
)
WARNED, MOST = 100, 1000
"""Megapixels of one layer above which a run warns, and which it refuses."""

_Extent = Callable[[QgsCoordinateReferenceSystem], QgsRectangle]

_WORLD = 6378137.0  # radius of the sphere of EPSG:3857, in metres
_NEAR = 0.01  # a pixel size within 1 % of that of a zoom level is taken for it
_UNSAFE = re.compile(r"[^\w.-]+")
_ADDRESS = re.compile(r"([a-z]+):(?://)?(.+)", re.DOTALL)


def web_keys(operation: type[Operation]) -> tuple[Key, ...]:
    """Return the keys that QGIS adds to an operation: none where it reads no raster.

    They are no part of its declaration: core reads files only, whose extent and pixel size are their own.
    """
    reads = any(key.kind.content is Content.RASTER and not key.kind.is_output for key in keys(operation, sources=1))
    return (EXTENT, PIXEL_SIZE) if reads else ()


def provider_address(text: str) -> tuple[str, str]:
    """Return provider and source of `wms:type=xyz&url=...`, or of `wms://type=xyz&...`; empty ones for another text."""
    match = _ADDRESS.fullmatch(text)
    if match is None or match[1] == "gdal" or match[1] not in QgsProviderRegistry.instance().providerList():
        return "", ""
    return match[1], match[2]


def opened(place: str, provider: str, source: str) -> QgsRasterLayer:
    """Return the layer of a provider's address; call it in the main thread.

    Raises:
        ParameterError: the provider cannot open it, or it is no raster.
    """
    query = parse_qs(source)
    host = urlsplit(query.get("url", [""])[0]).hostname
    layer = QgsRasterLayer(source, f"{provider} {host}" if host else provider, provider)
    if layer.isValid():
        return layer
    # The source itself may hold a password.
    why = str(layer.error().summary()).strip().rstrip(".") or Phrase("QGIS gives no reason")
    raise ParameterError(
        "{place} is a source of the provider {provider}, which cannot open it: {why}. Add the layer to a project, "
        "check that QGIS shows it, and copy its source from its properties (Information).",
        place=place,
        provider=provider,
        why=why,
    )


@dataclass(frozen=True)
class Wanted:
    """What a run asks for of layers that are not files.

    Attributes:
        extent: from a coordinate system to the rectangle in it; None where none is given.
        pixel_size: in units of the layer's coordinate system; None for the layer's own.
        limits: mentions of the parameters that limit the output, but not what is read of such a layer.
    """

    extent: _Extent | None
    pixel_size: float | None
    limits: tuple[str, ...] = ()

    def missing(self, called: str) -> ParameterError:
        """Return the error for a layer of which no extent is given."""
        told = Phrase(
            " ({limits} only {count:limits|limit} the output; the image itself must be finite.)",
            limits=", ".join(self.limits),
            count=len(self.limits),
        )
        return ParameterError(
            "{called} is not a file, and {extent} is missing: enter the extent to read of it.{limits}",
            called=called,
            extent=EXTENT.mention,
            limits=told if self.limits else "",
        )


class WebLayer:
    """A layer that only QGIS reads, to be copied to a file by the thread that runs the algorithm."""

    def __init__(self, place: str, layer: QgsRasterLayer, wanted: Wanted) -> None:
        """Find what is read of the layer, without a request to its server; call it in the main thread.

        Args:
            place: the parameter, for messages.
            layer: the layer.
            wanted: what to read of it.

        Raises:
            ParameterError: extent or pixel size are missing, do not fit the layer, or ask for too many pixels.
        """
        self._place, self._name, self._crs = place, str(layer.name()), layer.crs()
        provider = layer.dataProvider()
        if wanted.extent is None:
            raise wanted.missing(self._called)
        self._levels = _levels(provider)
        self._query = parse_qs(str(layer.source())) if layer.providerType() == "wms" else {}
        size = self._pixel_size(provider, wanted)
        self._grid = self._window(provider, wanted.extent, size)
        self._read_level = self._zoom(self._nearest(size[0]))
        self._provider: Any = None
        self._network = QgsNetworkAccessManager.instance()
        self._ended = contextlib.ExitStack()

    def prepare(self, layer: QgsRasterLayer) -> WebLayer:
        """Clone the layer's provider for `write`, which may ask its server; call it in the main thread.

        Args:
            layer: the layer that this was made of.
        """
        level = self._read_level
        read = layer if level is None else _of_zoom_level(layer, level)  # kept: its provider goes with it
        self._provider = read.dataProvider().clone()
        self._provider.moveToThread(None)  # it goes with the thread of the run
        return self

    def write(self, progress: Progress) -> str:
        """Copy the prepared layer to a GeoTIFF, which stays until `release`, and return its path.

        Raises:
            RasterError: the layer cannot be read, or the file cannot be written.
            Cancelled: the user asked to stop.
        """
        self._provider.moveToThread(QThread.currentThread())
        self._tell(progress)
        folder = self._ended.enter_context(scratch_folder())
        path = str(folder / (_UNSAFE.sub("_", self._name)[:60] + ".tif"))
        blocks = ProviderBlocks(self._provider, self._read_level is not None, self._called, self._network, progress)
        LayerCopy(self._called, path, self._grid, crs_text(self._crs) if self._crs.isValid() else "").write(
            blocks, progress
        )
        return path

    def release(self) -> None:
        """Remove the file, and the clone of the provider; call it in the thread of the run."""
        self._provider = None
        self._ended.close()

    # ------------------------------------------------------------ what is read

    @property
    def _called(self) -> str:
        return Phrase("{place}: the layer {name}", place=self._place.rstrip(","), name=self._name)

    @property
    def _unit(self) -> str:
        return str(QgsUnitTypes.toString(self._crs.mapUnits()))

    def _pixel_size(self, provider: Any, wanted: Wanted) -> tuple[float, float]:
        if wanted.pixel_size is not None:
            if not 0 < wanted.pixel_size < math.inf:
                raise ParameterError(
                    "{pixel_size} is {wanted_pixel_size:g}, but must be above 0: enter the size of a pixel in "
                    "{unit} of {crs}.",
                    pixel_size=PIXEL_SIZE.mention,
                    wanted_pixel_size=wanted.pixel_size,
                    unit=self._unit,
                    crs=self._crs.authid(),
                )
            nearest = self._nearest(wanted.pixel_size)
            size = nearest if nearest and abs(nearest / wanted.pixel_size - 1) < _NEAR else wanted.pixel_size
            return size, size
        if provider.xSize() > 0 and provider.ySize() > 0:
            extent = provider.extent()
            return extent.width() / provider.xSize(), extent.height() / provider.ySize()
        levels = (
            Phrase(" Its zoom levels have {listed_levels}.", listed_levels=self._listed_levels())
            if self._levels
            else ""
        )
        raise ParameterError(
            "{called} has no pixel size of its own, and {pixel_size} is missing: enter the size of a pixel in "
            "{unit} of {crs}.{levels}",
            called=self._called,
            pixel_size=PIXEL_SIZE.mention,
            unit=self._unit,
            crs=self._crs.authid(),
            levels=levels,
        )

    def _window(self, provider: Any, extent: _Extent, size: tuple[float, float]) -> LayerGrid:
        asked, whole = extent(self._crs), provider.extent()
        grid = LayerGrid.covering(asked, whole, size)
        if grid is None:
            raise ParameterError(
                "{extent} is {to_string} in {crs}, which is outside the layer {name} ({to_string_number}): choose "
                "an extent within it.",
                extent=EXTENT.mention,
                to_string=asked.toString(1),
                crs=self._crs.authid(),
                name=self._name,
                to_string_number=whole.toString(1),
            )
        if grid.megapixels > MOST:
            raise ParameterError(
                "{extent} has {width} x {height} pixels of {size:g} {unit} in the layer {name}, but at most {most} "
                "megapixels are read: choose a smaller extent or a larger {pixel_size}.",
                extent=EXTENT.mention,
                width=grid.width,
                height=grid.height,
                size=size[0],
                unit=self._unit,
                name=self._name,
                most=MOST,
                pixel_size=PIXEL_SIZE.mention,
            )
        return grid

    # ------------------------------------------------------------ what is said

    def _tell(self, progress: Progress) -> None:
        grid = self._grid
        progress.info(
            Phrase(
                "{called} is read as {width} x {height} pixels of {x_size:.10g} {unit} in {crs}{ground}{level}.",
                called=self._called,
                width=grid.width,
                height=grid.height,
                x_size=grid.x_size,
                unit=self._unit,
                crs=self._crs.authid(),
                ground=self._ground(),
                level=self._level(),
            )
        )
        finest = min(self._levels, default=0.0)
        if finest > grid.x_size * (1 + _NEAR):
            progress.warning(
                Phrase(
                    "{called} has no pixels below {finest:.10g} {unit}, so its pixels are enlarged to {x_size:g} "
                    "{unit} and show no more detail: a {pixel_size} of {finest:.10g} is enough.",
                    called=self._called,
                    finest=finest,
                    unit=self._unit,
                    x_size=grid.x_size,
                    pixel_size=PIXEL_SIZE.mention,
                )
            )
        if grid.megapixels > WARNED:
            progress.warning(
                Phrase(
                    "{called} has {megapixels:.0f} megapixels in this extent. Reading them takes long, and the "
                    "server's terms of use may forbid it.",
                    called=self._called,
                    megapixels=grid.megapixels,
                )
            )

    def _ground(self) -> str:
        """Return the size of a pixel on the ground, which EPSG:3857 enlarges away from the equator."""
        if self._crs.authid() != "EPSG:3857":
            return ""
        middle = self._grid.top - self._grid.y_size * self._grid.height / 2
        return Phrase(" ({x_size:.3g} m on the ground)", x_size=self._grid.x_size / math.cosh(middle / _WORLD))

    def _level(self) -> str:
        level = self._nearest(self._grid.x_size)
        if level is None:
            return ""
        same = math.isclose(level, self._grid.x_size, rel_tol=1e-9)
        zoom = self._zoom(level)
        named = (
            Phrase("zoom level {zoom}", zoom=zoom)
            if zoom is not None
            else Phrase("the level of {level:.10g} {unit}", level=level, unit=self._unit)
        )
        return (
            Phrase(", the pixels of {named}", named=named)
            if same
            else Phrase(", resampled from {named} ({level:.10g} {unit})", named=named, level=level, unit=self._unit)
        )

    def _nearest(self, size: float) -> float | None:
        """Return the pixel size of the level that QGIS takes for a pixel size; of two as near, the larger."""
        return min(self._levels, key=lambda level: (abs(level - size), -level), default=None)

    def _zoom(self, level: float | None) -> int | None:
        """Return the number of a zoom level of XYZ tiles; None for others, whose levels have names."""
        if level is None or self._query.get("type") != ["xyz"]:
            return None
        return int(self._query.get("zmax", ["18"])[0]) - self._levels.index(level)

    def _listed_levels(self) -> str:
        def one(level: float) -> str:
            zoom = self._zoom(level)
            return f"{level:.6g}" if zoom is None else f"{level:.6g} ({zoom})"

        return ", ".join(one(level) for level in self._levels)


def _of_zoom_level(layer: QgsRasterLayer, zoom: int) -> QgsRasterLayer:
    """Return a layer of XYZ tiles that has one zoom level only, so that QGIS takes no other one for it."""
    parts = [part for part in str(layer.source()).split("&") if not part.startswith(("zmin=", "zmax="))]
    return QgsRasterLayer(
        "&".join([*parts, f"zmin={zoom}", f"zmax={zoom}"]),
        layer.name(),
        "wms",
    )


def _levels(provider: Any) -> list[float]:
    """Return the pixel sizes in which a server keeps its tiles, the finest first."""
    return sorted(float(level) for level in provider.nativeResolutions())


@contextlib.contextmanager
def released(values: Mapping[str, Any]) -> Iterator[None]:
    """Remove the files of a run's layers at its end, whatever that is.

    Args:
        values: as `Reader.inputs` returns them for a run.
    """
    layers = [one for value in values.values() for one in (value if isinstance(value, list) else [value])]
    with contextlib.ExitStack() as ended:
        for layer in layers:
            if isinstance(layer, WebLayer):
                ended.callback(layer.release)
        yield
