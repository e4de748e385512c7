"""Scaling of images before a model sees them: what its training did beside the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..base.jsonvalues import Json
from ..errors import ModelError
from ..phrases import Phrase
from .modelinterface import Model, TensorInfo, is_real
from .wrappedmodel import WrappedModel


@dataclass(frozen=True)
class InputScaling:
    """Scaling of bytes: (pixel / divisor - mean) / deviation.

    Attributes:
        divisor: of all bands.
        mean, deviation: one for all bands, or one for each; empty for 0 and 1.
    """

    divisor: float = 1.0
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    def describe(self) -> str:
        """Return it as a formula."""
        divided = f"pixel / {self.divisor:g}"
        if not (self.mean or self.deviation):
            return divided
        mean, deviation = (
            " ".join(f"{each:g}" for each in part) for part in (self.mean or (0,), self.deviation or (1,))
        )
        return f"({divided} - ({mean})) / ({deviation})"

    def as_json(self) -> dict[str, Any]:
        """Return it as it stands in a sidecar."""
        return {"divisor": self.divisor, "mean": list(self.mean), "deviation": list(self.deviation)}

    @classmethod
    def from_json(cls, found: Json) -> InputScaling:
        """Return what `as_json` wrote.

        Raises:
            OddJson: it is of another form.
        """
        lists = [
            tuple(item.number(-_LARGEST, _LARGEST) for item in found[name].items()) for name in ("mean", "deviation")
        ]
        scaling = cls(found["divisor"].number(_SMALLEST, _LARGEST), *lists)
        if any(abs(each) < _SMALLEST for each in scaling.deviation):
            raise found["deviation"].odd(Phrase("a list of numbers other than 0"))
        return scaling


_SMALLEST, _LARGEST = 1e-30, 1e30


class ScaledModel(WrappedModel):
    """A model of which images are scaled first: those that it takes as real numbers."""

    def __init__(self, model: Model, scaling: InputScaling) -> None:
        """Wrap a model whose images have the bands last.

        Raises:
            ModelError: an image has another number of bands than means or deviations.
        """
        super().__init__(model)
        self._scaling = scaling
        self.identity = model.identity, scaling
        self.scaled = frozenset(name for name, info in model.inputs.items() if info.rank == 4 and is_real(info))
        for name in self.scaled:
            self._check_bands(model.inputs[name])

    def _check_bands(self, info: TensorInfo) -> None:
        for values in (self._scaling.mean, self._scaling.deviation):
            if len(values) > 1 and info.size(3) not in (None, len(values)):
                raise ModelError(
                    "The model {path} scales images of {count} bands ({scaling}), but its input {info} takes {bands}: "
                    "correct its metadata or its sidecar.",
                    path=self.path,
                    count=len(values),
                    scaling=self._scaling.describe(),
                    info=info.name,
                    bands=info.size(3),
                )

    def function(self, inputs: Sequence[str], outputs: Sequence[str]) -> Callable[[Mapping[str, Any]], list[Any]]:
        """See `Model.function`."""
        import tensorflow as tf

        inner = self._model.function(inputs, outputs)
        mean, deviation = (
            tf.constant(part, tf.float32) for part in (self._scaling.mean or 0.0, self._scaling.deviation or 1.0)
        )

        def scaled(image: Any) -> Any:
            real = (tf.cast(image, tf.float32) / self._scaling.divisor - mean) / deviation
            return tf.cast(real, image.dtype)

        def call(feeds: Mapping[str, Any]) -> list[Any]:
            return inner({name: scaled(image) if name in self.scaled else image for name, image in feeds.items()})

        return call


def scaled(model: Model, scaling: InputScaling | None) -> Model:
    """Return a model of which images are scaled; itself for None."""
    return model if scaling is None else ScaledModel(model, scaling)
