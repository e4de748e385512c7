"""Models that adapt another model: its images, its values, or both."""

from __future__ import annotations

from collections.abc import Sequence

from .modelinterface import Model, TensorInfo


class WrappedModel(Model):
    """Another model, with the same inputs and outputs, unless a subclass changes them.

    A subclass whose values depend on settings includes these in `identity`.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(model.path)
        self._model = model
        self.identity, self.kind = model.identity, model.kind
        self.transposed, self.computed_by, self.remarks = model.transposed, model.computed_by, model.remarks
        self.inputs, self.outputs = model.inputs, model.outputs

    def input(self, name: str) -> TensorInfo:
        """See `Model.input`."""
        return self._model.input(name)

    def output(self, name: str) -> TensorInfo:
        """See `Model.output`."""
        return self._model.output(name)

    def values_behind(self, output: str) -> list[str]:
        """See `Model.values_behind`."""
        return self._model.values_behind(output)

    def moves_bands(self, output: str) -> bool:
        """See `Model.moves_bands`."""
        return self._model.moves_bands(output)

    def used_inputs(self, outputs: Sequence[str]) -> list[str]:
        """See `Model.used_inputs`."""
        return self._model.used_inputs(outputs)
