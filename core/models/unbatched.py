"""Models that take one image without the dimension of a batch, as torchvision's detectors do, adapted to batches of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import ModelError
from .modelinterface import Model, TensorInfo
from .wrappedmodel import WrappedModel


def with_batches(model: Model) -> Model:
    """Return a model whose only image is given as a batch of one, with the bands last: itself where it has batches.

    Raises:
        ModelError: an ONNX file does not tell which dimension of the image are the bands.
    """
    images = [info for info in model.inputs.values() if info.holds_numbers and info.rank in (3, 4)]
    if len(images) != 1 or images[0].rank == 4:
        return model
    (image,) = images
    if model.kind == "ONNX" and image.size(0) is None and image.size(2) is None:
        raise ModelError(
            "The input {info} of the model {path} may be bands x height x width or height x width x bands: its shape does "
            "not tell. Export the model with a fixed number of bands.",
            info=image.describe(),
            path=model.path,
        )
    return OfBatches(model, image)


class OfBatches(WrappedModel):
    """A model of one image, bands x height x width or height x width x bands, that takes batches of one."""

    def __init__(self, model: Model, image: TensorInfo) -> None:
        super().__init__(model)
        self._image = image.name
        first, rows, last = (image.size(dimension) for dimension in range(3))
        self._bands_first = first is not None and (last is None or first < last)
        shape = (1, rows, last, first) if self._bands_first else (1, first, rows, last)
        self.inputs = {**model.inputs, image.name: dataclasses.replace(image, shape=shape)}
        self.transposed = frozenset([image.name] if self._bands_first else [])

    def input(self, name: str) -> TensorInfo:
        """See `Model.input`."""
        return self.inputs[self._model.input(name).name]

    def function(self, inputs: Sequence[str], outputs: Sequence[str]) -> Callable[[Mapping[str, Any]], list[Any]]:
        """See `Model.function`."""
        import tensorflow as tf

        inner = self._model.function(inputs, outputs)

        def call(feeds: Mapping[str, Any]) -> list[Any]:
            image = feeds[self._image][0]
            return inner({**feeds, self._image: tf.transpose(image, (2, 0, 1)) if self._bands_first else image})

        return call
