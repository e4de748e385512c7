"""Networks for photographs from keras.applications, for images of any number of bands."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..errors import ModelError, ParameterError, field
from ..models.kerasfile import check_weights_file
from ..phrases import Phrase
from .blocks import classified, inputs
from .templateoptions import Options

_APPLICATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "backbone_efficientnetv2b0": ("EfficientNetV2B0", {"include_preprocessing": False}),
    "backbone_efficientnetv2s": ("EfficientNetV2S", {"include_preprocessing": False}),
    "backbone_resnet50v2": ("ResNet50V2", {}),
    "backbone_convnext_tiny": ("ConvNeXtTiny", {"include_preprocessing": False}),
}
"""Name of the function in keras.applications, and its arguments; the template scales the pixels itself."""


def backbone(options: Options) -> keras.Model:
    """Return a network up to the chosen layer, with a classifier on it where there are classes.

    Raises:
        ParameterError: there is no such layer, or it gives no image.
        ModelError: the weights cannot be had, or do not fit.
    """
    raw, (image,) = inputs(options, (options.patch or None,))
    name, settings = _APPLICATIONS[options.template.name]
    make = getattr(keras.applications, name)
    source = None if options.weights == "none" else _pretrained(make, name, settings, options)
    base = make(include_top=False, weights=None, input_tensor=image, **settings)
    if source is not None:
        _copy_weights(source, base)
    features = _cut(base, options.layer)
    if options.patch:
        features = keras.layers.GlobalAveragePooling2D(keepdims=True)(features)
    features = keras.layers.Identity(name="features")(features)
    output = classified(features, options.classes) if options.classes else features
    return keras.Model(raw, output, name=options.template.name)


def _cut(base: keras.Model, layer: str) -> Any:
    """Return the output of the layer called `layer`; of the last where it is empty."""
    if not layer:
        return base.output
    names = [item.name for item in base.layers]
    if layer not in names:
        near = difflib.get_close_matches(layer, names, n=3)
        hint = (
            Phrase("Did you mean {near}?", near=", ".join(near))
            if near
            else Phrase("It has: {names}.", names=", ".join(names[1:]))
        )
        raise ParameterError(
            "{layer} is {layer2!r}, but {base} has no layer of that name. {hint}",
            layer=field("layer"),
            layer2=layer,
            base=base.name,
            hint=hint,
        )
    output = base.get_layer(layer).output
    if len(output.shape) != 4 or None in output.shape[3:]:
        raise ParameterError(
            "{layer} is {layer2!r}, whose output is not an image: choose a convolution or an activation.",
            layer=field("layer"),
            layer2=layer,
        )
    return output


def _pretrained(make: Any, name: str, settings: dict[str, Any], options: Options) -> keras.Model:
    """Return the network for three bands (or for those of the file) with the weights that are asked for."""
    if options.weights == "imagenet":
        try:
            return make(include_top=False, weights="imagenet", input_shape=(None, None, 3), **settings)
        except Exception as error:  # Keras turns the network's errors into bare ones
            raise ModelError(
                "The weights of {name} for ImageNet could not be downloaded ({error}). If this machine has no "
                "network, download the file on another one (keras.applications keeps it in ~/.keras/models), set "
                "{weights} to file and give the file as {weights_file}. Or set {weights} to none.",
                name=name,
                error=error,
                weights=field("weights"),
                weights_file=field("weights_file"),
            ) from error
    if not Path(options.weights_file).is_file():
        raise ParameterError(
            "{weights_file} is {options_weights_file}, but must be an existing file.",
            weights_file=field("weights_file"),
            options_weights_file=options.weights_file,
        )
    problem: Exception | None = None
    for bands in dict.fromkeys((3, options.bands[0])):
        network = make(include_top=False, weights=None, input_shape=(None, None, bands), **settings)
        try:
            check_weights_file(options.weights_file)
            network.load_weights(options.weights_file)
        except Exception as error:  # noqa: BLE001 (h5py and Keras raise whatever the part that failed raises)
            problem = error
        else:
            return network
    raise ModelError(
        "{weights_file} is {options_weights_file}, whose weights do not fit {name} without its classifier "
        "({problem}). Give a file of model.save_weights, or one of those that keras.applications downloads "
        "(..._notop.h5).",
        weights_file=field("weights_file"),
        options_weights_file=options.weights_file,
        name=name,
        problem=problem,
    ) from problem


def _copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Copy all weights; those of the first convolution are adapted to the target's bands."""
    for old, new in zip(source.weights, target.weights):
        values = keras.ops.convert_to_numpy(old)
        new.assign(values if values.shape == tuple(new.shape) else adapted_kernel(values, new.shape))


def adapted_kernel(kernel: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return a convolution's kernel for another number of bands.

    Each new band gets the mean over the old ones, scaled by their number so that the sum over all bands, and with it
    the size of the outputs, stays. timm and segmentation_models scale in the same way, by 3 / bands.

    Args:
        kernel: shape (rows, columns, bands, filters).
        shape: wanted; only the bands differ.
    """
    bands = shape[2]
    mean = kernel.mean(axis=2, keepdims=True)
    return np.repeat(mean, bands, axis=2) * (kernel.shape[2] / bands)
