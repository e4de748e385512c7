"""Description of one output of a model: its geometry and its receptive field, found by probing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from osgeo import gdal

from ..errors import ModelError, OtbtfError, field
from ..machine.devices import Scope
from ..models.modelinterface import Model, TensorInfo
from ..models.placeholders import parse_userplaceholders
from ..models.sidecar import Geometry, patches_verdict
from ..phrases import Phrase
from ..rasters.pixeltypes import gdal_type, written_type
from ..rasters.rasterstack import Stack
from .appliedgeometry import choose_fields
from .feeding import image_inputs
from .geometryresolver import SAMPLE, GeometryResolver
from .probedsidecar import as_geometry
from .receptivefield import ReceptiveField, find_receptive_fields
from .sizelaw import SizeLaw
from .sources import OpenSource, assign_inputs, check_numbers
from .tilemargins import SIDES, TileMargins, find_tile_margins
from .usersettings import GeometrySettings, SourceSettings

LARGEST = 512
"""Largest square, in pixels of the first source, on which true receptive fields are sought."""

RATIOS = (Fraction(1), Fraction(1, 2), Fraction(2), Fraction(1, 4), Fraction(4))
"""Pixels of a further source per pixel of the first that are tried without rasters."""

PIXELWISE = Phrase("pixel-wise")
FULLY_CONVOLUTIONAL = Phrase("fully convolutional")
ANY_PATCHES = Phrase("patches of any size")
WHOLE = Phrase("whole image only")


@dataclass(frozen=True)
class OutputDescription:
    """One output of a model.

    Attributes:
        info: name, shape and dtype.
        geometry: how the model is applied for it; None where that was not found.
        parameters: the same as parameters of Serve, with mentions for their names; empty where it was not found.
        fields: true receptive field per source; empty where it was not found.
        problem: why the geometry was not found, with mentions of parameters.
    """

    info: TensorInfo
    geometry: Geometry | None = None
    parameters: str = ""
    fields: tuple[ReceptiveField, ...] = ()
    problem: str = ""

    @property
    def verdict(self) -> str:
        """How the model is applied, in words."""
        return self.geometry.verdict if self.geometry else Phrase("not probed")


@dataclass(frozen=True)
class OutputProbing:
    """Describes one output after the other of a model.

    Attributes:
        model: the model, with the bands last.
        placeholders: values of the user placeholders.
        scope: the device.
        check: called often; raises to stop.
        receptive_fields: whether the receptive fields of single outputs are found too.
    """

    model: Model
    placeholders: str
    scope: Scope
    check: Callable[[], None]
    receptive_fields: bool

    def describe(self, info: TensorInfo, sources: Sequence[OpenSource]) -> OutputDescription:
        """Describe an output; `sources` are what the model is probed on, random images where there are none."""
        try:
            check_numbers(self.model, info)
            return self._probed(info, sources) if sources else self._probed_on_noise(info)
        except OtbtfError as error:
            return OutputDescription(info, problem=error.message)

    def _probed_on_noise(self, info: TensorInfo) -> OutputDescription:
        """Probe a model on random images with its own numbers of bands, at the pixel sizes that it takes."""
        values = {self.model.input(name).name for name in parse_userplaceholders(self.placeholders)}
        taken = image_inputs(self.model, [info.name], values)
        images = [item for item in taken if item.rank == 4]
        unknown = [item.name for item in taken if item.rank is None or (item.rank == 4 and item.size(3) is None)]
        if unknown:
            raise ModelError(
                "Not probed: the model does not fix the number of bands of its input {unknown}. To probe it, "
                "describe it with rasters ({il}, ...).",
                unknown=", ".join(unknown),
                il=field("il", of="sources", number=1),
            )
        if not images:
            raise ModelError("Not probed: the output does not depend on an input of batch x height x width x bands.")
        for ratios in _ratios(images):
            self.check()
            sources = [_noise(number, *pair) for number, pair in enumerate(zip(images, ratios), 1)]
            if len(images) == 1 or self._accepts(info, sources):
                return self._probed(info, sources, (0,) * len(images))
        # Their sizes may differ by some pixels: that is sought at one pixel size only.
        return self._probed(info, [_noise(number, item, Fraction(1)) for number, item in enumerate(images, 1)])

    def _resolver(self, info: TensorInfo, sources: Sequence[OpenSource]) -> GeometryResolver:
        inputs = assign_inputs(self.model, self.placeholders, sources, [info.name])
        return GeometryResolver(self.model, inputs, [info.name], sources, self.scope)

    def _accepts(self, info: TensorInfo, sources: Sequence[OpenSource]) -> bool:
        """Return whether the model takes common sizes of these sources together."""
        probe = self._resolver(info, sources).probe
        fixed = any(size is not None for sizes in probe.fixed for size in sizes)
        return fixed or any(probe.size(side * probe.unit) for side in (*probe.small_sides, *SIDES[:2]))

    def _probed(
        self, info: TensorInfo, sources: Sequence[OpenSource], offsets: tuple[int, ...] | None = None
    ) -> OutputDescription:
        resolver = self._resolver(info, sources)
        law = resolver.size_law(offsets)
        resolver.check_repeatable(law)
        margins: TileMargins | None = None
        size = (0, 0)
        fields: tuple[ReceptiveField, ...] = ()
        if law.x is not None and law.y is not None:
            size = _typical(law)
            margins = find_tile_margins(resolver.probe, law, lambda side: side <= SIDES[-1], size)
            fields = self._receptive_fields(resolver, law, margins)
        bands = [source.stack.bands for source in sources]
        verdict, seen = _verdict(law, margins, fields), [(item.x.size, item.y.size) for item in fields]
        geometry = as_geometry(info.name, resolver.inputs, bands, resolver.ratios, law, margins, size, verdict, seen)
        try:
            text = choose_fields(GeometrySettings.open(len(sources)), law, resolver.ratios).as_parameters()
        except OtbtfError:  # patches of any size: only the user knows
            text = ""
        return OutputDescription(info, geometry, text, fields)

    def _receptive_fields(
        self, resolver: GeometryResolver, law: SizeLaw, margins: TileMargins
    ) -> tuple[ReceptiveField, ...]:
        if margins.whole or not (self.receptive_fields or _sees_nothing_around(law, margins)):
            return ()
        largest = LARGEST if self.receptive_fields else SIDES[0]
        found = find_receptive_fields(resolver.probe, law, margins.stride, lambda side: side <= largest, self.check)
        return tuple(found)


def _ratios(images: Sequence[TensorInfo]) -> list[tuple[Fraction, ...]]:
    """The pixel sizes to try: those of fixed sizes where the model has them."""
    sizes = [item.size(2) for item in images]
    if all(size is not None for size in sizes):
        return [tuple(Fraction(size or 1, sizes[0] or 1) for size in sizes)]
    return [(Fraction(1), *others) for others in itertools.product(RATIOS, repeat=len(images) - 1)][:25]


def _noise(number: int, info: TensorInfo, ratio: Fraction) -> OpenSource:
    """A source of random pixels in the range that its dtype suggests."""
    side, bands = max(1, min(SAMPLE, int(SAMPLE * ratio))), info.size(3) or 1  # no more is looked at
    dtype = written_type(info.dtype)
    generator = np.random.default_rng(number - 1)
    if dtype.kind in "iu":
        pixels = generator.integers(0, min(255, np.iinfo(dtype).max), (bands, side, side)).astype(dtype)
    else:
        pixels = generator.random((bands, side, side)).astype(dtype)
    dataset = gdal.GetDriverByName("MEM").Create("", side, side, bands, gdal_type(dtype))
    spacing = float(1 / ratio)
    dataset.SetGeoTransform((0.0, spacing, 0.0, 0.0, 0.0, -spacing))
    dataset.WriteRaster(0, 0, side, side, pixels.tobytes(), buf_type=gdal_type(dtype))
    settings = SourceSettings(placeholder=info.name)
    return OpenSource(number, Stack([dataset], placed=False, takes_complex=True), None, settings)


def _sees_nothing_around(law: SizeLaw, margins: TileMargins) -> bool:
    """Return whether an output may depend on one pixel alone."""
    return margins.margin_x == margins.margin_y == (0, 0) and law.x is not None and law.x.crop == 0


def _typical(law: SizeLaw) -> tuple[int, int]:
    """Width and height of a region that the model takes: a multiple of 128 where it takes one, as most strides divide it."""
    sizes = []
    for axis in (law.x, law.y):
        assert axis is not None  # nosec B101 (tells mypy)
        jump = math.lcm(axis.lattice, axis.scale.numerator)
        tried = [axis.rfield] if axis.fixed else range(axis.rfield, axis.rfield + 128 * jump, jump)
        sizes.append(next((size for size in tried if size % 128 == 0), axis.rfield))
    return sizes[0], sizes[1]


def _verdict(law: SizeLaw, margins: TileMargins | None, fields: Sequence[ReceptiveField]) -> str:
    if law.x is None or law.y is None:
        return patches_verdict(*law.patch) if law.patch else ANY_PATCHES
    if law.x.fixed or law.y.fixed:
        return patches_verdict(law.x.rfield, law.y.rfield)
    if margins is not None and margins.whole:
        return WHOLE
    if fields and all((item.x.size, item.y.size) == (1, 1) for item in fields) and law.x.scale == 1 and law.x.crop == 0:
        return PIXELWISE
    return FULLY_CONVOLUTIONAL
