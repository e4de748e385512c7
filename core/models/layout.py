"""Models with the bands first, as other frameworks have them, adapted to take images with the bands last."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .modelinterface import Model, TensorInfo
from .wrappedmodel import WrappedModel

_LAST, _FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
"""Orders of dimensions that move bands from the second place to the last, and back."""


def channels_last(model: Model) -> Model:
    """Return a model whose images have the shape batch x height x width x bands: itself where they do."""
    first = bands_first(model)
    outputs = any(has_bands_first(info) for info in model.outputs.values())
    return ChannelsLast(model, first) if first or outputs else model


def bands_first(model: Model) -> list[str]:
    """Return the names of the inputs whose images have the shape batch x bands x height x width."""
    if model.bands_first is not None:
        return sorted(model.bands_first)
    return [name for name, info in model.inputs.items() if has_bands_first(info)]


def has_bands_first(info: TensorInfo) -> bool:
    """Return whether a shape is that of batch x bands x height x width.

    It is where rows and columns are free and the second dimension is not, or where they make a square larger than the
    second dimension.
    """
    if info.rank != 4 or info.size(1) is None:
        return False
    bands, height, width = (info.size(dimension) for dimension in (1, 2, 3))
    if height is None or width is None:
        return height is None and width is None
    return height == width and (bands or 0) < height


def _has_bands_last(info: TensorInfo) -> bool:
    height, width, bands = (info.size(dimension) for dimension in (1, 2, 3))
    if height is None or width is None:
        return bands is not None
    return height == width != bands


class ChannelsLast(WrappedModel):
    """A model of which some inputs and outputs have their bands first, with these transposed."""

    def __init__(self, model: Model, transposed: Sequence[str]) -> None:
        super().__init__(model)
        self.transposed = frozenset(transposed)
        self.inputs = {n: _moved(i) if n in self.transposed else i for n, i in model.inputs.items()}
        self.outputs = {name: self.output(name) for name in model.outputs}

    def input(self, name: str) -> TensorInfo:
        """See `Model.input`."""
        return self.inputs[self._model.input(name).name]

    def output(self, name: str) -> TensorInfo:
        """See `Model.output`."""
        info = self._model.output(name)
        return _moved(info) if self.moves(info) else info

    def moves(self, info: TensorInfo) -> bool:
        """Return whether an output has its bands first; one of which the sizes do not tell is as the inputs are."""
        return has_bands_first(info) or (info.rank == 4 and bool(self.transposed) and not _has_bands_last(info))

    def moves_bands(self, output: str) -> bool:
        """See `Model.moves_bands`; of an output without a shape, the tensor tells whether it is an image."""
        info = self._model.output(output)
        return self.moves(info) or (info.rank is None and bool(self.transposed))

    def function(self, inputs: Sequence[str], outputs: Sequence[str]) -> Callable[[Mapping[str, Any]], list[Any]]:
        """See `Model.function`."""
        import tensorflow as tf

        inner = self._model.function(inputs, outputs)
        infos = [self._model.output(name) for name in outputs]

        def moved(tensor: Any, info: TensorInfo) -> Any:
            if info.rank is None and self.transposed:  # only the tensor tells whether it is an image
                return tf.cond(tf.equal(tf.rank(tensor), 4), lambda: tf.transpose(tensor, _LAST), lambda: tensor)
            return tf.transpose(tensor, _LAST) if self.moves(info) else tensor

        def call(feeds: Mapping[str, Any]) -> list[Any]:
            given = {n: tf.transpose(t, _FIRST) if n in self.transposed else t for n, t in feeds.items()}
            return [moved(found, info) for found, info in zip(inner(given), infos)]

        return call


def _moved(info: TensorInfo) -> TensorInfo:
    assert info.shape is not None  # nosec B101 (tells mypy)
    return dataclasses.replace(info, shape=tuple(info.shape[place] for place in _LAST))
