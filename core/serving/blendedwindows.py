"""Regions blended from windows of a fixed context.

Each window is computed by itself, so that its values depend on its own pixels alone. Where windows overlap, an output is
the mean of theirs, weighted by a raised cosine (a Hann window) of its place in each; the weights add up to 1. Sums are
taken along columns, then along rows, in their order: they are the same in any region that holds all windows of an output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ModelError, field
from ..machine.devices import Scope
from ..models.modelinterface import Model, TensorInfo, common_type
from ..probing.compute import Compute
from ..probing.fixedcontext import Windows
from ..probing.geometryresolver import GeometryResolver
from ..probing.modelcache import LoadedModel
from ..probing.numbersgraph import Numbers
from ..probing.sources import ModelInputs, OpenSource


@dataclass(frozen=True)
class BlendedOutput:
    """One output that is asked for.

    Attributes:
        info: of it.
        blended: name of the output whose windows are blended: itself, or the values that class numbers are made of.
        numbers: what makes numbers of these; None where the blended values are what is asked for.
    """

    info: TensorInfo
    blended: str
    numbers: Numbers | None = None


class BlendedWindows(Compute):
    """A model's outputs for regions of whole windows."""

    def __init__(
        self,
        model: Model,
        inputs: ModelInputs,
        asked: Sequence[BlendedOutput],
        sources: Sequence[OpenSource],
        scope: Scope,
        windows: Windows,
    ) -> None:
        """Trace the model; see `Compute`."""
        self._asked, self._windows = asked, windows
        self._blended = list(dict.fromkeys(output.blended for output in asked))
        super().__init__(model, inputs, self._blended, sources, scope)
        self.at_a_time = windows.outputs[0] * windows.outputs[1]

    @property
    def dtype_name(self) -> str:
        """See `Compute`."""
        return common_type([output.info for output in self._asked])

    def maps(self, images: Sequence[np.ndarray], width: int, height: int) -> list[np.ndarray]:
        """See `Compute`; the region is of whole windows, half a window from each other."""
        across, down = (size // (side // 2) - 1 for size, side in zip((width, height), self._windows.outputs))
        totals: list[np.ndarray] = []
        for row in range(down):
            columns = [self._window(images, column, row) for column in range(across)]
            strips = [_sum(windows, across) for windows in zip(*columns)]
            totals = totals or [_zeros(strip, 0, height) for strip in strips]
            for total, strip in zip(totals, strips):
                _add(total, strip, row, down, 0)
        blended = dict(zip(self._blended, totals))
        return [self._as_asked(output, blended[output.blended]) for output in self._asked]

    def _window(self, images: Sequence[np.ndarray], column: int, row: int) -> list[np.ndarray]:
        """Return the outputs of one window."""
        parts = []
        for image, (width, height), (across, down) in zip(images, self._windows.fields, self._windows.steps):
            left, top = column * across, row * down
            parts.append(image[top : top + height, left : left + width])
        return super().maps(parts, *self._windows.outputs)

    def _as_asked(self, output: BlendedOutput, values: np.ndarray) -> np.ndarray:
        if output.numbers is not None:
            return _by_blocks(output.numbers, values, *self._windows.outputs)
        return values.astype("float16") if output.info.dtype == "float16" else values


def blended_windows(
    loaded: LoadedModel,
    inputs: ModelInputs,
    outputs: Sequence[str],
    sources: Sequence[OpenSource],
    scope: Scope,
    windows: Windows,
    resolver: GeometryResolver,
) -> tuple[Any, Compute]:
    """Return what blends windows for some outputs, and a key that identifies it; see `LoadedModel.compute`.

    Raises:
        ModelError: an output holds whole numbers, and what they are made of is not known.
    """
    key = loaded.compute(inputs, outputs, sources, scope)[0], windows

    def made() -> BlendedWindows:
        asked = [_blended_output(loaded.model, name, windows, resolver) for name in outputs]
        return BlendedWindows(loaded.model, inputs, asked, sources, scope, windows)

    return key, loaded.once(key, made)


def _blended_output(model: Model, name: str, windows: Windows, resolver: GeometryResolver) -> BlendedOutput:
    info = model.output(name)
    if "float" in info.dtype or "complex" in info.dtype:
        return BlendedOutput(info, info.name)
    images = [image[None] for image in resolver.probe.images(windows.fields[0])]
    for other in model.values_behind(name):
        compute = resolver.computes([other, info.name])
        numbers = compute.numbers_graph()
        if numbers is None:
            continue
        values, expected = compute.one(images)
        if values.ndim == 4 and np.array_equal(numbers(values[0]).ravel(), expected.ravel()):
            return BlendedOutput(info, other, numbers)
    raise ModelError(
        "The output {name} of the model holds whole numbers, which cannot be blended where windows overlap, and the real "
        "values that they are made of were not found. Name an output of real values in {output_names}, or set {context}=0.",
        name=name,
        output_names=field("output_names"),
        context=field("model_context"),
    )


def _sum(windows: Sequence[np.ndarray], count: int) -> np.ndarray:
    """Return a row of windows as one strip."""
    total = _zeros(windows[0], 1, (count + 1) * (windows[0].shape[1] // 2))
    for number, window in enumerate(windows):
        _add(total, window, number, count, 1)
    return total


def _zeros(like: np.ndarray, axis: int, size: int) -> np.ndarray:
    shape = list(like.shape)
    shape[axis] = size
    return np.zeros(shape, np.result_type(like, np.float32))


def _add(total: np.ndarray, part: np.ndarray, number: int, count: int, axis: int) -> None:
    """Add the part of that number, of `count` along an axis, with its weights, in place."""
    half = part.shape[axis] // 2
    rising = _rising(half, total.real.dtype)
    weights = np.concatenate([rising if number else np.ones_like(rising), rising[::-1]])
    if number == count - 1:
        weights[half:] = 1
    place = slice(number * half, (number + 2) * half)
    inside = total[place] if axis == 0 else total[:, place]
    inside += part * (weights[:, None, None] if axis == 0 else weights[None, :, None])


def _rising(half: int, dtype: np.dtype) -> np.ndarray:
    """Return the rising half of a raised cosine; with its mirror image it adds up to 1 exactly, in any precision."""
    weights = (0.5 - 0.5 * np.cos(np.pi * (np.arange(half) + 0.5) / half)).astype(dtype)
    middle = half // 2
    weights[middle : half - middle] = 0.5
    weights[:middle] = 1 - weights[half - middle :][::-1]
    return weights


def _by_blocks(numbers: Numbers, values: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the numbers for values, computed in blocks of the size that the model knows."""
    found: np.ndarray | None = None
    for top in (*range(0, len(values) - height, height), len(values) - height):
        for left in (*range(0, values.shape[1] - width, width), values.shape[1] - width):
            block = numbers(values[top : top + height, left : left + width])
            if found is None:
                found = np.empty((*values.shape[:2], block.shape[-1]), block.dtype)
            found[top : top + height, left : left + width] = block
    assert found is not None  # nosec B101 (tells mypy)
    return found
