"""Writing a Keras model as a SavedModel: the outputs that are asked for, and crops of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..base.librarymessages import telling_line
from ..errors import ModelError, ParameterError, field
from .kerasresize import repair
from .loading import KerasModel


def crops_of(text: str) -> list[int]:
    """Return the crops that a text lists, in the order given.

    Raises:
        ParameterError: a word is no whole number from 1 on.
    """
    crops = []
    for word in text.replace(",", " ").split():
        if not word.isdecimal() or int(word) < 1:
            raise ParameterError(
                "{crops} holds {word!r}, but must be whole numbers of output pixels, at least 1, such as 16 32 64.",
                crops=field("crops"),
                word=word,
            )
        crops.append(int(word))
    return list(dict.fromkeys(crops))


def export_saved_model(
    model: KerasModel, outputs: Sequence[str], crops: Sequence[int], folder: Path | str
) -> dict[str, str]:
    """Write a SavedModel.

    Args:
        model: the model.
        outputs: names of its outputs or layers.
        crops: output pixels to leave out on each side, one more output for each: `name_crop16`, ...
        folder: where to write; made here.

    Returns:
        The inputs that a SavedModel cannot call by their names: old name to new name.

    Raises:
        ModelError: an output does not exist, or cannot be cropped.
    """
    import keras

    endpoint = _endpoint(model, outputs, crops)
    archive = keras.export.ExportArchive()
    archive.track(endpoint.part)
    archive.add_endpoint("serving_default", endpoint.serve, [endpoint.signature])
    archive.write_out(str(folder), verbose=False)
    return {old: new for old, new in endpoint.names.items() if old != new}


def check_exportable(model: KerasModel, outputs: Sequence[str]) -> None:
    """Trace what `export_saved_model` would write, so that a model that cannot be exported fails before it is trained.

    Raises:
        ModelError: it cannot be exported; the message says why.
    """
    import tensorflow as tf

    endpoint = _endpoint(model, outputs, ())
    try:
        tf.function(endpoint.serve).get_concrete_function(endpoint.signature)
    except Exception as error:  # a layer raises whatever it likes
        raise ModelError(
            "The model {model} cannot be exported as a SavedModel: {reason} Use the model as a .keras file instead, "
            "make it for images of one size, or replace the layer.",
            model=model.path,
            reason=f"{telling_line(error)}.",
        ) from error


@dataclass(frozen=True)
class _Endpoint:
    """What a SavedModel is made of: the model, the function that is called, its signature, and its inputs' names."""

    part: Any
    serve: Callable[[Mapping[str, Any]], Any]
    signature: dict[str, Any]
    names: dict[str, str]


def _endpoint(model: KerasModel, outputs: Sequence[str], crops: Sequence[int]) -> _Endpoint:
    import keras
    import tensorflow as tf

    repair()
    tensors: dict[str, Any] = {}
    for name in outputs:
        info = model.output(name)
        tensors[info.name] = model.tensor(info.name)
        for crop in crops:
            tensors[f"{info.name}_crop{crop}"] = _cropped(model, info.name, crop)
    part = keras.Model(model.input_tensors, tensors)
    names = _argument_names([tensor.name for tensor in model.input_tensors])

    def serve(images: Mapping[str, Any]) -> Any:
        return part([images[names[tensor.name]] for tensor in model.input_tensors], training=False)

    signature = {
        names[tensor.name]: tf.TensorSpec(tensor.shape, tensor.dtype, name=names[tensor.name])
        for tensor in model.input_tensors
    }
    return _Endpoint(part, serve, signature, names)


def _cropped(model: KerasModel, name: str, crop: int) -> Any:
    info, tensor = model.output(name), model.tensor(name)
    if info.rank not in (3, 4):
        raise ModelError(
            "The output {info} of the model {model} is not an image, so it cannot be cropped: leave {crops} empty, "
            "or choose another output in {output_names}.",
            info=info.describe(),
            model=model.path,
            crops=field("crops"),
            output_names=field("output_names"),
        )
    for size in (info.size(1), info.size(2)):
        if size is not None and size <= 2 * crop:
            raise ModelError(
                "The output {info} has {size} pixels, so cropping {crop} from each side leaves nothing: choose "
                "smaller {crops}.",
                info=info.describe(),
                size=size,
                crop=crop,
                crops=field("crops"),
            )
    return tensor[:, crop:-crop, crop:-crop]


def _argument_names(names: Sequence[str]) -> dict[str, str]:
    """Names as TensorFlow's functions can have them: letters, figures and underscores, the first no figure."""
    found: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"\W", "_", name, flags=re.ASCII)
        plain = plain if re.match("[A-Za-z]", plain) else f"input_{plain}"
        while plain in found.values():
            plain += "_"
        found[name] = plain
    return found
