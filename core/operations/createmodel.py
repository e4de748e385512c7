"""CreateModel: an untrained model from a template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import ParameterError
from ..parameters import sharedkeys as shared
from ..parameters import vocabulary as voc
from ..parameters.operation import NumberResult, Operation, TextResult
from ..parameters.sharedgroups import check_keras_out
from ..parameters.templatenames import NAMES, TEMPLATES

MOST_SOURCES = 8

DAYS_OF_A_YEAR = 365.25
FACTORS = (2, 4)
WEIGHTS = ("none", "imagenet", "file")

NORMALIZATIONS = ("none", "scale", "maximum", "standard")
"""The words of NORMALIZATION."""


@dataclass(frozen=True)
class ModelSource:
    """Images that one source of the model will be fed with."""

    il: tuple[Any, ...] = voc.rasters(
        "il",
        "Images",
        "Patches images, or rasters on one grid, as this source of the model will get them; their bands are stacked. From "
        "them come the number of bands and, where they are asked for, statistics: of patches those in the JSON beside "
        "them.",
    )


@dataclass(frozen=True)
class CreateModel(Operation):
    """OTBTF has no such application."""

    TITLE = "Create a model"
    GROUP = "models"
    DESCRIPTION = (
        "Makes an untrained model from a template, as a .keras file and as a SavedModel, to train with "
        "otbtf:tensorflowmodeltrain; formulas can be served at once. Its inputs are called source1, source2, ...; a "
        "classifier's output is predictions, made from the layer features.\n\n"
        "Give the patches that it will be trained on, or the number of bands of each source."
    )
    RESULTS = (
        NumberResult("parameters", "Number of weights"),
        TextResult("verdict", "How the model is applied"),
        TextResult("geometry", "Parameters for serving it"),
        TextResult("inputs", "Names of its inputs"),
        TextResult("outputs", "Names of its outputs"),
        TextResult("loss", "The loss that suits it"),
    )
    RUN = "templates.modelcreation:create_model"
    CHECK = "imagetools.expressionchecks:check_formula"
    NEEDS_ENGINE = True

    template: str = voc.choice(
        "template", "Template", "Kind of the network; the description tells what each is for.", NAMES
    )
    sources: tuple[ModelSource, ...] = voc.numbered(ModelSource, MOST_SOURCES)
    bands: str = voc.text(
        "bands",
        "Bands",
        "Number of bands of each source, separated by spaces: 4, or 1 4. Empty: those of the images given as sources.",
    )
    classes: int | None = voc.integer(
        "classes",
        "Classes",
        "Number of classes, or of output bands (mlp). Of a backbone: given, a classifier is added to it. Not given: the "
        "classes that the JSON beside patches names; 1 for mlp.",
        minimum=1,
    )
    normalization: str = voc.choice(
        "normalization",
        "Normalization",
        "How pixels are scaled inside the model: none; scale (multiplied by SCALE); maximum (divided by the maximum of "
        "their band); standard (mean 0 and deviation 1 in each band). The last two take the images' statistics.",
        NORMALIZATIONS,
    )
    scale: float = voc.number(
        "scale",
        "Scale factor",
        "Of NORMALIZATION=scale; 0.0001 suits reflectances that are stored times 10000.",
        default=0.0001,
    )
    width: int | None = voc.integer(
        "width",
        "Width",
        "Number of filters or units of the first layer; later ones follow from it. Not given: the template's own.",
        minimum=1,
        maximum=4096,
    )
    depth: int | None = voc.integer(
        "depth",
        "Depth",
        "Levels of unet and gap_filling, residual blocks of super_resolution, layers of mlp. Not given: the template's "
        "own.",
        minimum=1,
        maximum=8,
    )
    factor: int | None = voc.integer(
        "factor",
        "Factor",
        f"Of super_resolution, {' or '.join(map(str, FACTORS))}: output pixels per pixel along each side. Not given: 2.",
        minimum=2,
        maximum=4,
    )
    expression: str = voc.text(
        "expression",
        "Expression",
        "Of band_arithmetic, in the language of BandMathX: im1 is the first image, im1b2 its second band, im1b2Mini, Maxi, "
        "Mean, Sum and Var are its statistics; a semicolon separates results.",
    )
    dates: str = voc.text(
        "dates",
        "Dates",
        "Of harmonic: the date of each band, as 2015-07-11, separated by spaces. Of time_series_vhr: the same, or the "
        "number of dates; its bands are stored date by date. Empty: the dates in the band names of the image; of "
        "time_series_vhr one per band.",
    )
    period: float | None = voc.number(
        "period",
        "Period (days)",
        f"Of harmonic: length of the longest wave. Not given: a year, {DAYS_OF_A_YEAR}.",
        advanced=True,
    )
    harmonics: int | None = voc.integer(
        "harmonics",
        "Harmonics",
        "Of harmonic: number of waves; the second has half the period of the first, and so on. Not given: 2.",
        minimum=0,
        maximum=20,
        advanced=True,
    )
    weights: str = voc.choice(
        "weights",
        "Weights",
        "Of a backbone: none (random), imagenet (trained on photographs, downloaded by Keras), or file. The first "
        "convolution is adapted to the number of bands. Use NORMALIZATION=standard with them.",
        WEIGHTS,
    )
    weights_file: str | None = voc.file(
        "weights.file",
        "Weights file",
        "For WEIGHTS=file: weights of the same network without its classifier.",
        required=False,
        file_filter="Weights (*.h5);;All files (*)",
    )
    layer: str = voc.text(
        "layer",
        "Layer",
        "Of a backbone: name of the layer whose output are the features. Empty: the last.",
        advanced=True,
    )
    patchsize: int | None = voc.integer(
        "patchsize",
        "Patch size",
        "Fixed rows and columns of patches. Of a backbone: features are averaged over the patch; not given: any size, and "
        "features for each part of the image. Of time_series_vhr: of its second source; not given: 25. Of cnn16_deep: what it "
        "sees; not given: 16.",
        minimum=1,
        advanced=True,
    )
    nodata: float | None = shared.nodata(
        "Left out of statistics, and of the series of harmonic; nan always is.", advanced=True
    )
    nodata_from_layer: bool = shared.nodata_from_layer()
    alpha: str = shared.alpha()
    seed: int | None = shared.seed(
        "the initial weights", otherwise="other weights each time", maximum=2**32 - 1, advanced=True
    )
    out_keras: str | None = voc.file_out(
        "out.keras",
        "Model as .keras",
        "The model as one file, to train or to serve, with its sidecar beside it.",
        file_filter="Keras models (*.keras)",
    )
    out_savedmodel: str | None = voc.folder_out(
        "out.savedmodel",
        "Model as SavedModel",
        "The model as a SavedModel's folder, with its sidecar in it. An older SavedModel there is replaced.",
        required=False,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.out_keras and not self.out_savedmodel:
            raise ParameterError("OUT_KERAS or OUT_SAVEDMODEL is missing: name at least one of them.")
        check_keras_out(self.out_keras)
        if self.normalization == "scale" and not 0 < self.scale < float("inf"):
            raise ParameterError(f"SCALE is {self.scale:g}, but must be above 0.")
        lacking = [number for number, source in enumerate(self.sources, 1) if not source.il]
        if lacking:
            raise ParameterError(f"SOURCE{lacking[0]}_IL (images of source {lacking[0]}) is missing.")
        number = len(TEMPLATES[self.template].inputs)
        if number and len(self.sources) > number:
            raise ParameterError(
                f"SOURCE{number + 1}_IL is given, but the template {self.template} has {number} sources."
            )
