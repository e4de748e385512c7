"""What goes into a detector and what comes out of it: one image, and numbers."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ModelError, field
from ..models.modelinterface import Model
from ..models.placeholders import FORM, parse_userplaceholders
from ..phrases import Phrase
from ..probing.feeding import image_inputs


def check_tensors(model: Model, placeholders: str, outputs: Sequence[str]) -> None:
    """Check that a detector takes one image, and returns numbers.

    Args:
        model: the model.
        placeholders: values of the user placeholders, which feed its other inputs.
        outputs: that are decoded.

    Raises:
        ModelError: it does not.
        ParameterError: a user placeholder cannot be read.
    """
    _check_outputs(model, outputs)
    constants = [model.input(name).name for name in parse_userplaceholders(placeholders)]
    images = image_inputs(model, outputs, constants)
    if not images or not images[0].takes_images:
        raise ModelError(
            "The model {model} takes no image, but {listed}: export it with an image (batch x height x width x bands) as input.",
            model=model.path,
            listed=Phrase(", ").join(info.describe() for info in images) or Phrase("nothing"),
        )
    others = sorted(set(model.needed_inputs(outputs)) - {images[0].name, *constants})
    if others:
        raise ModelError(
            "The model {model} needs {listed} beside the image {image}, but objects are detected in one image: set "
            "{values} as {form} for numbers such as a threshold, or export the model with one image as its only input.",
            model=model.path,
            listed=Phrase(", ").join(model.inputs[name].describe() for name in others),
            image=images[0].name,
            values=field("model_userplaceholders"),
            form=FORM,
        )


def _check_outputs(model: Model, outputs: Sequence[str]) -> None:
    texts = [model.output(name) for name in outputs if not model.output(name).holds_numbers]
    if texts:
        raise ModelError(
            "Of the outputs of the model {model}, {listed} {count:is|are} not numbers, as boxes, scores and classes must be: "
            "set {head} and {output_names} to others, or export the model with numbers.",
            model=model.path,
            listed=Phrase(", ").join(info.describe() for info in texts),
            count=len(texts),
            head=field("head"),
            output_names=field("output_names"),
        )
