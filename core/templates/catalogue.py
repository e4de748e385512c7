"""Making a model from a template."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from ..base.librarymessages import telling_line
from ..errors import ParameterError
from ..parameters.templatedescription import FEATURES
from ..parameters.templatenames import TEMPLATES
from . import (
    contextnetworks,
    detectors,
    formulas,
    imagenetworks,
    multisource,
    patchnetworks,
    segmentation,
    seriesnetworks,
    utae,
)
from .backbones import backbone
from .templateoptions import Options, resolve

_BUILDERS: dict[str, Callable[[Options], keras.Model]] = {
    "cnn16": patchnetworks.cnn16,
    "cnn16_deep": patchnetworks.cnn16_deep,
    "fcnn": segmentation.fcnn,
    "unet": segmentation.unet,
    "deeplabv3plus": contextnetworks.deeplabv3plus,
    "segformer_b0": contextnetworks.segformer_b0,
    "maggiori": segmentation.maggiori,
    "pan_xs": multisource.pan_xs,
    "two_resolution": multisource.two_resolution,
    "time_series_vhr": multisource.time_series_vhr,
    "tempcnn": seriesnetworks.tempcnn,
    "gru": seriesnetworks.gru,
    "ltae": seriesnetworks.ltae,
    "time_series_transformer": seriesnetworks.time_series_transformer,
    "utae": utae.utae,
    "detector": detectors.detector,
    "super_resolution": imagenetworks.super_resolution,
    "gap_filling": imagenetworks.gap_filling,
    "field_boundaries": segmentation.field_boundaries,
    "mlp": imagenetworks.mlp,
    "scalar_product": formulas.scalar_product,
    "norm": formulas.norm,
    "band_arithmetic": formulas.band_arithmetic,
    "harmonic": formulas.harmonic,
    **{name: backbone for name, template in TEMPLATES.items() if template.task == FEATURES},
}


def create(name: str, **options: Any) -> keras.Model:
    """Return an untrained model.

    Its inputs are called `source1`, `source2`, ... Its output is called `predictions`: of a classifier the
    probabilities of the classes along the last axis, made from the layer `features`. A formula's output is `values`,
    that of a backbone without classes `features`, that of a detector
    `detection_maps`. The first weights follow from `keras.utils.set_random_seed`.

    Args:
        name: of the template, one of `core.parameters.templatenames.NAMES`.
        **options: attributes of `core.templates.templateoptions.Options`; None stands for the template's default.

    Raises:
        ParameterError: there is no such template or option, or a value that it cannot have.
        ModelError: pretrained weights cannot be had, or do not fit.
    """
    found = resolve(name, options)
    try:
        return _BUILDERS[name](found)
    except ValueError as error:
        told = telling_line(error)
        raise ParameterError(
            "Keras cannot build the template {name} with these options: {told}", name=name, told=told
        ) from error
