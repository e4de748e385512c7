"""A model for more classes: its last layer gets further units, the others keep their weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from ..base.librarymessages import telling_line
from ..base.progress import Progress
from ..classes.modelclasses import Classes, ModelClass
from ..errors import ParameterError, field
from ..models.loading import KerasModel
from ..parameters.sampleroles import SampleRole
from ..parameters.templatenames import template_of
from ..phrases import Phrase
from .network import WITHOUT_WORK, Network, maker_of

if TYPE_CHECKING:
    from ..operations.tensorflowmodeltrain import TensorflowModelTrain

_PASSED = (*WITHOUT_WORK, "Softmax", "UpSampling2D", "Resizing")
"""Layers between the last one with weights and the output that do the same to each class."""

_UNITS = {"Dense": "units", "Conv2D": "filters"}
"""How layers that may be the last one call their number of outputs."""


def extended(
    parameters: TensorflowModelTrain,
    network: Network,
    output: str,
    known: Classes,
    counts: Mapping[SampleRole, Counter[int]],
    progress: Progress,
) -> tuple[Network, Classes]:
    """Return the network with a unit for each class of its own and of the samples, and all of these classes.

    Args:
        parameters: of the operation.
        network: the network.
        output: that is trained.
        known: the classes of that output; empty where they are numbered from 0.
        counts: labels of each role's samples.
        progress: hears of the classes that are added.

    Raises:
        ParameterError: no classes can be added.
    """
    if template_of(parameters.model_dir) is not None:
        raise ParameterError(
            "{extend_classes} is on, but {model_dir} is {template}, a template, which is made for all classes of the "
            "samples: choose a trained model, or switch {extend_classes} off.",
            extend_classes=field("extend_classes"),
            model_dir=field("model_dir"),
            template=parameters.model_dir,
        )
    known = known or tuple(ModelClass(value) for value in range(network.bands or 0))
    values = [each.value for each in known]
    new = sorted(set().union(*counts.values()) - {parameters.ignored_label, *values})
    if not new:
        progress.info("The samples have no class that the model does not have: none is added.")
        return network, known
    every = sorted([*values, *new])
    network = with_more_classes(network, output, values, every)
    network.choose_output(output)
    progress.info(
        Phrase("Classes added to the {count} of the model: {new}.", count=len(values), new=", ".join(map(str, new)))
    )
    return network, tuple(sorted((*known, *map(ModelClass, new)), key=lambda each: each.value))


def with_more_classes(network: Network, output: str, known: Sequence[int], every: Sequence[int]) -> Network:
    """Return the network for more classes; the weights of new ones are those that its last layer begins with.

    Args:
        network: the network, whose output has a band for each of `known`.
        output: name of the output.
        known: its classes, ascending.
        every: the classes that the new one has, ascending, with all of `known`.

    Raises:
        ParameterError: its last layer is of a kind to which no classes can be added.
    """
    last = maker_of(network.tensor(output))
    while type(last).__name__ in _PASSED and not last.weights and not isinstance(last.input, (list, dict)):
        last = maker_of(last.input)
    if type(last).__name__ not in _UNITS or last.kernel.shape[-1] != len(known) or len(known) < 2:
        raise ParameterError(
            "{extend_classes} is on, but the output {output} of the model {network} does not end with a layer Dense or "
            "Conv2D with a unit for each of its {count} classes: choose a model that does, or switch {extend_classes} off.",
            extend_classes=field("extend_classes"),
            output=output,
            network=network.name,
            count=len(known),
        )

    def copy(layer: Any) -> Any:
        config = layer.get_config()
        if layer is last:
            config[_UNITS[type(layer).__name__]] = len(every)
        return type(layer).from_config(config)

    try:
        larger = keras.models.clone_model(network.whole, clone_function=copy)
    except ValueError as error:
        raise ParameterError(
            "{extend_classes} is on, but the model {network} has a layer after {layer} that is made for its {count} "
            "classes ({reason}): choose another model, or switch {extend_classes} off.",
            extend_classes=field("extend_classes"),
            network=network.name,
            layer=last.name,
            count=len(known),
            reason=telling_line(error),
        ) from error
    places = np.searchsorted(every, known)
    for layer in network.whole.layers:
        mine = larger.get_layer(layer.name)
        old, new = layer.get_weights(), mine.get_weights()
        if layer is last:
            for there, here in zip(old, new):
                here[..., places] = there
            old = new
        mine.set_weights(old)
    found = Network(network.name, KerasModel(network.name, larger))
    found.calibrated = network.calibrated
    return found
