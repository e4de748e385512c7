"""A SegFormer-B0 of KerasHub as a `.keras` file that every engine loads, with weights that were published.

KerasHub is never in the engine. In an environment of its own (tensorflow-cpu, keras-hub), in which `otbtf_qgis` can be
imported, too:

    python convert_kerashub.py segformer_b0_ade20k_512 segformer.keras --classes 6

The first word is the name of a preset, or its folder. The file holds the template segformer_b0, for images of three bands;
with the preset's scaling, of bytes. What it returns is compared with what KerasHub's network returns for the same images.

    python convert_kerashub.py random

compares networks with random weights in double precision, in which each constant counts, and writes nothing.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from typing import Any

import keras
import keras_hub
import numpy as np

from otbtf_qgis.core.models.attentionlayers import TanhGelu
from otbtf_qgis.core.templates.catalogue import create
from otbtf_qgis.core.templates.normalization import Scaling

SIZES = {"hidden_dims": [32, 64, 160, 256], "layerwise_depths": [2, 2, 2, 2]}
"""Of the encoder of B0."""

LARGEST = {"float32": 1e-4, "float64": 5e-7}
"""Difference in a value, as a part of the largest value, up to which two networks are the same, by type."""


def random_network(side: int, classes: int) -> Any:
    """Return KerasHub's SegFormer-B0 with random weights, those of normalizations and biases too."""
    encoder = keras_hub.models.MiTBackbone(
        **SIZES,
        num_layers=4,
        layerwise_num_heads=[1, 2, 5, 8],
        layerwise_sr_ratios=[8, 4, 2, 1],
        max_drop_path_rate=0.1,
        layerwise_patch_sizes=[7, 3, 3, 3],
        layerwise_strides=[4, 2, 2, 2],
        image_shape=(side, side, 3),
    )
    backbone = keras_hub.models.SegFormerBackbone(image_encoder=encoder, projection_filters=256)
    made = keras_hub.models.SegFormerImageSegmenter(backbone=backbone, num_classes=classes)
    random = np.random.default_rng(0)
    weights = made.get_weights()
    made.set_weights([each + random.uniform(0.0, 0.3, each.shape) * (each.ndim == 1) for each in weights])
    return made


def template(network: Any) -> Any:
    """Return our network of the same classes, with the constants in which KerasHub's differs from the template."""
    found = create("segformer_b0", bands=(3,), classes=network.num_classes, scalings=(scaling(network),))
    depths, names = SIZES["layerwise_depths"], [each.name for each in of_kind(found, "LayerNormalization")]
    of_blocks, at = set(), 0
    for depth, reduction in zip(depths, (8, 4, 2, 1)):
        own = 3 if reduction > 1 else 2  # of a block; the second of three is that of reduced keys and values
        for block in range(depth):
            first = at + 1 + own * block
            of_blocks |= {names[first], names[first + own - 1]}
        at += 2 + own * depth  # and those of the patches and of the level

    def as_there(layer: Any) -> Any:
        if isinstance(layer, keras.layers.Activation):  # the only ones are those of "gelu"
            return TanhGelu(name=layer.name)
        config = layer.get_config()
        if isinstance(layer, keras.layers.LayerNormalization) and layer.name not in of_blocks:
            config["epsilon"] = 1e-5
        if isinstance(layer, keras.layers.BatchNormalization):
            config["epsilon"] = 1e-5
        return type(layer).from_config(config)

    return keras.models.clone_model(found, clone_function=as_there)


def scaling(network: Any) -> Scaling | None:
    """Return what the preset does with the values of images before the network; None where it does nothing."""
    converter = getattr(network.preprocessor, "image_converter", None)
    if converter is None or converter.scale is None:
        return None
    factors = np.broadcast_to(np.asarray(converter.scale, "float64"), 3)
    shifts = np.broadcast_to(np.asarray(0.0 if converter.offset is None else converter.offset, "float64"), 3)
    return Scaling(tuple((-shifts / factors).tolist()), tuple((1 / factors).tolist()))


def of_kind(network: Any, kind: str) -> list[Any]:
    """Return the layers of a class, in the order in which they were made, which their names tell."""
    found = [each for each in network.layers if type(each).__name__ == kind]
    return sorted(found, key=lambda each: int((re.findall(r"_(\d+)$", each.name) or ["0"])[0]))


def copy_weights(source: Any, target: Any) -> None:
    """Give our network the weights of KerasHub's."""
    encoder = source.backbone.image_encoder
    dense, convolutions, norms, across = [], [], [], []
    for level, (depth, last) in enumerate(zip(encoder.layerwise_depths, of_kind(encoder, "LayerNormalization"))):
        patches = encoder.get_layer(f"patch_and_embed_{level}")
        convolutions.append(patches.proj)
        norms.append(patches.norm)
        for block in range(depth):
            each = encoder.get_layer(f"hierarchical_encoder_{level}_{block}")
            norms.append(each.norm1)
            if each.attn.sr_ratio > 1:
                convolutions.append(each.attn.sr)
                norms.append(each.attn.norm)
            norms.append(each.norm2)
            dense += [each.attn.q, each.attn.k, each.attn.v, each.attn.proj, each.mlp.fc1, each.mlp.fc2]
            across.append(each.mlp.dwconv)
        norms.append(last)
    joining, normalization = source.backbone.linear_fuse.layers[:2]
    convolutions += [joining, source.output_segmentation_head]
    copy_each(of_kind(target, "Dense"), [*dense, *source.backbone.mlp_blocks])
    copy_each(of_kind(target, "Conv2D"), convolutions)
    copy_each(of_kind(target, "LayerNormalization"), norms)
    copy_each(of_kind(target, "DepthwiseConv2D"), across)
    copy_each(of_kind(target, "BatchNormalization"), [normalization])
    (kernel,) = joining.get_weights()  # its levels come in the other order
    of_kind(target, "Conv2D")[-2].set_weights([np.concatenate(np.split(kernel, 4, axis=2)[::-1], axis=2)])


def copy_each(targets: Iterable[Any], sources: Iterable[Any]) -> None:
    """Copy weights, layer by layer."""
    for target, source in zip(list(targets), list(sources), strict=True):
        target.set_weights(source.get_weights())


def largest_difference(source: Any, target: Any) -> tuple[float, float]:
    """Return the largest difference in what both return for an image, before the softmax, and the largest value."""
    side = source.input_shape[1]
    image = np.random.default_rng(1).integers(0, 256, (2, side, side, 3)).astype("float32")
    own = scaling(source)
    scaled = image if own is None else (image - np.array(own.offset)) / np.array(own.divisor)
    expected = source.predict(scaled, verbose=0)
    found = keras.Model(target.inputs, target.get_layer("logits").output).predict(image, verbose=0)
    return float(np.abs(found - expected).max()), float(np.abs(expected).max())


def main() -> None:
    """Convert, compare, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset")
    parser.add_argument("file", nargs="?")
    parser.add_argument("--classes", type=int, help="another number of classes, with random weights")
    arguments = parser.parse_args()
    if arguments.preset == "random":
        keras.config.set_floatx("float64")
        source = random_network(128, arguments.classes or 5)
    else:
        more = {"num_classes": arguments.classes} if arguments.classes else {}
        source = keras_hub.models.SegFormerImageSegmenter.from_preset(arguments.preset, **more)
    encoder = source.backbone.image_encoder
    if any(list(getattr(encoder, name)) != sizes for name, sizes in SIZES.items()):
        raise SystemExit(f"{arguments.preset} is no SegFormer-B0, the only size of the template segformer_b0.")
    target = template(source)
    copy_weights(source, target)
    difference, largest = largest_difference(source, target)
    print(f"largest difference: {difference:.3g}, of values up to {largest:.3g}")
    if difference > LARGEST[keras.config.floatx()] * largest:
        raise SystemExit("The networks differ; nothing is written.")
    if arguments.file and arguments.preset != "random":
        target.save(arguments.file)
        print(f"{arguments.file} written")


if __name__ == "__main__":
    main()
