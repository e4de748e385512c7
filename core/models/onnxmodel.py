"""ONNX models, computed by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError
from ..phrases import Phrase
from .modelinterface import Model, Shape, TensorInfo, is_real, plain_name
from .onnxfile import check_onnx, read_onnx
from .onnxsessions import Sessions, run
from .onnxwalk import OnnxContent

_OWN_NAMES = ("float16", "bool", "string", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
_TYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    **{f"tensor({name})": name for name in _OWN_NAMES},
}
"""TensorFlow's names of the types that NumPy has too, by ONNX Runtime's."""

_NEAREST = 4
"""How many real-valued tensors may hold what a class number is made of."""


def load_onnx(place: Path, device: str) -> OnnxModel:
    """Load an ONNX model.

    Args:
        place: its file.
        device: as DEVICE.

    Raises:
        ModelError: it is none, is refused, or ONNX Runtime is missing or does not take it.
        ParameterError: a GPU is asked for, but cannot be used.
    """
    content = read_onnx(place)
    check_onnx(place, content)
    return OnnxModel(place, content, Sessions(place, content, device))


class OnnxModel(Model):
    """An ONNX model: its graph's outputs, and any tensor of its main graph by name."""

    kind = "ONNX"

    def __init__(self, place: Path, content: OnnxContent, sessions: Sessions) -> None:
        super().__init__(str(place))
        self._content, self._sessions = content, sessions
        self._session = sessions.session()
        self.computed_by, self.remarks = sessions.computed_by(self._session), tuple(sessions.remarks)
        self._inner = {plain_name(name): name for node in content.nodes for name in node.outputs if name}
        self._known: dict[str, TensorInfo] = {}
        own, results = self._session.get_inputs(), self._session.get_outputs()
        self._feeds = {plain_name(item.name): item.name for item in own}
        self._fetches = {plain_name(item.name): item.name for item in results}
        self.inputs = dict(sorted((plain_name(item.name), self._input(item)) for item in own))
        self.outputs = dict(sorted((plain_name(item.name), _described(item)) for item in results))
        self.bands_first = frozenset(name for name, info in self.inputs.items() if self._has_bands_first(info))

    def _input(self, item: Any) -> TensorInfo:
        """Describe an input; where the file tells no shape of it, what the graph convolves is an image of any size.

        Raises:
            ModelError: nothing tells which of its dimensions are the bands.
        """
        info = _described(item)
        if item.name not in self._content.shapeless or not info.holds_numbers:
            return info
        if self._convolved_bands(item.name) is None:
            raise ModelError(
                "The model {path} does not tell the shape of its input {name}: export it with a shape such as batch x bands x "
                "height x width, and a fixed number of bands.",
                path=self.path,
                name=info.name,
            )
        return replace(info, shape=(None,) * 4)

    def _has_bands_first(self, info: TensorInfo) -> bool:
        """Return whether an input is an image of batch x bands x height x width, as nearly all ONNX models have it.

        The dimension of the bands is fixed, and smaller than those of the rows and columns as far as these are.

        Raises:
            ModelError: its shape fits both orders.
        """
        if info.rank != 4 or not info.holds_numbers:
            return False
        first, last = _may_be_bands(info.shape, 1), _may_be_bands(info.shape, 3)
        if first == last:
            convolved = self._convolved_bands(self._feeds[info.name])
            first, last = convolved is True, convolved is False
        if first == last:
            raise ModelError(
                "The input {info} of the model {path} may be batch x bands x height x width or batch x height x width x "
                "bands: its shape does not tell. Export the model with a fixed number of bands, and with free or larger "
                "height and width.",
                info=info.describe(),
                path=self.path,
            )
        return first

    def _convolved_bands(self, name: str) -> bool | None:
        """Return True where an input is convolved as it is, False where it is transposed first, None for anything else.

        ONNX convolves images with the bands first. Operators with one input keep the order.
        """
        users: dict[str, list[Any]] = {}
        for node in self._content.nodes:
            for used in node.inputs[:1]:
                users.setdefault(used, []).append(node)
        ahead, seen = [name], {name}
        while ahead:
            for node in users.get(ahead.pop(0), ()):
                if node.operator in ("Conv", "ConvInteger", "QLinearConv", "ConvTranspose", "MaxPool", "AveragePool"):
                    return True
                if node.operator == "Transpose":
                    return False
                if node.operator in _KEEPING:
                    fresh = [output for output in node.outputs if output not in seen]
                    seen.update(fresh)
                    ahead += fresh
        return None

    def output(self, name: str) -> TensorInfo:
        """Return an output, or any tensor that the main graph computes, by name."""
        plain = plain_name(name)
        if plain in self.outputs:
            return self.outputs[plain]
        if plain not in self._inner:
            raise self.unknown(Phrase("output"), name, {*self.outputs, *self._inner})
        if plain not in self._known:
            session = self._sessions.session([self._inner[plain]])
            self._known[plain] = _described(session.get_outputs()[-1])
        return self._known[plain]

    def values_behind(self, output: str) -> list[str]:
        """Return the nearest real-valued tensors from which the graph computes it; see `Model`."""
        makers = {name: node for node in self._content.nodes for name in node.outputs}
        name = plain_name(output)
        found: list[str] = []
        ahead, seen = [self._fetches.get(name) or self._inner[name]], set()
        while ahead and len(found) < _NEAREST:
            tensor = ahead.pop(0)
            if tensor in seen or tensor not in makers:
                continue
            seen.add(tensor)
            if is_real(self.output(tensor)):
                found.append(plain_name(tensor))
            else:
                ahead += [each for each in makers[tensor].inputs if each not in self._content.constants]
        return found

    def used_inputs(self, outputs: Sequence[str]) -> list[str]:
        """Return all inputs: a session needs each of them."""
        return list(self.inputs)

    def function(self, inputs: Sequence[str], outputs: Sequence[str]) -> Callable[[Mapping[str, Any]], list[Any]]:
        """See `Model.function`. TensorFlow calls the session with arrays, and takes those that it returns."""
        import tensorflow as tf

        infos = [self.output(name) for name in outputs]
        names = [self._fetches.get(info.name) or self._inner[info.name] for info in infos]
        more = [name for info, name in zip(infos, names) if info.name not in self.outputs]
        session = self._sessions.session(list(dict.fromkeys(more))) if more else self._session
        fed = [plain_name(name) for name in inputs]
        feeds = [self._feeds[name] for name in fed]
        dtypes = [np.dtype(info.dtype) for info in infos]

        def compute(*images: np.ndarray) -> list[np.ndarray]:
            # TensorFlow hands over numbers of NumPy where a tensor has no dimensions.
            found = run(session, names, dict(zip(feeds, map(np.asarray, images))))
            return [np.asarray(array, dtype) for array, dtype in zip(found, dtypes)]

        def call(given: Mapping[str, Any]) -> list[Any]:
            return list(tf.numpy_function(compute, [given[name] for name in fed], [info.dtype for info in infos]))

        return call


_KEEPING = set(
    "Add Sub Mul Div Cast Clip Identity Relu Sigmoid Abs Sqrt Neg BatchNormalization InstanceNormalization Pad "
    "QuantizeLinear DequantizeLinear Resize Log Exp Pow Max Min".split()
)
"""Operators whose first input has the bands where their output has them."""


def _may_be_bands(shape: Shape, place: int) -> bool:
    """Return whether a dimension of an image may be that of the bands: fixed, and smaller than the other two where these are."""
    assert shape is not None  # nosec B101 (tells mypy)
    bands, others = shape[place], [size for number, size in enumerate(shape) if number not in (0, place)]
    return bands is not None and all(size is None or bands < size for size in others)


def _described(item: Any) -> TensorInfo:
    """Describe an input or output; what is no tensor of NumPy's types has a dtype of two words: no tensor of numbers."""
    return TensorInfo(plain_name(item.name), _shape(item.shape), _TYPES.get(item.type) or f"ONNX {item.type}")


def _shape(sizes: Any) -> Shape:
    """Return a shape; None where it has no dimensions, since the runtime gives a shape that it does not know as such."""
    if not sizes:
        return None
    return tuple(size if isinstance(size, int) and size > 0 else None for size in sizes)
