"""The network with its loss, metrics and optimizer, ready to be fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ParameterError, field
from ..parameters.sampleroles import SampleRole
from . import compileoptions
from .network import Network
from .precision import mixed_policy
from .samplebatches import Feed, Samples
from .trainingtask import Task

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain


@dataclass(frozen=True)
class Compiled:
    """What compiling has decided.

    Attributes:
        loss: its name.
        scaled: whether it counts in standard deviations of the target.
        frozen: the layers whose weights do not change.
    """

    loss: str
    scaled: bool
    frozen: tuple[str, ...]


def compile_network(
    parameters: TensorflowModelTrain, samples: Samples, network: Network, task: Task, feed: Feed
) -> Compiled:
    """Compile the part of a network that is trained, and make the optimizer's variables.

    Args:
        parameters: of the training.
        samples: for training.
        network: that is compiled.
        task: what is learned.
        feed: batches for training, whose number decides how the learning rate changes.

    Raises:
        ParameterError: loss, metrics or layers to freeze do not fit.
    """
    target = samples.shapes[task.source_roles[SampleRole.TRAINING].target]
    scaling = network.target_scaling if task.kind == compileoptions.VALUES else None
    name, loss = compileoptions.choose_loss(
        parameters.loss,
        task.kind,
        task.output,
        target,
        task.suited_loss,
        scaling.deviation.numpy() if scaling else None,
    )
    if name == "dice" and task.weights:
        raise ParameterError(
            "{class_weights} is balanced, but the loss dice gives all classes the same weight by itself: set "
            "{class_weights} to none.",
            class_weights=field("class_weights"),
        )
    metrics = compileoptions.choose_metrics(parameters.metrics, task.kind, task.output)
    if parameters.mixed_precision:
        network.use_mixed_precision(mixed_policy())
    frozen = compileoptions.freeze(network.trained, parameters.freeze.split())
    optimizer = compileoptions.make_optimizer(
        parameters.optimizer, parameters.learning_rate, parameters.schedule, feed.steps, parameters.epochs
    )
    network.trained.compile(optimizer=optimizer, loss=loss, metrics=metrics, jit_compile=False)
    network.trained.optimizer.build(network.trained.trainable_variables)
    return Compiled(name, scaling is not None, tuple(frozen))
