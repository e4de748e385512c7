"""The size law of a model, found by calling it: the sizes that it accepts, and those that it returns.

`find_size_law` answers, from input sizes against output sizes: the spacing scale, how much is cropped, and in
which steps sizes are accepted. `core.probing.tilemargins` goes on from there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Optional

import numpy as np

from ..errors import ModelError, field
from ..phrases import Phrase
from .outputlayout import LayoutError, as_map, check_growth, check_layout
from .trialpixels import KINDS, mirrored

SIZES = (64, 128, 96, 80, 100, 120, 256, 48, 40, 32, 24, 16, 12, 8, 4, 2, 1, 3, 5, 7, 9, 512, 188, 380, 572)
"""Sizes in pixels of the first source that are tried until one is accepted; the last are those of U-Nets without padding."""

SMALL_SIDES = (8, 16, 32)
"""Sides in pixels that are tried before others where images have many bands."""

MANY_BANDS = 24
"""Bands of all sources from which they are many: networks for series of so many dates take megabytes for a few pixels."""

STEPS = (
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    12,
    14,
    15,
    16,
    18,
    20,
    24,
    28,
    30,
    32,
    36,
    40,
    48,
    56,
    64,
    80,
    96,
    112,
    128,
    192,
    256,
)
"""Steps in pixels that are tried for the lattice of accepted sizes, for the scale and for the stride."""

MOST_OFFSET = 40
"""Largest difference, in pixels, between a second source's size and its share of the ground that is tried."""

Call = Callable[[Sequence[np.ndarray]], "list[np.ndarray]"]
Size = Optional[tuple[int, int]]


@dataclass(frozen=True)
class AxisSizeLaw:
    """The size law along one axis: `outputs = (pixels - crop) / scale`, for accepted sizes.

    Attributes:
        scale: spacing scale.
        lattice: step of accepted sizes, in pixels of the first source.
        rfield: the smallest accepted size for which the law holds, in pixels of the first source.
        efield: what the model returns for it.
        fixed: True where only `rfield` is accepted.
    """

    scale: Fraction
    lattice: int
    rfield: int
    efield: int
    fixed: bool = False

    @property
    def crop(self) -> Fraction:
        """Pixels of the first source that are not covered by outputs."""
        return self.rfield - self.efield * self.scale


@dataclass(frozen=True)
class SizeLaw:
    """The size law of a model.

    Attributes:
        x, y: along both axes; None where the model returns one output for a patch.
        offsets: what each source's size has beyond its share of the ground, in its own pixels.
        patch: for a model of patches, their size in pixels of the first source; None where any size
            is taken and gives one output.
    """

    offsets: tuple[int, ...]
    x: AxisSizeLaw | None = None
    y: AxisSizeLaw | None = None
    patch: tuple[int, int] | None = None


class Probe:
    """Calls a model on squares of a sample.

    Args:
        call: the model: arrays of shape (1, height, width, bands) to outputs.
        samples: pixels of each source of shape (rows, columns, bands), in the dtype that `call` takes;
            they are mirrored where more are needed.
        ratios: pixels of each source per pixel of the first.
        fixed: (width, height) that the model's inputs ask for, None where free, per source.
        names: of the outputs, for messages.
    """

    def __init__(
        self,
        call: Call,
        samples: Sequence[np.ndarray],
        ratios: Sequence[Fraction],
        fixed: Sequence[tuple[int | None, int | None]],
        names: Sequence[str] = (),
    ) -> None:
        self._names = list(names)
        self._call, self.samples, self.ratios, self.fixed = call, list(samples), tuple(ratios), tuple(fixed)
        self._made: dict[str, list[np.ndarray]] = {}
        self.offsets: tuple[int, ...] = (0,) * len(self.samples)
        self.tried: list[str] = []
        self.refusal = ""
        self._known: dict[int, Size] = {}

    @property
    def unit(self) -> int:
        """The fewest pixels of the first source that are whole pixels of every source."""
        unit = 1
        for ratio in self.ratios:
            unit = math.lcm(unit, ratio.denominator)
        return unit

    @property
    def small_sides(self) -> tuple[int, ...]:
        """Sides that are tried before others, since the model may take much memory for each pixel; mostly none."""
        return SMALL_SIDES if sum(sample.shape[-1] for sample in self.samples) >= MANY_BANDS else ()

    def images(self, size: int | tuple[int, int], shift: int = 0, kind: str = "drawn") -> list[np.ndarray]:
        """Return a part of each sample.

        Args:
            size: width and height in pixels of the first source; one number for a square.
            shift: how far the part is moved along both axes.
            kind: of the sample, see `core.probing.trialpixels`.
        """
        width, height = (size, size) if isinstance(size, int) else size
        if kind not in self._made:
            self._made[kind] = [KINDS[kind](sample) for sample in self.samples]
        found = []
        for sample, ratio, offset in zip(self._made[kind], self.ratios, self.offsets):
            start = int(shift * ratio)
            rows = mirrored(start, int(height * ratio) + offset, sample.shape[0])
            columns = mirrored(start, int(width * ratio) + offset, sample.shape[1])
            found.append(sample[np.ix_(rows, columns)])
        return found

    def outputs(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the outputs for one image of each source, stacked, of shape (height, width, bands)."""
        arrays = self._call([image[None] for image in images])
        for array, name in self._named(arrays):
            check_layout(name, array.shape, images[0].shape[:2])
        found = [as_map(array, name) for array, name in self._named(arrays)]
        shapes = {array.shape[:2] for array in found}
        if len(shapes) != 1:
            raise ModelError(
                "The outputs have different sizes ({shapes}): serve one output at a time.", shapes=sorted(shapes)
            )
        return np.concatenate([array.astype(np.result_type(array, np.float32)) for array in found], axis=-1)

    def size(self, pixels: int) -> Size:
        """Return (width, height) of the outputs for a square of `pixels`; None if the model does not accept it."""
        if pixels not in self._known:
            self._known[pixels] = self._size(pixels)
        return self._known[pixels]

    def _size(self, pixels: int) -> Size:
        sides = [int(pixels * ratio) + offset for ratio, offset in zip(self.ratios, self.offsets)]
        if pixels < 1 or min(sides) < 1 or pixels % self.unit:
            return None
        self.tried.append(" + ".join(str(side) for side in sides))
        try:
            height, width = self.outputs(self.images(pixels)).shape[:2]
        except LayoutError:
            raise
        except ModelError as error:
            self.refusal = self.refusal or error.message
            return None
        return (width, height) if width and height else None

    def check_growth(self, pixels: int, larger: int) -> None:
        """Raise LayoutError where the outputs for squares of two sizes have rows and columns elsewhere than a map."""
        small, large = (self._call([image[None] for image in self.images(size)]) for size in (pixels, larger))
        for (one, name), two in zip(self._named(small), large):
            check_growth(name, one.shape, two.shape, (pixels, larger))

    def _named(self, arrays: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, str]]:
        names = self._names or [str(number) for number in range(len(arrays))]
        return zip(arrays, names)

    def reset(self, offsets: tuple[int, ...]) -> None:
        """Try other offsets of the sources' sizes."""
        self.offsets, self._known = offsets, {}


def find_size_law(probe: Probe, offsets: tuple[int, ...] | None = None) -> SizeLaw:
    """Return the size law of the model.

    Args:
        probe: calls the model.
        offsets: of the sources' sizes, where they are known; else sought.

    Raises:
        ModelError: no size that was tried is accepted; they are listed.
    """
    if any(size is not None for fixed in probe.fixed for size in fixed):
        return _fixed_size_law(probe)
    start = None
    for chosen in [offsets] if offsets is not None else _offsets(len(probe.ratios)):
        probe.reset(chosen)
        sizes = SIZES if chosen == (0,) * len(chosen) or offsets is not None else SIZES[:2]
        sizes = (*probe.small_sides, *sizes)
        start = next((n * probe.unit for n in sizes if probe.size(n * probe.unit)), None)
        if start is not None and not _by_repetition(probe, start):
            break
        start = None
    if start is None:
        raise _taken_by_none(probe)
    found = probe.size(start)
    larger = next((n for n in (2 * start, 4 * start, start + 64 * probe.unit) if probe.size(n)), None)
    if found == (1, 1) and (larger is None or probe.size(larger) == (1, 1)):
        return SizeLaw(probe.offsets, patch=None if larger else (start, start))
    try:
        return SizeLaw(probe.offsets, _axis_size_law(probe, start, 0), _axis_size_law(probe, start, 1))
    except ModelError:
        if larger:
            probe.check_growth(start, larger)
        raise


def size_law_at(probe: Probe, side: int) -> SizeLaw:
    """Return the law of a model that is used at one size, a square in pixels of the first source.

    Raises:
        ModelError: the model does not take it.
    """
    images = probe.images(side)
    base = probe.outputs(images)
    if base.shape[:2] == (1, 1):
        return SizeLaw(probe.offsets, patch=(side, side))
    return SizeLaw(probe.offsets, _fixed_axis(probe, images, base, 1), _fixed_axis(probe, images, base, 0))


def _by_repetition(probe: Probe, start: int) -> bool:
    """Return whether a size was accepted last, since one pixel of a source was repeated to as many as another has."""
    sides = [int(start * ratio) + offset for ratio, offset in zip(probe.ratios, probe.offsets)]
    return min(sides) == 1 and len(sides) > 1 and probe.size(start) != (1, 1) and not probe.size(2 * start)


def _taken_by_none(probe: Probe) -> ModelError:
    named = field("placeholder", of="sources", number=1)
    tied = Phrase(" If a source feeds the wrong input, name the inputs in {named}, ...", named=named)
    return ModelError(
        Phrase(
            "The model accepts none of the image sizes tried (pixels of each source: {listed}): set the receptive field "
            "of each source, and the expression field and spacing scale of the model.",
            listed=_listed(probe.tried),
        )
        + (tied if len(probe.ratios) > 1 else "")
        + (Phrase(" Error for the first size: {refusal}", refusal=probe.refusal) if probe.refusal else "")
    )


def _listed(items: Sequence[str]) -> str:
    unique = list(dict.fromkeys(items))
    return ", ".join(unique[:24]) + (
        Phrase(" and {unique_count} more", unique_count=len(unique) - 24) if len(unique) > 24 else ""
    )


def _offsets(sources: int) -> Iterator[tuple[int, ...]]:
    yield (0,) * sources
    if sources == 2:
        for distance in range(1, MOST_OFFSET + 1):
            yield 0, distance
            yield 0, -distance


def take_fixed_size(probe: Probe) -> tuple[int, int]:
    """Return width and height that a model of one size takes, in pixels of the first source; the probe gets its offsets.

    Raises:
        ModelError: it fixes some sizes and leaves others free, or they differ along the axes.
    """
    width, height = probe.fixed[0]
    if width is None or height is None or any(None in fixed for fixed in probe.fixed):
        raise ModelError(
            "The model fixes some sizes of its inputs and leaves others free: export it with free sizes only."
        )
    beyond = [
        (columns - int(width * ratio), rows - int(height * ratio))
        for ratio, (columns, rows) in zip(probe.ratios, probe.fixed)
        if columns is not None and rows is not None
    ]
    if any(x != y for x, y in beyond):
        raise ModelError(
            "The input sizes are related differently along x and along y: set {model_fullyconv}=off.",
            model_fullyconv=field("model_fullyconv"),
        )
    probe.reset(tuple(x for x, _ in beyond))
    return width, height


def _fixed_size_law(probe: Probe) -> SizeLaw:
    """The law of a model whose first input has one size."""
    width, height = take_fixed_size(probe)
    images = probe.images((width, height))
    base = probe.outputs(images)
    if base.shape[:2] == (1, 1):
        return SizeLaw(probe.offsets, patch=(width, height))
    x, y = _fixed_axis(probe, images, base, 1), _fixed_axis(probe, images, base, 0)
    return SizeLaw(probe.offsets, x, y)


def _fixed_axis(probe: Probe, images: list[np.ndarray], base: np.ndarray, axis: int) -> AxisSizeLaw:
    """The law of a model of one size: that of a crop or of a coarser output, by how a change of the input moves."""
    pixels, outputs = images[0].shape[axis], base.shape[axis]
    scale = Fraction(pixels, outputs)
    if 1 < outputs < pixels:
        places = pixels * 3 // 8, pixels * 5 // 8
        one, two = (_centre_of_change(probe, images, base, axis, place) for place in places)
        moved = (two - one) / (places[1] - places[0]) if pixels > 3 else math.nan  # of 3, both places are one
        # Nothing moves where every output depends on everything, or on nothing: then a crop, as OTBTF's models have.
        if not moved > 0 or abs(moved - 1) <= abs(moved - 1 / scale):
            scale = Fraction(1)
    return AxisSizeLaw(scale, pixels, pixels, outputs, fixed=True)


def _centre_of_change(probe: Probe, images: list[np.ndarray], base: np.ndarray, axis: int, place: int) -> float:
    """Return the centre of the outputs that change most when a line of the first source is turned over."""
    image = np.moveaxis(images[0].copy(), axis, 0)
    side = max(2, len(image) // 16)
    image[place - side : place + side] = image[place - side : place + side, ::-1]
    difference = np.abs(probe.outputs([np.moveaxis(image, 0, axis), *images[1:]]) - base)
    weights = np.nan_to_num(difference, posinf=0.0).sum(axis=2).sum(axis=1 - axis).astype("float64") ** 2
    return float((weights * np.arange(len(weights))).sum() / weights.sum()) if weights.any() else math.nan


def _axis_size_law(probe: Probe, start: int, axis: int) -> AxisSizeLaw:
    def outputs(pixels: int) -> int:
        size = probe.size(pixels)
        return size[axis] if size else 0

    unit = probe.unit
    lattice = _lattice(outputs, start, unit)
    if not lattice:
        images = probe.images(start)
        return _fixed_axis(probe, images, probe.outputs(images), 1 - axis)
    for step in range(lattice, STEPS[-1] * unit + 1, lattice):
        one = outputs(start + step) - outputs(start)
        # Every size of a period must grow alike: a step that is nearly the right one does so at most of them.
        if one > 0 and all(outputs(n + step) - outputs(n) == one for n in range(start, start + step + 1, lattice)):
            break
    else:
        raise ModelError(
            "The output size is not proportional to the image size (sizes tried: {listed}).",
            listed=_listed(probe.tried),
        )
    scale = Fraction(step, one)
    crop, exact = _crop(scale, {pixels: outputs(pixels) for pixels in range(start, start + step, lattice)})
    lattice = _even_lattice(outputs, lattice, step, scale, crop, exact)
    jump = math.lcm(lattice, scale.numerator)
    smallest = exact - int((exact - crop - scale) / jump) * jump
    if crop == 0 and scale > 1:  # padded inside: two outputs show where the grid lies
        smallest += jump * max(1, math.ceil(scale / jump))
    while smallest < exact and outputs(smallest) * scale != smallest - crop:
        smallest += jump
    return AxisSizeLaw(scale, lattice, smallest, int((smallest - crop) / scale))


def _lattice(outputs: Callable[[int], int], start: int, unit: int) -> int:
    """Return the smallest step in which sizes are accepted; 0 where there is none.

    Several sizes are tried: a network of stride 16 that joins features of stride 4 rounds 3 pixels less up, and so takes a
    few sizes in steps of 15.
    """
    for count in (5, 2):
        for step in (step * unit for step in STEPS):
            if all(outputs(start + number * step) for number in range(1, count + 1)):
                return step
    return 0


def _even_lattice(
    outputs: Callable[[int], int], lattice: int, step: int, scale: Fraction, crop: Fraction, exact: int
) -> int:
    """Return the lattice of the sizes for which the law holds: some models complete others by themselves.

    One that halves twice, rounding up, and doubles twice takes 90 pixels and returns 92.
    """
    jump = math.lcm(lattice, scale.numerator)
    for wider in range(jump, step, jump):
        if step % wider == 0 and all(outputs(n) * scale == n - crop for n in range(exact, exact + step, wider)):
            return lattice if wider == jump else wider
    return lattice if step == jump else step


def _crop(scale: Fraction, sizes: dict[int, int]) -> tuple[Fraction, int]:
    """Return the crop of a model, and a size that has it, from the outputs for one period of sizes.

    Of these, some leave pixels over and some let the last outputs see padding: no crop is right where a size
    shows none, else the smallest; a negative one stands for outputs beyond the input.
    """
    crops = {pixels - outputs * scale: pixels for pixels, outputs in sizes.items()}
    crop = min(crops, key=lambda value: (value < 0, abs(value)))
    return crop, crops[crop]
