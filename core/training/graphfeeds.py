"""What the placeholders of a graph are fed with, and which of its outputs is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..base.progress import Progress
from ..errors import ParameterError, field
from ..models.modelinterface import plain_name
from ..parameters.sampleroles import SampleRole
from ..phrases import Phrase
from .samplebatches import Samples
from .trainablegraph import TrainableGraph
from .valueranges import check_input_holds

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain


@dataclass(frozen=True)
class SourceTensors:
    """Which tensor of the graph each source feeds, and which output is scored against which source.

    Attributes:
        fed: placeholders by source, for training.
        reference: the source that holds what the scored output shall be; empty where nothing is scored.
        scored: that output, a tensor; None where nothing is scored.
    """

    fed: Mapping[str, Any]
    reference: str
    scored: Any


class GraphFeeds:
    """What the placeholders of a graph are fed with when training and when scoring, by sources and by the user.

    Attributes:
        tensors: which of them each source feeds, and which output is scored.
    """

    def __init__(self, parameters: TensorflowModelTrain, graph: TrainableGraph, sources: Sequence[str]) -> None:
        """Find them in the graph.

        Raises:
            ParameterError, ModelError: a name is not in the graph, or comes twice.
        """
        self._graph = graph
        self._values = {
            SampleRole.TRAINING: graph.placeholder_values(
                parameters.training_userplaceholders, field("training_userplaceholders")
            ),
            SampleRole.VALIDATION: graph.placeholder_values(
                parameters.validation_userplaceholders, field("validation_userplaceholders")
            ),
        }
        self.tensors = _assigned(parameters, graph, sources, self._values[SampleRole.TRAINING])

    @property
    def names(self) -> dict[str, str]:
        """The name of the placeholder that each source feeds."""
        return {source: plain_name(tensor.name) for source, tensor in self.tensors.fed.items()}

    def describe_values(self) -> str:
        """Return the user's values for training in words; empty for none."""
        values = self._values[SampleRole.TRAINING]
        return ", ".join(f"{plain_name(tensor.name)} = {value.tolist()}" for tensor, value in values.items())

    def check_values_held(self, samples: Mapping[SampleRole, Samples], progress: Progress) -> None:
        """Raise ParameterError where a placeholder does not hold the values of the samples that it is fed with."""
        for role, own in samples.items():
            for key, tensor in self.tensors.fed.items():
                if role is SampleRole.TRAINING or key != self.tensors.reference:
                    dtype = tensor.dtype.base_dtype.name
                    check_input_holds(own, key, role, plain_name(tensor.name), dtype, progress)

    def check_all_fed(self, fetches: Sequence[Any], role: SampleRole) -> None:
        """Raise ParameterError where something is needed that nothing feeds."""
        fed = {tensor.name for tensor in (*self.inputs(role).values(), *self.values(role))}
        missing = [plain_name(tensor.name) for tensor in self._graph.needed(fetches, fed) if tensor.name not in fed]
        if missing:
            raise ParameterError(
                "The graph also needs {missing} ({role}), but the sources feed {known} only. Give values in "
                "{role_key}, such as {missing2}=0.001, or add a source with this placeholder.",
                missing=", ".join(missing),
                role=role,
                known=", ".join(self.names.values()),
                role_key=field(f"{role}_userplaceholders"),
                missing2=missing[0],
            )

    def check_sizes(self, training: Samples) -> None:
        """Raise ParameterError where patches have another size than a placeholder takes."""
        for source, tensor in self.tensors.fed.items():
            one = np.zeros((1, *training.shapes[source]), training.dtypes[source])
            feedable(tensor, one, SampleRole.TRAINING.mention("il", source))

    def inputs(self, role: SampleRole) -> dict[str, Any]:
        """Return the placeholders by source; when scoring those without which the scored output cannot be computed.

        Raises:
            ParameterError: the scored output is computed from its own reference.
        """
        if role is SampleRole.TRAINING:
            return dict(self.tensors.fed)
        fed = {tensor.name for tensor in (*self.tensors.fed.values(), *self.values(role))}
        needed = {tensor.name for tensor in self._graph.needed([self.tensors.scored], fed)}
        found = {source: tensor for source, tensor in self.tensors.fed.items() if tensor.name in needed}
        if self.tensors.reference in found:
            raise ParameterError(
                "The output {plain_name} is computed from {reference}, which is also its reference: name another "
                "output in {mention}.",
                plain_name=plain_name(self.tensors.scored.name),
                reference=self.tensors.reference,
                mention=role.mention("name", self.tensors.reference),
            )
        return found

    def values(self, role: SampleRole) -> dict[Any, np.ndarray]:
        """Return the values of user placeholders; when scoring those of training stand where none is given."""
        return {**self._values[SampleRole.TRAINING], **self._values[role]}


def _assigned(
    parameters: TensorflowModelTrain, graph: TrainableGraph, sources: Sequence[str], user: Mapping[Any, np.ndarray]
) -> SourceTensors:
    """Return what each source feeds, and what is scored.

    Raises:
        ParameterError, ModelError: a name is not in the graph, or comes twice.
    """
    given = {f"source{n}": source.placeholder for n, source in enumerate(parameters.sources, 1) if source.placeholder}
    parameter = {key: SampleRole.TRAINING.mention("placeholder", key) for key in (*sources, *given)}
    fed = {key: graph.tensor(name, parameter[key]) for key, name in given.items()}
    free = graph.free_placeholders([tensor.name for tensor in (*fed.values(), *user)])
    for key in sources:
        if key not in fed:
            if not free:
                raise ParameterError(
                    "{key} feeds nothing, because other sources feed all of the graph's inputs ({inputs}): name its "
                    "placeholder in {parameter}, or leave it out.",
                    key=key,
                    inputs=", ".join(graph.inputs),
                    parameter=parameter[key],
                )
            fed[key] = graph.tensor(free.pop(0), "")
    fed = {key: fed[key] for key in sources}
    for tensor in fed.values():
        same = [parameter[other] for other in fed if fed[other].name == tensor.name]
        if len(same) > 1:
            raise ParameterError(
                "Two sources feed the placeholder {plain_name}: correct {same}.",
                plain_name=plain_name(tensor.name),
                same=Phrase(" or ").join(same),
            )
    if parameters.validation_mode == "none":
        return SourceTensors(fed, "", None)
    return _scored_output(parameters, graph, fed)


def _scored_output(parameters: TensorflowModelTrain, graph: TrainableGraph, fed: Mapping[str, Any]) -> SourceTensors:
    found: dict[str, Any] = {}
    named: dict[str, str] = {}
    scored = {SampleRole.VALIDATION: parameters.validation_sources, SampleRole.TEST: parameters.test_sources}
    for role, items in scored.items():
        for number, source in enumerate(items, 1):
            key = f"source{number}"
            if source.name and key in fed:
                tensor = graph.tensor(source.name, role.mention("name", key))
                if tensor.name != fed[key].name:
                    found[key], named[key] = tensor, role.mention("name", key)
    if len(found) > 1:
        outputs = ", ".join(plain_name(tensor.name) for tensor in found.values())
        raise ParameterError(
            "{named} name {count} outputs to score ({outputs}): name one.",
            named=Phrase(" and ").join(named.values()),
            count=len(found),
            outputs=outputs,
        )
    if found:
        ((key, tensor),) = found.items()
        return SourceTensors(fed, key, tensor)
    last = list(fed)[-1]
    parameter = SampleRole.VALIDATION.mention("name", last)
    if not graph.outputs:
        raise ParameterError(
            "{validation_mode} is {parameters_validation_mode}, but no output to score is named, and the graph has "
            "none in its signature: name one for the source that holds its reference, for {last} in {parameter}.",
            validation_mode=field("validation_mode"),
            parameters_validation_mode=parameters.validation_mode,
            last=last,
            parameter=parameter,
        )
    return SourceTensors(fed, last, graph.tensor(min(graph.outputs), parameter))


def feedable(tensor: Any, array: np.ndarray, what: str) -> np.ndarray:
    """Return a batch as a placeholder takes it.

    Args:
        tensor: the placeholder.
        array: shape (batch, rows, columns, bands), or (batch, ...).
        what: the parameter, for messages.

    Raises:
        ParameterError: it has another size.
    """
    shape = tensor.shape.as_list() if tensor.shape.rank is not None else None
    if shape is not None and len(shape) < array.ndim:
        squeezed = array.reshape(array.shape[0], *[size for size in array.shape[1:] if size != 1])
        array = squeezed if squeezed.ndim >= len(shape) else array.reshape(array.shape[: len(shape) - 1] + (-1,))
    if shape is not None and (
        len(shape) != array.ndim or any(w not in (None, s) for w, s in zip(shape[1:], array.shape[1:]))
    ):
        wanted = Phrase(" x ").join(Phrase("any") if size is None else str(size) for size in shape[1:])
        raise ParameterError(
            "{what} has patches of {shape} (rows, columns, bands), but the placeholder {plain_name} of the graph "
            "takes {wanted}: extract patches of that size.",
            what=what,
            shape=" x ".join(map(str, array.shape[1:])),
            plain_name=plain_name(tensor.name),
            wanted=wanted or Phrase("one value"),
        )
    return array.astype(tensor.dtype.base_dtype.as_numpy_dtype, copy=False)


def shaped_as_target(found: np.ndarray, target: np.ndarray, name: str, mode: str, parameter: str) -> np.ndarray:
    """Return predictions in the shape of their targets; of probabilities the number of the largest.

    Args:
        found: the predictions.
        target: what they are scored against.
        name: of the output that is scored, for messages.
        mode: `class` or `rmse`.
        parameter: mention of the parameter that names the output, by `errors.field`.

    Raises:
        ParameterError: there is another number of them.
    """
    if mode == "class" and found.ndim > 1 and found.size != target.size and found.shape[-1] * target.size == found.size:
        found = found.argmax(axis=-1)
    if found.size != target.size:
        raise ParameterError(
            "The output {name} gives {size:g} values for a sample, but its reference patches have {target_size:g}: "
            "name another output in {parameter}.",
            name=name,
            size=found.size / len(target),
            target_size=target.size / len(target),
            parameter=parameter,
        )
    found = found.reshape(target.shape)
    return np.rint(found) if mode == "class" else found
