"""Calling the model on arrays: whole regions, or batches of patches."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import tensorflow as tf

from ..base.librarymessages import telling_line
from ..errors import ModelError, field
from ..geometry.grid import Box
from ..machine.devices import Scope
from ..models.modelinterface import Model, TensorInfo, common_type
from ..phrases import Phrase
from ..rasters.buffers import ALIGNMENT, aligned_empty
from .freezing import frozen, inlined
from .numbersgraph import Numbers, numbers_graph
from .shiftgraph import NoShiftGraph, build_shift_graph
from .sources import ModelInputs, OpenSource

REFUSALS = (
    tf.errors.InvalidArgumentError,
    tf.errors.UnimplementedError,
    tf.errors.AbortedError,
    tf.errors.InternalError,
)
"""TensorFlow's errors for sizes or values that do not fit; oneDNN's pooling aborts on an image smaller than its window."""


class Compute:
    """A model's outputs, stacked as bands, from the sources' arrays.

    One `tf.function` of fixed signature: it is traced once, casts the images to what the model asks for,
    and feeds the user placeholders.

    Attributes:
        at_a_time: most outputs of a region that are computed in one call.
        frozen: whether the model's variables have become constants; None before `freeze`.
        inputs: what the sources feed, in order.
        alone: whether the values of a patch depend on what else is in a batch, so that each is computed by itself.
        batch: the number of images that the model asks for at a time; None where it is free.
        takes_regions: True where the inputs' rows and columns are free, and one image may be given alone.
    """

    at_a_time = math.inf

    def __init__(
        self,
        model: Model,
        inputs: ModelInputs,
        outputs: Sequence[str],
        sources: Sequence[OpenSource],
        scope: Scope,
        own_types: bool = False,
    ) -> None:
        """Trace the model.

        Args:
            model: the model.
            inputs: what goes into it.
            outputs: names of the outputs, in the order of their bands.
            sources: the sources, for their bands and dtypes.
            scope: the device.
            own_types: True to take images in the dtypes that the model asks for, not the sources'.
        """
        self._model, self._outputs = model, [model.output(name) for name in outputs]
        self._scope, self.inputs = scope, inputs.images
        call = model.function([info.name for info in inputs.images] + list(inputs.constants), list(outputs))
        constants = {name: tf.constant(value, model.inputs[name].dtype) for name, value in inputs.constants.items()}

        def body(*images: tf.Tensor) -> list[tf.Tensor]:
            tensors = {info.name: _as_input(image, info) for info, image in zip(inputs.images, images)}
            return [tf.convert_to_tensor(tensor) for tensor in call({**tensors, **constants})]

        signature = []
        for info, source in zip(inputs.images, sources):
            batch, height, width = (info.size(d) if info.rank == 4 else None for d in range(3))
            own = "float32" if info.dtype == "bfloat16" else info.dtype  # NumPy has no such type
            dtype = own if own_types else source.dtype
            signature.append(tf.TensorSpec([batch, height, width, source.stack.bands], dtype))
        self._traced = tf.function(body, input_signature=signature, autograph=False)
        self.function: Callable[..., list[tf.Tensor]] = self._traced
        self._shift_graphs: dict[int, Callable[..., list[tf.Tensor]]] = {}
        self.frozen: bool | None = None
        self.alone = False
        sizes = [spec.shape[0] for spec in signature if spec.shape[0] is not None]
        self.batch = min(sizes) if sizes else None
        self.takes_regions = self.batch in (None, 1) and all(
            size is None for spec in signature for size in spec.shape[1:3]
        )

    def freeze(self, trial: Callable[[Compute], np.ndarray]) -> bool:
        """Make the model's variables constants where that changes no bit of what `trial` returns; return whether it did.

        Where that does not vary, it shows nothing. The first answer stands for further calls.
        """
        if self.frozen is not None:
            return self.frozen
        before, changing, constant = trial(self), self.function, self._constant
        self.frozen = False
        values = before.reshape(-1, before.shape[-1])
        if (
            constant is not None
            and constant is not self._traced.get_concrete_function()
            and (values != values[:1]).any()
        ):
            self.function = constant
            with contextlib.suppress(ModelError, tf.errors.OpError):
                self.frozen = trial(self).tobytes() == before.tobytes()
            if not self.frozen:
                self.function = changing
                del self._constant
        return self.frozen

    def freeze_as_planned(self) -> None:
        """Make the model's variables constants, as another run has tried; what was found out here stands."""
        if self.frozen is None and self._constant is not None:
            self.function, self.frozen = self._constant, True

    @cached_property
    def _constant(self) -> Any:
        with self._scope():
            return frozen(self._traced)

    def shift_graph(self, stride: int) -> Callable[[Sequence[np.ndarray]], list[np.ndarray]]:
        """Return a function that takes and returns what calling this does, but gives the outputs of each pixel.

        Raises:
            NoShiftGraph: there is none; see `shiftgraph.build_shift_graph`.
        """
        if stride not in self._shift_graphs:
            if self._constant is None:
                raise NoShiftGraph(Phrase("its variables cannot be made constants"))
            with self._scope():
                self._shift_graphs[stride] = build_shift_graph(self._constant, stride)
        return partial(self._called, self._shift_graphs[stride])

    def numbers_graph(self) -> Numbers | None:
        """Return what computes the second output, class numbers, from the first alone; None where nothing does."""
        constant = None if self._constant is None else inlined(self._constant)
        return None if constant is None else numbers_graph(constant, self._scope)

    @property
    def dtype_name(self) -> str:
        """Name of the dtype that holds the values of all outputs."""
        return common_type(self._outputs)

    def __call__(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the outputs for images of shape (batch, height, width, bands).

        Raises:
            ModelError: the model does not take them.
        """
        return self._called(self.function, images)

    def _called(self, function: Callable[..., list[tf.Tensor]], images: Sequence[np.ndarray]) -> list[np.ndarray]:
        try:
            with self._scope():
                return [_array(tensor) for tensor in function(*(_tensor(image) for image in images))]
        except tf.errors.ResourceExhaustedError as error:
            sizes = Phrase(" and ").join(f"{a.shape[2]} x {a.shape[1]}" for a in images)
            raise ModelError(
                "The model {model} ran out of memory on {image_count} images of {sizes} pixels: lower {memory}, or "
                "set smaller tiles ({optim_tilesizex}, {optim_tilesizey}).",
                model=self._model.path,
                image_count=len(images[0]),
                sizes=sizes,
                memory=field("memory"),
                optim_tilesizex=field("optim_tilesizex"),
                optim_tilesizey=field("optim_tilesizey"),
            ) from error
        except (*REFUSALS, ValueError) as error:
            sizes = Phrase(" and ").join(f"{a.shape[2]} x {a.shape[1]}" for a in images)
            raise ModelError(
                "The model {model} does not accept images of {sizes} pixels: {short} Check the receptive field, or "
                "the mode ({model_fullyconv}).",
                model=self._model.path,
                sizes=sizes,
                short=f"{telling_line(error)}.",
                model_fullyconv=field("model_fullyconv"),
            ) from error

    def one(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the outputs for images of shape (1, height, width, bands), by a model of any batch size."""
        if self.batch in (None, 1):
            return self(images)
        repeated = [np.repeat(image, self.batch, axis=0) for image in images]
        return [array[: len(array) // self.batch] for array in self(repeated)]

    def region(self, images: Sequence[np.ndarray], width: int, height: int) -> np.ndarray:
        """Return the model's outputs for one region of each source.

        Args:
            images: arrays of shape (height_k, width_k, bands_k).
            width, height: of the outputs that the geometry says the model returns.

        Returns:
            An array of shape (height, width, bands).

        Raises:
            ModelError: the model returns another size.
        """
        bands = self.maps(images, width, height)
        return bands[0] if len(bands) == 1 else np.concatenate(bands, axis=-1)

    def maps(self, images: Sequence[np.ndarray], width: int, height: int) -> list[np.ndarray]:
        """Return each output by itself; see `region`."""
        found = self.one([image[None] for image in images])
        bands = []
        for info, array in zip(self._outputs, found):
            shape = array.shape[1:3] if array.ndim >= 3 else None
            depth = array.shape[-1] if array.ndim in (2, 4) else 1
            if array.ndim > 4 or array.size != width * height * depth or (shape and shape != (height, width)):
                inputs = Phrase(" and ").join(f"{i.shape[1]} x {i.shape[0]}" for i in images)
                raise ModelError(
                    "The output {info} of the model has the shape {shape} for {inputs} pixels, but {width} x "
                    "{height} pixels were expected: check the receptive field, the expression field and "
                    "{output_spcscale}, or leave them out to have them determined.",
                    info=info.name,
                    shape=array.shape,
                    inputs=inputs,
                    width=width,
                    height=height,
                    output_spcscale=field("output_spcscale"),
                )
            bands.append(array.reshape(height, width, depth))
        return bands

    def patches(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the model's outputs for patches.

        Args:
            images: arrays of shape (patches, height_k, width_k, bands_k).

        Returns:
            An array of shape (patches, bands).

        Raises:
            ModelError: the model returns more than one pixel per patch.
        """
        count = len(images[0])
        if self.alone:
            each = ([image[number : number + 1] for image in images] for number in range(count))
            return np.concatenate([self._batch(one, self.one) for one in each])
        if self.batch is None:
            return self._batch(images)
        parts = []
        for start in range(0, count, self.batch):
            part = [image[start : start + self.batch] for image in images]
            lacking = self.batch - len(part[0])
            if lacking:
                part = [np.concatenate([p, np.zeros((lacking, *p.shape[1:]), p.dtype)]) for p in part]
            parts.append(self._batch(part))
        return np.concatenate(parts)[:count]

    def _batch(
        self, images: Sequence[np.ndarray], call: Callable[[Sequence[np.ndarray]], list[np.ndarray]] | None = None
    ) -> np.ndarray:
        count = len(images[0])
        bands = []
        for info, array in zip(self._outputs, (call or self)(images)):
            depth = array.shape[-1] if array.ndim in (2, 4) else 1
            if array.size != count * depth:
                inputs = Phrase(" and ").join(f"{i.shape[2]} x {i.shape[1]}" for i in images)
                raise ModelError(
                    "The output {info} of the model has the shape {shape} for {count} patches of {inputs} pixels, "
                    "but one pixel per patch was expected: check the receptive field, or set {model_fullyconv}=on.",
                    info=info.name,
                    shape=array.shape,
                    count=count,
                    inputs=inputs,
                    model_fullyconv=field("model_fullyconv"),
                )
            bands.append(array.reshape(count, depth))
        return bands[0] if len(bands) == 1 else np.concatenate(bands, axis=-1)


def _as_input(image: tf.Tensor, info: TensorInfo) -> tf.Tensor:
    tensor = tf.cast(image, info.dtype)
    return tensor if info.shape is None else tf.ensure_shape(tensor, info.shape)


def _tensor(image: np.ndarray) -> tf.Tensor:
    """Return an image as a tensor: without a copy if its memory is aligned as TensorFlow needs it."""
    if not image.size:
        return tf.constant(image)
    if not (image.flags.c_contiguous and image.flags.writeable and image.ctypes.data % ALIGNMENT == 0):
        copy = aligned_empty(image.shape, image.dtype)
        copy[...] = image
        image = copy
    return tf.experimental.dlpack.from_dlpack(image.__dlpack__())


def _array(tensor: tf.Tensor) -> np.ndarray:
    """Return a tensor's values, as its own memory if possible: do not change them."""
    array: np.ndarray = np.asarray(tensor)
    return array.astype("float32") if tensor.dtype == tf.bfloat16 else array


def whole(box: Box) -> tuple[slice, slice]:
    """Return the slices (rows, columns) of a box."""
    return slice(box.y, box.bottom), slice(box.x, box.right)
