"""Writing a Keras model as a SavedModel: the outputs that are asked for, and crops of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import ModelError, ParameterError
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
                f"CROPS holds {word!r}, but must be whole numbers of output pixels from 1 on, such as 16 32 64."
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
    import tensorflow as tf

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
    archive = keras.export.ExportArchive()
    archive.track(part)
    archive.add_endpoint("serving_default", serve, [signature])
    archive.write_out(str(folder), verbose=False)
    return {old: new for old, new in names.items() if old != new}


def _cropped(model: KerasModel, name: str, crop: int) -> Any:
    info, tensor = model.output(name), model.tensor(name)
    if info.rank not in (3, 4):
        raise ModelError(
            f"The output {info.describe()} of the model {model.path} is no image, so it cannot be cropped: leave CROPS "
            "empty, or choose another output in OUTPUT_NAMES."
        )
    for size in (info.size(1), info.size(2)):
        if size is not None and size <= 2 * crop:
            raise ModelError(
                f"The output {info.describe()} has {size} pixels, of which nothing is left when {crop} are cut from each "
                "side: choose smaller CROPS."
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
