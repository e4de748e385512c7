"""No-data pixels of a raster: one rule for all readers.

A band is missing in a pixel where it has its no-data value, where its value lies in a range that the user has set, where
a mask of its data set is 0, or where all bands of its data set have the values of its NODATA_VALUES. How many of its bands
must be missing for a pixel to be no-data is the user's choice; see `core.parameters.nodatarules`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from osgeo import gdal

from ..errors import RasterError
from ..files.gdalcalls import collected_errors
from ..geometry.grid import Box
from ..parameters.nodatarules import WITHOUT_BANDS, NodataRule
from ..parameters.rastersource import Ranges, RasterSource
from .inmemory import Opened
from .nodatacomparison import ranges_of, stored_range, within
from .pixeltypes import numpy_type


@dataclass(frozen=True)
class Held:
    """What a file declares about one of its bands.

    Attributes:
        dtype: of the band.
        tag: its no-data value, a whole number where the band has such; None where it has none, or it is switched off.
        ranges: values that the user has declared no-data.
        masks: numbers of the stack's masks that tell of it.
        joint: number of the first band of its data set, where NODATA_VALUES tells of them together, and its value.
    """

    dtype: np.dtype
    tag: Any = None
    ranges: Ranges = ()
    masks: tuple[int, ...] = ()
    joint: tuple[int, Any] | None = None


def common_tag(bands: Sequence[Held]) -> Any:
    """Return the no-data value that all bands have; None where they differ, or have none. NaN is one value."""
    first, *others = (held.tag for held in bands)
    return first if all(tag == first or (tag != tag and first != first) for tag in others) else None


class Masked(Protocol):
    """Rasters whose masks can be read; see `core.rasters.rasterstack.Stack`."""

    @property
    def dtype(self) -> np.dtype:
        """Type that holds the values of every band."""

    @property
    def held(self) -> tuple[Held, ...]:
        """What the files say of the bands."""

    def read(self, box: Box) -> np.ndarray:
        """Return the pixels of `box`, of shape (height, width, bands)."""

    def read_mask(self, number: int, box: Box, padding: str = "edge") -> np.ndarray:
        """Return where a mask is 0 in `box`, as a boolean array of shape (height, width)."""


class Missing:
    """Says which pixels of rasters are missing, for one choice of what counts.

    Attributes:
        possible: whether a pixel can be no-data: where it is not, nothing needs to be asked.
        partly: whether a band can be missing in a pixel.
    """

    def __init__(
        self,
        rasters: Masked,
        nodata: float | None = None,
        from_layer: bool = True,
        nan: bool = False,
        rule: NodataRule = WITHOUT_BANDS,
        filled: float | None = None,
    ) -> None:
        """Prepare.

        Args:
            rasters: their masks are read when they are asked for.
            nodata: the no-data value of every band (NaN is one); it replaces those of the files.
            from_layer: whether the files' no-data values, what the user has set beside them, and masks count.
            nan: whether NaN counts too.
            rule: how many bands must be missing for a pixel to be no-data; whether NaN counts, too.
            filled: what a model takes for missing and fills, whatever the files say; None for nothing.
        """
        self._rasters, self._bands = rasters, len(rasters.held)
        self._rules = [_rule(held, rasters.dtype, nodata, from_layer, nan or rule.nan, filled) for held in rasters.held]
        self._allowed = rule.bands_allowed(self._bands)
        self._value = nodata if nodata is not None or not from_layer else common_tag(rasters.held)
        joints = [(number, held.joint) for number, held in enumerate(rasters.held) if held.joint and from_layer]
        self._joints: dict[int, list[tuple[int, Ranges]]] = {}
        for number, (first, value) in joints:
            ranges = ranges_of(value, rasters.held[number].dtype, rasters.dtype)
            self._joints.setdefault(first, []).append((number, ranges))
        telling = sum(rule.tells for rule in self._rules)
        self.possible, self.partly = telling > self._allowed, telling > 0
        self._by_value = any(rule.ranges or rule.joint is not None for rule in self._rules)

    def read(self, box: Box) -> np.ndarray:
        """Return where the pixels of `box` are no-data, as `marked` does; pixels are read only where they tell.

        Raises:
            RasterError: a part cannot be read.
        """
        if self.possible and self._by_value:
            return self.marked(self._rasters.read(box), box)
        return self.marked(np.broadcast_to(self._rasters.dtype.type(0), (box.height, box.width, self._bands)), box)

    @property
    def pixel_bytes(self) -> int:
        """Memory that `read` takes for each pixel."""
        return self._bands * self._rasters.dtype.itemsize if self.possible and self._by_value else 0

    def marked(self, pixels: np.ndarray, box: Box, padding: str = "edge") -> np.ndarray:
        """Return where pixels are no-data, as a boolean array of shape (height, width).

        Args:
            pixels: of `box`, shape (height, width, bands), as they were read.
            box: where they lie; it may reach beyond the rasters.
            padding: what stands there, as for `Stack.read_padded`.
        """
        if not self.possible:
            return np.zeros(pixels.shape[:2], bool)
        asked = _Asked(self, pixels, box, padding)
        if self._allowed == self._bands - 1:
            return self._without_bands(asked, pixels.shape[:2])
        count = np.zeros(pixels.shape[:2], np.min_scalar_type(self._bands))
        for number, rule in enumerate(self._rules):
            if rule.tells:
                count += asked.band(number)
        return np.asarray(count > self._allowed)

    def _without_bands(self, asked: _Asked, shape: tuple[int, ...]) -> np.ndarray:
        found = np.ones(shape, bool)
        for number in range(len(self._rules)):
            found &= asked.band(number)
            if not found.any():
                break
        return found

    def by_band(self, pixels: np.ndarray, box: Box, padding: str = "edge") -> np.ndarray:
        """Return where each band is missing, as a boolean array of shape (height, width, bands); see `marked`."""
        asked = _Asked(self, pixels, box, padding)
        return np.stack([asked.band(number) for number in range(len(self._rules))], axis=-1)

    def with_gaps(self, pixels: np.ndarray, box: Box, value: float, padding: str = "edge") -> np.ndarray:
        """Return pixels that have one value, or NaN, wherever a band is missing; see `marked`.

        The array is the same where they have it already, and else a copy, of a type that holds the value.
        """
        if not self.changes(value):
            return pixels
        gaps = self.by_band(pixels, box, padding)
        if not gaps.any():
            return pixels
        pixels = pixels.astype(gap_type(pixels.dtype, value))
        pixels[gaps] = value
        return pixels

    def changes(self, value: float) -> bool:
        """Return whether a band can be missing where it has neither this value nor NaN."""
        return any(
            rule.masks
            or rule.joint is not None
            or not all(low == high == value or low != low for low, high in rule.ranges)
            for rule in self._rules
        )

    @property
    def apart(self) -> bool:
        """Whether some bands of a pixel can be missing while others are not."""
        together = len({(rule.masks, rule.joint) for rule in self._rules}) == 1
        return self.partly and not (together and not any(rule.ranges for rule in self._rules))

    @property
    def gap_value(self) -> float | None:
        """What stands for missing bands in pixels that are handed on; None where there is no common value.

        It is the value of the files, NaN in real numbers, or a bound of ranges that the user has declared missing: one that
        is missing in all bands.
        """
        if self._value is not None:
            return float(self._value)
        if self._rasters.dtype.kind == "f":
            return math.nan
        bounds = (bound for bounds in self._rules[0].ranges for bound in bounds if math.isfinite(bound))
        common = (b for b in bounds if all(within(np.array(b), rule.ranges).all() for rule in self._rules))
        found = next(common, None)
        return None if found is None else float(found)

    def throughout(self, values: np.ndarray, box: Box) -> bool:
        """Return whether all pixels of `box`, each of which has these values (one per band), are no-data."""
        if not self.possible:
            return False
        asked = _Asked(self, values[None, None], Box(box.x, box.y, 1, 1), "edge")
        zero: dict[int, bool] = {}

        def masked(mask: int) -> bool:
            if mask not in zero:
                zero[mask] = bool(self._rasters.read_mask(mask, box).all())
            return zero[mask]

        without = sum(
            bool(asked.by_value(number).all()) or any(masked(mask) for mask in rule.masks)
            for number, rule in enumerate(self._rules)
        )
        return without > self._allowed


@dataclass(frozen=True)
class _Rule:
    """What counts of a band: ranges of values as the rasters' type holds them, masks, and where its joint begins."""

    ranges: Ranges
    masks: tuple[int, ...]
    joint: int | None

    @property
    def tells(self) -> bool:
        """Whether the band can be missing."""
        return bool(self.ranges or self.masks) or self.joint is not None


class _Asked:
    """The pixels of one box; what several bands share is found once."""

    def __init__(self, missing: Missing, pixels: np.ndarray, box: Box, padding: str) -> None:
        self._missing, self._pixels, self._box, self._padding = missing, pixels, box, padding
        self._masks: dict[int, np.ndarray] = {}
        self._joints: dict[int, np.ndarray] = {}

    def band(self, number: int) -> np.ndarray:
        """Return where a band is missing."""
        found = self.by_value(number)
        for mask in self._missing._rules[number].masks:
            if mask not in self._masks:
                self._masks[mask] = self._missing._rasters.read_mask(mask, self._box, self._padding)
            found = found | self._masks[mask]
        return found

    def by_value(self, number: int) -> np.ndarray:
        """Return where a band is missing, masks aside."""
        rule = self._missing._rules[number]
        found = within(self._pixels[..., number], rule.ranges)
        if rule.joint is not None:
            if rule.joint not in self._joints:
                parts = [within(self._pixels[..., band], r) for band, r in self._missing._joints[rule.joint]]
                self._joints[rule.joint] = np.logical_and.reduce(parts)
            found = found | self._joints[rule.joint]
        return found


def gap_type(dtype: np.dtype, value: float) -> np.dtype:
    """Return the type of pixels of `dtype` some of which get a value, NaN perhaps."""
    # A whole number as such: so the smallest type that holds it is one of whole numbers.
    plain = int(value) if math.isfinite(value) and value == int(value) else value
    return np.dtype(np.result_type(dtype, np.min_scalar_type(plain)))


def _rule(
    held: Held,
    dtype: np.dtype,
    nodata: float | None,
    from_layer: bool,
    nan: bool = False,
    filled: float | None = None,
) -> _Rule:
    tag = nodata if nodata is not None else held.tag if from_layer else None
    ranges = () if tag is None else ranges_of(tag, held.dtype, dtype)
    ranges += ranges_of(math.nan, dtype, dtype) if nan else ()
    if filled is not None:
        ranges += tuple(part for part in ranges_of(filled, held.dtype, dtype) if part not in ranges)
    if not from_layer:
        return _Rule(ranges, (), None)
    ranges += tuple(r for pair in held.ranges for r in stored_range(*pair, held.dtype, dtype))
    return _Rule(ranges, held.masks, held.joint[0] if held.joint else None)


# ---------------------------------------------------- asking the files


def alpha_bands(dataset: gdal.Dataset) -> list[int]:
    """Return the numbers, from 1, of the bands that are marked as alpha; none where there are no others."""
    numbers = range(1, dataset.RasterCount + 1)
    found = [n for n in numbers if dataset.GetRasterBand(n).GetColorInterpretation() == gdal.GCI_AlphaBand]
    return found if len(found) < len(numbers) else []


def held_by(
    datasets: Sequence[gdal.Dataset],
    sources: Sequence[Any],
    numbers: Sequence[Sequence[int]],
    alphas: Sequence[tuple[int, int]],
) -> tuple[tuple[Held, ...], list[tuple[int, gdal.Band]]]:
    """Return what files say of their bands, and their masks: each as the number of its file, and the band that is 0.

    Args:
        datasets: the files.
        sources: what was opened as each: a `RasterSource`, alone or behind an open dataset, tells more.
        numbers: which bands are asked for in each, from 1.
        alphas: bands that are masks of the others of their file.
    """
    found: list[Held] = []
    masks: list[tuple[int, gdal.Band]] = []
    for number, (dataset, source, bands) in enumerate(zip(datasets, sources, numbers)):
        told = source.told if isinstance(source, Opened) else source
        told = told if isinstance(told, RasterSource) else None
        jointly, first = _joint_values(dataset), len(found)
        places = _masks_of(dataset, bands, [alpha for file, alpha in alphas if file == number])
        for band in bands:
            raster = dataset.GetRasterBand(band)
            tag = raster.GetNoDataValue() if told is None or told.uses_nodata_of(band - 1) else None
            own = tuple(len(masks) + place for place, (_, members) in enumerate(places) if band in members)
            joint = None if jointly is None else (first, jointly[band - 1])
            ranges = told.ranges_of(band - 1) if told else ()
            found.append(Held(numpy_type(raster.DataType), tag, ranges, own, joint))
        masks += [(number, mask) for mask, _ in places]
    return tuple(found), masks


def marks_of_first(
    dataset: gdal.Dataset, source: Any, dtype: np.dtype, nodata: float | None, from_layer: bool
) -> tuple[Ranges, str]:
    """Return what says where the first band of a file is missing; for files that are no `Stack`, as rotated ones.

    Args:
        dataset: the file; what other bands it has are marked as alpha.
        source: what was opened as it.
        dtype: in which its values are read.
        nodata: see `Missing`, and `from_layer` too.

    Returns:
        The values, as ranges, and where it has a mask its name in GDAL's words for translating: mask, a number or none.
    """
    alphas = alpha_bands(dataset)
    (held,), masks = held_by([dataset], [source], [[1]], [(0, alpha) for alpha in alphas])
    ranges = _rule(held, dtype, nodata, from_layer).ranges
    if held.joint and from_layer:
        ranges += ranges_of(held.joint[1], held.dtype, dtype)
    if not masks or not from_layer:
        return ranges, "none"
    return ranges, "mask" if len(masks) > len(alphas) else str(alphas[0])


def _masks_of(
    dataset: gdal.Dataset, numbers: Sequence[int], alphas: Sequence[int]
) -> list[tuple[gdal.Band, Sequence[int]]]:
    """Return the masks of a file, each with the numbers of the bands of which it tells."""
    found: list[tuple[gdal.Band, Sequence[int]]] = [(dataset.GetRasterBand(alpha), numbers) for alpha in alphas]
    with collected_errors():  # one that is damaged says so when it is read
        for number in numbers:
            band = dataset.GetRasterBand(number)
            flags = band.GetMaskFlags()
            if flags & (gdal.GMF_ALL_VALID | gdal.GMF_ALPHA | gdal.GMF_NODATA):
                continue  # none, or one that follows from values: these are asked for themselves
            if flags & gdal.GMF_PER_DATASET:
                return [*found, (band.GetMaskBand(), numbers)]
            found.append((band.GetMaskBand(), [number]))
    beside = f"{dataset.GetDescription()}.msk"
    if len(found) == len(alphas) and os.path.isfile(dataset.GetDescription()) and os.path.isfile(beside):
        raise RasterError(
            "{beside} is the mask of the raster beside it, by its name, but GDAL cannot read it: it is damaged or "
            "incomplete. Get it again, or remove it if every pixel has data.",
            beside=beside,
        )
    return found


def _joint_values(dataset: gdal.Dataset) -> list[float] | None:
    """Return the values that mark a pixel as missing where all bands of a data set have theirs; None for none."""
    text = dataset.GetMetadataItem("NODATA_VALUES") or ""
    try:
        values = [float(word) for word in text.split()]
    except ValueError:
        return None
    return values if values and len(values) == dataset.RasterCount else None
