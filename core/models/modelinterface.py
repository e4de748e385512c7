"""Common interface of all models, independent of their file format."""

from __future__ import annotations

import abc
import difflib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from ..errors import ModelError
from ..phrases import Phrase

Shape = Optional[tuple[Optional[int], ...]]

_LISTED = 40
"""Most names that a message lists."""


@dataclass(frozen=True)
class TensorInfo:
    """An input or output.

    Attributes:
        name: in the model.
        shape: None where unknown.
        dtype: TensorFlow's name of it.
        optional: whether the model has a value of its own for this input.
    """

    name: str
    shape: Shape
    dtype: str
    optional: bool = False

    @property
    def rank(self) -> int | None:
        """Number of dimensions, None where unknown."""
        return None if self.shape is None else len(self.shape)

    @property
    def takes_images(self) -> bool:
        """Whether images can be fed: numbers of shape (batch, height, width, bands), or of a shape that is not known."""
        if self.rank is None:
            return self.dtype != "bool" and self.holds_numbers  # a flag such as is_training
        return self.rank == 4 and self.holds_numbers

    @property
    def holds_numbers(self) -> bool:
        """Whether it is a tensor of numbers or booleans: no text, and nothing sparse or ragged."""
        return " " not in self.dtype and self.dtype not in ("string", "resource", "variant")

    def size(self, dimension: int) -> int | None:
        """Return the size of one dimension, None where it is free or the rank is another."""
        if self.shape is None or not -len(self.shape) <= dimension < len(self.shape):
            return None
        return self.shape[dimension]

    def describe(self) -> str:
        """Return name, dtype and shape for a message."""
        shape = (
            Phrase("unknown shape")
            if self.shape is None
            else "x".join("?" if d is None else str(d) for d in self.shape)
        )
        return Phrase("{name} ({dtype}, {shape})", name=self.name, dtype=self.dtype, shape=shape or Phrase("scalar"))


class ModelInterface:
    """What a model takes and returns, whether it is loaded or described.

    Attributes:
        path: where it was loaded from.
        kind: `TF1 SavedModel`, `TF2 SavedModel`, `Keras` or `ONNX`.
        inputs, outputs: by name, in alphabetical order. More outputs may be had by name where
            `output` finds them.
        bands_first: names of the inputs whose images have the shape batch x bands x height x width; None where only their
            shapes tell.
        transposed: names of the inputs that are given with the bands last, and transposed for the model.
    """

    path: str
    kind: str
    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]
    bands_first: frozenset[str] | None = None
    transposed: frozenset[str] = frozenset()

    def __init__(self, path: str) -> None:
        self.path = path

    def input(self, name: str) -> TensorInfo:
        """Return the input called `name` (`name:0` is the same).

        Raises:
            ModelError: there is none; those that exist are listed.
        """
        found = self.inputs.get(plain_name(name))
        if found is None:
            raise self.unknown(Phrase("input"), name, self.inputs)
        return found

    def output(self, name: str) -> TensorInfo:
        """Return the output called `name`.

        Raises:
            ModelError: there is none; those that exist are listed.
        """
        found = self.outputs.get(plain_name(name))
        if found is None:
            raise self.unknown(Phrase("output"), name, self.outputs)
        return found

    def unknown(self, what: str, name: str, known: Iterable[str]) -> ModelError:
        """Return the error for an input or output that does not exist."""
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1)
        hint = Phrase(" Did you mean {near}?", near=near[0]) if near else ""
        more = Phrase(" and {names_count} more", names_count=len(names) - _LISTED) if len(names) > _LISTED else ""
        return ModelError(
            "The model {path} has no {what} {name!r}; it has: {names}{more}.{hint}",
            path=self.path,
            what=what,
            name=name,
            names=", ".join(names[:_LISTED]),
            more=more,
            hint=hint,
        )

    def moves_bands(self, output: str) -> bool:
        """Return whether an output is returned with the bands last, and has them in the second place in the file."""
        return False


class Model(ModelInterface, abc.ABC):
    """A loaded model.

    Attributes:
        identity: which model it is: what was found out about one holds for another of the same identity.
        computed_by: what computes it, for the log; empty for TensorFlow.
        remarks: warnings about that.
    """

    identity: Hashable
    computed_by: str = ""
    remarks: Sequence[str] = ()

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.identity = object()  # like no other, unless the one who loads it knows better

    def values_behind(self, output: str) -> list[str]:
        """Return names of real-valued outputs of which one of whole numbers may be made, the likeliest first."""
        return [name for name, info in self.outputs.items() if is_real(info) and name != plain_name(output)]

    @abc.abstractmethod
    def used_inputs(self, outputs: Sequence[str]) -> list[str]:
        """Return the names of the inputs from which `outputs` are computed, in the order in which sources feed them."""

    def needed_inputs(self, outputs: Sequence[str]) -> list[str]:
        """Return the names of those of the used inputs for which the model has no value of its own."""
        return [name for name in self.used_inputs(outputs) if not self.inputs[name].optional]

    @abc.abstractmethod
    def function(self, inputs: Sequence[str], outputs: Sequence[str]) -> Callable[[Mapping[str, Any]], list[Any]]:
        """Return a function of tensors by input name that returns the output tensors in order.

        To be called inside a `tf.function`.
        """


def is_real(info: TensorInfo) -> bool:
    """Return whether a tensor holds real numbers: a small change of the input shows in them, not in whole ones."""
    return "float" in info.dtype


def common_type(tensors: Iterable[TensorInfo]) -> str:
    """Return the name of the dtype that holds the values of all tensors."""
    names = {info.dtype for info in tensors}
    if len(names) == 1:
        return names.pop()
    return np.result_type(*("float32" if name == "bfloat16" else name for name in names)).name


def plain_name(name: str) -> str:
    """Return a tensor's name without its `:0`."""
    return name[:-2] if name.endswith(":0") else name
