"""The tensors that must be fed to a TensorFlow 1 graph, found from those that are fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

PLACEHOLDERS = ("Placeholder", "PlaceholderWithDefault")

_LEAST_RANK = 3
"""Rank from which on a default is taken for an image's: a learning rate or dates have less."""


def tensors_behind(fetches: Iterable[Any], stops: Callable[[Any], bool]) -> Iterator[Any]:
    """Yield the tensors from which something is computed, itself included.

    Args:
        fetches: tensors, or operations to run.
        stops: whether what lies behind a tensor does not matter, since it is fed.
    """
    yielded, seen = set(), set()
    ahead = list(fetches)
    while ahead:
        item = ahead.pop()
        operation = getattr(item, "op", item)
        if operation is not item:
            if item.name not in yielded:
                yielded.add(item.name)
                yield item
            if stops(item):
                continue
        if operation.name not in seen:
            seen.add(operation.name)
            ahead += operation.inputs
            ahead += (before.outputs[0] if before.outputs else before for before in operation.control_inputs)


def has_own_value(tensor: Any, signed: bool) -> bool:
    """Return whether an input need not be fed, since the graph has a value for it.

    Of an input that the signature names (`signed`), a default of the rank of an image is none: images are fed.
    """
    if tensor.op.type != "PlaceholderWithDefault":
        return False
    rank = tensor.shape.rank if tensor.shape.rank is not None else tensor.op.inputs[0].shape.rank
    return not signed or (rank is not None and rank < _LEAST_RANK)
