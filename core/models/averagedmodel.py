"""Several models as one that returns the mean of their values; each may be applied to an image in several positions."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ..errors import ModelError
from ..phrases import Phrase
from .modelinterface import Model, TensorInfo, plain_name

AGREEMENT, VARIANCE = "agreement of models", "variance of models"
"""Names of the outputs that compare the models; see `AveragedModel`."""

_SPREAD = AGREEMENT, VARIANCE

_WITHOUT_BANDS = (1, 3)
"""Numbers of dimensions of outputs of one value for each patch or pixel."""


class Turn(NamedTuple):
    """A position of an image: mirrored left and right, top and bottom, and along the diagonal, in this order."""

    across: bool = False
    down: bool = False
    diagonal: bool = False

    def of(self, image: Any) -> Any:
        """Return a tensor of shape (batch, rows, columns, bands) in this position."""
        import tensorflow as tf

        image = image[:, :, ::-1] if self.across else image
        image = image[:, ::-1] if self.down else image
        return tf.transpose(image, [0, 2, 1, 3]) if self.diagonal else image

    def undone(self, image: Any) -> Any:
        """Return what `of` was given for a tensor that it returned."""
        import tensorflow as tf

        image = tf.transpose(image, [0, 2, 1, 3]) if self.diagonal else image
        image = image[:, ::-1] if self.down else image
        return image[:, :, ::-1] if self.across else image


_FLIPS = tuple(Turn(across, down) for down in (False, True) for across in (False, True))
TURNS: Mapping[str, tuple[Turn, ...]] = {
    "none": (Turn(),),
    "flips": _FLIPS,
    "flips_turns": (*_FLIPS, *(turn._replace(diagonal=True) for turn in _FLIPS)),
}
"""The positions of each kind of augmentation."""


@dataclass(frozen=True)
class ClassNumbers:
    """How class numbers follow from class probabilities.

    Attributes:
        probabilities: name of the output that holds these.
        values: the number of each class, in the order of its bands; one band alone is the probability of the second.
    """

    probabilities: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class MemberNames:
    """Names of a model's own inputs and outputs, by those of the first model."""

    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Average:
    """What is averaged.

    Attributes:
        members: names in each model, the first included.
        numbers: by name, the outputs that hold class numbers.
        turns: a key of `TURNS`.
        probabilities: name of the output from which models are compared.
        bands: by name, of each output whose values are averaged.
        quantities: whether the output from which models are compared holds quantities, not class probabilities.
    """

    members: tuple[MemberNames, ...]
    numbers: tuple[tuple[str, ClassNumbers], ...]
    turns: str
    probabilities: str
    bands: tuple[tuple[str, int], ...]
    quantities: bool = False


class AveragedModel(Model):
    """The mean of several models, under the names of the inputs and outputs of the first.

    An output of real numbers is the mean over all models and positions; one of class numbers is the class of the largest
    mean probability. `AGREEMENT` is the share of the models for which that class is the most probable one, `VARIANCE` the
    variance of its probability among the models, each averaged over its positions; of quantities, the variance of each.
    """

    def __init__(self, models: Sequence[Model], average: Average) -> None:
        super().__init__(", ".join(model.path for model in models))
        self._models, self._average = list(models), average
        self._numbers = dict(average.numbers)
        self._names = [(dict(names.inputs), dict(names.outputs)) for names in average.members]
        first = models[0]
        self.kind, self.transposed, self.computed_by = first.kind, first.transposed, first.computed_by
        self.remarks = list(dict.fromkeys(remark for model in models for remark in model.remarks))
        self.identity: Hashable = ("average", tuple(model.identity for model in models), average)
        self.inputs = first.inputs
        names = {*self._names[0][1]}
        self.outputs = {name: self.output(name) for name in sorted(names)}

    def output(self, name: str) -> TensorInfo:
        """See `Model.output`; there are those that are averaged, and those that compare models."""
        plain = plain_name(name)
        if plain in _SPREAD:
            return TensorInfo(plain, None, "float32")
        info = self._models[0].output(plain)
        if info.name not in self._names[0][1]:
            raise self.unknown(Phrase("output"), name, self._names[0][1])
        shape = (*info.shape, 1) if info.shape is not None and info.rank in _WITHOUT_BANDS else info.shape
        dtype = info.dtype if info.name in self._numbers else self._mean_type(info.name)
        return replace(info, shape=shape, dtype=dtype)

    def _mean_type(self, name: str) -> str:
        """Return the name of the type of the mean of an output."""
        own = {model.output(outputs[name]).dtype for model, (_, outputs) in zip(self._models, self._names)}
        return "float64" if "float64" in own else "float32"

    def values_behind(self, output: str) -> list[str]:
        """See `Model.values_behind`."""
        numbers = self._numbers.get(plain_name(output))
        return [numbers.probabilities] if numbers else []

    def used_inputs(self, outputs: Sequence[str]) -> list[str]:
        """See `Model.used_inputs`."""
        return self._models[0].used_inputs([self._real(name) for name in outputs])

    def _real(self, name: str) -> str:
        """Return the name of the output of real numbers from which an output is made."""
        plain = plain_name(name)
        if plain in _SPREAD:
            return self._average.probabilities
        return self._numbers[plain].probabilities if plain in self._numbers else plain

    def function(self, inputs: Sequence[str], outputs: Sequence[str]) -> Callable[[Mapping[str, Any]], list[Any]]:
        """See `Model.function`."""
        needed = list(dict.fromkeys(self._real(name) for name in outputs))
        members = [self._member(number, inputs, needed) for number in range(len(self._models))]
        compares = any(plain_name(name) in _SPREAD for name in outputs)

        def call(feeds: Mapping[str, Any]) -> list[Any]:
            import tensorflow as tf

            totals: list[Any] = []
            compared: list[Any] = []
            for member in members:
                with tf.control_dependencies(totals):  # one after the other: each takes memory while it computes
                    means = member(feeds)
                totals = [one + other for one, other in zip(totals, means)] if totals else means
                if compares:
                    compared.append(means[needed.index(self._average.probabilities)])
            found = {name: total / len(members) for name, total in zip(needed, totals)}
            return [self._made(plain_name(name), found, compared) for name in outputs]

        return call

    def _member(self, number: int, inputs: Sequence[str], outputs: Sequence[str]) -> Callable[..., list[Any]]:
        """Return what computes the means over the positions of one model, in the type of the mean."""
        import tensorflow as tf

        model, (own_inputs, own_outputs) = self._models[number], self._names[number]
        inner = model.function([own_inputs[name] for name in inputs], [own_outputs[name] for name in outputs])
        types, turns = [self._mean_type(name) for name in outputs], TURNS[self._average.turns]
        bands = [dict(self._average.bands)[name] for name in outputs]

        def means(feeds: Mapping[str, Any]) -> list[Any]:
            totals: list[Any] = []
            for turn in turns:
                with tf.control_dependencies(totals):
                    turned = {own_inputs[n]: turn.of(t) if t.shape.rank == 4 else t for n, t in feeds.items()}
                    values = [tf.cast(value, dtype) for value, dtype in zip(inner(turned), types)]
                    values = [self._undone(turn, value, count) for value, count in zip(values, bands)]
                totals = [one + other for one, other in zip(totals, values)] if totals else values
            return [total / len(turns) for total in totals]

        return means

    def _undone(self, turn: Turn, value: Any, bands: int) -> Any:
        import tensorflow as tf

        if value.shape.rank is None:
            raise ModelError(
                "An output of the model {model} has an unknown shape, and cannot be averaged: save the model with the shapes "
                "of its outputs.",
                model=self.path,
            )
        if value.shape.rank in _WITHOUT_BANDS:
            value = value[..., None]
        value = tf.ensure_shape(value, [*value.shape[:-1], bands])
        return turn.undone(value) if value.shape.rank == 4 else value

    def _made(self, name: str, found: Mapping[str, Any], compared: Sequence[Any]) -> Any:
        """Return an output from the means, and from those of each model."""
        import tensorflow as tf

        mean = found[self._real(name)]
        if name in self._numbers:
            values = tf.constant(self._numbers[name].values, self.output(name).dtype)
            return tf.gather(values, _best(mean))[..., None]
        if name not in _SPREAD:
            return mean
        if self._average.quantities:
            return tf.cast(tf.math.reduce_variance(tf.stack(compared), axis=0), "float32")
        best = _best(mean)
        if name == AGREEMENT:
            votes = tf.stack([tf.cast(_best(one) == best, "float32") for one in compared])
            shares = tf.reduce_mean(votes, axis=0)[..., None]
        else:
            shares = tf.math.reduce_variance(tf.stack([_of_class(one, best) for one in compared]), axis=0)[..., None]
        unknown = tf.reduce_any(tf.math.is_nan(mean), axis=-1, keepdims=True)
        return tf.where(unknown, tf.constant(float("nan"), "float32"), tf.cast(shares, "float32"))


def _best(probabilities: Any) -> Any:
    """Return the place of the most probable class along the last axis."""
    import tensorflow as tf

    if probabilities.shape[-1] == 1:
        return tf.cast(probabilities[..., 0] > 0.5, "int64")
    return tf.argmax(probabilities, axis=-1)


def _of_class(probabilities: Any, classes: Any) -> Any:
    """Return the probability of one class in each place; the variance of that of the first of two is that of the second."""
    import tensorflow as tf

    if probabilities.shape[-1] == 1:
        return probabilities[..., 0]
    return tf.gather(probabilities, classes, axis=-1, batch_dims=classes.shape.rank)
